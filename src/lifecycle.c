/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *	  The SQL functions that start and stop an online migration.
 *
 * All arguments are checked before anything is sent.  What has been sent is
 * not undone by ROLLBACK.
 *
 * May call: session.c, source_server.c, source.c, error.c, api.c.  Must never: send a start
 * twice, or let a statement's text, which may hold a password, go to the log
 * with an error of a start.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_proc.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "error.h"
#include "session.h"
#include "source_server.h"

PG_FUNCTION_INFO_V1(omf_update_online_migration);
PG_FUNCTION_INFO_V1(omf_delete_online_migration);

/* One call of the API from a function. */
typedef struct Call
{
	OmfSession *session;  /* held */
	OmfSecrets secrets;   /* that no message may show */
	OmfMethod method;     /* GET, PUT or DELETE */
	const char *path;     /* of the call */
	const char *body;     /* or NULL */
	OmfInbox inbox;       /* where the answer arrives */
	OmfRequest *request;  /* while it is under way */
	OmfResult result;     /* what came of it */
	OmfRecord *record;    /* malloc'd, or NULL */
	OmfError *error;      /* malloc'd, or NULL */
	bool earlier_unknown; /* an earlier try may have been carried out */
} Call;

/* What the error context of a start says. */
typedef struct StartContext
{
	const Call *put;     /* the call under way, or NULL */
	const char *started; /* id of the migration that was started, or NULL */
} StartContext;

/* ----- the server ----- */

/* Is it a server of this wrapper, whatever name the wrapper has been given? */
static bool
is_own_wrapper(Oid wrapper)
{
	Oid handler = GetForeignDataWrapper(wrapper)->fdwhandler;
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(handler));
	bool own = false;
	bool isnull;
	Datum source;

	if (!HeapTupleIsValid(tuple))
		return false;
	source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	if (!isnull)
		own = strcmp(TextDatumGetCString(source), "online_migrations_fdw_handler") == 0;
	ReleaseSysCache(tuple);
	return own;
}

/* The names of this wrapper's servers, whoever may use them. */
static List *
own_servers(void)
{
	Relation relation = table_open(ForeignServerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	List *names = NIL;
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_server server = (Form_pg_foreign_server) GETSTRUCT(tuple);

		if (is_own_wrapper(server->srvfdw))
			names = lappend(names, pstrdup(NameStr(server->srvname)));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return names;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static const char *
only_server(void)
{
	List *names = own_servers();
	StringInfoData listed;
	ListCell *cell;

	if (list_length(names) == 1)
		return linitial(names);
	if (names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no server of online_migrations_fdw"),
				 errhint("CREATE SERVER digitalocean FOREIGN DATA WRAPPER online_migrations_fdw;")));
	list_sort(names, compare_names);
	initStringInfo(&listed);
	foreach (cell, names)
		appendStringInfo(&listed, "%s\"%s\"", listed.len > 0 ? ", " : "", (char *) lfirst(cell));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there are several servers of online_migrations_fdw"),
			 errdetail("Servers are %s.", listed.data),
			 errhint("Say which one: server => %s.", quote_literal_cstr(linitial(names)))));
	return NULL;
}

/* The server that is meant, which the current user must have USAGE on. */
static Oid
resolve_server(FunctionCallInfo fcinfo, int argument)
{
	const char *name = PG_ARGISNULL(argument) ? only_server() : text_to_cstring(PG_GETARG_TEXT_PP(argument));
	ForeignServer *server = GetForeignServerByName(name, true);
	AclResult aclresult;

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server does not exist"),
				 errdetail("There is no foreign server \"%s\".", name)));
	if (!is_own_wrapper(server->fdwid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server is not one of online_migrations_fdw"),
				 errdetail("Server \"%s\" is of the foreign data wrapper \"%s\".", name,
						   GetForeignDataWrapper(server->fdwid)->fdwname)));
	aclresult = omf_server_aclcheck(server->serverid, GetUserId());
	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FOREIGN_SERVER, name);
	return server->serverid;
}

/* ----- arguments ----- */

/* The names of the arguments that may not be NULL, by position. */
static void
refuse_nulls(FunctionCallInfo fcinfo, const char *const *names, int nnames)
{
	for (int i = 0; i < nnames; i++)
		if (names[i] != NULL && PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument must not be NULL"),
					 errdetail("Argument \"%s\" is NULL.", names[i])));
}

static void
refuse_read_only(const char *command)
{
	PreventCommandDuringRecovery(command);
	PreventCommandIfReadOnly(command);
}

/* ----- calls ----- */

static void
end_call(Call *call)
{
	omf_request_free(call->request);
	call->request = NULL;
}

/* Make the call and wait for its end; call->result says what came of it. */
static void
make_call(Call *call, OmfMethod method, const char *path, const char *body)
{
	call->method = method;
	call->path = path;
	call->body = body;
	call->record = NULL;
	call->error = NULL;
	omf_inbox_init(&call->inbox);
	call->request = omf_engine_submit(omf_session_engine(call->session), &call->inbox,
									  method, path, body, OMF_BODY_MAX, call);
	if (call->request == NULL)
		omf_raise(OMF_ACTION_READ, NULL);
	PG_TRY();
	{
		while (omf_inbox_take(&call->inbox) == NULL)
			omf_session_wait(call->session, &call->inbox, false);
	}
	PG_CATCH();
	{
		end_call(call);
		PG_RE_THROW();
	}
	PG_END_TRY();
	call->earlier_unknown = omf_request_reply(call->request)->earlier_unknown;
	call->result = omf_api_result(omf_api_resource("online_migrations"), call->request,
								  &call->secrets, &call->record, &call->error);
	end_call(call);
}

