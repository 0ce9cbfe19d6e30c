/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  The procedure that waits until an online migration has got somewhere.
 *
 * A migration can take days, in which the wait must not hold back vacuum: it
 * commits before it waits for anything, and looks everything up anew after
 * that.  So nothing of one transaction may be used in the next one: the
 * arguments are copied at first, into memory that outlives commits, and of
 * the server and the user only the OIDs are kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#include "utils/wait_event.h"

#include "client/pollset.h"
#include "functions/arguments.h"
#include "functions/call.h"
#include "compat.h"
#include "session/options.h"
#include "functions/wait.h"
#include "session/gate.h"

PG_FUNCTION_INFO_V1(omf_wait_online_migration);

/* The arguments, by position. */
enum
{
	ARG_CLUSTER,
	ARG_MIGRATION_ID,
	ARG_UNTIL,
	ARG_TIMEOUT,
	ARG_POLL_INTERVAL,
	ARG_SERVER
};

/*
 * A look that has begun may take so long beyond the timeout, and the one that
 * begins when that is over, longer: what the API says then decides.
 */
#define LATE_LOOK_MS 1000
#define LAST_LOOK_MS 10000

/* Often enough for anybody, and a small part of what a token may ask. */
#define SHORTEST_INTERVAL_MS 1000

typedef struct Waiting
{
	OmfWait wait;             /* what was asked for, and what has been seen */
	Oid serverid;             /* of the foreign server */
	const char *server;       /* its name when the wait began */
	Oid userid;               /* who waits */
	pg_uuid_t uuid;           /* of the cluster */
	const char *cluster;      /* what messages call it */
	char path[OMF_PATH_SIZE]; /* of its migration */
	const char *created_at;   /* when that was, as far as it is known */
	OmfCall call;             /* the last poll */
	const char *token;        /* that no message may show; the session's */
	MemoryContext context;    /* lives as long as the wait */
	MemoryContext scratch;    /* lives until the next poll */
	bool is_last;             /* the poll is the one at the deadline */
	int64 held_ms;            /* then: for how long the limit allows none, or 0 */
	bool named;               /* the cluster's name has been looked for */
	bool telling;             /* in a notice, which needs no context */
} Waiting;

static uint32 wait_event = 0;

/* ----- arguments ----- */

void
omf_wait_refuse_atomic(FunctionCallInfo fcinfo)
{
	if (fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		!castNode(CallContext, fcinfo->context)->atomic)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
			 errmsg("cannot wait for an online migration inside a transaction"),
			 errdetail("The wait commits before each pause, so that it does not hold back vacuum. Here it can't commit."),
			 errhint("Make CALL a statement of its own. Transaction block: COMMIT first. "
					 "Function, trigger, block with EXCEPTION, or procedure with SET or SECURITY DEFINER: call it from outside, from DO, or from a plain procedure. "
					 "Several statements in one string: send them one by one. psql: no -1 (--single-transaction), no \\;, one statement to each -c, AUTOCOMMIT on. "
					 "Driver: autocommit on. pg_cron: a job with this one command.")));
}

static void
report_bad_until(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid list of statuses to wait for"),
			 errdetail("%s", detail),
			 errhint("Write it like '{syncing,done}'.")));
}

static const char *
read_status(Datum given)
{
	const char *status = TextDatumGetCString(given);
	bool is_known = false;

	for (int i = 0; i < OMF_NSTATUSES; i++)
		is_known |= strcmp(status, omf_statuses[i]) == 0;
	if (!is_known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid list of statuses to wait for"),
				 errdetail("\"%s\" is no status of an online migration.", status),
				 errhint("%s", omf_name_hint("Statuses are", status, omf_statuses, OMF_NSTATUSES))));
	return status;
}

