/*-------------------------------------------------------------------------
 *
 * start_stop.c
 *	  The SQL functions that start and stop an online migration.
 *
 * All arguments are checked before anything is sent.  What has been sent is
 * not undone by ROLLBACK.
 *
 * A start is carried out once.  The status that the API shows is one guard of
 * that; a lock keeps others off that look at the same time, what was sent is
 * remembered until the API shows it (starts.h), and in one statement equal
 * calls are one start, since PostgreSQL may evaluate a call once per column.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "functions/arguments.h"
#include "functions/call.h"
#include "functions/source_server.h"
#include "session/starts.h"

PG_FUNCTION_INFO_V1(omf_update_online_migration);
PG_FUNCTION_INFO_V1(omf_delete_online_migration);

/* The columns of a start's row. */
static const int start_fields[] = {OMF_MIGRATION_ID, OMF_MIGRATION_CREATED_AT, OMF_MIGRATION_STATUS};

#define NSTART_FIELDS ((int) lengthof(start_fields))

/* What the error context of a start says. */
typedef struct StartContext
{
	const OmfCall *put;  /* the call under way, or NULL */
	const char *started; /* id of the migration that was started, or NULL */
} StartContext;

/* A start that a statement has made, in that statement's memory. */
typedef struct Started
{
	struct Started *next;           /* in starts_made */
	MemoryContext statement;        /* the memory of the query */
	uint8 arguments[OMF_HASH_SIZE]; /* a hash of what it was called with */
	char *texts[NSTART_FIELDS];     /* its row */
	MemoryContextCallback ending;   /* takes it out of starts_made */
} Started;

/* Those of all statements that are under way in this backend. */
static Started *starts_made = NULL;

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

static void
hash_call(const char *base_url, const char *token, const pg_uuid_t *cluster, uint8 *digest)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	bool done = hash != NULL && pg_cryptohash_init(hash) == 0 &&
				pg_cryptohash_update(hash, (const uint8 *) base_url, strlen(base_url) + 1) == 0 &&
				pg_cryptohash_update(hash, (const uint8 *) token, strlen(token) + 1) == 0 &&
				pg_cryptohash_update(hash, cluster->data, UUID_LEN) == 0 &&
				pg_cryptohash_final(hash, digest, PG_SHA256_DIGEST_LENGTH) == 0;

	pg_cryptohash_free(hash);
	if (!done)
		omf_raise(OMF_ACTION_START, NULL);
}

/*
 * Until the end of this transaction, no other one is to start a migration of
 * that cluster: both would look before either has started.  An advisory lock
 * that no function for users can take: theirs have 1 or 2 for the last field.
 * A cluster of another endpoint or token is another one.
 */
static void
refuse_start_at_once(const OmfEngine *engine, const pg_uuid_t *cluster)
{
	uint8 digest[PG_SHA256_DIGEST_LENGTH];
	uint32 fields[2];
	LOCKTAG tag;

	hash_call(omf_engine_base_url(engine), omf_engine_token(engine), cluster, digest);
	memcpy(fields, digest, sizeof(fields));
	SET_LOCKTAG_ADVISORY(tag, InvalidOid, fields[0], fields[1], 3);
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an online migration of this database cluster is being started"),
				 errdetail("Another transaction does so, or has done so and has not ended."),
				 errhint("Look at the status once it has ended, or pass replace => true.")));
}

#define UNDER_WAY_HINT "Stop it with databases_delete_online_migration(), wait for its end with databases_wait_online_migration(), or pass replace => true."

/* Refuse after a start that the API does not show yet. */
static void
refuse_after(const OmfStart *start)
{
	int64 seconds = omf_start_age(start) / 1000;

	if (!start->accepted)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an online migration of this database cluster may have been started"),
				 errdetail("A start was sent " INT64_FORMAT " s ago, and its outcome is not known.", seconds),
				 errhint("Look at the status until the API shows the migration. If it shows none %d minutes after that start, try again, or at once with replace => true.",
						 OMF_START_UNKNOWN_KEPT_MS / 60000)));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("an online migration of this database cluster is under way"),
			 errdetail("Migration \"%s\" was started " INT64_FORMAT " s ago, and the API does not show it yet.",
					   start->id, seconds),
			 errhint(UNDER_WAY_HINT)));
}

