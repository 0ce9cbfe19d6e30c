/*-------------------------------------------------------------------------
 *
 * wait_many.c
 *	  The procedure that waits until many online migrations have got somewhere.
 *
 * What each look at one of them means is what it means to who waits for one
 * (wait_state.h); they are looked at all at once.  As the wait for one, it
 * commits before it waits for anything.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "functions/arguments.h"
#include "functions/wait.h"
#include "session/gate.h"

PG_FUNCTION_INFO_V1(omf_wait_online_migrations);

/* The arguments, by position. */
enum
{
	ARG_CLUSTERS,
	ARG_MIGRATION_IDS,
	ARG_UNTIL,
	ARG_TIMEOUT,
	ARG_POLL_INTERVAL,
	ARG_FAIL_FAST,
	ARG_SERVER
};

/*
 * The shortest pause that is chosen here, and what part of the limit polls may
 * take.
 */
#define SHORTEST_CHOSEN_MS 5000
#define PART_OF_LIMIT 4

/* The API's limit by the hour, where nothing is known of the token's. */
#define HOURLY_LIMIT 5000

/* What a wait ends in that is no status; words of the summary. */
#define ENDED_REPLACED "replaced"
#define ENDED_UNSEEN "ended unseen"
#define ENDED_GONE "gone"
#define ENDED_UNREADABLE "unreadable"

/* One of those that are waited for. */
typedef struct Target
{
	OmfWait wait;             /* what was asked for, and what has been seen */
	pg_uuid_t uuid;           /* of the cluster */
	const char *cluster;      /* what messages call it */
	char path[OMF_PATH_SIZE]; /* of its migration */
	OmfCall call;             /* the last poll */
	const char *created_at;   /* when the migration was, as far as it is known */
	const char *ended;        /* in what its wait has ended: a status that is known,
							   * or one of ENDED_*; or NULL */
	const char *failure;      /* why it has ended otherwise than asked for, or NULL */
} Target;

typedef struct Waiting
{
	Target *targets;
	int ntargets;
	int64 interval_ms;     /* from one poll to the next, or 0: to be chosen */
	int64 deadline;        /* or INT64_MAX: none */
	bool fail_fast;        /* the first failure ends the wait */
	Oid serverid;          /* of the foreign server */
	const char *server;    /* its name when the wait began */
	Oid userid;            /* who waits */
	const char *token;     /* that no message may show; the session's */
	OmfBudget budget;      /* of that token, at the last poll */
	int64 held_ms;         /* for how long the limit allows no more, at the last poll */
	bool is_last;          /* the look is the one at the deadline */
	int64 late_ms;         /* then: for how long the limit allows none, or 0 */
	bool named;            /* the clusters' names have been looked for */
	MemoryContext context; /* lives as long as the wait */
	MemoryContext scratch; /* lives until the next poll */
} Waiting;

/* ----- arguments ----- */

static void
report_bad_list(const char *name, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid list of online migrations to wait for"),
			 errdetail("\"%s\" %s.", name, problem)));
}

static int
read_list(ArrayType *array, const char *name, Oid type, int length, char align,
		  Datum **items)
{
	int nitems;

	if (ARR_NDIM(array) > 1)
		report_bad_list(name, "has more than one dimension");
	if (array_contains_nulls(array))
		report_bad_list(name, "contains a NULL");
	deconstruct_array(array, type, length, false, align, items, NULL, &nitems);
	return nitems;
}

