/*-------------------------------------------------------------------------
 *
 * budget.h
 *	  How many requests a token may still send, as far as is known.
 *
 * The API counts the requests of a token in a sliding window.  Each of its
 * answers says how many are left (ratelimit-remaining), and when the oldest
 * one leaves the window, which allows one more (ratelimit-reset); a 429 says
 * how long to send nothing (retry-after).
 * https://docs.digitalocean.com/reference/api/reference/rate-limits/
 *
 * Every request takes a permit before it is sent.  Permits are numbered, and
 * the answer to the latest of them tells most: what is left is what that
 * answer said, less the permits given out since.  So nothing has to be given
 * back, and a process that dies with permits in its hands takes no more than
 * those with it, until the next answer.
 *
 * Used up, it waits for the time of the reset and then lets a single request
 * through, a probe, whose answer tells how many may follow.
 *
 * Times are milliseconds of one monotonic clock, the same for all processes.
 * An OmfBudget holds no pointer and may lie in shared memory; whoever shares
 * it locks it.
 *
 * May call: nothing.  Must never: read a clock, wait, throw or log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_BUDGET_H
#define OMF_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "reply.h"

/* Nothing is held back longer than this: the API's longest window. */
#define OMF_HOLD_MAX_MS (60 * 60 * INT64_C(1000))

/* After so long without its answer, a probe is taken for lost. */
#define OMF_PROBE_PATIENCE_MS 1000

/* How often to look whether the answer to another's probe has come. */
#define OMF_PROBE_POLL_MS 50

/* All zeroes: nothing is known, and everything may be sent. */
typedef struct OmfBudget
{
	bool known;          /* have limit and remaining been heard of? */
	int64_t limit;       /* requests in a window, as last heard, or -1 */
	int64_t remaining;   /* left then */
	int64_t resets_at;   /* when the oldest request leaves the window, or 0 */
	int64_t observed_at; /* when that was heard, or 0: never */
	int64_t held_until;  /* a 429 allows nothing before, or 0 */
	int64_t probed_at;   /* when the last probe was let through */
	uint64_t issued;     /* number of the last permit */
	uint64_t observed;   /* the latest permit whose answer was heard */
	uint64_t probe;      /* permit of the last probe, or 0 */
} OmfBudget;

/* What is to be done with a request. */
typedef struct OmfPermit
{
	bool granted;       /* may it be sent now? */
	uint64_t number;    /* of the permit, if so */
	int64_t ask_at;     /* else: when to ask again */
	int64_t allowed_at; /* and when it may be, at the earliest; INT64_MAX: never */
} OmfPermit;

/*
 * Ask for a permit.  `reserve` requests of the budget are left to others, 0
 * for none.
 */
extern OmfPermit omf_budget_ask(OmfBudget *budget, int64_t now, int64_t reserve);

/*
 * Learn from the answer to the request of that permit.  `epoch_ms` is what
 * the calendar shows at `now`.
 */
extern void omf_budget_hear(OmfBudget *budget, uint64_t permit, const OmfReply *reply,
							int64_t now, int64_t epoch_ms);

/* A 429: nothing is to be sent for so many milliseconds. */
extern void omf_budget_hold(OmfBudget *budget, int64_t now, int64_t pause_ms);

/* How many requests are left, as far as is known; 0 or more. */
extern int64_t omf_budget_left(const OmfBudget *budget);

#endif /* OMF_BUDGET_H */
