/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  Arguments that several SQL functions take, and how they are checked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_ARGUMENTS_H
#define OMF_ARGUMENTS_H

#include "fmgr.h"
#include "nodes/pg_list.h"

/*
 * Refuse NULL for the arguments that may not be NULL: their names by
 * position, NULL for those that may.
 */
extern void omf_refuse_nulls(FunctionCallInfo fcinfo, const char *const *names,
							 int nnames);

/* The id of a migration, which nothing else may be sent for; palloc'd. */
extern char *omf_migration_id_argument(FunctionCallInfo fcinfo, int argument);

/*
 * The C name of a wrapper's handler, palloc'd; NULL if it has none.  It is
 * that function, and not the name of the wrapper, that gives options their
 * meaning.
 */
extern char *omf_wrapper_handler(Oid wrapper);

/* This wrapper's servers, whoever may use them: palloc'd ForeignServers. */
extern List *omf_own_servers(void);

/*
 * The server that is meant, NULL meaning the only one of this wrapper, which
 * the current user must have USAGE on.
 */
extern Oid omf_server_argument(FunctionCallInfo fcinfo, int argument);

/*
 * The same server once more, in a later transaction: that it is still there,
 * and that the user still has USAGE on it.
 */
extern void omf_server_check(Oid serverid, const char *name, Oid userid);

/* What the calendar shows at that time of the engines' clock: timestamptz. */
extern Datum omf_calendar_time(int64 monotonic_ms);

#endif /* OMF_ARGUMENTS_H */
