/*-------------------------------------------------------------------------
 *
 * options.h
 *	  Options of servers, user mappings, foreign tables and columns.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_OPTIONS_H
#define OMF_OPTIONS_H

#include "access/attnum.h"

#include "client/api.h"
#include "session/cache.h"

/* Requests in flight at once, unless the option max_concurrency says else. */
#define OMF_DEFAULT_CONCURRENCY 100

/* Options of a server, with defaults filled in; palloc'd strings. */
typedef struct OmfServerOptions
{
	char *endpoint; /* base URL, as omf_endpoint_normalize() leaves it */
	char *ca_file;  /* PEM file of trusted CAs, or NULL */
	OmfHttpVersion http_version;
	int connect_timeout_ms; /* 1 ms to 1 h */
	int request_timeout_ms; /* 1 ms to 1 h */
	int max_concurrency;    /* 1 to 250 requests in flight */
	int max_retries;        /* 0 to 100 tries after the first */
	int max_retry_wait_ms;  /* 0 to 1 h */
	int rate_limit_reserve; /* 0 to 5000 requests left to others */
} OmfServerOptions;

/* Options of a user mapping: at most one is set; palloc'd strings. */
typedef struct OmfUserOptions
{
	Oid mapping;            /* the pg_user_mapping row, or InvalidOid */
	Oid user;               /* of that row, or InvalidOid: PUBLIC */
	const char *token;      /* or NULL */
	const char *token_file; /* or NULL */
} OmfUserOptions;

/* A token longer than this, in bytes, is refused, in a file too. */
#define OMF_TOKEN_MAX 4096

extern OmfServerOptions omf_options_of_server(Oid serverid);

/* The mapping of that user for that server, else the one of PUBLIC. */
extern OmfUserOptions omf_options_of_user(Oid userid, Oid serverid);

/* May scans of the table run asynchronously?  The table's word goes first. */
extern bool omf_options_async_capable(Oid serverid, Oid relid);

/*
 * How old an answer may be that the table shows; its word goes before the
 * server's.
 */
extern OmfCacheTerms omf_options_cache(Oid relid);

/*
 * Do scans of the table show a cluster's failure in its row?  The table's
 * word goes before the server's, which is about tables that have a column for
 * it.  Throws HV005 when the table's own word is so, and it has no column.
 */
extern bool omf_options_reports_errors(Oid relid, bool has_error_column);

/* The API resource that a foreign table is. */
extern const OmfResource *omf_options_resource(Oid relid);

/*
 * The name of the field that a column shows: its option "column_name", or
 * else its own name, which the caller passes.
 */
extern const char *omf_options_field_name(Oid relid, AttrNumber attnum,
										  const char *column);

/*
 * NULL if `token` can be sent in a header, else why not: a constant sentence.
 */
extern const char *omf_token_problem(const char *token);

/*
 * A hint that lists names, and names the nearest one first where one is near:
 * for options, columns, and members of a source alike.  palloc'd.
 */
extern char *omf_name_hint(const char *what, const char *given,
						   const char *const *names, int nnames);

#endif /* OMF_OPTIONS_H */
