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

/* What one request takes, and what else may pass until an answer is here. */
#define REQUEST_MS 1000
#define SLACK_MS 400

/* Seconds until somebody hangs. */
#define PATIENCE 30

#define LOOK "SELECT status FROM relay.online_migrations WHERE database_cluster_uuid = $1::uuid"

static Waiter waiters[SESSIONS];

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
repeat(const char *uuid)
{
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

/* `how` ends the asking backend. */
static void
end_asker(const char *name, int how, int first_key)
{
	Samples waits = {{0}, 0};
	Samples restarts = {{0}, 0};
	char figure[96];
	long answered = 0;
	long asked = 0;

	printf("\nwaiters: 1 asks, %d wait, the one who asks is %s, %d times\n", SESSIONS - 1, name, ROUNDS);
	fflush(stdout);
	for (int round = 0; round < ROUNDS; round++)
	{
		char uuid[UUID_ROOM];
		double ended;

		key(uuid, 2, first_key + round);
		begin_round(uuid);
		ended = wall_clock();
		kill(waiters[0].pid, how);
		if (how == SIGKILL)
		{
			waiters_collect(&waiters[1], SESSIONS - 1, PATIENCE);
			repeat(uuid);
			samples_add(&restarts, waiters[1].sent - ended);
		}
		waiters_collect(&waiters[1], SESSIONS - 1, PATIENCE);
		for (int i = 1; i < SESSIONS; i++)
		{
			double since = how == SIGKILL ? waiters[i].sent : ended;

			answered += is_answer(waiters[i].value);
			samples_add(&waits, waiters[i].took < 0 ? PATIENCE : waiters[i].sent + waiters[i].took - since);
		}
		waiters_collect(&waiters[0], 1, PATIENCE);
		asked += counter("get_status");
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
	judge("  the longest wait after it", 1e3 * samples_max(&waits), REQUEST_MS + SLACK_MS, "ms", "");
	judge_exact("  requests", asked, 2 * ROUNDS, "");
	if (restarts.count > 0)
		note_figure("  until the server was back: median", 1e3 * samples_median(&restarts), "ms");
}

void
relieve_askers(void)
{
	make_relay();
	end_asker("killed", SIGKILL, 1);
	end_asker("terminated", SIGTERM, 101);
	end_asker("cancelled", SIGINT, 201);
}
