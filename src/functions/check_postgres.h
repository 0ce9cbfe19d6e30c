/*-------------------------------------------------------------------------
 *
 * check_postgres.h
 *	  What a PostgreSQL source is asked before a migration is started.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_CHECK_POSTGRES_H
#define OMF_CHECK_POSTGRES_H

#include "functions/check_rows.h"

/*
 * Ask the source that checks->plan leads to, and put a row for each check; one
 * that can't be asked is a row, too.  Throws when cancelled.
 */
extern void omf_check_postgres_source(OmfChecks *checks);

#endif /* OMF_CHECK_POSTGRES_H */
