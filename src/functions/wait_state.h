/*-------------------------------------------------------------------------
 *
 * wait_state.h
 *	  What each look at a migration means to who waits for it.
 *
 * A wait is a row of polls.  After each one, omf_wait_judge() says whether the
 * wait goes on, and what there is to tell.  Time is what its caller says: in
 * milliseconds, from any beginning.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_WAIT_STATE_H
#define OMF_WAIT_STATE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How long 404 may be the answer without a break.  Right after a start it is
 * for a while; later on it means that cluster or migration are gone.
 */
#define OMF_WAIT_MISSING_MS (2 * 60 * 1000)

/* How long calls may fail without a break, where another one could help. */
#define OMF_WAIT_FAILING_MS (15 * 60 * 1000)

/*
 * After how many polls without a break with a status that nobody knows, or
 * with none, that is told.
 */
#define OMF_WAIT_STRANGERS 3

/*
 * How many empty answers without a break count as "finished": they have been
 * seen on finished migrations, and a single one may be a slip.
 */
#define OMF_WAIT_EMPTIES 3

/* After how long without a word a wait says that it goes on. */
#define OMF_WAIT_SILENT_MS (10 * 60 * 1000)

/* What a poll has come to. */
typedef enum OmfPollKind
{
	OMF_POLL_MIGRATION, /* a migration */
	OMF_POLL_EMPTY,     /* one of which nothing is said, not even in JSON */
	OMF_POLL_MISSING,   /* 404 */
	OMF_POLL_HELD,      /* the rate limit allows none at present */
	OMF_POLL_PASSING,   /* a failure that another try could help */
	OMF_POLL_FAILED     /* one that none could */
} OmfPollKind;

typedef struct OmfPoll
{
	OmfPollKind kind;
	int64_t at;         /* when it ended */
	const char *id;     /* of the migration, or NULL: not said */
	const char *status; /* of the migration, or NULL: likewise */
	int64_t asked_ms;   /* pause that a rate limit asks for, or -1 */
} OmfPoll;

typedef struct OmfWait
{
	/* what was asked for */
	const char *wanted;  /* id of the migration, or NULL: the first one seen */
	const char **until;  /* statuses that end the wait well */
	int nuntil;          /* how many */
	int64_t interval_ms; /* from one poll to the next */
	int64_t deadline;    /* or INT64_MAX: none */

	/* what has been seen; the strings are those of a poll that was kept */
	const char *id;        /* of the migration that is waited for, or NULL */
	const char *status;    /* its last one, or NULL: none yet */
	bool statusless;       /* there were answers without one */
	int64_t since;         /* when that was first seen, or the wait began */
	int64_t seen_at;       /* when it was last seen */
	int64_t missing_since; /* the first of a row of 404s, or -1 */
	int64_t failing_since; /* the first of a row of failures, or -1 */
	int empties;           /* in a row */
	int strangers;         /* polls in a row with a status that nobody knows */
	bool held;             /* the last poll was held, and that said */
	bool told_absent;      /* OMF_WAIT_ABSENT has been said */
	bool troubled;         /* one of these two has been said */
	int64_t told_at;       /* when anything was said last */
} OmfWait;

typedef enum OmfWaitVerdict
{
	/* it goes on */
	OMF_WAIT_ON,      /* there is nothing to tell */
	OMF_WAIT_ABSENT,  /* the migration is not there yet: said once */
	OMF_WAIT_CHANGED, /* another status, or the first one */
	OMF_WAIT_HELD,    /* the rate limit holds the polls: likewise */
	OMF_WAIT_TROUBLE, /* calls fail: said at the first one of a row */

	/* it ends well */
	OMF_WAIT_REACHED, /* a status that is waited for */

	/* it ends with an error */
	OMF_WAIT_ENDED,    /* a status that nothing follows, and not waited for */
	OMF_WAIT_REPLACED, /* another migration is there */
	OMF_WAIT_UNKNOWN,  /* finished, nobody knows how */
	OMF_WAIT_GONE,     /* 404 for too long */
	OMF_WAIT_BROKEN    /* the failure of the poll */
} OmfWaitVerdict;

typedef struct OmfWaitStep
{
	OmfWaitVerdict verdict;
	const char *before; /* the status that it had; NULL: it is the first */
	int64_t took_ms;    /* from the first to the last poll that saw it, so
						 * it took at least that; or since the wait began */
	int64_t pause_ms;   /* until the next poll, if the wait goes on */
	bool is_strange;    /* tell that nobody knows the status */
	bool is_back;       /* tell that calls succeed again */
	bool is_alive;      /* tell that the wait goes on */
} OmfWaitStep;

/* Nothing has been seen yet.  The first five fields are the caller's. */
extern void omf_wait_begin(OmfWait *wait, int64_t now);

/*
 * What the poll means.  After OMF_WAIT_CHANGED, and only then, the wait keeps
 * the poll's strings, which must live as long as it does.
 */
extern OmfWaitStep omf_wait_judge(OmfWait *wait, const OmfPoll *poll);

/* Milliseconds until the deadline, 0 when it has passed, -1 for none. */
extern int64_t omf_wait_time_left(const OmfWait *wait, int64_t now);

#endif /* OMF_WAIT_STATE_H */