static void
read_targets(FunctionCallInfo fcinfo, Waiting *waiting)
{
	Datum *clusters;
	Datum *ids = NULL;
	OmfWait asked = {0};

	waiting->ntargets = read_list(PG_GETARG_ARRAYTYPE_P(ARG_CLUSTERS), "database_cluster_uuids", UUIDOID, UUID_LEN,
								  TYPALIGN_CHAR, &clusters);
	if (waiting->ntargets == 0)
		report_bad_list("database_cluster_uuids", "is empty");
	if (!PG_ARGISNULL(ARG_MIGRATION_IDS) &&
		read_list(PG_GETARG_ARRAYTYPE_P(ARG_MIGRATION_IDS), "migration_ids", TEXTOID, -1, TYPALIGN_INT, &ids) !=
			waiting->ntargets)
		report_bad_list("migration_ids", "has another length than \"database_cluster_uuids\"");
	omf_wait_read_until(PG_GETARG_ARRAYTYPE_P(ARG_UNTIL), &asked);
	waiting->targets = palloc0(sizeof(Target) * waiting->ntargets);
	for (int i = 0; i < waiting->ntargets; i++)
	{
		Target *target = &waiting->targets[i];

		target->uuid = *DatumGetUUIDP(clusters[i]);
		for (int before = 0; before < i; before++)
			if (memcmp(waiting->targets[before].uuid.data, target->uuid.data,
					   UUID_LEN) == 0)
				report_bad_list("database_cluster_uuids", "has a cluster twice");
		target->wait = asked;
		if (ids != NULL)
		{
			target->wait.wanted = TextDatumGetCString(ids[i]);
			if (!omf_api_is_migration_id(target->wait.wanted))
				report_bad_list("migration_ids", "has an element that is no migration's id");
		}
		target->wait.deadline = waiting->deadline;
		target->cluster = omf_wait_cluster_words(NULL, target->uuid.data);
		omf_api_path(target->path, omf_api_resource("online_migrations"), target->uuid.data);
		omf_wait_begin(&target->wait, omf_clock());
	}
}

static void
read_arguments(FunctionCallInfo fcinfo, Waiting *waiting)
{
	waiting->deadline =
		PG_ARGISNULL(ARG_TIMEOUT)
			? INT64_MAX
			: omf_wait_read_timeout(PG_GETARG_INTERVAL_P(ARG_TIMEOUT));
	if (!PG_ARGISNULL(ARG_POLL_INTERVAL))
		waiting->interval_ms =
			omf_wait_read_interval(PG_GETARG_INTERVAL_P(ARG_POLL_INTERVAL));
	waiting->fail_fast = PG_GETARG_BOOL(ARG_FAIL_FAST);
	read_targets(fcinfo, waiting);
	waiting->serverid = omf_server_argument(fcinfo, ARG_SERVER);
	waiting->server = GetForeignServer(waiting->serverid)->servername;
	waiting->userid = GetUserId();
}

/* ----- what there is to say ----- */

static const char *
migration_words(const Target *target, const char *created_at)
{
	return omf_wait_migration_words(target->wait.id != NULL
										? target->wait.id
										: target->wait.wanted,
									target->cluster, created_at);
}

/* What one of them is counted as. */
static const char *
summary_word(const Target *target)
{
	const char *known;

	if (target->ended == NULL && target->wait.status == NULL)
		return "not seen";
	if (target->ended == NULL)
	{
		known = omf_api_known_status(target->wait.status);
		return known != NULL ? known : "of unknown status";
	}
	known = omf_api_known_status(target->ended);
	return known != NULL ? known : target->ended;
}

static int
count_word(const Waiting *waiting, const char *word)
{
	int count = 0;

	for (int i = 0; i < waiting->ntargets; i++)
		count += strcmp(summary_word(&waiting->targets[i]), word) == 0;
	return count;
}

/* "12 of 30 syncing, 3 running, 1 error": all of them, by what was seen last. */
static char *
summary(const Waiting *waiting)
{
	static const char *const others[] = {
		"of unknown status", ENDED_REPLACED, ENDED_UNSEEN,
		ENDED_GONE, ENDED_UNREADABLE, "not seen"};
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < OMF_NSTATUSES + (int) lengthof(others); i++)
	{
		const char *word = i < OMF_NSTATUSES ? omf_statuses[i] : others[i - OMF_NSTATUSES];
		int count = count_word(waiting, word);

		if (count > 0 && text.len == 0)
			appendStringInfo(&text, "%d of %d %s", count, waiting->ntargets, word);
		else if (count > 0)
			appendStringInfo(&text, ", %d %s", count, word);
	}
	return text.data;
}

