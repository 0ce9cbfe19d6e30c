/*-------------------------------------------------------------------------
 *
 * load.h
 *	  Many sessions at the same time: the viewers of a dashboard.
 *
 * Each viewer looks again and again, in a rhythm, and their first looks are
 * spread evenly over one period of it.  A look that takes longer than that
 * costs the viewer those that were due in the meantime.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>

#include <libpq-fe.h>

#include "measure.h"

/* What viewers do.  Of several loads, each has viewers of its own. */
typedef struct Load
{
	const char *what;    /* for the output */
	const char *table;   /* that they look at */
	const char *array;   /* the keys */
	long rows;           /* that a look has to find */
	int viewers;
	double period;       /* seconds from one look to the next */
	double delay;        /* of the first viewer's first look */
	/* what came of it */
	Samples times;       /* seconds of all looks that were done */
	Samples warm;        /* of these, looks whose rows were known before they began */
	int wrong;           /* looks with other rows, or an error */
	double seen_by_all;  /* seconds of the calendar: later answers not all look again to see */
	int most_seen;       /* different answers that one viewer has seen */
	int least_seen;      /* likewise */
} Load;

/* Let all of them look for so many seconds; what is not done then is called off. */
extern void run_loads(Load *loads, int nloads, double seconds);

/* A session that has sent a statement, whose only result is one value. */
typedef struct Waiter
{
	PGconn *conn;
	pid_t pid;
	double sent;    /* when */
	double took;    /* seconds to its end, or -1 */
	bool connected; /* it had a connection at its end */
	char value[64]; /* the result, or an SQLSTATE */
} Waiter;

/* Connect, as often as it takes; false if it takes too long. */
extern bool waiter_connect(Waiter *waiter);
extern void waiter_send(Waiter *waiter, const char *sql, const char *param);

/* Wait for the ends of all that was sent, for so many seconds at most. */
extern void waiters_collect(Waiter *waiters, int nwaiters, double seconds);

#endif /* BENCH_LOAD_H */
