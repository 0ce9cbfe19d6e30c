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
#include "storage/ipc.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "functions/arguments.h"
#include "functions/attempt.h"
#include "functions/call.h"
#include "functions/source_server.h"
#include "functions/wait.h"
#include "session/options.h"
#include "session/starts.h"

PG_FUNCTION_INFO_V1(omf_update_online_migration);
PG_FUNCTION_INFO_V1(omf_delete_online_migration);

/* The arguments of a start, by position. */
enum
{
	START_CLUSTER,
	START_SOURCE,
	START_DISABLE_SSL,
	START_IGNORE_DBS,
	START_REPLACE,
	START_SOURCE_SERVER,
	START_SERVER,
	START_ON_ERROR
};

/* And those of a stop. */
enum
{
	STOP_CLUSTER,
	STOP_MIGRATION_ID,
	STOP_MISSING_OK,
	STOP_SERVER,
	STOP_ON_ERROR
};

/* The columns of a start's row, in its order. */
enum
{
	COLUMN_ID,
	COLUMN_CREATED_AT,
	COLUMN_STATUS,
	COLUMN_ERROR,
	COLUMN_OUTCOME,
	NCOLUMNS
};

/* The pause before another look, where the one before was told nothing. */
#define LOOK_AGAIN_MS 500

/* What has become of a start: values of the column "outcome". */
#define OUTCOME_STARTED "started"
#define OUTCOME_REFUSED "refused" /* surely not started */
#define OUTCOME_UNKNOWN "unknown"

/* What there is to know of a start when it ends with an error. */
typedef struct StartContext
{
	const OmfCall *put;  /* the start that is or was sent, or NULL */
	const char *started; /* id of the migration that was started, or NULL */
	bool concerns_all;   /* the API's failure is not one of this cluster */
} StartContext;

/*
 * A start that this transaction has made, or may have, or that was refused and
 * is a row that says so: in its memory.
 */
typedef struct Started
{
	struct Started *next;           /* in starts_made */
	MemoryContext statement;        /* of the query; NULL: it is over */
	uint8 arguments[OMF_HASH_SIZE]; /* a hash of what it was called with */
	char *cluster;                  /* its UUID */
	char *texts[NCOLUMNS];          /* its row */
} Started;

/* All of those, as they were made, and what forgets them. */
static Started *starts_made = NULL;
static MemoryContextCallback transaction_end;

static void
refuse_read_only(const char *command)
{
	PreventCommandDuringRecovery(command);
	PreventCommandIfReadOnly(command);
}

/* Has it been sent, or may it have been, and is that all that is known? */
static bool
is_unknown(const StartContext *context)
{
	const OmfCall *put = context->put;

	return put != NULL && context->started == NULL && omf_call_maybe_done(put);
}

/* The UUID in a path of the API. */
static char *
cluster_of(const char *path)
{
	return pnstrdup(path + strlen(OMF_CLUSTERS_PATH), OMF_UUID_TEXT);
}

static bool
was_refused(const Started *started)
{
	return strcmp(started->texts[COLUMN_OUTCOME], OUTCOME_REFUSED) == 0;
}

/* Has the transaction started anything so far, or may it have? */
static bool
has_started(void)
{
	for (const Started *started = starts_made; started != NULL;
		 started = started->next)
		if (!was_refused(started))
			return true;
	return false;
}

/* Not by this call: earlier ones are in DETAIL. */
static const char *
nothing_was_started(void)
{
	return has_started() ? "nothing else was started" : "nothing was started";
}

/* ----- start ----- */

/*
 * How far the start has come that the statement is ended in, as by a cancel:
 * it may be in a pause, after a try that was answered.  What contexts allocate
 * stays until the next error, for it is told of lines of the log, too.
 */