static void
tell_status(const Target *target, const OmfPoll *poll, const OmfWaitStep *step)
{
	const char *words =
		omf_wait_migration_words(poll->id, target->cluster, NULL);

	if (step->before == NULL)
		ereport(NOTICE, (errmsg("online migration%s is %s", words, poll->status)));
	else
		ereport(NOTICE,
				(errmsg("online migration%s is %s, after at least %s of %s", words, poll->status,
						omf_wait_duration(step->took_ms), step->before)));
}

/*
 * Those that have failed and, unless only they are wanted, those that are
 * still waited for, by cluster: the rest of the sentence is the caller's.
 */
static char *
list_targets(const Waiting *waiting, bool only_failed)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < waiting->ntargets; i++)
	{
		const Target *target = &waiting->targets[i];

		if (target->failure == NULL && (only_failed || target->ended != NULL))
			continue;
		appendStringInfo(&list, "%sonline migration%s %s", list.len > 0 ? "; " : "",
						 migration_words(target, target->created_at),
						 target->failure != NULL ? target->failure
												 : omf_wait_seen_words(&target->wait));
	}
	return list.data;
}

/* Has one of them ended in an error of its own, of which nobody says why? */
static bool
has_error(const Waiting *waiting)
{
	for (int i = 0; i < waiting->ntargets; i++)
	{
		const Target *target = &waiting->targets[i];

		if (target->failure != NULL &&
			omf_api_known_status(target->ended) == omf_api_known_status("error"))
			return true;
	}
	return false;
}

static void
report_failures(const Waiting *waiting)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("online migrations have ended otherwise than waited for"),
			 errdetail("%s: %s.", summary(waiting), list_targets(waiting, true)),
			 has_error(waiting)
				 ? errhint("The API gives no reason for an error. databases_check_online_migration() looks for one.")
				 : 0));
}

static void
report_late(const Waiting *waiting)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_ERROR),
			 errmsg("timed out while waiting for online migrations"),
			 errdetail("%s: %s.", summary(waiting), list_targets(waiting, false)),
			 omf_wait_hint_held(waiting->late_ms)));
}

static void
wait_context(void *arg)
{
	const Waiting *waiting = arg;

	errcontext("wait for online migrations of %d database clusters", waiting->ntargets);
}

/* ----- polls ----- */

/* As the wait for one does: once, and for good. */
static void
name_clusters(Waiting *waiting, const OmfSession *session)
{
	MemoryContext before = MemoryContextSwitchTo(waiting->context);

	for (int i = 0; i < waiting->ntargets; i++)
		waiting->targets[i].cluster =
			omf_wait_cluster_words(session, waiting->targets[i].uuid.data);
	waiting->named = true;
	MemoryContextSwitchTo(before);
}

/* Look at all that have not ended, as the wait for one does. */
static void
look(Waiting *waiting)
{
	OmfCall **calls = palloc(sizeof(OmfCall *) * waiting->ntargets);
	OmfSession *session;
	int ncalls = 0;

	AcceptInvalidationMessages();
	omf_server_check(waiting->serverid, waiting->server, waiting->userid);
	session = omf_session_acquire(waiting->serverid, waiting->userid);
	PG_TRY();
	{
		waiting->token = omf_engine_token(omf_session_engine(session));
		if (!waiting->named)
			name_clusters(waiting, session);
		for (int i = 0; i < waiting->ntargets; i++)
		{
			Target *target = &waiting->targets[i];

			if (target->ended != NULL)
				continue;
			target->call.session = session;
			target->call.path = target->path;
			target->call.secrets.texts = &waiting->token;
			target->call.secrets.ntexts = 1;
			target->call.late = true;
			calls[ncalls++] = &target->call;
		}

		/* the snapshots of the look-ups go */
		SPI_commit();

		/* as the wait for one does */
		waiting->late_ms = waiting->is_last ? omf_wait_held_ms(session) : 0;
		if (waiting->late_ms == 0)
			omf_calls_get(calls, ncalls, omf_wait_look_deadline(waiting->deadline, waiting->is_last));
		if (!omf_gate_look(omf_session_account(session), &waiting->budget))
			waiting->budget.known = false;
	}
	PG_FINALLY();
	{
		omf_session_release(session);
	}
	PG_END_TRY();
}