void
omf_wait_read_until(ArrayType *array, OmfWait *wait)
{
	Datum *given;
	bool *nulls;

	if (ARR_NDIM(array) > 1)
		report_bad_until("\"until\" has more than one dimension.");
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &given, &nulls,
					  &wait->nuntil);
	if (wait->nuntil == 0)
		report_bad_until("\"until\" is empty.");
	wait->until = palloc(wait->nuntil * sizeof(char *));
	for (int i = 0; i < wait->nuntil; i++)
	{
		if (nulls[i])
			report_bad_until("\"until\" contains a NULL.");
		wait->until[i] = read_status(given[i]);
	}
}

/* A month is 30 days here, as it is for EXTRACT(EPOCH FROM ...). */
static int64
milliseconds_of(const Interval *interval)
{
	int64 days = (int64) interval->month * DAYS_PER_MONTH + interval->day;

	return days * SECS_PER_DAY * INT64CONST(1000) + interval->time / 1000;
}

int64
omf_wait_read_interval(const Interval *interval)
{
	if (!omf_interval_is_finite(interval) ||
		milliseconds_of(interval) < SHORTEST_INTERVAL_MS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid poll_interval"),
				 errdetail("It must be 1 second or more, and finite.")));
	return milliseconds_of(interval);
}

int64
omf_wait_read_timeout(const Interval *interval)
{
	if (!omf_interval_is_finite(interval) || milliseconds_of(interval) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid timeout"),
				 errdetail("It must not be negative, nor infinite."),
				 errhint("NULL means no timeout.")));
	return omf_clock() + milliseconds_of(interval);
}

/* All of them, copied: a datum may point into a table. */
static void
read_arguments(FunctionCallInfo fcinfo, Waiting *waiting)
{
	OmfWait *wait = &waiting->wait;

	wait->wanted = PG_ARGISNULL(ARG_MIGRATION_ID)
					   ? NULL
					   : omf_migration_id_argument(fcinfo, ARG_MIGRATION_ID);
	omf_wait_read_until(PG_GETARG_ARRAYTYPE_P(ARG_UNTIL), wait);
	wait->interval_ms =
		omf_wait_read_interval(PG_GETARG_INTERVAL_P(ARG_POLL_INTERVAL));
	wait->deadline =
		PG_ARGISNULL(ARG_TIMEOUT)
			? INT64_MAX
			: omf_wait_read_timeout(PG_GETARG_INTERVAL_P(ARG_TIMEOUT));
	waiting->uuid = *PG_GETARG_UUID_P(ARG_CLUSTER);
	waiting->cluster = omf_wait_cluster_words(NULL, waiting->uuid.data);
	omf_api_path(waiting->path, omf_api_resource("online_migrations"), waiting->uuid.data);
	waiting->serverid = omf_server_argument(fcinfo, ARG_SERVER);
	waiting->server = GetForeignServer(waiting->serverid)->servername;
	waiting->userid = GetUserId();
}

/* ----- what there is to say ----- */

char *
omf_wait_duration(int64 milliseconds)
{
	int64 seconds = milliseconds / 1000;
	Interval interval;

	interval.month = 0;
	interval.day = (int32) (seconds / SECS_PER_DAY);
	interval.time = (seconds % SECS_PER_DAY) * USECS_PER_SEC;
	return DatumGetCString(
		DirectFunctionCall1(interval_out, IntervalPGetDatum(&interval)));
}

char *
omf_wait_cluster_words(const OmfSession *session, const unsigned char *uuid)
{
	pg_uuid_t copy;
	const char *name = session != NULL
						   ? omf_session_cluster_name(session, uuid)
						   : NULL;
	char *text;

	memcpy(copy.data, uuid, UUID_LEN);
	text =
		DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&copy)));
	return name != NULL ? psprintf("\"%s\" (%s)", omf_error_words(name), text) : text;
}

char *
omf_wait_migration_words(const char *id, const char *cluster,
						 const char *created_at)
{
	StringInfoData words;

	initStringInfo(&words);
	if (id != NULL)
		appendStringInfo(&words, " \"%s\"", id);
	if (created_at != NULL)
		appendStringInfo(&words, ", created at %s,", created_at);
	appendStringInfo(&words, " of database cluster %s", cluster);
	return words.data;
}

