/*-------------------------------------------------------------------------
 *
 * source.h
 *	  The database server that a migration copies from, as the API wants it.
 *
 * May call: PostgreSQL's jsonb.  Must never: show a value of the source,
 * which may be a password in the wrong place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SOURCE_H
#define OMF_SOURCE_H

#include "utils/array.h"
#include "utils/jsonb.h"

/* A source, whole once omf_source_check() has passed it. */
typedef struct OmfSource
{
	const char *host;     /* not empty */
	int port;             /* 1 to 65535; 0 as long as there is none */
	const char *dbname;   /* or NULL, as the next two */
	const char *username; /* a name at the source, not one of PostgreSQL's here */
	const char *password; /* secret */
} OmfSource;

/*
 * What the argument "source" has; palloc'd strings.  Throws 22023 with a hint
 * that lists the known members.
 */
extern OmfSource omf_source_parse(Jsonb *source);

/* Throws 22023 when something is missing that every source has. */
extern void omf_source_check(const OmfSource *source);

/*
 * The body of the PUT in UTF-8, palloc'd; the caller wipes it.  Throws 22023
 * when ignore_dbs has NULLs or more than one dimension.
 */
extern char *omf_source_body(const OmfSource *source, bool disable_ssl,
							 ArrayType *ignore_dbs);

#endif /* OMF_SOURCE_H */
