/*-------------------------------------------------------------------------
 *
 * load.c
 *	  Many sessions at the same time: the viewers of a dashboard.
 *
 *-------------------------------------------------------------------------
 */
#include "load.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "contender.h"

#define MOST_SESSIONS 250

/* Seconds until a server that does not let anybody in is given up. */
#define PATIENCE 60

/* Seconds in which what was called off has to end. */
#define LAST_PATIENCE 10

/* The last column: was the row known before the look began? */
#define LOOK                                                                                            \
	"SELECT database_cluster_uuid, id, created_at, status, extract(epoch FROM fetched_at) AS fetched, " \
	"fetched_at < statement_timestamp() AS warm FROM %s WHERE database_cluster_uuid = ANY ($1)"

enum
{
	COLUMN_FETCHED = 4,
	COLUMN_WARM
};

typedef struct Viewer
{
	Load *load;
	Backend *backend;
	double due;
	double sent;
	bool busy;
	double seen; /* when the API gave the newest answer of the last look */
	int nseen;   /* refreshes so far, which are more than a second apart */
} Viewer;

/* ----- waiting for many connections ----- */

/* Pauses, and the server's end, are no news here. */
static void
ignore_notice(void *arg, const PGresult *result)
{
	(void) arg, (void) result;
}

/* Wait until one of those that are wanted can be read, or for so long. */
static void
wait_for_any(PGconn *const *conns, int nconns, double seconds)
{
	struct pollfd fds[MOST_SESSIONS];

	for (int i = 0; i < nconns; i++)
		fds[i] = (struct pollfd){conns[i] != NULL ? PQsocket(conns[i]) : -1, POLLIN, 0};
	(void) poll(fds, (nfds_t) nconns, seconds > 0 ? (int) (1000 * seconds) + 1 : 0);
}

/* The last result of what was sent, or NULL: it is not there yet. */
static PGresult *
take_result(PGconn *conn)
{
	PGresult *last = NULL;
	PGresult *next;

	if (!PQconsumeInput(conn))
		return PQmakeEmptyPGresult(conn, PGRES_FATAL_ERROR);
	if (PQisBusy(conn))
		return NULL;
	while ((next = PQgetResult(conn)) != NULL)
	{
		PQclear(last);
		last = next;
	}
	return last != NULL ? last : PQmakeEmptyPGresult(conn, PGRES_FATAL_ERROR);
}

static void
call_off(PGconn *conn)
{
	PGcancel *cancel = PQgetCancel(conn);
	char problem[256];

	(void) PQcancel(cancel, problem, sizeof(problem));
	PQfreeCancel(cancel);
}

/* ----- viewers ----- */

/* Its plan is settled, and its library loaded, without asking for anything. */
static void
open_viewer(Viewer *viewer, Load *load, int number, double start)
{
	const char *nothing = "{}";
	char sql[512];

	viewer->load = load;
	viewer->backend = backend_open();
	PQsetNoticeReceiver(viewer->backend->conn, ignore_notice, NULL);
	viewer->due = start + load->delay + load->period * number / load->viewers;
	snprintf(sql, sizeof(sql), LOOK, load->table);
	backend_prepare(viewer->backend, "look", sql);
	for (int i = 0; i < 6; i++)
		PQclear(PQexecPrepared(viewer->backend->conn, "look", 1, &nothing, NULL, NULL, 0));
}

static void
look(Viewer *viewer, double now)
{
	viewer->sent = now;
	viewer->busy = PQsendQueryPrepared(viewer->backend->conn, "look", 1, &viewer->load->array, NULL, NULL, 0) &&
				   PQflush(viewer->backend->conn) == 0;
	if (!viewer->busy)
		viewer->load->wrong++;
}

static void
note_look(Viewer *viewer, const PGresult *result, double now)
{
	Load *load = viewer->load;
	double newest = 0;
	bool warm = true;

	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != load->rows)
	{
		load->wrong++;
		printf("  %s: %d rows; %s\n", load->what, PQntuples(result), PQresultErrorMessage(result));
		return;
	}
	for (int i = 0; i < PQntuples(result); i++)
	{
		double fetched = strtod(PQgetvalue(result, i, COLUMN_FETCHED), NULL);

		newest = fetched > newest ? fetched : newest;
		warm = warm && PQgetvalue(result, i, COLUMN_WARM)[0] == 't';
	}
	samples_add(&load->times, now - viewer->sent);
	if (warm)
		samples_add(&load->warm, now - viewer->sent);
	if (newest > viewer->seen + 1 && newest < load->seen_by_all)
		viewer->nseen++;
	viewer->seen = newest;
}

