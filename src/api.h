/*-------------------------------------------------------------------------
 *
 * api.h
 *	  The vocabulary of DigitalOcean's managed databases API.
 *
 * Resources and their fields as data, the paths and limits of the calls, and
 * what their answers mean.  https://docs.digitalocean.com/reference/api/
 *
 * May call: json.c.  Must never: throw, palloc, log, send anything, or know
 * of PostgreSQL's executor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_API_H
#define OMF_API_H

#include "json.h"
#include "transfer.h"

/* The API's section, which IMPORT FOREIGN SCHEMA knows as a remote schema. */
#define OMF_API_SCHEMA "databases"

/* Cap of the body of an answer about one cluster, in bytes. */
#define OMF_BODY_MAX (1024 * 1024)

#define OMF_UUID_SIZE 16 /* bytes of a UUID */
#define OMF_UUID_TEXT 36 /* characters of its canonical form */

/* The longest path of a call, with the terminating NUL. */
#define OMF_PATH_SIZE 192

/* The longest migration_id that is ever sent. */
#define OMF_MIGRATION_ID_MAX 64

/* One field of a resource. */
typedef struct OmfField
{
	const char *name;     /* of the member in the body, and of the column */
	const char *sql_type; /* that IMPORT FOREIGN SCHEMA declares */
	bool is_key;          /* not in the body: the UUID that was asked for */
} OmfField;

/* One API resource that a foreign table can be. */
typedef struct OmfResource
{
	const char *name;          /* of the table option "resource" */
	const char *path_template; /* as the API's description writes it */
	const OmfField *fields;    /* in the order that IMPORT declares */
	int nfields;               /* how many, the key included */
	int key;                   /* index of the key among them */
} OmfResource;

extern const OmfResource omf_resources[];
extern const int omf_nresources;

/* The fields of the resource online_migrations, in its order. */
enum OmfMigrationField
{
	OMF_MIGRATION_CLUSTER,
	OMF_MIGRATION_ID,
	OMF_MIGRATION_CREATED_AT,
	OMF_MIGRATION_STATUS
};

/* The resource of that name, or NULL. */
extern const OmfResource *omf_api_resource(const char *name);

/* The index of the field of that name, or -1. */
extern int omf_api_field(const OmfResource *resource, const char *name);

/* The path of the online migration of a cluster, for GET and PUT. */
extern void omf_api_migration_path(char path[OMF_PATH_SIZE],
								   const unsigned char uuid[OMF_UUID_SIZE]);

/* The same with the migration's id, for DELETE; the id must be valid. */
extern void omf_api_migration_id_path(char path[OMF_PATH_SIZE],
									  const unsigned char uuid[OMF_UUID_SIZE],
									  const char *migration_id);

/*
 * May this be sent as a migration's id?  Nothing but letters, digits, "_" and
 * "-": with ".." for an id, a path could name the cluster itself, and DELETE
 * on a cluster destroys it.
 */
extern bool omf_api_is_migration_id(const char *migration_id);

/* Is a migration of that status still going on? */
extern bool omf_api_is_active(const char *status);

/* What went wrong, in the terms in which users are told. */
typedef enum OmfErrorKind
{
	OMF_ERROR_UNAUTHORIZED, /* 401 */
	OMF_ERROR_FORBIDDEN,    /* 403 */
	OMF_ERROR_NOT_FOUND,    /* 404 */
	OMF_ERROR_CONFLICT,     /* 409, 412 */
	OMF_ERROR_INVALID,      /* 400, 422 */
	OMF_ERROR_RATE_LIMIT,   /* 429 */
	OMF_ERROR_HTTP,         /* any other status that was not expected */
	OMF_ERROR_SERVER,       /* 5xx */
	OMF_ERROR_UNREACHABLE,  /* no connection */
	OMF_ERROR_LOST,         /* connection lost, or no answer in time */
	OMF_ERROR_UNKNOWN,      /* a start of which nobody knows the outcome */
	OMF_ERROR_REPLY,        /* an answer that makes no sense */
	OMF_ERROR_TOO_LARGE,    /* an answer over a cap */
	OMF_ERROR_NO_MEMORY
} OmfErrorKind;

#define OMF_API_ID_SIZE 64
#define OMF_API_MESSAGE_SIZE 512

/*
 * A failed call: one malloc'd block, released by free().  Its strings are
 * UTF-8 (clipped between characters), without control characters, and with
 * the secrets masked.
 */
typedef struct OmfError
{
	OmfErrorKind kind;
	OmfMethod method;                     /* of the request */
	char path[OMF_PATH_SIZE];             /* of the request */
	int http_status;                      /* or 0: not answered */
	char api_id[OMF_API_ID_SIZE];         /* the API's "id", or empty */
	char message[OMF_API_MESSAGE_SIZE];   /* the API's "message", or empty */
	char request_id[OMF_REQUEST_ID_SIZE]; /* for DigitalOcean's support, or empty */
	char words[OMF_WORDS_SIZE];           /* libcurl's or json.c's, or empty */
	bool maybe_done;                      /* a start that may have been carried out */
	int tries;                            /* how often it was sent */
	int64_t resets_in;                    /* seconds until the limit allows more, or -1 */
	int64_t sent_at;                      /* epoch seconds of the last sending, or 0 */
} OmfError;

/* Texts that no message may show; NULL entries are skipped. */
typedef struct OmfSecrets
{
	const char *const *texts;
	int ntexts;
} OmfSecrets;

typedef enum OmfResult
{
	OMF_RESULT_RECORD,    /* a resource, or for DELETE: done */
	OMF_RESULT_NOT_FOUND, /* 404 */
	OMF_RESULT_ERROR
} OmfResult;

/*
 * What a finished request came to.  For OMF_RESULT_RECORD of a GET or PUT,
 * *record holds a value for every field of the resource (the key's is NULL)
 * and is free()d by the caller; so is *error, which is set for
 * OMF_RESULT_NOT_FOUND and OMF_RESULT_ERROR (and may be NULL when even that
 * could not be had for lack of memory).
 */
extern OmfResult omf_api_result(const OmfResource *resource,
								const OmfRequest *request,
								const OmfSecrets *secrets,
								OmfRecord **record, OmfError **error);

/* Replace what `secret` is, in clear or percent-encoded, by asterisks. */
extern void omf_api_mask(char *text, const char *secret);

#endif /* OMF_API_H */
