/*-------------------------------------------------------------------------
 *
 * check_rows.h
 *	  The rows of databases_check_online_migration().
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_CHECK_ROWS_H
#define OMF_CHECK_ROWS_H

#include "postgres.h"

#include "nodes/execnodes.h"

#include "functions/source_connection.h"

/* What a check can come to: values of the column "result". */
#define OMF_CHECK_OK "ok"
#define OMF_CHECK_WARNING "warning"
#define OMF_CHECK_FAILED "failed"
#define OMF_CHECK_SKIPPED "skipped"

/* DigitalOcean's guides, which most checks rest on. */
#define OMF_POSTGRES_GUIDE "https://docs.digitalocean.com/products/databases/postgresql/how-to/migrate/"
#define OMF_MYSQL_GUIDE "https://docs.digitalocean.com/products/databases/mysql/how-to/migrate/"

typedef struct OmfChecks
{
	ReturnSetInfo *result;  /* where the rows go */
	OmfConnectionPlan plan; /* how the source is asked */
	const char *ignore_dbs; /* not copied, as an array's text */
	int target_major;       /* the target's major version, or 0: not known */
	int64 target_mib;       /* its storage, or -1: not known */
} OmfChecks;

/* A row; the hint may be NULL.  Each check rests on a document. */
extern void omf_checks_put(OmfChecks *checks, const char *check,
						   const char *result, const char *detail,
						   const char *hint, const char *document);

/*
 * The row of whether the source can be reached: problem is why not, or NULL;
 * address the one that answered, where it is known.
 */
extern void omf_checks_put_reach(OmfChecks *checks, const char *whom,
								 const char *problem, const char *address,
								 const char *hint, const char *document);

#endif /* OMF_CHECK_ROWS_H */