/*
 * What the poll has shown is what was last seen of it; another migration is
 * not it.
 */
static void
keep_seen(Waiting *waiting, Target *target, const OmfPoll *poll)
{
	MemoryContext before = MemoryContextSwitchTo(waiting->context);

	if (target->wait.id == NULL || poll->id == NULL ||
		strcmp(target->wait.id, poll->id) == 0)
	{
		target->wait.status = pstrdup(poll->status);
		if (poll->id != NULL)
			target->wait.id = pstrdup(poll->id);
		target->created_at = omf_call_created_at(&target->call);
	}
	MemoryContextSwitchTo(before);
}

static void
end_target(Waiting *waiting, Target *target, const OmfPoll *poll,
		   const char *ended, const char *failure)
{
	if (poll->kind == OMF_POLL_MIGRATION)
		keep_seen(waiting, target, poll);
	target->ended = MemoryContextStrdup(waiting->context, ended);
	if (failure == NULL)
		return;
	target->failure = MemoryContextStrdup(waiting->context, failure);
	ereport(NOTICE,
			(errmsg("online migration%s %s", migration_words(target, NULL), failure)));
}

/* Why, as part of a sentence. */
static char *
unreadable_words(const OmfError *error)
{
	char *text = omf_error_text(error);
	size_t length = strlen(text);

	if (length > 0 && text[length - 1] == '.')
		text[length - 1] = '\0';
	return psprintf("could not be read: %s", text);
}

/* Act on what the poll means: true when something has changed. */
static bool
conclude(Waiting *waiting, Target *target, const OmfPoll *poll,
		 const OmfWaitStep *step, bool *warned)
{
	OmfWait *wait = &target->wait;

	switch (step->verdict)
	{
		case OMF_WAIT_ON:
			return false;
		case OMF_WAIT_ABSENT:
			omf_wait_tell_absent(wait, target->cluster, poll);
			return false;
		case OMF_WAIT_CHANGED:
			tell_status(target, poll, step);
			keep_seen(waiting, target, poll);
			break;
		case OMF_WAIT_HELD:
		case OMF_WAIT_TROUBLE:
			/* one for all */
			if (!*warned)
				omf_warn(OMF_ACTION_READ, target->call.error,
						 waiting->is_last ? OMF_WAIT_OVER_HINT : "The wait goes on.");
			*warned = true;
			return false;
		case OMF_WAIT_REACHED:
			tell_status(target, poll, step);
			end_target(waiting, target, poll, poll->status, NULL);
			break;
		case OMF_WAIT_ENDED:
			end_target(waiting, target, poll, poll->status, psprintf("is %s", poll->status));
			break;
		case OMF_WAIT_REPLACED:
			end_target(waiting, target, poll, ENDED_REPLACED,
					   psprintf("has been replaced by \"%s\"", poll->id));
			break;
		case OMF_WAIT_UNKNOWN:
			end_target(waiting, target, poll, ENDED_UNSEEN, "has finished, nobody knows how");
			break;
		case OMF_WAIT_GONE:
			end_target(waiting, target, poll, ENDED_GONE, "is not there");
			break;
		case OMF_WAIT_BROKEN:
			if (target->call.error == NULL ||
				omf_api_concerns_all(target->call.error) ||
				target->call.error->passing)
				omf_raise_about(OMF_ACTION_WAIT, target->call.error,
								psprintf("Waited for: %s.", summary(waiting)));
			end_target(waiting, target, poll, ENDED_UNREADABLE, unreadable_words(target->call.error));
			break;
	}
	return true;
}

