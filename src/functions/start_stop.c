/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *	  The SQL functions that start and stop an online migration.
 *
 * All arguments are checked before anything is sent.  What has been sent is
 * not undone by ROLLBACK.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "functions/arguments.h"
#include "functions/call.h"
#include "functions/source_server.h"

PG_FUNCTION_INFO_V1(omf_update_online_migration);
PG_FUNCTION_INFO_V1(omf_delete_online_migration);

/* What the error context of a start says. */
typedef struct StartContext
{
	const OmfCall *put;  /* the call under way, or NULL */
	const char *started; /* id of the migration that was started, or NULL */
} StartContext;

static void
refuse_read_only(const char *command)
{
	PreventCommandDuringRecovery(command);
	PreventCommandIfReadOnly(command);
}

/* ----- start ----- */

/*
 * For every error that a start ends with: keep the statement, which may hold
 * a password, out of the log, and say what has become of the start.
 */
static void
start_context(void *arg)
{
	StartContext *context = arg;
	const OmfCall *put = context->put;

	errhidestmt(true);
	errhidecontext(true);
	if (context->started != NULL)
		errcontext("online migration \"%s\" has been started", context->started);
	else if (put != NULL && put->request != NULL && put->method == OMF_PUT &&
			 omf_request_reply(put->request)->sent_at > 0)
		errcontext("the start of the online migration had been sent, and not been answered");
}

/*
 * Until the end of this transaction, no other one is to start a migration of
 * that cluster: both would look before either has started.  An advisory lock
 * that no function for users can take: theirs have 1 or 2 for the last field.
 */
static void
refuse_start_at_once(const pg_uuid_t *cluster)
{
	uint64 hash = DatumGetUInt64(hash_any_extended(cluster->data, UUID_LEN, 0));
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, InvalidOid, (uint32) (hash >> 32), (uint32) hash, 3);
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an online migration of this database cluster is being started"),
				 errdetail("Another transaction does so, or has done so and has not ended."),
				 errhint("Look at the status once it has ended, or pass replace => true.")));
}

/* Refuse while a migration is under way: a job's retry must not start another. */
static void
refuse_second_start(OmfCall *call, const char *path)
{
	const char *status;

	omf_call_make(call, OMF_GET, path, NULL);
	if (call->result == OMF_RESULT_ERROR)
		omf_call_raise(call, OMF_ACTION_READ);
	free(call->error);
	if (call->result == OMF_RESULT_NOT_FOUND)
		return;
	status = omf_call_field(call, OMF_MIGRATION_STATUS);
	if (status != NULL && omf_api_is_active(status))
	{
		const char *id = omf_call_field(call, OMF_MIGRATION_ID);

		free(call->record);
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an online migration of this database cluster is under way"),
				 errdetail("Migration \"%s\" is %s.", id != NULL ? id : "", status),
				 errhint("Stop it with databases_delete_online_migration(), wait for its end with databases_wait_online_migration(), or pass replace => true.")));
	}
	free(call->record);
}

/* The one row of a start: id, created_at, status. */
static void
return_started(FunctionCallInfo fcinfo, OmfRecord *record, StartContext *context)
{
	static const int fields[] = {OMF_MIGRATION_ID, OMF_MIGRATION_CREATED_AT, OMF_MIGRATION_STATUS};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char *texts[lengthof(fields)];

	for (int i = 0; i < (int) lengthof(fields); i++)
		texts[i] = record->values[fields[i]] != NULL ? pstrdup(record->values[fields[i]]) : NULL;
	free(record);
	context->started = texts[0] != NULL ? texts[0] : "";
	for (int i = 0; i < (int) lengthof(fields); i++)
		if (texts[i] != NULL)
			texts[i] = pg_any_to_server(texts[i], (int) strlen(texts[i]), PG_UTF8);
	tuplestore_puttuple(result->setResult,
						BuildTupleFromCStrings(TupleDescGetAttInMetadata(result->setDesc), texts));
}

/* All that is sent for a start. */
static void
start_migration(FunctionCallInfo fcinfo, OmfCall *call, const OmfSource *source, char *body,
				bool replace, StartContext *context)
{
	const char *secrets[] = {omf_engine_token(omf_session_engine(call->session)),
							 source->shapes[0], source->shapes[1]};
	char path[OMF_PATH_SIZE];

	call->secrets.texts = secrets;
	call->secrets.ntexts = lengthof(secrets);
	omf_api_path(path, omf_api_resource("online_migrations"), PG_GETARG_UUID_P(0)->data);
	if (!replace)
	{
		refuse_start_at_once(PG_GETARG_UUID_P(0));
		refuse_second_start(call, path);
	}

	context->put = call;
	omf_call_make(call, OMF_PUT, path, body);
	context->put = NULL;
	if (call->result != OMF_RESULT_RECORD)
		omf_call_raise(call, OMF_ACTION_START);
	return_started(fcinfo, call->record, context);
}

