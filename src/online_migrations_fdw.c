/*-------------------------------------------------------------------------
 *
 * online_migrations_fdw.c
 *	  Foreign data wrapper for DigitalOcean's online migrations.
 *
 * The map of the house: what PostgreSQL calls, and where it is answered.
 *
 * Below are the callbacks, which are in plan/ and exec/; the SQL functions are
 * in functions/.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "utils/guc.h"

#include "exec/analyze.h"
#include "exec/async.h"
#include "exec/explain.h"
#include "exec/scan.h"
#include "exec/tuple_bound.h"
#include "plan/barrier_search.h"
#include "plan/batch_join.h"
#include "plan/batch_subselect.h"
#include "plan/import.h"
#include "plan/scan_path.h"
#include "session/cache.h"
#include "session/gate.h"
#include "session/log.h"
#include "session/session.h"
#include "session/shared.h"
#include "session/starts.h"
#include "session/stats.h"

PG_MODULE_MAGIC;

void _PG_init(void);

PG_FUNCTION_INFO_V1(online_migrations_fdw_handler);

void
_PG_init(void)
{
	omf_session_init();
	omf_gate_init();
	omf_starts_init();
	omf_stats_init();
	omf_cache_init();
	omf_shared_init();
	omf_barrier_search_init();
	omf_batch_join_init();
	omf_batch_subselect_init();
	omf_tuple_bound_init();
	omf_log_init();

	/* after all settings have been defined */
	MarkGUCPrefixReserved("online_migrations_fdw");
}

Datum
online_migrations_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	(void) fcinfo;

	/* planning */
	routine->GetForeignRelSize = omf_get_rel_size;
	routine->GetForeignPaths = omf_get_paths;
	routine->GetForeignPlan = omf_get_plan;

	/* execution */
	routine->BeginForeignScan = omf_begin_scan;
	routine->IterateForeignScan = omf_iterate_scan;
	routine->ReScanForeignScan = omf_rescan;
	routine->EndForeignScan = omf_end_scan;

	/* asynchronous execution */
	routine->IsForeignPathAsyncCapable = omf_is_async_capable;
	routine->ForeignAsyncRequest = omf_async_request;
	routine->ForeignAsyncConfigureWait = omf_async_configure_wait;
	routine->ForeignAsyncNotify = omf_async_notify;

	/* other commands */
	routine->ExplainForeignScan = omf_explain_scan;
	routine->AnalyzeForeignTable = omf_analyze_table;
	routine->ImportForeignSchema = omf_import_schema;

	PG_RETURN_POINTER(routine);
}