static void
ended_context(const char *path, const OmfReply *reply, bool maybe_done)
{
	if (maybe_done)
		errcontext("the start of an online migration of database cluster %.*s had been sent, and not been answered",
				   OMF_UUID_TEXT, path + strlen(OMF_CLUSTERS_PATH));
	else if (reply->classes[OMF_CLASS_429] > 0)
		errcontext("%s: the start was refused for the rate limit, and not sent again",
				   nothing_was_started());
	else
		errcontext("%s: the start was refused, or could not be sent",
				   nothing_was_started());
}

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
	else if (put == NULL)
		errcontext("%s: no start had been sent", nothing_was_started());
	else if (put->request != NULL)
		ended_context(put->path, omf_request_reply(put->request),
					  is_unknown(context));
	else if (is_unknown(context))
		errcontext("the online migration may have been started");
	else
		errcontext("%s: the start was refused, or could not be sent",
				   nothing_was_started());
}

static void
hash_call(const char *base_url, const char *token, const pg_uuid_t *cluster,
		  uint8 *digest)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	bool done =
		hash != NULL && pg_cryptohash_init(hash) == 0 &&
		pg_cryptohash_update(hash, (const uint8 *) base_url,
							 strlen(base_url) + 1) == 0 &&
		pg_cryptohash_update(hash, (const uint8 *) token, strlen(token) + 1) ==
			0 &&
		pg_cryptohash_update(hash, cluster->data, UUID_LEN) == 0 &&
		pg_cryptohash_final(hash, digest, PG_SHA256_DIGEST_LENGTH) == 0;

	pg_cryptohash_free(hash);
	if (!done)
		omf_raise(OMF_ACTION_START, NULL);
}

#define START_ENDS_HINT "Look at the status once it has ended, or pass replace => true."

/*
 * Until the end of this transaction, no other one is to start a migration of
 * that cluster: both would look before either has started.  An advisory lock
 * that no function for users can take: theirs have 1 or 2 for the last field.
 * A cluster of another endpoint or token is another one.
 */
static void
refuse_start_at_once(const OmfEngine *engine, const pg_uuid_t *cluster,
					 const char *path)
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
				 errdetail("Another transaction starts one of database cluster %s, or has done so and has not ended.",
						   cluster_of(path)),
				 errhint(START_ENDS_HINT)));
}

#define UNDER_WAY_HINT "Stop it with databases_delete_online_migration(), wait for its end with databases_wait_online_migration(), or pass replace => true."

/* Refuse after a start that the API does not show yet. */
static void
refuse_after(const OmfStart *start, const char *path)
{
	int64 seconds = omf_start_age(start) / 1000;

	if (!start->ended)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an online migration of this database cluster is being started"),
				 errdetail("A start of database cluster %s began " INT64_FORMAT " s ago, and has not been answered yet.",
						   cluster_of(path), seconds),
				 errhint(START_ENDS_HINT)));
	if (!start->accepted)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an online migration of this database cluster may have been started"),
				 errdetail("A start of database cluster %s ended " INT64_FORMAT " s ago, and its outcome is not known.",
						   cluster_of(path), seconds),
				 errhint("Look at the status until the API shows the migration. If it shows none %d minutes after that start, try again, or at once with replace => true.",
						 OMF_START_KEPT_MS / 60000)));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("an online migration of this database cluster has been started, and does not show yet"),
			 errdetail("Migration \"%s\" of database cluster %s was started " INT64_FORMAT " s ago, and the API does not show it yet.",
					   start->id, cluster_of(path), seconds),
			 errhint(UNDER_WAY_HINT)));
}

/*
 * Look what is there.  An answer that does not say the status tells nothing
 * and is an error, but for an empty one, several times in a row: of a finished
 * migration the API has been seen to say nothing at all.
 */
