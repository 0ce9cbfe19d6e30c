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
 * Every request takes a permit before it is sent, which ends when it is over.
 * What is left is the least that an answer has said since the oldest request
 * last left the window, less the permits that have not ended: answers come in
 * any order, and nobody knows which requests they have counted.  Somebody may
 * not end a permit for long, such as a cursor between two FETCHes, or ever,
 * having died: where nothing else stands in the way, such permits are taken
 * for used, which the API will have counted, and their ends do not count any
 * more.
 *
 * Those that have to wait have turns.  Starts and stops go first, then those who
 * want little, each of them in any order: as long as one of them waits, nobody
 * of a lower rank is granted anything, or a large scan would take all that a
 * new window allows before they look.  Then come those who want much, in the
 * order in which they began: who is first gets permits until it is done, so
 * that many end one after the other, instead of all sharing what is too little
 * for any.  A turn that is not taken passes: nobody who has died, or sleeps, is
 * waited for.
 *
 * Used up, a budget waits for the time of the reset and then lets a single
 * request through, a probe, whose answer tells how many may follow.
 *
 * Times are milliseconds of one monotonic clock, the same for all processes.
 * An OmfBudget holds no pointer and may lie in shared memory; whoever shares
 * it locks it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_BUDGET_H
#define OMF_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "client/api_time.h"

/* After so long without its answer, a probe is taken for lost. */
#define OMF_PROBE_PATIENCE_MS 5000

/*
 * After so long without an answer to anybody, permits out are taken for used.
 */
#define OMF_PERMIT_PATIENCE_MS 2000

/* How often to look whether an answer to somebody else has come. */
#define OMF_BUDGET_POLL_MS 50

/* So many requests are little. */
#define OMF_LITTLE 5

/*
 * How many can have turns; who comes when these are given waits without one.
 */
#define OMF_TURNS 32

/* How often to look whether one's turn has come. */
#define OMF_TURN_POLL_MS 100

/* After so long without being taken, a turn passes. */
#define OMF_TURN_PATIENCE_MS 2000

/* Who goes before whom, the first one first. */
typedef enum OmfRank
{
	OMF_RANK_CHANGE, /* a start or a stop, and what is looked at before it */
	OMF_RANK_LITTLE, /* who wants OMF_LITTLE at most */
	OMF_RANK_MUCH
} OmfRank;

typedef struct OmfTurn
{
	uint64_t number;     /* the lowest is the first one; 0: none */
	int64_t lives_until; /* then it passes */
	OmfRank rank;
} OmfTurn;

/* Somebody who asks for permits. */
typedef struct OmfPlace
{
	uint64_t turn; /* number of its turn, or 0, which it is at first */
	OmfRank rank;  /* as of now */
	bool more;     /* does it keep its turn after this permit? */
} OmfPlace;

/* All zeroes: nothing is known, and everything may be sent. */
typedef struct OmfBudget
{
	bool known;          /* have limit and remaining been heard of? */
	int64_t limit;       /* requests in a window, as last heard, or -1 */
	int64_t remaining;   /* left then */
	int64_t resets_at;   /* when the oldest request leaves the window, or 0 */
	int64_t reset;       /* the same in epoch seconds, as last heard */
	int64_t observed_at; /* when that was heard, or 0: never */
	int64_t held_until;  /* a 429 allows nothing before, or 0 */
	int64_t probed_at;   /* when the last probe was let through */
	int64_t changed_at;  /* when a permit was last granted or ended */
	uint64_t issued;     /* number of the last permit */
	uint64_t ended;      /* how many permits have ended */
	uint64_t used;       /* permits up to that one were taken for used */
	uint64_t ignored_to; /* answers up to that permit tell no news */
	uint64_t latest;     /* the latest permit whose answer was listened to */
	uint64_t probe;      /* permit of the probe that is out, or 0 */
	uint64_t last_turn;  /* number of the last turn that was given */
	int64_t turns_until; /* then all turns have passed */
	OmfTurn turns[OMF_TURNS];
} OmfBudget;

/* What is to be done with a request. */
typedef struct OmfPermit
{
	bool granted;       /* may it be sent now? */
	uint64_t number;    /* of the permit, if so */
	int64_t ask_at;     /* else: when to ask again */
	int64_t allowed_at; /* and when it may be, if not now; INT64_MAX: never */
} OmfPermit;

/*
 * Ask for a permit.  `reserve` requests of the budget are left to others, 0
 * for none.
 */
extern OmfPermit omf_budget_ask(OmfBudget *budget, int64_t now,
								int64_t reserve, OmfPlace *place);

/* It wants nothing more for now. */
extern void omf_budget_leave(OmfBudget *budget, OmfPlace *place);

/*
 * Learn from the answer to the request of that permit, whose times are
 * settled.
 */
extern void omf_budget_hear(OmfBudget *budget, uint64_t permit,
							const OmfReply *reply, int64_t now);

/* That permit's request is over, or was called off. */
extern void omf_budget_end(OmfBudget *budget, uint64_t permit, int64_t now);

/* A 429: nothing is to be sent for so many milliseconds. */
extern void omf_budget_hold(OmfBudget *budget, int64_t now, int64_t pause_ms);

/* How many requests are left, as far as is known; 0 or more. */
extern int64_t omf_budget_left(const OmfBudget *budget);

/*
 * Would it be a loss to forget the budget: does it hold anything back, or
 * count permits?
 */
extern bool omf_budget_is_needed(const OmfBudget *budget, int64_t now);

/* Forget what is known, and what holds it; permits that are out stay out. */
extern void omf_budget_forget(OmfBudget *budget);

#endif /* OMF_BUDGET_H */