/* The one that is waited for, or was last seen. */
static const char *
migration_words(const Waiting *waiting)
{
	const OmfWait *wait = &waiting->wait;

	return omf_wait_migration_words(wait->id != NULL ? wait->id : wait->wanted,
									waiting->cluster, waiting->created_at);
}

/* The one that the last poll has shown. */
static const char *
shown_words(const Waiting *waiting, const OmfPoll *poll)
{
	return omf_wait_migration_words(poll->id, waiting->cluster,
									omf_call_created_at(&waiting->call));
}

static const char *
statuses_waited_for(const OmfWait *wait)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < wait->nuntil; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", wait->until[i]);
	return list.data;
}

/* For errors of a poll and of what PostgreSQL ends a wait with. */
static void
wait_context(void *arg)
{
	const Waiting *waiting = arg;
	const OmfWait *wait = &waiting->wait;
	char *words;

	if (waiting->telling)
		return;
	words = omf_wait_migration_words(wait->id != NULL ? wait->id
													  : wait->wanted,
									 waiting->cluster, NULL);
	errcontext("wait for online migration%s, last status: %s", words,
			   wait->status != NULL ? wait->status : "none");

	/* a line of the log leaves all else in ErrorContext, for days */
	pfree(words);
	if (wait->failing_since >= 0)
		errcontext("calls fail for " INT64_FORMAT " s", (omf_clock() - wait->failing_since) / 1000);
}

/*
 * A status may have begun before the first poll that saw it, and ended after
 * the last one.
 */
static void
tell_status(const Waiting *waiting, const OmfPoll *poll,
			const OmfWaitStep *step)
{
	ereport(NOTICE,
			(errmsg("online migration%s is %s, after %s%s of %s",
					omf_wait_migration_words(poll->id, waiting->cluster, NULL),
					poll->status, step->before != NULL ? "at least " : "",
					omf_wait_duration(step->took_ms),
					step->before != NULL ? step->before : "waiting")));
}

/* What follows "which is". */
static const char *
status_words(const OmfPoll *poll)
{
	return poll->status != NULL ? poll->status : "of unknown status";
}

char *
omf_wait_seen_words(const OmfWait *wait)
{
	const char *seen = wait->statusless ? "was seen only in answers without a status"
										: "has not been seen";

	if (wait->status != NULL)
		seen = psprintf("was last seen %s", wait->status);
	if (wait->failing_since < 0)
		return pstrdup(seen);
	return psprintf("%s, and calls fail for %s", seen,
					omf_wait_duration(omf_clock() - wait->failing_since));
}

void
omf_wait_tell_absent(const OmfWait *wait, const char *cluster,
					 const OmfPoll *poll)
{
	ereport(NOTICE,
			(errmsg("online migration%s is not there yet", omf_wait_migration_words(wait->wanted, cluster, NULL)),
			 poll->kind == OMF_POLL_MIGRATION
				 ? errdetail("The API shows online migration%s, which is %s.",
							 omf_wait_migration_words(poll->id, cluster, NULL),
							 status_words(poll))
				 : errdetail("The API shows none of database cluster %s.", cluster)));
}

void
omf_wait_tell_strange(const char *cluster, const OmfPoll *poll)
{
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("online migration has a status that is not known"),
			 poll->status != NULL
				 ? errdetail("Online migration%s is %s.", omf_wait_migration_words(poll->id, cluster, NULL), poll->status)
				 : errdetail("What the API says of online migration%s has no status.", omf_wait_migration_words(poll->id, cluster, NULL)),
			 errhint("The wait goes on, and ends with one of the statuses that it knows.")));
}