static void
look(OmfCall *call, const char *path, StartContext *context)
{
	call->before_start = true;
	call->wants_status = true;
	for (int i = 1;; i++)
	{
		omf_call_make(call, OMF_GET, path, NULL);
		if (call->result != OMF_RESULT_RECORD || !call->wordless ||
			i == OMF_WAIT_EMPTIES)
			break;
		omf_wait_pause(LOOK_AGAIN_MS);
	}
	call->before_start = false;
	call->wants_status = false;
	if (call->result != OMF_RESULT_ERROR)
		return;
	context->concerns_all = call->error == NULL ||
							omf_api_concerns_all(call->error);
	omf_call_raise(call, OMF_ACTION_GUARD);
}

/*
 * Refuse while a migration is under way: a job's retry must not start another.
 * The start that goes on knows then what was there before it.
 */
static void
refuse_second_start(OmfCall *call, const char *path, const uint8 *key,
					OmfStart *start, StartContext *context)
{
	const char *status;
	const char *id;
	OmfShown shown;
	OmfStart earlier;
	bool is_known;
	bool is_in_the_way;
	bool is_after_another;

	look(call, path, context);
	status = omf_call_status(call);
	id = omf_call_field(call, OMF_MIGRATION_ID);
	is_known = status != NULL && omf_api_known_status(status) != NULL;
	is_in_the_way = status != NULL && !omf_api_is_ended(status);
	shown.id = call->values[OMF_MIGRATION_ID];
	shown.created_at = call->values[OMF_MIGRATION_CREATED_AT];
	shown.clock_ahead_ms = call->clock_ahead_ms;
	shown.under_way = is_in_the_way && is_known;
	is_after_another = omf_starts_find(key, &earlier);
	if (is_after_another && omf_start_is_shown(&earlier, &shown))
	{
		omf_starts_forget(key);
		is_after_another = false;
	}
	if (is_in_the_way)
	{
		const char *created_at = omf_call_created_at(call);

		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 is_known ? errmsg("an online migration of this database cluster is under way")
						  : errmsg("an online migration of this database cluster may be under way"),
				 errdetail("Migration \"%s\" of database cluster %s, created at %s, is %s%s.", id != NULL ? id : "",
						   cluster_of(path), created_at != NULL ? created_at : "an unknown time", status,
						   is_known ? "" : ", a status that is not known here"),
				 errhint(UNDER_WAY_HINT)));
	}
	if (is_after_another)
		refuse_after(&earlier, path);
	omf_start_set_previous(start, shown.id);
}

/* What is remembered of a start that is being sent. */
typedef struct Sending
{
	const OmfCall *call;
	const uint8 *key;
	OmfStart *start;
	bool replaces;    /* another one was remembered */
	OmfStart earlier; /* then: that one */
} Sending;

/*
 * It has ended, however that was: one that may have been carried out is
 * remembered from now on, as its last try may have been sent just now.
 */
static void
settle_sending(int code, Datum arg)
{
	const Sending *sending = (Sending *) DatumGetPointer(arg);

	(void) code;
	if (omf_call_maybe_done(sending->call))
	{
		omf_start_end(sending->start);
		omf_starts_put(sending->key, GetUserId(), sending->start);
	}
	else if (sending->replaces)
		omf_starts_put(sending->key, GetUserId(), &sending->earlier);
	else
		omf_starts_forget(sending->key);
}

/* What can't be remembered is not sent: a retry would start it again. */
static void
refuse_without_room(const char *path)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("too many online migrations have been started that the API may not show yet"),
			 errdetail("There is no room to remember a start of database cluster %s. A role has room for %d starts, each for %d minutes.",
					   cluster_of(path), OMF_STARTS_OF_ROLE, OMF_START_KEPT_MS / 60000),
			 errhint("Try again in some minutes, and start fewer at a time.")));
}

/*
 * Send it, and remember that: as long as its outcome is not known, as a start.
 */