/*
 * Refuse while a migration is under way: a job's retry must not start another.
 * The start that goes on knows then what was there before it.
 */
static void
refuse_second_start(OmfCall *call, const char *path, const uint8 *key, OmfStart *start)
{
	const char *status;
	const char *id;
	OmfStart earlier;
	bool is_after_another;

	omf_call_make(call, OMF_GET, path, NULL);
	if (call->result == OMF_RESULT_ERROR)
		omf_call_raise(call, OMF_ACTION_READ);
	status = omf_call_field(call, OMF_MIGRATION_STATUS);
	id = omf_call_field(call, OMF_MIGRATION_ID);
	is_after_another = omf_starts_find(key, &earlier);
	if (is_after_another && omf_start_is_shown(&earlier, call->values[OMF_MIGRATION_ID],
											   call->values[OMF_MIGRATION_STATUS],
											   call->values[OMF_MIGRATION_CREATED_AT]))
	{
		omf_starts_forget(key);
		is_after_another = false;
	}
	if (status != NULL && omf_api_is_active(status))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an online migration of this database cluster is under way"),
				 errdetail("Migration \"%s\" is %s.", id != NULL ? id : "", status),
				 errhint(UNDER_WAY_HINT)));
	if (is_after_another)
		refuse_after(&earlier);
	omf_start_set_previous(start, call->values[OMF_MIGRATION_ID], call->values[OMF_MIGRATION_STATUS]);
}

/* Send it, and remember that: as long as its outcome is not known, as a start. */
static void
put_start(OmfCall *call, const char *path, const char *body, const uint8 *key, OmfStart *start)
{
	OmfStart earlier;
	bool replaces = omf_starts_find(key, &earlier);

	omf_starts_put(key, GetUserId(), start);
	PG_TRY();
	{
		omf_call_make(call, OMF_PUT, path, body);
	}
	PG_FINALLY();
	{
		bool not_done = call->error != NULL ? !call->error->maybe_done : !call->maybe_done;

		if (not_done && replaces)
			omf_starts_put(key, GetUserId(), &earlier);
		else if (not_done)
			omf_starts_forget(key);
	}
	PG_END_TRY();
	if (call->result != OMF_RESULT_RECORD)
		omf_call_raise(call, OMF_ACTION_START);
	omf_start_set_accepted(start, call->values[OMF_MIGRATION_ID], call->values[OMF_MIGRATION_CREATED_AT]);
	omf_starts_put(key, GetUserId(), start);
}

/* All that is sent for a start. */
static void
start_migration(OmfCall *call, const pg_uuid_t *cluster, const OmfSource *source, const char *body,
				bool replace, StartContext *context)
{
	const OmfEngine *engine = omf_session_engine(call->session);
	const char *secrets[] = {omf_engine_token(engine), source->shapes[0], source->shapes[1]};
	uint8 key[OMF_HASH_SIZE];
	char path[OMF_PATH_SIZE];
	OmfStart start = omf_start_now();

	call->secrets.texts = secrets;
	call->secrets.ntexts = lengthof(secrets);
	omf_api_path(path, omf_api_resource("online_migrations"), cluster->data);
	omf_start_key(omf_session_account(call->session), cluster->data, key);
	if (!replace)
	{
		refuse_start_at_once(engine, cluster);
		refuse_second_start(call, path, key, &start);
	}

	context->put = call;
	put_start(call, path, body, key, &start);
	context->put = NULL;
	context->started = call->values[OMF_MIGRATION_ID] != NULL ? call->values[OMF_MIGRATION_ID] : "";
}

/* ----- equal starts of one statement ----- */

static void
forget_started(void *arg)
{
	Started **link = &starts_made;

	while (*link != arg)
		link = &(*link)->next;
	*link = (*link)->next;
}

