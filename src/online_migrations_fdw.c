/*-------------------------------------------------------------------------
 *
 * online_migrations_fdw.c
 *	  Foreign data wrapper for DigitalOcean's online migrations.
 *
 * The map of the house: what PostgreSQL calls, and where it is answered.
 *
 * Top to bottom, calls and includes going down only:
 *
 *	scan_path.c  scan.c  async.c  explain.c
 *	import.c  analyze.c  batch_join.c  prefetch.c	the callbacks below
 *	lifecycle.c  wait.c  rate_limits.c				the SQL functions
 *	wait_state.c									what a poll means to a wait
 *	source_server.c  source.c						what to copy from
 *	arguments.c  call.c								arguments and calls of functions
 *	keys.c  row.c									clauses and rows
 *	fetch.c  listing.c  lookup.c  statement.c		what a statement asks, once
 *	error.c  session.c  gate.c  options.c			PostgreSQL's side of a call
 *	api.c  resource.c								what calls and answers mean
 *	engine.c  request.c  retry.c  budget.c		queue, concurrency, retries, rate limit
 *	http.c  reply.c  sockets.c  pollset.c			exchanges over libcurl
 *	json.c  endpoint.c								formats
 *
 * From api.c on down nothing knows of PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/fdwapi.h"

#include "exec/analyze.h"
#include "exec/async.h"
#include "plan/batch_join.h"
#include "exec/explain.h"
#include "session/gate.h"
#include "plan/import.h"
#include "plan/scan_path.h"
#include "exec/scan.h"
#include "session/session.h"

PG_MODULE_MAGIC;

void _PG_init(void);

PG_FUNCTION_INFO_V1(online_migrations_fdw_handler);

void
_PG_init(void)
{
	omf_session_init();
	omf_gate_init();
	omf_batch_join_init();
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