static void
put_start(OmfCall *call, const char *path, const char *body, const uint8 *key,
		  OmfStart *start, StartContext *context)
{
	Sending sending = {call, key, start};

	omf_start_begin(start);
	sending.replaces = omf_starts_find(key, &sending.earlier);
	if (!omf_starts_begin(key, GetUserId(), start))
		refuse_without_room(path);
	context->put = call;
	PG_ENSURE_ERROR_CLEANUP(settle_sending, PointerGetDatum(&sending));
	{
		omf_call_make(call, OMF_PUT, path, body);
	}
	PG_END_ENSURE_ERROR_CLEANUP(settle_sending, PointerGetDatum(&sending));
	settle_sending(0, PointerGetDatum(&sending));
	if (call->result != OMF_RESULT_RECORD)
	{
		context->concerns_all = call->error == NULL ||
								omf_api_concerns_all(call->error);
		omf_call_raise(call, OMF_ACTION_START);
	}
	omf_start_set_accepted(start, call->values[OMF_MIGRATION_ID],
						   call->values[OMF_MIGRATION_CREATED_AT]);
	omf_starts_put(key, GetUserId(), start);
}

/* All that is sent for a start. */
static void
start_migration(OmfCall *call, const pg_uuid_t *cluster,
				const OmfSource *source, const char *body, bool replace,
				StartContext *context)
{
	const OmfEngine *engine = omf_session_engine(call->session);
	const char *secrets[] = {omf_engine_token(engine), source->sent_password};
	uint8 key[OMF_HASH_SIZE];
	char path[OMF_PATH_SIZE];
	OmfStart start = {0};

	call->secrets.texts = secrets;
	call->secrets.ntexts = lengthof(secrets);
	omf_api_path(path, omf_api_resource("online_migrations"), cluster->data);
	omf_start_key(omf_session_account(call->session), cluster->data, key);
	if (!replace)
	{
		refuse_start_at_once(engine, cluster, path);
		refuse_second_start(call, path, key, &start, context);
	}

	put_start(call, path, body, key, &start, context);
	context->started = call->values[OMF_MIGRATION_ID];
}

/* ----- the starts of a transaction, and equal ones of a statement ----- */

static void
forget_all_started(void *arg)
{
	(void) arg;
	starts_made = NULL;
}

/* The statement is over: what follows is none of its starts. */
static void
end_statement(void *arg)
{
	for (Started *started = starts_made; started != NULL;
		 started = started->next)
		if (started->statement == arg)
			started->statement = NULL;
}

/* The equal start of the statement; one that was refused where that is a row. */
static Started *
find_started(MemoryContext statement, const uint8 *arguments, bool reports)
{
	for (Started *started = starts_made; started != NULL;
		 started = started->next)
		if (started->statement == statement &&
			memcmp(started->arguments, arguments, OMF_HASH_SIZE) == 0 &&
			(reports || !was_refused(started)))
			return started;
	return NULL;
}

/* Room to remember a start of that statement, before it is made. */
static Started *
make_started(MemoryContext statement, const uint8 *arguments,
			 const pg_uuid_t *cluster)
{
	MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);
	Started *started = palloc0(sizeof(Started));

	started->statement = statement;
	memcpy(started->arguments, arguments, OMF_HASH_SIZE);
	started->cluster =
		DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(cluster)));
	MemoryContextSwitchTo(before);
	return started;
}

/*
 * What has become of it is so, whatever becomes of the transaction: equal ones
 * of the statement are this one.
 */
static void
remember_started(Started *started)
{
	MemoryContextCallback *ending =
		MemoryContextAlloc(started->statement, sizeof(MemoryContextCallback));
	Started **link = &starts_made;

	ending->func = end_statement;
	ending->arg = started->statement;
	MemoryContextRegisterResetCallback(started->statement, ending);
	if (starts_made == NULL)
	{
		transaction_end.func = forget_all_started;
		MemoryContextRegisterResetCallback(TopTransactionContext,
										   &transaction_end);
	}
	while (*link != NULL)
		link = &(*link)->next;
	*link = started;
}

