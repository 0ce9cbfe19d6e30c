/*-------------------------------------------------------------------------
 *
 * source.h
 *	  The database server that a migration copies from, as the API wants it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SOURCE_H
#define OMF_SOURCE_H

#include "utils/array.h"
#include "utils/jsonb.h"

/* A source whose members have been checked, as far as it has them. */
typedef struct OmfSource
{
	const char *host;     /* not empty, or NULL as long as it is not known */
	int port;             /* 1 to 65535, or 0 likewise */
	const char *dbname;   /* or NULL, as the next two */
	const char *username; /* at the source */
	const char *password; /* secret */
	const char *engine;   /* as the API names it, if a source server tells */
	Oid serverid;         /* the source server, or InvalidOid */
	char *sent_password;  /* the same in UTF-8, as it is sent, once there is a
						   * body */
} OmfSource;

/*
 * Check the argument "source"; palloc'd strings.  A whole one must have host
 * and port.  Throws 22023 with a hint that lists the known members.
 */
extern OmfSource omf_source_parse(Jsonb *source, bool whole);

/* Throws 22023 when ignore_dbs has NULLs or more than one dimension. */
extern void omf_source_check_ignore_dbs(ArrayType *ignore_dbs);

/* Wipe and forget the password. */
extern void omf_source_wipe(OmfSource *source);

/*
 * The body of the PUT in UTF-8, of a source with host and port, palloc'd; the
 * caller wipes it.  Throws 22023
 * when ignore_dbs has NULLs or more than one dimension.
 */
extern char *omf_source_body(OmfSource *source, bool disable_ssl,
							 ArrayType *ignore_dbs);

#endif /* OMF_SOURCE_H */
