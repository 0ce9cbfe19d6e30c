/*-------------------------------------------------------------------------
 *
 * wait_state.c
 *	  What each look at a migration means to who waits for it.
 *
 *-------------------------------------------------------------------------
 */
#include "functions/wait_state.h"

#include <string.h>

#include "client/resource.h"

void
omf_wait_begin(OmfWait *wait, int64_t now)
{
	wait->id = NULL;
	wait->status = NULL;
	wait->since = now;
	wait->seen_at = now;
	wait->missing_since = -1;
	wait->failing_since = -1;
	wait->empties = 0;
	wait->strangers = 0;
	wait->statusless = false;
	wait->held = false;
	wait->told_absent = false;
	wait->troubled = false;
	wait->told_at = now;
}

int64_t
omf_wait_time_left(const OmfWait *wait, int64_t now)
{
	if (wait->deadline == INT64_MAX)
		return -1;
	return wait->deadline > now ? wait->deadline - now : 0;
}

static bool
is_waited_for(const OmfWait *wait, const char *status)
{
	const char *known = omf_api_known_status(status);

	for (int i = 0; known != NULL && i < wait->nuntil; i++)
		if (strcmp(wait->until[i], known) == 0)
			return true;
	return false;
}

/* Do both mean the same? */
static bool
is_same_status(const char *a, const char *b)
{
	const char *known = omf_api_known_status(a);

	return strcmp(a, b) == 0 ||
		   (known != NULL && known == omf_api_known_status(b));
}

/*
 * The migration is not there yet, which is worth telling once: who has
 * mistyped its id would wait for ever without a word.
 */
static OmfWaitVerdict
judge_absent(OmfWait *wait)
{
	if (wait->told_absent || wait->status != NULL)
		return OMF_WAIT_ON;
	wait->told_absent = true;
	return OMF_WAIT_ABSENT;
}

/*
 * Is it the migration that is waited for?  One without an id is, unless some
 * id was asked for: nothing says that it is another one.
 */
static bool
is_the_one(const OmfWait *wait, const char *id)
{
	const char *known = wait->id != NULL ? wait->id : wait->wanted;

	if (known == NULL)
		return true;
	return id != NULL ? strcmp(id, known) == 0 : wait->wanted == NULL;
}

static OmfWaitVerdict
judge_migration(OmfWait *wait, const OmfPoll *poll)
{
	if (!is_the_one(wait, poll->id))
	{
		/* until the one asked for comes up, the API shows the one before it */
		if (wait->status == NULL)
			return judge_absent(wait);

		/* an id that is missing for once is no other id */
		return poll->id != NULL ? OMF_WAIT_REPLACED : OMF_WAIT_ON;
	}
	if (poll->status == NULL)
	{
		wait->statusless = true;
		return OMF_WAIT_ON;
	}
	if (is_waited_for(wait, poll->status))
		return OMF_WAIT_REACHED;
	if (omf_api_is_ended(poll->status))
		return OMF_WAIT_ENDED;
	wait->seen_at = poll->at;
	if (wait->status != NULL && is_same_status(wait->status, poll->status))
		return OMF_WAIT_ON;
	if (poll->id != NULL)
		wait->id = poll->id;
	wait->status = poll->status;
	wait->since = poll->at;
	return OMF_WAIT_CHANGED;
}

/* A row of something that can be waited through, but not for ever. */
static bool
is_too_long(int64_t *since, int64_t now, int64_t limit)
{
	if (*since < 0)
		*since = now;
	return now - *since >= limit;
}

static OmfWaitVerdict
judge_failure(OmfWait *wait, const OmfPoll *poll)
{
	bool first = wait->failing_since < 0;

	if (is_too_long(&wait->failing_since, poll->at, OMF_WAIT_FAILING_MS))
		return OMF_WAIT_BROKEN;
	return first ? OMF_WAIT_TROUBLE : OMF_WAIT_ON;
}

/* The limit is everybody's: who waits for a migration waits for it, too. */
static OmfWaitVerdict
judge_held(OmfWait *wait)
{
	if (wait->held)
		return OMF_WAIT_ON;
	wait->held = true;
	return OMF_WAIT_HELD;
}