static void
take_row(Started *started, const OmfCall *call)
{
	MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);

	started->texts[COLUMN_ID] = omf_call_field(call, OMF_MIGRATION_ID);
	started->texts[COLUMN_CREATED_AT] =
		omf_call_field(call, OMF_MIGRATION_CREATED_AT);
	started->texts[COLUMN_STATUS] = omf_call_field(call, OMF_MIGRATION_STATUS);
	started->texts[COLUMN_OUTCOME] = pstrdup(OUTCOME_STARTED);
	MemoryContextSwitchTo(before);
}

/*
 * What the transaction has started so far, for the DETAIL of what it fails
 * with: the rows that say so go with it.
 */
static char *
list_started(void)
{
	StringInfoData list;

	initStringInfo(&list);
	for (const Started *started = starts_made; started != NULL;
		 started = started->next)
	{
		if (was_refused(started))
			continue;
		appendStringInfo(&list, "%s%s ", list.len > 0 ? ", " : "", started->cluster);
		if (strcmp(started->texts[COLUMN_OUTCOME], OUTCOME_STARTED) == 0)
			appendStringInfo(&list, "(\"%s\")", started->texts[COLUMN_ID]);
		else
			appendStringInfoString(&list, "(outcome unknown)");
	}
	return list.data;
}

/*
 * Raise the error that is being caught, with what has been started before it.
 */
omf_noreturn static void
fail_statement(MemoryContext context)
{
	ErrorData *error;

	if (!has_started())
		PG_RE_THROW();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	error->detail = psprintf("%s%sAlready started in this transaction: %s.",
							 error->detail != NULL ? error->detail : "", error->detail != NULL ? " " : "", list_started());
	ReThrowError(error);
}

static void
hash_arguments(FunctionCallInfo fcinfo, Oid serverid, const char *body,
			   uint8 *hash)
{
	Oid oids[] = {serverid, GetUserId()};
	bool replace = PG_GETARG_BOOL(START_REPLACE);
	const OmfHashInput inputs[] = {{oids, sizeof(oids)},
								   {PG_GETARG_UUID_P(START_CLUSTER)->data,
									UUID_LEN},
								   {body, strlen(body)},
								   {&replace, sizeof(replace)}};

	omf_shared_hash(hash, inputs, lengthof(inputs));
}

/* ----- its arguments and its row ----- */

static void
wipe_arguments(OmfSource *source, char *body)
{
	explicit_bzero(body, strlen(body));
	omf_source_wipe(source);
}

/* Start it over a session of the current user. */
static void
make_start(FunctionCallInfo fcinfo, Oid serverid, OmfSource *source,
		   const char *body, Started *started, StartContext *context)
{
	OmfCall *call = palloc0(sizeof(OmfCall));

	call->session = omf_session_acquire(serverid, GetUserId());
	PG_TRY();
	{
		start_migration(call, PG_GETARG_UUID_P(START_CLUSTER), source, body,
						PG_GETARG_BOOL(START_REPLACE), context);
		take_row(started, call);
		remember_started(started);
	}
	PG_FINALLY();
	{
		omf_session_release(call->session);
	}
	PG_END_TRY();
}

static HeapTuple
row_of(Started *started, TupleDesc descriptor)
{
	return BuildTupleFromCStrings(TupleDescGetAttInMetadata(descriptor),
								  started->texts);
}