/* Calls succeed again, or nothing was said for long. */
static void
tell_going_on(const Waiting *waiting, const OmfWaitStep *step)
{
	const OmfWait *wait = &waiting->wait;

	if (step->is_back)
		ereport(NOTICE,
				(errmsg("the API answers again, and the wait for the online migration of database cluster %s goes on",
						waiting->cluster)));
	else if (step->is_alive && wait->status != NULL)
		ereport(NOTICE,
				(errmsg("online migration%s is still waited for, and was seen %s for at least %s",
						omf_wait_migration_words(wait->id, waiting->cluster,
												 NULL),
						wait->status, omf_wait_duration(step->took_ms))));
	else if (step->is_alive)
		ereport(NOTICE,
				(errmsg("online migration%s is still waited for, for %s now",
						omf_wait_migration_words(wait->wanted,
												 waiting->cluster, NULL),
						omf_wait_duration(step->took_ms))));
}

int
omf_wait_hint_held(int64 held_ms)
{
	TimestampTz at;

	if (held_ms == 0)
		return 0;
	at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), held_ms);
	return errhint("There was no last look: the rate limit allows no request before %s.", timestamptz_to_str(at));
}

static void
report_late(const Waiting *waiting)
{
	const OmfError *error = waiting->wait.failing_since >= 0 ? waiting->call.error : NULL;

	ereport(ERROR,
			(errcode(ERRCODE_FDW_ERROR),
			 errmsg("timed out while waiting for an online migration"),
			 errdetail("Online migration%s %s.%s%s", migration_words(waiting), omf_wait_seen_words(&waiting->wait),
					   error != NULL ? " The last one: " : "",
					   error != NULL ? omf_error_text(error) : ""),
			 omf_wait_hint_held(waiting->held_ms)));
}

static void
report_ended(const Waiting *waiting, const OmfPoll *poll)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("online migration has ended in a status that is not waited for"),
			 errdetail("Online migration%s is %s. Waited for: %s.", shown_words(waiting, poll), poll->status,
					   statuses_waited_for(&waiting->wait)),
			 omf_api_known_status(poll->status) ==
					 omf_api_known_status("error")
				 ? errhint("The API gives no reason. Look at the source: reachable from DigitalOcean, credentials, TLS, logical replication.")
				 : 0));
}

static void
report_replaced(const Waiting *waiting, const OmfPoll *poll)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("online migration has been replaced by another one"),
			 errdetail("Online migration%s was last seen %s. The API now shows online migration%s, which is %s.",
					   migration_words(waiting), waiting->wait.status,
					   shown_words(waiting, poll), status_words(poll))));
}

/* The failure ends the wait. */
omf_noreturn static void
report_failure(const Waiting *waiting, OmfAction action)
{
	const char *about = psprintf("Online migration%s %s.",
								 migration_words(waiting),
								 omf_wait_seen_words(&waiting->wait));

	omf_raise_about(action, waiting->call.error, about);
}

static void
report_unknown(const Waiting *waiting)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("online migration has finished, its status is unknown"),
			 errdetail("Of online migration%s the API has said nothing %d times in a row, which it does of finished ones. Last status: %s.",
					   migration_words(waiting), OMF_WAIT_EMPTIES,
					   waiting->wait.status != NULL ? waiting->wait.status
													: "none"),
			 errhint("Look into the database cluster itself.")));
}

/* What is to come after a poll that the rate limit did not allow. */
static const char *
held_words(const Waiting *waiting, const OmfPoll *poll,
		   const OmfWaitStep *step)
{
	int64 seconds = (step->pause_ms + 999) / 1000;

	if (waiting->is_last)
		return OMF_WAIT_OVER_HINT;
	if (poll->asked_ms > step->pause_ms)
		return psprintf("The timeout ends the wait in " INT64_FORMAT " s, before the limit allows a request.", seconds);
	return psprintf("The wait goes on, and asks again in " INT64_FORMAT " s.", seconds);
}

/* ----- polls ----- */

int64
omf_wait_held_ms(const OmfSession *session)
{
	int64 now = omf_pollset_now();
	OmfBudget budget;

	if (!omf_gate_look(omf_session_account(session), &budget))
		return 0;
	if (budget.held_until > now)
		return budget.held_until - now;
	return budget.known && omf_budget_left(&budget) == 0 &&
				   budget.resets_at > now
			   ? budget.resets_at - now
			   : 0;
}

