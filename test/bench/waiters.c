/*-------------------------------------------------------------------------
 *
 * waiters.c
 *	  49 sessions wait for the answer that another one asks for, and that one
 *	  is cancelled, terminated, or killed.
 *
 * kill -9 of a backend makes PostgreSQL end all others and start over, so that
 * there the sessions connect again and repeat their query: nothing of what was
 * asked before may be left in what they share.
 *
 * How long they wait after it is told in requests: one more session asks about
 * another cluster at that moment, likewise over a connection that is new.  That
 * takes as long as one request then takes on this machine, whatever else it has
 * to do.
 *
 *-------------------------------------------------------------------------
 */
#include "robust.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contender.h"
#include "figures.h"
#include "load.h"
#include "simulator.h"

#define SESSIONS 50
#define ROUNDS 20

/* What the API takes for a request. */
#define REQUEST_MS 1000

/* Requests that a wait may take: one, and that it is seen and told to all. */
#define REQUESTS_MOST 1.1

/* Seconds until somebody hangs. */
#define PATIENCE 30

#define LOOK "SELECT status FROM relay.online_migrations WHERE database_cluster_uuid = $1::uuid"

static Waiter waiters[SESSIONS];
static Waiter control; /* the one more */

static void
give_up(const char *what)
{
	fprintf(stderr, "bench: waiters: %s\n", what);
	exit(1);
}

static void
make_relay(void)
{
	Backend *backend = backend_open();

	simulator_post("tokens", "{\"token\": \"dop_v1_relay\", \"account\": \"dop_v1_simulator\"}");
	backend_make_server(backend, "relay", getenv("OMF_HTTPS"), "dop_v1_relay");
	free(backend_ask(backend, "ALTER SERVER relay OPTIONS (ADD cache_ttl '60s')"));
	backend_close(backend);
}

/* Wait until all sessions wait in the extension. */
static void
wait_for_waiters(Backend *watcher)
{
	double end = wall_clock() + PATIENCE;
	char *count = NULL;

	do
	{
		if (wall_clock() > end)
			give_up("they do not wait");
		free(count);
		usleep(5000);
		count = backend_ask(watcher, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event_type = 'Extension'");
	} while (atoi(count) < SESSIONS);
	free(count);
}

/* One asks, and 49 wait. */
static void
begin_round(const char *uuid)
{
	Backend *watcher = backend_open();

	for (int i = 0; i < SESSIONS; i++)
		if (waiters[i].conn == NULL && !waiter_connect(&waiters[i]))
			give_up("no connection");
	if (!waiter_connect(&control))
		give_up("no connection");
	set_latency(REQUEST_MS);
	simulator_call("POST", "counters/reset", NULL);
	waiter_send(&waiters[0], LOOK, uuid);
	if (!wait_for_counter("in_flight", 1))
		give_up("nobody asks");
	for (int i = 1; i < SESSIONS; i++)
		waiter_send(&waiters[i], LOOK, uuid);
	wait_for_waiters(watcher);
	backend_close(watcher);
}

/* Connect anew, where the connection is lost, and repeat. */
static void
repeat(const char *uuid, const char *other)
{
	PQfinish(control.conn);
	if (!waiter_connect(&control))
		give_up("the server does not come back");
	waiter_send(&control, LOOK, other);
	for (int i = 1; i < SESSIONS; i++)
	{
		PQfinish(waiters[i].conn);
		if (!waiter_connect(&waiters[i]))
			give_up("the server does not come back");
		waiter_send(&waiters[i], LOOK, uuid);
	}
}

static bool
is_answer(const char *value)
{
	static const char *const statuses[] = {"running", "syncing", "canceled", "error", "done"};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (strcmp(value, statuses[i]) == 0)
			return true;
	return false;
}

/* The longest wait since then, in seconds; 0: since each of them has asked. */
static double
longest_wait(double since)
{
	double longest = 0;

	for (int i = 1; i < SESSIONS; i++)
	{
		double from = since > 0 ? since : waiters[i].sent;
		double wait = waiters[i].took < 0 ? PATIENCE : waiters[i].sent + waiters[i].took - from;

		longest = wait > longest ? wait : longest;
	}
	return longest;
}

/* `how` ends the asking backend. */
static void
end_asker(const char *name, int how, int first_key)
{
	Samples waits = {{0}, 0};
	Samples requests = {{0}, 0};
	Samples restarts = {{0}, 0};
	char figure[96];
	char note[48];
	long answered = 0;
	long asked = 0;

	printf("\nwaiters: 1 asks, %d wait, the one who asks is %s, %d times\n", SESSIONS - 1, name, ROUNDS);
	fflush(stdout);
	for (int round = 0; round < ROUNDS; round++)
	{
		char uuid[UUID_ROOM];
		char other[UUID_ROOM];
		double ended;

		key(uuid, 2, first_key + round);
		key(other, 2, first_key + ROUNDS + round);
		begin_round(uuid);
		ended = wall_clock();
		kill(waiters[0].pid, how);
		if (how == SIGKILL)
		{
			waiters_collect(&waiters[1], SESSIONS - 1, PATIENCE);
			repeat(uuid, other);
			samples_add(&restarts, waiters[1].sent - ended);
		}
		else
			waiter_send(&control, LOOK, other);
		waiters_collect(&waiters[1], SESSIONS - 1, PATIENCE);
		waiters_collect(&control, 1, PATIENCE);
		for (int i = 1; i < SESSIONS; i++)
			answered += is_answer(waiters[i].value);
		if (!is_answer(control.value))
			give_up("one request has no answer");
		samples_add(&waits, longest_wait(how == SIGKILL ? 0 : ended));
		samples_add(&requests, waits.values[round] / control.took);
		waiters_collect(&waiters[0], 1, PATIENCE);
		asked += counter("get_status") - 1;
		PQfinish(control.conn);
		if (how != SIGINT)
		{
			PQfinish(waiters[0].conn);
			waiters[0].conn = NULL;
		}
		set_latency(0);
	}
	for (int i = 0; i < SESSIONS; i++)
	{
		PQfinish(waiters[i].conn);
		waiters[i].conn = NULL;
	}
	snprintf(figure, sizeof(figure), "asking backend %s, 49 wait, 20 times: answers", name);
	judge_exact(figure, answered, (SESSIONS - 1) * ROUNDS, "");
	snprintf(note, sizeof(note), " (%.0f ms; median %.2f)", 1e3 * samples_max(&waits), samples_median(&requests));
	judge("  the longest wait after it: over one request", samples_max(&requests), REQUESTS_MOST, "x", note);
	judge_exact("  requests", asked, 2 * ROUNDS, "");
	if (restarts.count > 0)
		note_figure("  until the server was back: median", 1e3 * samples_median(&restarts), "ms", "");
}

void
relieve_askers(void)
{
	make_relay();
	end_asker("killed", SIGKILL, 1);
	end_asker("terminated", SIGTERM, 101);
	end_asker("cancelled", SIGINT, 201);
}