/* Check the arguments, and start it unless the statement has done so. */
static HeapTuple
start(FunctionCallInfo fcinfo, bool reports, Started **started,
	  StartContext *context)
{
	static const char *const required[] = {"database_cluster_uuid", NULL, "disable_ssl",
										   "ignore_dbs", "replace"};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext statement = result->econtext->ecxt_per_query_memory;
	uint8 arguments[OMF_HASH_SIZE];
	OmfSource source;
	Started *volatile this;
	Oid serverid;
	char *body;

	omf_refuse_nulls(fcinfo, required, lengthof(required));
	source = omf_source_argument(fcinfo, START_SOURCE, START_SOURCE_SERVER,
								 PG_GETARG_BOOL(START_DISABLE_SSL));
	body = omf_source_body(&source, PG_GETARG_BOOL(START_DISABLE_SSL),
						   PG_GETARG_ARRAYTYPE_P(START_IGNORE_DBS));
	PG_TRY();
	{
		serverid = omf_server_argument(fcinfo, START_SERVER);
		hash_arguments(fcinfo, serverid, body, arguments);
		this = find_started(statement, arguments, reports);
		if (this == NULL)
		{
			this = make_started(statement, arguments,
								PG_GETARG_UUID_P(START_CLUSTER));
			*started = this;
			make_start(fcinfo, serverid, &source, body, this, context);
		}
	}
	PG_FINALLY();
	{
		wipe_arguments(&source, body);
	}
	PG_END_TRY();
	return row_of(this, result->setDesc);
}

/* ----- failures that are rows ----- */

/* 'fail' or 'report'. */
static bool
reports_errors(FunctionCallInfo fcinfo, int argument)
{
	static const char *const words[] = {"fail", "report"};
	const char *given = PG_ARGISNULL(argument) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(argument));

	for (int i = 0; i < (int) lengthof(words); i++)
		if (strcmp(given, words[i]) == 0)
			return i == 1;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid on_error"),
			 PG_ARGISNULL(argument) ? errdetail("Argument \"on_error\" is NULL.")
									: errdetail("Argument \"on_error\" is \"%s\".", given),
			 errhint("%s", omf_name_hint("Its values are", given, words, lengthof(words)))));
	return false;
}

/*
 * Would it go wrong with the next cluster, too?  The API's failure says so, a
 * token that is missing, and what PostgreSQL ends a statement for: classes 40,
 * 53, 57, 58 and XX.
 */
static bool
concerns_all(const ErrorData *error, bool api_says_so)
{
	int class = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return api_says_so ||
		   error->sqlerrcode == ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR) ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_INTERNAL_ERROR);
}

static char *
text_of(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s: %s.", unpack_sql_state(error->sqlerrcode), error->message);
	if (error->detail != NULL)
		appendStringInfo(&text, " %s", error->detail);
	if (error->hint != NULL)
		appendStringInfo(&text, " %s", error->hint);
	return text.data;
}

/*
 * The row of a start that ended with an error, which is remembered: the
 * statement may evaluate the call for each of its columns.  There is no
 * `started` where the arguments were no good.
 */
static HeapTuple
failed_row(const ErrorData *error, Started *started,
		   const StartContext *context, TupleDesc descriptor)
{
	Started none = {0};
	MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);
	Started *failed = started != NULL ? started : &none;

	failed->texts[COLUMN_ERROR] = text_of(error);
	if (context->started != NULL)
		failed->texts[COLUMN_CREATED_AT] = NULL;
	else
	{
		failed->texts[COLUMN_OUTCOME] =
			pstrdup(is_unknown(context) ? OUTCOME_UNKNOWN : OUTCOME_REFUSED);
		if (started != NULL)
			remember_started(started);
	}
	MemoryContextSwitchTo(before);
	return row_of(failed, descriptor);
}

typedef struct StartAttempt
{
	FunctionCallInfo fcinfo;
	StartContext *context;
	Started *started; /* what it was, as far as it came, or NULL */
	HeapTuple row;
} StartAttempt;

static void
attempt_start(void *arg)
{
	StartAttempt *attempt = arg;

	attempt->row = start(attempt->fcinfo, true, &attempt->started, attempt->context);
}

static HeapTuple
start_or_report(FunctionCallInfo fcinfo, StartContext *context)
{
	StartAttempt attempt = {fcinfo, context};
	ErrorData *error = omf_attempt(attempt_start, &attempt, true);

	if (error == NULL)
		return attempt.row;
	if (concerns_all(error, context->concerns_all))
		ReThrowError(error);
	return failed_row(error, attempt.started, context,
					  ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc);
}