static Started *
find_started(MemoryContext statement, const uint8 *arguments)
{
	for (Started *started = starts_made; started != NULL; started = started->next)
		if (started->statement == statement &&
			memcmp(started->arguments, arguments, OMF_HASH_SIZE) == 0)
			return started;
	return NULL;
}

/* Room to remember a start in that statement's memory, before it is made. */
static Started *
make_started(MemoryContext statement, const uint8 *arguments)
{
	Started *started = MemoryContextAllocZero(statement, sizeof(Started));

	started->statement = statement;
	memcpy(started->arguments, arguments, OMF_HASH_SIZE);
	started->ending.func = forget_started;
	started->ending.arg = started;
	return started;
}

/* The start has been made: its row, and that equal ones are this one. */
static void
remember_started(Started *started, const OmfCall *call)
{
	MemoryContext before = MemoryContextSwitchTo(started->statement);

	for (int i = 0; i < NSTART_FIELDS; i++)
		started->texts[i] = omf_call_field(call, start_fields[i]);
	started->next = starts_made;
	starts_made = started;
	MemoryContextRegisterResetCallback(started->statement, &started->ending);
	MemoryContextSwitchTo(before);
}

static void
hash_arguments(FunctionCallInfo fcinfo, Oid serverid, const char *body, uint8 *hash)
{
	Oid oids[] = {serverid, GetUserId()};
	bool replace = PG_GETARG_BOOL(4);
	const OmfHashInput inputs[] = {{oids, sizeof(oids)},
								   {PG_GETARG_UUID_P(0)->data, UUID_LEN},
								   {body, strlen(body)},
								   {&replace, sizeof(replace)}};

	omf_shared_hash(hash, inputs, lengthof(inputs));
}

/* ----- its arguments and its row ----- */

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

static void
wipe_arguments(OmfSource *source, char *body)
{
	explicit_bzero(body, strlen(body));
	omf_source_wipe(source);
}

/* Start it over a session of the current user. */
static void
make_start(FunctionCallInfo fcinfo, Oid serverid, OmfSource *source, char *body,
		   Started *started, StartContext *context)
{
	OmfCall call = {0};

	call.session = omf_session_acquire(serverid, GetUserId());
	PG_TRY();
	{
		start_migration(&call, PG_GETARG_UUID_P(0), source, body, PG_GETARG_BOOL(4), context);
		remember_started(started, &call);
	}
	PG_FINALLY();
	{
		omf_session_release(call.session);
		wipe_arguments(source, body);
	}
	PG_END_TRY();
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
	ReturnSetInfo *result;
	MemoryContext statement;
	OmfSource source;
	uint8 arguments[OMF_HASH_SIZE];
	Started *started;
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
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	statement = result->econtext->ecxt_per_query_memory;
	hash_arguments(fcinfo, serverid, body, arguments);
	started = find_started(statement, arguments);

	if (started == NULL)
	{
		started = make_started(statement, arguments);
		make_start(fcinfo, serverid, &source, body, started, &context);
	}
	else
		wipe_arguments(&source, body);
	tuplestore_puttuple(result->setResult,
						BuildTupleFromCStrings(TupleDescGetAttInMetadata(result->setDesc), started->texts));
	error_context_stack = callback.previous;
	return (Datum) 0;
}

/* ----- stop ----- */

/* A start that was stopped is no start that the API is going to show. */
static void
forget_stopped(const OmfCall *call, const pg_uuid_t *cluster, const char *migration_id)
{
	uint8 key[OMF_HASH_SIZE];
	OmfStart start;

	omf_start_key(omf_session_account(call->session), cluster->data, key);
	if (omf_starts_find(key, &start) && strcmp(start.id, migration_id) == 0)
		omf_starts_forget(key);
}

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
		return call->earlier_unknown;
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
		if (stopped)
			forget_stopped(&call, PG_GETARG_UUID_P(0), migration_id);
	}
	PG_FINALLY();
	{
		omf_session_release(call.session);
	}
	PG_END_TRY();
	PG_RETURN_BOOL(stopped);
}
