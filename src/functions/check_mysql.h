/*-------------------------------------------------------------------------
 *
 * check_mysql.h
 *	  What a MySQL source is asked before a migration is started.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_CHECK_MYSQL_H
#define OMF_CHECK_MYSQL_H

#include "functions/check_rows.h"

/*
 * Ask the source through its server of mysql_fdw, and put a row for each
 * check; those that can't be asked are skipped, with what to run by hand.
 * Throws when cancelled.
 */
extern void omf_check_mysql_source(OmfChecks *checks);

#endif /* OMF_CHECK_MYSQL_H */
