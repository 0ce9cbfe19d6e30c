/*-------------------------------------------------------------------------
 *
 * kill.c
 *	  A backend is killed in the midst of 100 requests, and the server
 *	  recovers.
 *
 * PostgreSQL answers kill -9 of a backend by ending all others and starting
 * over; that has begun once another connection has been lost.  Time runs from
 * the kill to the right answer to the next query, over a new connection.
 *
 *-------------------------------------------------------------------------
 */
#include "robust.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contender.h"
#include "figures.h"
#include "measure.h"
#include "simulator.h"

#define KILLS 50
#define REQUESTS 100
#define PATIENCE 60 /* seconds until a server has not recovered */

#define COUNT "SELECT count(status) FROM tls.online_migrations WHERE database_cluster_uuid = ANY ($1)"

/* Wait for PostgreSQL to end that connection, too. */
static bool
is_lost(PGconn *conn)
{
	struct pollfd wait = {PQsocket(conn), POLLIN, 0};
	double end = wall_clock() + PATIENCE;

	while (wall_clock() < end)
	{
		if (poll(&wait, 1, 100) > 0 && (!PQconsumeInput(conn) || PQstatus(conn) != CONNECTION_OK))
			return true;
	}
	return false;
}

/* Is the next query's answer right?  An error is none. */
static bool
answers(const char *array)
{
	PGconn *conn = PQconnectdb("");
	PGresult *result = PQexecParams(conn, COUNT, 1, NULL, &array, NULL, NULL, 0);
	bool right = PQresultStatus(result) == PGRES_TUPLES_OK && strcmp(PQgetvalue(result, 0, 0), "100") == 0;

	if (PQresultStatus(result) == PGRES_TUPLES_OK && !right)
		printf("  the next query was answered %s\n", PQgetvalue(result, 0, 0));
	PQclear(result);
	PQfinish(conn);
	return right;
}

/* Seconds until the server has recovered, or -1. */
static double
kill_one(const char *array)
{
	Backend *backend = backend_open();
	Backend *witness = backend_open();
	double killed;
	double seconds = -1;

	set_latency(NEVER_MS);
	if (!PQsendQueryParams(backend->conn, COUNT, 1, NULL, &array, NULL, NULL, 0) || PQflush(backend->conn) != 0 ||
		!wait_for_counter("in_flight", REQUESTS))
	{
		fprintf(stderr, "bench: kill: the requests are not sent: %s\n", PQerrorMessage(backend->conn));
		exit(1);
	}
	set_latency(0);
	killed = wall_clock();
	kill(backend->pid, SIGKILL);
	if (is_lost(witness->conn))
		while (seconds < 0 && wall_clock() < killed + PATIENCE)
		{
			if (answers(array))
				seconds = wall_clock() - killed;
			else
				usleep(5000);
		}
	backend_close(backend);
	backend_close(witness);
	if (!wait_for_counter("in_flight", 0))
		printf("  requests stay in flight\n");
	return seconds;
}

void
kill_backends(void)
{
	char *array = keys(1, 1, REQUESTS);
	Samples times = {{0}, 0};

	printf("\nkill: kill -9 of a backend with %d requests in flight, %d times\n", REQUESTS, KILLS);
	fflush(stdout);
	for (int i = 0; i < KILLS; i++)
	{
		double seconds = kill_one(array);

		if (seconds < 0)
			break;
		samples_add(&times, seconds);
	}
	if (times.count > 0)
		printf("  recovered %d times: median %.0f ms, max %.0f ms\n", times.count,
			   1e3 * samples_median(&times), 1e3 * samples_max(&times));
	judge_exact("kill -9 amid 100 requests: recovered, of 50", times.count, KILLS, "");
	note_figure("  time to the next right answer: median", 1e3 * samples_median(&times), "ms", "");
	free(array);
}
