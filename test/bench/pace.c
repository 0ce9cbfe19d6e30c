/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  A statement that needs more requests than the API's limit allows at
 *	  once: nothing is refused, and no time is lost.
 *
 * The first request tells of the limit.  With it, 601 requests at 250 in 30 s
 * take two windows from the first one, at best; the rate is that time as a
 * share of what was needed.
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
#define WINDOW 30 /* seconds */
#define CLUSTERS 600
#define LEAST_PERCENT 95

#define COUNT "SELECT count(status) FROM paced.online_migrations WHERE database_cluster_uuid = ANY ($1)"

static long
count_rows(Backend *backend, const char *array)
{
	PGresult *result = PQexecParams(backend->conn, COUNT, 1, NULL, &array, NULL, NULL, 0);
	long rows = -1;

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		rows = strtol(PQgetvalue(result, 0, 0), NULL, 10);
	else
		printf("  %s", PQerrorMessage(backend->conn));
	PQclear(result);
	return rows;
}

void
pace(void)
{
	Backend *backend = backend_open();
	char *one = keys(1, 1, 1);
	char *all = keys(1, 1, CLUSTERS);
	double began;
	double seconds;
	double ideal = (CLUSTERS + 1 - 1) / LIMIT * WINDOW;
	long rows;

	simulator_post("tokens",
				   "{\"token\": \"dop_v1_paced\", \"account\": \"dop_v1_simulator\", \"limit\": %d, \"window_seconds\": %d, \"enforce\": true}",
				   LIMIT, WINDOW);
	backend_make_server(backend, "paced", getenv("OMF_HTTPS"), "dop_v1_paced");
	free(backend_ask(backend, "ALTER SERVER paced OPTIONS (max_retry_wait '60s')"));
	free(backend_ask(backend, "SET client_min_messages = warning"));
	set_latency(0);
	simulator_call("POST", "counters/reset", NULL);
	printf("\npace: %d clusters at %d requests in %d s\n", CLUSTERS, LIMIT, WINDOW);
	fflush(stdout);
	began = wall_clock();
	(void) count_rows(backend, one);
	rows = count_rows(backend, all);
	seconds = wall_clock() - began;
	printf("  %ld rows in %.2f s, %.0f s at best; %ld requests\n", rows, seconds, ideal, counter("get_status"));
	judge_least("600 clusters at 250 in 30 s: of the allowed rate", 100 * ideal / seconds, LEAST_PERCENT, "%", "");
	judge_exact("  rows", rows, CLUSTERS, "");
	judge_exact("  429 at the API", counter("429"), 0, "");
	backend_close(backend);
	free(one);
	free(all);
}
