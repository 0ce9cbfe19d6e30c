/*-------------------------------------------------------------------------
 *
 * test_wait_state.c
 *	  Unit tests of src/functions/wait_state.c: what each poll means to a wait.
 *
 * Each test is a script: polls at times that are made up, and what is to come
 * of each.  So the limits of minutes are tried in no time.
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"
#include "functions/wait_state.h"

#include <string.h>

/* The wait begins at this time, in milliseconds; it is not 0 on purpose. */
#define BEGIN 5000000

#define MINUTES(n) ((n) *60)

static const char *const verdict_names[] = {"on", "absent", "changed", "held", "trouble", "reached",
											"ended", "replaced", "unknown", "gone", "broken"};

/* One poll of a script. */
typedef struct Step
{
	int seconds; /* since the wait began */
	OmfPollKind kind;
	const char *id;
	const char *status;
	OmfWaitVerdict expected;
	const char *before; /* status before it, where that is of interest */
	int took;           /* seconds, likewise */
} Step;

/* The usual wait: for syncing or done, every 10 s, without a timeout. */
static OmfWait
begin(const char *wanted)
{
	static const char *until[] = {"syncing", "done"};
	OmfWait wait;

	memset(&wait, 0x55, sizeof(wait));
	wait.wanted = wanted;
	wait.until = until;
	wait.nuntil = 2;
	wait.interval_ms = 10000;
	wait.deadline = INT64_MAX;
	omf_wait_begin(&wait, BEGIN);
	return wait;
}

static OmfWaitStep
judge(OmfWait *wait, int seconds, OmfPollKind kind, const char *id, const char *status)
{
	OmfPoll poll = {kind, BEGIN + (int64_t) seconds * 1000, id, status, -1};

	return omf_wait_judge(wait, &poll);
}

static void
run(OmfWait wait, const char *name, const Step *steps, int nsteps)
{
	for (int i = 0; i < nsteps; i++)
	{
		const Step *step = &steps[i];
		OmfWaitStep got = judge(&wait, step->seconds, step->kind, step->id, step->status);

		is_text(verdict_names[got.verdict], verdict_names[step->expected],
				"%s, poll %d at %d s: %s", name, i + 1, step->seconds, verdict_names[step->expected]);
		if (step->expected == OMF_WAIT_CHANGED || step->expected == OMF_WAIT_REACHED)
		{
			is_text(got.before, step->before, "  before: %s", step->before != NULL ? step->before : "nothing");
			is_number(got.took_ms, step->took * 1000LL, "  for %d s", step->took);
		}
	}
}

#define RUN(wait, name, ...)                       \
	do                                             \
	{                                              \
		static const Step steps[] = {__VA_ARGS__}; \
		run(wait, name, steps, countof(steps));    \
	} while (0)

#define IS(id, status) OMF_POLL_MIGRATION, id, status
#define EMPTY OMF_POLL_EMPTY, NULL, NULL
#define MISSING OMF_POLL_MISSING, NULL, NULL
#define PASSING OMF_POLL_PASSING, NULL, NULL
#define FAILED OMF_POLL_FAILED, NULL, NULL
#define HELD OMF_POLL_HELD, NULL, NULL

/* ----- statuses ----- */