/* Raise what the call failed with, from memory that goes with the error. */
static void
raise_call(const Call *call, OmfAction action)
{
	OmfError *error = NULL;

	if (call->error != NULL)
	{
		error = palloc_extended(sizeof(OmfError), MCXT_ALLOC_NO_OOM);
		if (error != NULL)
			memcpy(error, call->error, sizeof(OmfError));
		free(call->error);
	}
	omf_raise(action, error);
}

/* A copy of a field in the server's encoding, or NULL. */
static char *
field_text(const OmfRecord *record, int field)
{
	const char *value = record->values[field];

	return value != NULL ? pg_any_to_server(pstrdup(value), (int) strlen(value), PG_UTF8) : NULL;
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
	const Call *put = context->put;

	errhidestmt(true);
	errhidecontext(true);
	if (context->started != NULL)
		errcontext("online migration \"%s\" has been started", context->started);
	else if (put != NULL && put->request != NULL && put->method == OMF_PUT &&
			 omf_request_reply(put->request)->sent_at > 0)
		errcontext("the start of the online migration had been sent, and not been answered");
}

/* Refuse while a migration is under way: a job's retry must not start another. */
static void
refuse_second_start(Call *call, const char *path)
{
	const char *status;

	make_call(call, OMF_GET, path, NULL);
	if (call->result == OMF_RESULT_ERROR)
		raise_call(call, OMF_ACTION_READ);
	free(call->error);
	if (call->result == OMF_RESULT_NOT_FOUND)
		return;
	status = field_text(call->record, OMF_MIGRATION_STATUS);
	if (status != NULL && omf_api_is_active(status))
	{
		const char *id = field_text(call->record, OMF_MIGRATION_ID);

		free(call->record);
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an online migration of this database cluster is under way"),
				 errdetail("Migration \"%s\" is %s.", id != NULL ? id : "", status),
				 errhint("Stop it with databases_delete_online_migration(), wait for its end, or pass replace => true.")));
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
start_migration(FunctionCallInfo fcinfo, Call *call, const OmfSource *source, char *body,
				bool replace, StartContext *context)
{
	const char *secrets[] = {omf_engine_token(omf_session_engine(call->session)),
							 source->shapes[0], source->shapes[1]};
	char path[OMF_PATH_SIZE];

	call->secrets.texts = secrets;
	call->secrets.ntexts = lengthof(secrets);
	omf_api_path(path, omf_api_resource("online_migrations"), PG_GETARG_UUID_P(0)->data);
	if (!replace)
		refuse_second_start(call, path);

	context->put = call;
	make_call(call, OMF_PUT, path, body);
	context->put = NULL;
	if (call->result != OMF_RESULT_RECORD)
		raise_call(call, OMF_ACTION_START);
	return_started(fcinfo, call->record, context);
}

/* The source, by the arguments "source", "source_server", or both. */
static OmfSource
source_of(FunctionCallInfo fcinfo)
{
	OmfSource source = {0};

	if (PG_ARGISNULL(1) && PG_ARGISNULL(5))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no source for the online migration"),
				 errdetail("Arguments \"source\" and \"source_server\" are both NULL."),
				 errhint("Pass \"source\", or the name of a foreign server as \"source_server\".")));
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
	Call call = {0};
	OmfSource source;
	Oid serverid;
	char *body;

	callback.callback = start_context;
	callback.arg = &context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	refuse_read_only("databases_update_online_migration()");
	refuse_nulls(fcinfo, required, lengthof(required));
	source = source_of(fcinfo);
	body = omf_source_body(&source, PG_GETARG_BOOL(2), PG_GETARG_ARRAYTYPE_P(3));
	serverid = resolve_server(fcinfo, 6);
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
stop_migration(Call *call, const char *path, bool missing_ok)
{
	const char *token = omf_engine_token(omf_session_engine(call->session));

	call->secrets.texts = &token;
	call->secrets.ntexts = 1;
	make_call(call, OMF_DELETE, path, NULL);
	if (call->result == OMF_RESULT_RECORD)
		return true;

	/* gone after a try of which nobody knows: it was this one that stopped it */
	if (call->result == OMF_RESULT_NOT_FOUND && (call->earlier_unknown || missing_ok))
	{
		free(call->error);
		return call->earlier_unknown;
	}
	raise_call(call, OMF_ACTION_STOP);
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
	Call call = {0};
	char path[OMF_PATH_SIZE];
	char *migration_id;
	volatile bool stopped = false;

	refuse_read_only("databases_delete_online_migration()");
	refuse_nulls(fcinfo, required, lengthof(required));
	migration_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!omf_api_is_migration_id(migration_id))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid migration_id"),
				 errdetail("It must be 1 to %d letters, digits, \"_\" or \"-\".", OMF_MIGRATION_ID_MAX),
				 errhint("It is the \"id\" that the start returned, and that the foreign table shows.")));
	omf_api_migration_id_path(path, PG_GETARG_UUID_P(0)->data, migration_id);

	call.session = omf_session_acquire(resolve_server(fcinfo, 3), GetUserId());
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