void
omf_wait_read_poll(const OmfCall *call, OmfPoll *poll)
{
	poll->at = omf_clock();
	poll->id = NULL;
	poll->status = NULL;
	poll->asked_ms = -1;
	if (call->result == OMF_RESULT_NOT_FOUND)
		poll->kind = OMF_POLL_MISSING;
	else if (call->result == OMF_RESULT_ERROR)
	{
		if (call->error == NULL || !call->error->passing)
			poll->kind = OMF_POLL_FAILED;
		else
			poll->kind = call->error->kind == OMF_ERROR_RATE_LIMIT
							 ? OMF_POLL_HELD
							 : OMF_POLL_PASSING;
		if (poll->kind == OMF_POLL_HELD && call->error->resets_in >= 0)
			poll->asked_ms = call->error->resets_in * 1000;
	}
	else
	{
		poll->id = omf_call_field(call, OMF_MIGRATION_ID);
		poll->status = omf_call_status(call);
		poll->kind = call->wordless ? OMF_POLL_EMPTY : OMF_POLL_MIGRATION;
	}
}

/*
 * What the session knows of the cluster's name stays said, whatever session
 * comes next.
 */
static void
name_cluster(Waiting *waiting)
{
	MemoryContext before = MemoryContextSwitchTo(waiting->context);

	waiting->cluster = omf_wait_cluster_words(waiting->call.session,
											  waiting->uuid.data);
	waiting->named = true;
	MemoryContextSwitchTo(before);
}

/*
 * Look at the migration: false when the time was over before the answer.  All
 * that rests on the catalogs may have changed since the last time.
 */
static bool
look(Waiting *waiting, OmfPoll *poll)
{
	OmfCall *call = &waiting->call;

	AcceptInvalidationMessages();
	omf_server_check(waiting->serverid, waiting->server, waiting->userid);
	call->session = omf_session_acquire(waiting->serverid, waiting->userid);
	PG_TRY();
	{
		waiting->token = omf_engine_token(omf_session_engine(call->session));
		if (!waiting->named)
			name_cluster(waiting);
		call->secrets.texts = &waiting->token;
		call->secrets.ntexts = 1;

		/* the snapshots of the look-ups go */
		SPI_commit();

		/* the time is over, and none is left for a pause of the limit */
		waiting->held_ms = waiting->is_last ? omf_wait_held_ms(call->session)
											: 0;
		call->late = waiting->held_ms > 0;
		if (!call->late)
		{
			omf_call_make(call, OMF_GET, waiting->path, NULL);
			if (call->late)
				waiting->held_ms = omf_wait_held_ms(call->session);
		}
	}
	PG_FINALLY();
	{
		omf_session_release(call->session);
	}
	PG_END_TRY();
	if (call->late)
		return false;
	omf_wait_read_poll(&waiting->call, poll);
	return true;
}

/* What the poll has shown is what was last seen, beyond the next one. */
static void
keep_seen(Waiting *waiting, const OmfPoll *poll)
{
	MemoryContext before = MemoryContextSwitchTo(waiting->context);

	waiting->wait.status = pstrdup(poll->status);
	if (poll->id != NULL)
		waiting->wait.id = pstrdup(poll->id);
	waiting->created_at = omf_call_created_at(&waiting->call);
	MemoryContextSwitchTo(before);
}