static void
test_statuses(void)
{
	OmfWait for_done = begin(NULL);
	OmfWait for_error = begin(NULL);

	RUN(begin(NULL), "the usual way",
		{0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("a", "running"), OMF_WAIT_ON},
		{20, IS("a", "running"), OMF_WAIT_ON},
		{30, IS("a", "syncing"), OMF_WAIT_REACHED, "running", 20});
	RUN(begin(NULL), "reached at once", {1, IS("a", "done"), OMF_WAIT_REACHED, NULL, 1});
	RUN(begin("a"), "reached at once, by id", {1, IS("a", "syncing"), OMF_WAIT_REACHED, NULL, 1});
	RUN(begin(NULL), "error", {0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("a", "error"), OMF_WAIT_ENDED});
	RUN(begin(NULL), "error at once", {0, IS("a", "error"), OMF_WAIT_ENDED});
	RUN(begin(NULL), "canceled at once", {0, IS("a", "canceled"), OMF_WAIT_ENDED});

	for_done.until++;
	for_done.nuntil = 1;
	RUN(for_done, "until done",
		{7, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 7},
		{17, IS("a", "syncing"), OMF_WAIT_CHANGED, "running", 0},
		{27, IS("a", "syncing"), OMF_WAIT_ON},
		{37, PASSING, OMF_WAIT_TROUBLE},
		{86400, IS("a", "done"), OMF_WAIT_REACHED, "syncing", 10});

	for_error.until = (const char *[]){"error", "canceled"};
	RUN(for_error, "until error", {0, IS("a", "syncing"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("a", "error"), OMF_WAIT_REACHED, "syncing", 0});
	RUN(for_error, "until canceled", {0, IS("a", "canceled"), OMF_WAIT_REACHED, NULL, 0});
	RUN(for_error, "done is not among them", {0, IS("a", "done"), OMF_WAIT_ENDED});

	RUN(begin(NULL), "a status that is not known",
		{0, IS("a", "paused"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("a", "paused"), OMF_WAIT_ON},
		{20, IS("a", "running"), OMF_WAIT_CHANGED, "paused", 10},
		{30, IS("a", "archived"), OMF_WAIT_CHANGED, "running", 0});
	RUN(begin(NULL), "back and forth", {0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("a", "paused"), OMF_WAIT_CHANGED, "running", 0},
		{20, IS("a", "running"), OMF_WAIT_CHANGED, "paused", 0});
}

/* Decisions go by what a status means, however the API writes it. */
static void
test_words(void)
{
	OmfWait for_done = begin(NULL);

	for_done.until++;
	for_done.nuntil = 1;
	RUN(for_done, "other letters",
		{0, IS("a", "RUNNING"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("a", "running"), OMF_WAIT_ON},
		{20, IS("a", "Done"), OMF_WAIT_REACHED, "RUNNING", 10});
	RUN(for_done, "other words",
		{0, IS("a", "in-progress"), OMF_WAIT_CHANGED, NULL, 0},
		{20, IS("a", "Completed"), OMF_WAIT_REACHED, "in-progress", 0});
	RUN(for_done, "failed", {0, IS("a", "failed"), OMF_WAIT_ENDED});
	RUN(for_done, "cancelled", {0, IS("a", "Cancelled"), OMF_WAIT_ENDED});
	RUN(for_done, "ERROR", {0, IS("a", "ERROR"), OMF_WAIT_ENDED});
}

static void
strange_is(OmfWait *wait, int seconds, OmfPollKind kind, const char *id, const char *status, bool expected)
{
	is_number(judge(wait, seconds, kind, id, status).is_strange, expected, "at %d s, %s: %s", seconds,
			  status != NULL ? status : "no status", expected ? "told of as not known" : "not told of");
}

static void
test_strangers(void)
{
	OmfWait wait = begin("a");

	strange_is(&wait, 0, IS("b", "paused"), false);
	strange_is(&wait, 10, IS("a", "paused"), false);
	strange_is(&wait, 20, IS("a", "paused"), false);
	strange_is(&wait, 30, IS("a", "paused"), true);
	strange_is(&wait, 40, IS("a", "paused"), false);
	strange_is(&wait, 50, IS("a", "running"), false);
	strange_is(&wait, 60, IS("a", "paused"), false);
	strange_is(&wait, 70, IS("a", "resting"), false);
	strange_is(&wait, 80, MISSING, false);
	strange_is(&wait, 90, IS("a", "paused"), false);
	strange_is(&wait, 100, IS("a", "resting"), false);
	strange_is(&wait, 110, IS("a", "paused"), true);
}

/* An answer that says no status is none of a finished migration. */
static void
test_no_status(void)
{
	OmfWait wait = begin("a");
	OmfWait any = begin(NULL);

	RUN(begin(NULL), "no status, for long", {0, IS(NULL, NULL), OMF_WAIT_ON}, {10, IS(NULL, NULL), OMF_WAIT_ON},
		{20, IS("a", NULL), OMF_WAIT_ON}, {MINUTES(60), IS(NULL, NULL), OMF_WAIT_ON},
		{MINUTES(61), IS("a", "done"), OMF_WAIT_REACHED, NULL, MINUTES(61)});
	RUN(begin(NULL), "no status, and later another migration", {0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("a", NULL), OMF_WAIT_ON}, {20, IS(NULL, NULL), OMF_WAIT_ON}, {30, IS("b", NULL), OMF_WAIT_REPLACED});
	RUN(begin("a"), "no status, and not the one asked for", {0, IS("b", NULL), OMF_WAIT_ABSENT},
		{10, IS("b", NULL), OMF_WAIT_ON}, {20, IS("a", NULL), OMF_WAIT_ON},
		{30, IS("a", "syncing"), OMF_WAIT_REACHED, NULL, 30});
	RUN(begin(NULL), "no status among empty answers", {0, EMPTY, OMF_WAIT_ON}, {10, EMPTY, OMF_WAIT_ON},
		{20, IS(NULL, NULL), OMF_WAIT_ON}, {30, EMPTY, OMF_WAIT_ON});
	strange_is(&wait, 0, IS("b", NULL), false);
	strange_is(&wait, 10, IS(NULL, NULL), false);
	strange_is(&wait, 20, IS("a", NULL), false);
	strange_is(&wait, 30, IS("a", "paused"), true);
	strange_is(&wait, 40, IS(NULL, NULL), false);
	strange_is(&any, 0, IS(NULL, NULL), false);
	strange_is(&any, 10, IS(NULL, NULL), false);
	strange_is(&any, 20, IS(NULL, NULL), true);
}

/* The limit is no failure: it is waited for, however long. */
static void
test_held(void)
{
	RUN(begin(NULL), "a limit of hours", {0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, HELD, OMF_WAIT_HELD}, {MINUTES(20), HELD, OMF_WAIT_ON}, {MINUTES(400), HELD, OMF_WAIT_ON},
		{MINUTES(401), IS("a", "running"), OMF_WAIT_ON}, {MINUTES(402), HELD, OMF_WAIT_HELD});
	RUN(begin(NULL), "among failures", {0, PASSING, OMF_WAIT_TROUBLE}, {MINUTES(14), HELD, OMF_WAIT_HELD},
		{MINUTES(16), PASSING, OMF_WAIT_TROUBLE});
}

/* ----- which migration ----- */

static void
test_ids(void)
{
	RUN(begin("b"), "the one before",
		{0, IS("a", "done"), OMF_WAIT_ABSENT},
		{10, IS("a", "done"), OMF_WAIT_ON},
		{20, MISSING, OMF_WAIT_ON},
		{30, IS("a", "syncing"), OMF_WAIT_ON},
		{40, IS("b", "running"), OMF_WAIT_CHANGED, NULL, 40},
		{50, IS("b", "done"), OMF_WAIT_REACHED, "running", 0});
	RUN(begin("b"), "the one before, failed", {0, IS("a", "error"), OMF_WAIT_ABSENT},
		{MINUTES(60), IS("a", "error"), OMF_WAIT_ON},
		{MINUTES(61), IS("b", "error"), OMF_WAIT_ENDED});
	RUN(begin("b"), "the one after", {0, IS("b", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("c", "done"), OMF_WAIT_REPLACED});
	RUN(begin(NULL), "another one", {0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("b", "running"), OMF_WAIT_REPLACED});
	RUN(begin(NULL), "another one, done", {0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("b", "done"), OMF_WAIT_REPLACED});
	RUN(begin(NULL), "another one after trouble",
		{0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, PASSING, OMF_WAIT_TROUBLE}, {20, MISSING, OMF_WAIT_ON}, {30, EMPTY, OMF_WAIT_ON},
		{40, IS("b", "syncing"), OMF_WAIT_REPLACED});
	RUN(begin(NULL), "ids are told apart by case",
		{0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("A", "done"), OMF_WAIT_REPLACED});
	RUN(begin("b"), "without an id it can't be the one asked for",
		{0, IS(NULL, "done"), OMF_WAIT_ABSENT},
		{10, IS("b", "running"), OMF_WAIT_CHANGED, NULL, 10},
		{20, IS(NULL, "done"), OMF_WAIT_ON},
		{30, IS("b", "done"), OMF_WAIT_REACHED, "running", 0});
	RUN(begin(NULL), "without an id it is no other one",
		{0, IS(NULL, "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, IS("a", "paused"), OMF_WAIT_CHANGED, "running", 0},
		{20, IS(NULL, "running"), OMF_WAIT_CHANGED, "paused", 0},
		{30, IS("b", "done"), OMF_WAIT_REPLACED});
}

/* ----- nothing there, nothing known ----- */

static void
test_missing(void)
{
	RUN(begin(NULL), "404 at first", {0, MISSING, OMF_WAIT_ABSENT}, {10, MISSING, OMF_WAIT_ON},
		{119, MISSING, OMF_WAIT_ON}, {119, IS("a", "done"), OMF_WAIT_REACHED, NULL, 119});
	RUN(begin(NULL), "404 for two minutes", {3, MISSING, OMF_WAIT_ABSENT}, {122, MISSING, OMF_WAIT_ON},
		{123, MISSING, OMF_WAIT_GONE});
	RUN(begin(NULL), "404 later on", {0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{100, MISSING, OMF_WAIT_ON}, {219, MISSING, OMF_WAIT_ON}, {220, MISSING, OMF_WAIT_GONE});
	RUN(begin("b"), "not in a row", {0, MISSING, OMF_WAIT_ABSENT}, {100, IS("a", "done"), OMF_WAIT_ON},
		{110, MISSING, OMF_WAIT_ON}, {200, PASSING, OMF_WAIT_TROUBLE}, {220, MISSING, OMF_WAIT_ON},
		{330, EMPTY, OMF_WAIT_ON}, {340, MISSING, OMF_WAIT_ON}, {459, MISSING, OMF_WAIT_ON},
		{460, MISSING, OMF_WAIT_GONE});
	RUN(begin(NULL), "polls further apart than that", {0, MISSING, OMF_WAIT_ABSENT},
		{MINUTES(60), MISSING, OMF_WAIT_GONE});
}

static void
test_empty(void)
{
	RUN(begin(NULL), "three empty answers", {0, EMPTY, OMF_WAIT_ON}, {10, EMPTY, OMF_WAIT_ON},
		{20, EMPTY, OMF_WAIT_UNKNOWN});
	RUN(begin("a"), "and with an id", {0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{1, EMPTY, OMF_WAIT_ON}, {2, EMPTY, OMF_WAIT_ON}, {3, EMPTY, OMF_WAIT_UNKNOWN});
	RUN(begin(NULL), "not in a row", {0, EMPTY, OMF_WAIT_ON}, {1, EMPTY, OMF_WAIT_ON},
		{2, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 2},
		{3, EMPTY, OMF_WAIT_ON}, {4, EMPTY, OMF_WAIT_ON}, {5, MISSING, OMF_WAIT_ON},
		{6, EMPTY, OMF_WAIT_ON}, {7, EMPTY, OMF_WAIT_ON}, {8, PASSING, OMF_WAIT_TROUBLE},
		{9, EMPTY, OMF_WAIT_ON}, {10, EMPTY, OMF_WAIT_ON},
		{11, IS("a", "syncing"), OMF_WAIT_REACHED, "running", 0});
}

/* ----- failures ----- */

static void
test_failures(void)
{
	RUN(begin(NULL), "a failure that no other try helps", {0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, FAILED, OMF_WAIT_BROKEN});
	RUN(begin(NULL), "at once", {0, FAILED, OMF_WAIT_BROKEN});
	RUN(begin(NULL), "after others", {0, PASSING, OMF_WAIT_TROUBLE}, {10, FAILED, OMF_WAIT_BROKEN});
	RUN(begin(NULL), "15 minutes of failures", {5, PASSING, OMF_WAIT_TROUBLE}, {15, PASSING, OMF_WAIT_ON},
		{MINUTES(15) + 4, PASSING, OMF_WAIT_ON}, {MINUTES(15) + 5, PASSING, OMF_WAIT_BROKEN});
	RUN(begin(NULL), "one warning for each row", {0, IS("a", "running"), OMF_WAIT_CHANGED, NULL, 0},
		{10, PASSING, OMF_WAIT_TROUBLE}, {20, PASSING, OMF_WAIT_ON}, {30, PASSING, OMF_WAIT_ON},
		{MINUTES(10), IS("a", "running"), OMF_WAIT_ON}, {MINUTES(11), PASSING, OMF_WAIT_TROUBLE},
		{MINUTES(20), PASSING, OMF_WAIT_ON}, {MINUTES(25), PASSING, OMF_WAIT_ON},
		{MINUTES(26), IS("a", "done"), OMF_WAIT_REACHED, "running", MINUTES(10)});
	RUN(begin(NULL), "404 breaks a row, too", {0, PASSING, OMF_WAIT_TROUBLE},
		{MINUTES(14), MISSING, OMF_WAIT_ABSENT}, {MINUTES(15), PASSING, OMF_WAIT_TROUBLE},
		{MINUTES(16), EMPTY, OMF_WAIT_ON}, {MINUTES(17), PASSING, OMF_WAIT_TROUBLE});
}

/* ----- time ----- */

/* A rate limit that asks for so many seconds, at that time. */
static void
pause_is(OmfWait *wait, OmfPollKind kind, int seconds, int asked, int expected)
{
	OmfPoll poll = {kind, BEGIN + seconds * 1000LL, NULL, NULL, asked < 0 ? -1 : asked * 1000LL};

	is_number(omf_wait_judge(wait, &poll).pause_ms, expected * 1000LL,
			  "held or failed at %d s, asked for %d s: pause of %d s", seconds, asked, expected);
}

static void
test_pauses(void)
{
	OmfWait wait = begin(NULL);

	is_number(judge(&wait, 0, IS("a", "running")).pause_ms, 10000, "the interval");
	pause_is(&wait, OMF_POLL_HELD, 10, -1, 10);
	pause_is(&wait, OMF_POLL_HELD, 20, 5, 10);
	pause_is(&wait, OMF_POLL_HELD, 30, 29, 29);
	pause_is(&wait, OMF_POLL_HELD, 60, 3000, 3000);
	pause_is(&wait, OMF_POLL_PASSING, 3060, -1, 10);
	is_number(judge(&wait, 4000, MISSING).pause_ms, 10000, "404");
	is_number(judge(&wait, 4010, EMPTY).pause_ms, 10000, "empty");

	wait.deadline = BEGIN + 4024 * 1000;
	is_number(judge(&wait, 4014, IS("a", "running")).pause_ms, 10000, "to the deadline");
	is_number(judge(&wait, 4020, IS("a", "running")).pause_ms, 4000, "not beyond the deadline");
	pause_is(&wait, OMF_POLL_HELD, 4021, 29, 3);
	is_number(judge(&wait, 4030, IS("a", "running")).pause_ms, 0, "after the deadline");
}

static void
test_time_left(void)
{
	OmfWait wait = begin(NULL);

	is_number(omf_wait_time_left(&wait, BEGIN), -1, "no deadline");
	wait.deadline = BEGIN + 10;
	is_number(omf_wait_time_left(&wait, BEGIN), 10, "before the deadline");
	is_number(omf_wait_time_left(&wait, BEGIN + 10), 0, "at the deadline");
	is_number(omf_wait_time_left(&wait, BEGIN + 99), 0, "after the deadline");
}

/* Who was told of trouble is told of its end; and of silence, that the wait goes on. */
static void
test_going_on(void)
{
	OmfWait wait = begin("a");

	is_number(judge(&wait, 10, IS("a", "running")).is_back, 0, "nothing was wrong");
	is_number(judge(&wait, 20, OMF_POLL_PASSING, NULL, NULL).is_back, 0, "trouble");
	is_number(judge(&wait, 30, OMF_POLL_PASSING, NULL, NULL).is_back, 0, "more of it");
	is_number(judge(&wait, 40, IS("a", "running")).is_back, 1, "it is over");
	is_number(judge(&wait, 50, IS("a", "running")).is_back, 0, "which is said once");
	is_number(judge(&wait, 639, IS("a", "running")).is_alive, 0, "not ten minutes yet");
	is_number(judge(&wait, 640, IS("a", "running")).is_alive, 1, "ten minutes");
	is_number(judge(&wait, 650, IS("a", "running")).is_alive, 0, "not each time");
	is_number(judge(&wait, 1240, IS("a", "running")).is_alive, 1, "ten minutes more");
	is_number(judge(&wait, 1830, MISSING).is_alive, 0, "not ten minutes yet");
	is_number(judge(&wait, 1840, MISSING).is_alive, 1, "of an answer that says nothing, too");
}

int
main(void)
{
	begin_tests();
	test_statuses();
	test_words();
	test_strangers();
	test_no_status();
	test_held();
	test_ids();
	test_missing();
	test_empty();
	test_failures();
	test_going_on();
	test_pauses();
	test_time_left();
	return finish_tests();
}