/*
 * The pause: as asked for, or as the limit of the token bears so many polls.
 */
static int64
pause_of(const Waiting *waiting, int nleft)
{
	int64 limit = waiting->budget.known && waiting->budget.limit > 0
					  ? waiting->budget.limit
					  : HOURLY_LIMIT;
	int64 pause = waiting->interval_ms;

	if (pause == 0)
		pause = Max(SHORTEST_CHOSEN_MS, (int64) nleft * SECS_PER_HOUR * 1000 *
											PART_OF_LIMIT / limit);
	pause = Max(pause, waiting->held_ms);
	if (waiting->deadline != INT64_MAX)
		pause = Max(0, Min(pause, waiting->deadline - omf_clock()));
	return pause;
}

/* One look at all: how many are still waited for. */
static int
poll_all(Waiting *waiting)
{
	bool changed = false;
	bool warned = false;
	bool back = false;
	bool alive = false;
	int nleft = 0;

	look(waiting);
	waiting->held_ms = 0;
	for (int i = 0; i < waiting->ntargets; i++)
	{
		Target *target = &waiting->targets[i];
		OmfWaitStep step;
		OmfPoll poll;

		if (target->ended != NULL)
			continue;
		if (!target->call.late)
		{
			omf_wait_read_poll(&target->call, &poll);
			step = omf_wait_judge(&target->wait, &poll);
			back |= step.is_back;
			alive |= step.is_alive;
			changed |= conclude(waiting, target, &poll, &step, &warned);
			if (step.is_strange && target->ended == NULL)
				omf_wait_tell_strange(target->cluster, &poll);
			if (poll.kind == OMF_POLL_HELD)
				waiting->held_ms = Max(waiting->held_ms, poll.asked_ms);
		}
		nleft += target->ended == NULL;
	}
	if (back && !warned)
		ereport(NOTICE, (errmsg("the API answers again, and the wait for online migrations goes on")));
	if (changed || alive)
		ereport(NOTICE, (errmsg("%s", summary(waiting))));
	return nleft;
}

static bool
has_failed(const Waiting *waiting)
{
	for (int i = 0; i < waiting->ntargets; i++)
		if (waiting->targets[i].failure != NULL)
			return true;
	return false;
}

static void
wait_for_migrations(Waiting *waiting)
{
	for (;;)
	{
		int nleft;

		MemoryContextReset(waiting->scratch);
		waiting->is_last = waiting->deadline <= omf_clock();
		nleft = poll_all(waiting);
		if (has_failed(waiting) && (nleft == 0 || waiting->fail_fast))
			report_failures(waiting);
		if (nleft == 0)
			return;
		if (waiting->is_last)
			report_late(waiting);

		/* so that the transaction is never older than a pause */
		SPI_commit();
		omf_wait_pause(pause_of(waiting, nleft));
	}
}

/*
 * databases_wait_online_migrations(database_cluster_uuids, migration_ids,
 * until, timeout, poll_interval, fail_fast, server)
 */
Datum
omf_wait_online_migrations(PG_FUNCTION_ARGS)
{
	static const char *const required[] = {"database_cluster_uuids", NULL, "until", NULL, NULL, "fail_fast"};
	ErrorContextCallback callback;
	Waiting waiting = {0};

	omf_wait_refuse_atomic(fcinfo);
	omf_refuse_nulls(fcinfo, required, lengthof(required));

	/* from here on memory outlives commits */
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	read_arguments(fcinfo, &waiting);
	waiting.context = CurrentMemoryContext;
	waiting.scratch = AllocSetContextCreate(CurrentMemoryContext, "online migrations poll",
											ALLOCSET_SMALL_SIZES);

	callback.callback = wait_context;
	callback.arg = &waiting;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	MemoryContextSwitchTo(waiting.scratch);
	wait_for_migrations(&waiting);
	MemoryContextSwitchTo(waiting.context);
	error_context_stack = callback.previous;

	SPI_finish();
	PG_RETURN_VOID();
}