/* Act on what the poll means: true when the wait has ended well. */
static bool
conclude(Waiting *waiting, const OmfPoll *poll, const OmfWaitStep *step)
{
	OmfWait *wait = &waiting->wait;

	switch (step->verdict)
	{
		case OMF_WAIT_ON:
			break;
		case OMF_WAIT_ABSENT:
			omf_wait_tell_absent(wait, waiting->cluster, poll);
			break;
		case OMF_WAIT_CHANGED:
			tell_status(waiting, poll, step);
			keep_seen(waiting, poll);
			break;
		case OMF_WAIT_HELD:
			omf_warn(OMF_ACTION_READ, waiting->call.error, held_words(waiting, poll, step));
			break;
		case OMF_WAIT_TROUBLE:
			omf_warn(OMF_ACTION_READ, waiting->call.error,
					 waiting->is_last ? OMF_WAIT_OVER_HINT
									  : psprintf("The wait goes on. It ends when calls have failed for %d minutes without a break.",
												 OMF_WAIT_FAILING_MS / 60000));
			break;
		case OMF_WAIT_REACHED:
			tell_status(waiting, poll, step);
			return true;
		case OMF_WAIT_ENDED:
			report_ended(waiting, poll);
			break;
		case OMF_WAIT_REPLACED:
			report_replaced(waiting, poll);
			break;
		case OMF_WAIT_UNKNOWN:
			report_unknown(waiting);
			break;
		case OMF_WAIT_GONE:
			waiting->telling = false;
			report_failure(waiting, OMF_ACTION_FIND);
		case OMF_WAIT_BROKEN:
			waiting->telling = false;
			report_failure(waiting, OMF_ACTION_WAIT);
	}
	return false;
}

void
omf_wait_pause(int64 milliseconds)
{
	int64 end = omf_clock() + milliseconds;

	if (wait_event == 0)
		wait_event = omf_new_wait_event("OnlineMigrationsWait");
	for (;;)
	{
		int64 left = end - omf_clock();

		CHECK_FOR_INTERRUPTS();
		if (left <= 0)
			return;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 (long) Min(left, INT_MAX), wait_event);
		ResetLatch(MyLatch);
	}
}

int64
omf_wait_look_deadline(int64 deadline, bool is_last)
{
	if (deadline == INT64_MAX)
		return 0;
	return is_last ? omf_clock() + LAST_LOOK_MS
				   : Max(deadline, omf_clock() + LATE_LOOK_MS);
}

static void
wait_for_migration(Waiting *waiting)
{
	for (;;)
	{
		bool reached;
		OmfWaitStep step;
		OmfPoll poll;

		MemoryContextReset(waiting->scratch);
		waiting->call.error = NULL;
		waiting->is_last =
			omf_wait_time_left(&waiting->wait, omf_clock()) == 0;
		waiting->call.deadline =
			omf_wait_look_deadline(waiting->wait.deadline, waiting->is_last);
		if (!look(waiting, &poll))
			report_late(waiting);
		step = omf_wait_judge(&waiting->wait, &poll);
		waiting->telling = true;
		tell_going_on(waiting, &step);
		reached = conclude(waiting, &poll, &step);
		if (!reached && step.is_strange)
			omf_wait_tell_strange(waiting->cluster, &poll);
		waiting->telling = false;
		if (reached)
			return;
		if (waiting->is_last)
			report_late(waiting);

		/* so that the transaction is never older than a pause */
		SPI_commit();
		omf_wait_pause(step.pause_ms);
	}
}

/*
 * databases_wait_online_migration(database_cluster_uuid, migration_id, until,
 * timeout, poll_interval, server)
 */
Datum
omf_wait_online_migration(PG_FUNCTION_ARGS)
{
	static const char *const required[] = {"database_cluster_uuid", NULL, "until", NULL, "poll_interval"};
	ErrorContextCallback callback;
	Waiting waiting = {0};

	omf_wait_refuse_atomic(fcinfo);
	omf_refuse_nulls(fcinfo, required, lengthof(required));

	/* from here on memory outlives commits */
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	read_arguments(fcinfo, &waiting);
	omf_wait_begin(&waiting.wait, omf_clock());
	waiting.context = CurrentMemoryContext;
	waiting.scratch = AllocSetContextCreate(CurrentMemoryContext, "online migration poll",
											ALLOCSET_SMALL_SIZES);

	callback.callback = wait_context;
	callback.arg = &waiting;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	MemoryContextSwitchTo(waiting.scratch);
	wait_for_migration(&waiting);
	MemoryContextSwitchTo(waiting.context);
	error_context_stack = callback.previous;

	SPI_finish();
	PG_RETURN_VOID();
}