static OmfWaitVerdict
judge(OmfWait *wait, const OmfPoll *poll)
{
	/* anything else breaks a row */
	if (poll->kind != OMF_POLL_MISSING)
		wait->missing_since = -1;
	if (poll->kind != OMF_POLL_PASSING)
		wait->failing_since = -1;
	if (poll->kind != OMF_POLL_EMPTY)
		wait->empties = 0;
	if (poll->kind != OMF_POLL_HELD)
		wait->held = false;
	switch (poll->kind)
	{
		case OMF_POLL_MISSING:
			if (is_too_long(&wait->missing_since, poll->at,
							OMF_WAIT_MISSING_MS))
				return OMF_WAIT_GONE;
			return judge_absent(wait);
		case OMF_POLL_EMPTY:
			wait->statusless = true;
			return ++wait->empties >= OMF_WAIT_EMPTIES ? OMF_WAIT_UNKNOWN
													   : OMF_WAIT_ON;
		case OMF_POLL_HELD:
			return judge_held(wait);
		case OMF_POLL_PASSING:
			return judge_failure(wait, poll);
		case OMF_POLL_FAILED:
			return OMF_WAIT_BROKEN;
		case OMF_POLL_MIGRATION:
			break;
	}
	return judge_migration(wait, poll);
}

/* Until the next poll: as long as was asked for, or as a rate limit asks. */
static int64_t
pause_after(const OmfWait *wait, const OmfPoll *poll)
{
	int64_t pause = wait->interval_ms;
	int64_t left = omf_wait_time_left(wait, poll->at);

	if (poll->kind == OMF_POLL_HELD && poll->asked_ms > pause)
		pause = poll->asked_ms;
	return left >= 0 && left < pause ? left : pause;
}

/* Is it of the migration, as far as it says, with a status nobody knows? */
static bool
is_stranger(const OmfWait *wait, const OmfPoll *poll)
{
	if (poll->kind != OMF_POLL_MIGRATION)
		return false;
	if (poll->status == NULL)
		return poll->id == NULL || is_the_one(wait, poll->id);
	return is_the_one(wait, poll->id) &&
		   omf_api_known_status(poll->status) == NULL;
}

/* A row of such polls is told of once. */
static bool
is_strange(OmfWait *wait, const OmfPoll *poll)
{
	if (is_stranger(wait, poll))
		wait->strangers++;
	else
		wait->strangers = 0;
	return wait->strangers == OMF_WAIT_STRANGERS;
}

/* After a warning that calls fail: the first one that does not. */
static bool
is_back(OmfWait *wait, const OmfPoll *poll, OmfWaitVerdict verdict)
{
	bool fails = poll->kind == OMF_POLL_HELD ||
				 poll->kind == OMF_POLL_PASSING ||
				 poll->kind == OMF_POLL_FAILED;
	bool back = wait->troubled && !fails;

	if (verdict == OMF_WAIT_HELD || verdict == OMF_WAIT_TROUBLE)
		wait->troubled = true;
	else if (back)
		wait->troubled = false;
	return back;
}

/* Who waits for days wants to know that something does. */
static bool
is_alive(OmfWait *wait, const OmfPoll *poll, const OmfWaitStep *step)
{
	bool alive = step->verdict == OMF_WAIT_ON && !step->is_back &&
				 !step->is_strange &&
				 poll->at - wait->told_at >= OMF_WAIT_SILENT_MS;

	if (alive || step->verdict != OMF_WAIT_ON || step->is_back ||
		step->is_strange)
		wait->told_at = poll->at;
	return alive;
}

/*
 * How long it has surely had the status that is known, by the polls that saw
 * it; without one, how long it has been waited for.
 */
static int64_t
time_seen(const OmfWait *wait, const OmfPoll *poll)
{
	return (wait->status != NULL ? wait->seen_at : poll->at) - wait->since;
}

OmfWaitStep
omf_wait_judge(OmfWait *wait, const OmfPoll *poll)
{
	OmfWaitStep step;

	step.before = wait->status;
	step.took_ms = time_seen(wait, poll);
	step.verdict = judge(wait, poll);
	if (step.verdict == OMF_WAIT_ON)
		step.took_ms = time_seen(wait, poll);
	step.pause_ms = pause_after(wait, poll);
	step.is_strange = is_strange(wait, poll);
	step.is_back = is_back(wait, poll, step.verdict);
	step.is_alive = is_alive(wait, poll, &step);
	return step;
}