/* One round of the loop: what is due is sent, what has come is noted. */
static void
turn(Viewer *viewers, int nviewers, double end)
{
	PGconn *conns[MOST_SESSIONS] = {0};
	double now = wall_clock();
	double next = end;

	for (int i = 0; i < nviewers; i++)
	{
		Viewer *viewer = &viewers[i];

		if (!viewer->busy && viewer->due <= now)
			look(viewer, now);
		if (!viewer->busy)
			next = viewer->due < next ? viewer->due : next;
		conns[i] = viewer->busy ? viewer->backend->conn : NULL;
	}
	wait_for_any(conns, nviewers, next - wall_clock());
	for (int i = 0; i < nviewers; i++)
	{
		Viewer *viewer = &viewers[i];
		PGresult *result = viewer->busy ? take_result(viewer->backend->conn) : NULL;

		if (result == NULL)
			continue;
		now = wall_clock();
		viewer->busy = false;
		note_look(viewer, result, now);
		PQclear(result);
		while (viewer->due <= now)
			viewer->due += viewer->load->period;
	}
}

static void
close_viewer(Viewer *viewer)
{
	double end = wall_clock() + LAST_PATIENCE;
	Load *load = viewer->load;
	PGresult *result;

	if (viewer->busy)
		call_off(viewer->backend->conn);
	while (viewer->busy && wall_clock() < end)
	{
		wait_for_any(&viewer->backend->conn, 1, 0.1);
		result = take_result(viewer->backend->conn);
		viewer->busy = result == NULL;
		PQclear(result);
	}
	if (viewer->busy)
		printf("  %s: a look that was cancelled hangs\n", load->what);
	load->most_seen = viewer->nseen > load->most_seen ? viewer->nseen : load->most_seen;
	load->least_seen = viewer->nseen < load->least_seen ? viewer->nseen : load->least_seen;
	backend_close(viewer->backend);
}

static void
print_load(const Load *load)
{
	printf("  %-34s %4d looks", load->what, load->times.count);
	if (load->times.count > 0)
		printf(", median %.1f ms, p95 %.1f, p99 %.1f, max %.1f", 1e3 * samples_median(&load->times),
			   1e3 * samples_percentile(&load->times, 95), 1e3 * samples_percentile(&load->times, 99),
			   1e3 * samples_max(&load->times));
	printf("; answers that a viewer has seen: %d to %d\n", load->least_seen, load->most_seen);
	fflush(stdout);
}

void
run_loads(Load *loads, int nloads, double seconds)
{
	static Viewer viewers[MOST_SESSIONS];
	int nviewers = 0;
	double start;
	struct timespec now;

	memset(viewers, 0, sizeof(viewers));
	for (int i = 0; i < nloads; i++)
		for (int j = 0; j < loads[i].viewers; j++)
			open_viewer(&viewers[nviewers++], &loads[i], j, 0);
	start = wall_clock();
	for (int i = 0; i < nviewers; i++)
		viewers[i].due += start;
	(void) clock_gettime(CLOCK_REALTIME, &now);
	for (int i = 0; i < nloads; i++)
	{
		loads[i].least_seen = 1000;
		loads[i].seen_by_all = (double) now.tv_sec + seconds - loads[i].period;
	}
	while (wall_clock() < start + seconds)
		turn(viewers, nviewers, start + seconds);
	for (int i = 0; i < nviewers; i++)
		close_viewer(&viewers[i]);
	for (int i = 0; i < nloads; i++)
		print_load(&loads[i]);
}

/* ----- waiters ----- */

bool
waiter_connect(Waiter *waiter)
{
	double end = wall_clock() + PATIENCE;

	while (wall_clock() < end)
	{
		waiter->conn = PQconnectdb("");
		if (PQstatus(waiter->conn) == CONNECTION_OK)
		{
			waiter->pid = (pid_t) PQbackendPID(waiter->conn);
			PQsetNoticeReceiver(waiter->conn, ignore_notice, NULL);
			return true;
		}
		PQfinish(waiter->conn);
		waiter->conn = NULL;
		usleep(5000);
	}
	return false;
}

void
waiter_send(Waiter *waiter, const char *sql, const char *param)
{
	waiter->sent = wall_clock();
	waiter->took = -1;
	waiter->value[0] = '\0';
	(void) PQsendQueryParams(waiter->conn, sql, 1, NULL, &param, NULL, NULL, 0);
	(void) PQflush(waiter->conn);
}

static void
note_result(Waiter *waiter, const PGresult *result)
{
	const char *value = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
		value = PQgetvalue(result, 0, 0);
	waiter->took = wall_clock() - waiter->sent;
	waiter->connected = PQstatus(waiter->conn) == CONNECTION_OK;
	snprintf(waiter->value, sizeof(waiter->value), "%s", value != NULL ? value : "lost");
}

void
waiters_collect(Waiter *waiters, int nwaiters, double seconds)
{
	double end = wall_clock() + seconds;
	int left;

	do
	{
		PGconn *conns[MOST_SESSIONS] = {0};

		left = 0;
		for (int i = 0; i < nwaiters; i++)
		{
			PGresult *result = waiters[i].took < 0 ? take_result(waiters[i].conn) : NULL;

			if (result != NULL)
				note_result(&waiters[i], result);
			PQclear(result);
			conns[i] = waiters[i].took < 0 ? waiters[i].conn : NULL;
			left += waiters[i].took < 0;
		}
		if (left > 0)
			wait_for_any(conns, nwaiters, 0.1);
	} while (left > 0 && wall_clock() < end);
}