/*
 * databases_update_online_migration(database_cluster_uuid, source,
 * disable_ssl, ignore_dbs, replace, source_server, server, on_error)
 */
Datum
omf_update_online_migration(PG_FUNCTION_ARGS)
{
	StartContext context = {NULL, NULL, false};
	MemoryContext memory = CurrentMemoryContext;
	ErrorContextCallback callback;
	ReturnSetInfo *result;

	callback.callback = start_context;
	callback.arg = &context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	refuse_read_only("databases_update_online_migration()");
	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	PG_TRY();
	{
		Started *started = NULL;
		HeapTuple row = reports_errors(fcinfo, START_ON_ERROR)
							? start_or_report(fcinfo, &context)
							: start(fcinfo, false, &started, &context);

		tuplestore_puttuple(result->setResult, row);
	}
	PG_CATCH();
	{
		fail_statement(memory);
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
	return (Datum) 0;
}

/* ----- stop ----- */

/* A start that was stopped is no start that the API is going to show. */
static void
forget_stopped(const OmfCall *call, const pg_uuid_t *cluster,
			   const char *migration_id)
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

	/*
	 * gone after a try of which nobody knows: it was this one that stopped it
	 */
	if (call->result == OMF_RESULT_NOT_FOUND &&
		(call->earlier_unknown || missing_ok))
		return call->earlier_unknown;
	omf_call_raise(call, OMF_ACTION_STOP);
	return false;
}

static bool
stop(FunctionCallInfo fcinfo, OmfCall *call)
{
	static const char *const required[] = {"database_cluster_uuid", "migration_id", "missing_ok"};
	char path[OMF_PATH_SIZE];
	char *migration_id;
	volatile bool stopped = false;

	omf_refuse_nulls(fcinfo, required, lengthof(required));
	migration_id = omf_migration_id_argument(fcinfo, STOP_MIGRATION_ID);
	omf_api_migration_id_path(path, PG_GETARG_UUID_P(STOP_CLUSTER)->data,
							  migration_id);

	call->session = omf_session_acquire(omf_server_argument(fcinfo,
															STOP_SERVER),
										GetUserId());
	PG_TRY();
	{
		stopped = stop_migration(call, path, PG_GETARG_BOOL(STOP_MISSING_OK));
		if (stopped)
			forget_stopped(call, PG_GETARG_UUID_P(STOP_CLUSTER), migration_id);
	}
	PG_FINALLY();
	{
		omf_session_release(call->session);
	}
	PG_END_TRY();
	return stopped;
}

typedef struct StopAttempt
{
	FunctionCallInfo fcinfo;
	OmfCall *call;
	bool stopped;
} StopAttempt;

static void
attempt_stop(void *arg)
{
	StopAttempt *attempt = arg;

	attempt->stopped = stop(attempt->fcinfo, attempt->call);
}

/* As a start is: true unless it failed, which is then told by a warning. */
static bool
stop_or_report(FunctionCallInfo fcinfo, bool *stopped)
{
	StopAttempt attempt = {fcinfo, palloc0(sizeof(OmfCall))};
	ErrorData *error = omf_attempt(attempt_stop, &attempt, true);

	*stopped = attempt.stopped;
	if (error == NULL)
		return true;
	if (concerns_all(error, attempt.call->error != NULL &&
								omf_api_concerns_all(attempt.call->error)))
		ReThrowError(error);
	error->elevel = WARNING;
	ThrowErrorData(error);
	return false;
}

/*
 * databases_delete_online_migration(database_cluster_uuid, migration_id,
 * missing_ok, server, on_error)
 */
Datum
omf_delete_online_migration(PG_FUNCTION_ARGS)
{
	bool stopped = false;
	OmfCall call = {0};

	refuse_read_only("databases_delete_online_migration()");
	if (!reports_errors(fcinfo, STOP_ON_ERROR))
		stopped = stop(fcinfo, &call);
	else if (!stop_or_report(fcinfo, &stopped))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(stopped);
}