/* Where to copy from: what the argument "source" says goes before the server's options. */
static OmfSource
source_argument(FunctionCallInfo fcinfo)
{
	OmfSource source = {0};

	if (PG_ARGISNULL(1) && PG_ARGISNULL(5))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("online migration has no source"),
				 errdetail("Both \"source\" and \"source_server\" are NULL."),
				 errhint("Name a foreign server of postgres_fdw or mysql_fdw, source_server => 'old_db', or pass source => '{\"host\": \"...\", ...}'.")));
	if (!PG_ARGISNULL(1))
		source = omf_source_parse(PG_GETARG_JSONB_P(1), PG_ARGISNULL(5));
	if (!PG_ARGISNULL(5))
		omf_source_server_fill(&source, text_to_cstring(PG_GETARG_TEXT_PP(5)), PG_GETARG_BOOL(2));
	return source;
}

/*
 * databases_update_online_migration(database_cluster_uuid, source,
 * disable_ssl, ignore_dbs, replace, source_server, server)
 */
Datum
omf_update_online_migration(PG_FUNCTION_ARGS)
{
	static const char *const required[] = {"database_cluster_uuid", NULL, "disable_ssl",
										   "ignore_dbs", "replace"};
	StartContext context = {NULL, NULL};
	ErrorContextCallback callback;
	OmfCall call = {0};
	OmfSource source;
	Oid serverid;
	char *body;

	callback.callback = start_context;
	callback.arg = &context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	refuse_read_only("databases_update_online_migration()");
	omf_refuse_nulls(fcinfo, required, lengthof(required));
	source = source_argument(fcinfo);
	body = omf_source_body(&source, PG_GETARG_BOOL(2), PG_GETARG_ARRAYTYPE_P(3));
	serverid = omf_server_argument(fcinfo, 6);
	InitMaterializedSRF(fcinfo, 0);

	call.session = omf_session_acquire(serverid, GetUserId());
	PG_TRY();
	{
		start_migration(fcinfo, &call, &source, body, PG_GETARG_BOOL(4), &context);
	}
	PG_FINALLY();
	{
		omf_session_release(call.session);
		explicit_bzero(body, strlen(body));
		omf_source_wipe(&source);
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
	return (Datum) 0;
}

/* ----- stop ----- */

/* True when stopped, false when there was nothing to stop and missing_ok. */
static bool
stop_migration(OmfCall *call, const char *path, bool missing_ok)
{
	const char *token = omf_engine_token(omf_session_engine(call->session));

	call->secrets.texts = &token;
	call->secrets.ntexts = 1;
	omf_call_make(call, OMF_DELETE, path, NULL);
	if (call->result == OMF_RESULT_RECORD)
		return true;

	/* gone after a try of which nobody knows: it was this one that stopped it */
	if (call->result == OMF_RESULT_NOT_FOUND && (call->earlier_unknown || missing_ok))
	{
		free(call->error);
		return call->earlier_unknown;
	}
	omf_call_raise(call, OMF_ACTION_STOP);
	return false;
}

/*
 * databases_delete_online_migration(database_cluster_uuid, migration_id,
 * missing_ok, server)
 */
Datum
omf_delete_online_migration(PG_FUNCTION_ARGS)
{
	static const char *const required[] = {"database_cluster_uuid", "migration_id", "missing_ok"};
	OmfCall call = {0};
	char path[OMF_PATH_SIZE];
	char *migration_id;
	volatile bool stopped = false;

	refuse_read_only("databases_delete_online_migration()");
	omf_refuse_nulls(fcinfo, required, lengthof(required));
	migration_id = omf_migration_id_argument(fcinfo, 1);
	omf_api_migration_id_path(path, PG_GETARG_UUID_P(0)->data, migration_id);

	call.session = omf_session_acquire(omf_server_argument(fcinfo, 3), GetUserId());
	PG_TRY();
	{
		stopped = stop_migration(&call, path, PG_GETARG_BOOL(2));
	}
	PG_FINALLY();
	{
		omf_session_release(call.session);
	}
	PG_END_TRY();
	PG_RETURN_BOOL(stopped);
}
