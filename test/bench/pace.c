/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  A statement that needs more requests than the API's limit allows at
 *	  once: nothing is refused, and no time is lost.
 *
 * The first request tells of the limit.  With it, 601 requests at 250 in a
 * window take two windows from the first one, at best; the rate is that time as
 * a share of what was needed.  Once with a window of 30 s, and once with the
 * API's own of 60 s and a server that has no options but its endpoint.
 *
 *-------------------------------------------------------------------------
 */
#include "robust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contender.h"
#include "figures.h"
#include "measure.h"
#include "simulator.h"

#define LIMIT 250
#define CLUSTERS 600
#define LEAST_PERCENT 95

#define COUNT "SELECT count(status) FROM %s.online_migrations WHERE database_cluster_uuid = ANY ($1)"

static long
count_rows(Backend *backend, const char *name, const char *array)
{
	char query[256];
	PGresult *result;
	long rows = -1;

	snprintf(query, sizeof(query), COUNT, name);
	result = PQexecParams(backend->conn, query, 1, NULL, &array, NULL, NULL, 0);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		rows = strtol(PQgetvalue(result, 0, 0), NULL, 10);
	else
		printf("  %s", PQerrorMessage(backend->conn));
	PQclear(result);
	return rows;
}

/* The server `name`, whose token has a window of so many seconds. */
static void
pace_window(const char *name, int window)
{
	Backend *backend = backend_open();
	char *one = keys(1, 1, 1);
	char *all = keys(1, 1, CLUSTERS);
	char token[64];
	char figure[80];
	double began;
	double seconds;
	double ideal = (CLUSTERS + 1 - 1) / LIMIT * window;
	long rows;

	snprintf(token, sizeof(token), "dop_v1_%s", name);
	simulator_post("tokens",
				   "{\"token\": \"%s\", \"account\": \"dop_v1_simulator\", \"limit\": %d, \"window_seconds\": %d, \"enforce\": true}",
				   token, LIMIT, window);
	backend_make_server(backend, name, getenv("OMF_HTTPS"), token);
	free(backend_ask(backend, "SET client_min_messages = warning"));
	set_latency(0);
	simulator_call("POST", "counters/reset", NULL);
	printf("\npace: %d clusters at %d requests in %d s\n", CLUSTERS, LIMIT, window);
	fflush(stdout);
	began = wall_clock();
	(void) count_rows(backend, name, one);
	rows = count_rows(backend, name, all);
	seconds = wall_clock() - began;
	printf("  %ld rows in %.2f s, %.0f s at best; %ld requests\n", rows, seconds, ideal, counter("get_status"));
	snprintf(figure, sizeof(figure), "600 clusters at 250 in %d s: of the allowed rate", window);
	judge_least(figure, 100 * ideal / seconds, LEAST_PERCENT, "%", "");
	judge_exact("  rows", rows, CLUSTERS, "");
	judge_exact("  429 at the API", counter("429"), 0, "");
	backend_close(backend);
	free(one);
	free(all);
}

void
pace(void)
{
	pace_window("paced", 30);
	pace_window("paced_minute", 60);
}
