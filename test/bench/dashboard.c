/*-------------------------------------------------------------------------
 *
 * dashboard.c
 *	  A dashboard of 50 clusters, with one viewer and with fifty: answers that
 *	  backends share, and whose turn it is where the limit is all that counts.
 *
 *-------------------------------------------------------------------------
 */
#include "robust.h"

#include <stdio.h>
#include <stdlib.h>

#include "contender.h"
#include "figures.h"
#include "load.h"
#include "simulator.h"

#define CLUSTERS 50
#define VIEWERS 50
#define LIMIT 250
#define LATENCY_MS 50

static char *array; /* of the clusters' keys */

/*
 * A server `name` with a token of its own; with `window` > 0, the token has
 * that limit in so many seconds.
 */
static void
make_dashboard(const char *name, const char *cache_ttl, int window)
{
	Backend *backend = backend_open();
	char token[64];
	char sql[512];

	snprintf(token, sizeof(token), "dop_v1_%s", name);
	if (window > 0)
		simulator_post("tokens",
					   "{\"token\": \"%s\", \"account\": \"dop_v1_simulator\", \"limit\": %d, \"window_seconds\": %d, \"enforce\": true}",
					   token, LIMIT, window);
	else
		simulator_post("tokens", "{\"token\": \"%s\", \"account\": \"dop_v1_simulator\"}", token);
	backend_make_server(backend, name, getenv("OMF_HTTPS"), token);
	snprintf(sql, sizeof(sql),
			 "ALTER SERVER %s OPTIONS (ADD cache_ttl '%s'); "
			 "ALTER FOREIGN TABLE %s.online_migrations ADD COLUMN fetched_at timestamptz",
			 name, cache_ttl, name);
	free(backend_ask(backend, sql));
	backend_close(backend);
}

static Load
make_load(const char *what, const char *table, int viewers, double period, double delay)
{
	Load load = {0};

	load.what = what;
	load.table = table;
	load.array = array;
	load.rows = CLUSTERS;
	load.viewers = viewers;
	load.period = period;
	load.delay = delay;
	return load;
}

/* Looks that `seconds` allow at that limit, of which the first is at once. */
static double
allowed_looks(double seconds, int window)
{
	return (double) LIMIT / CLUSTERS * (int) ((seconds + window - 1) / window);
}

#define SECONDS 60
#define PERIOD 5
#define LOOKS (SECONDS / PERIOD)

/*
 * First the 50 viewers that share answers, whose requests are counted; then,
 * all in the same minute, one viewer, and others that share nothing.
 */
void
dashboard(void)
{
	Load loads[3];
	long asked;

	array = keys(1, 1, CLUSTERS);
	make_dashboard("shared", "15s", 60);
	make_dashboard("alone", "15s", 60);
	make_dashboard("fair", "0ms", 60);
	make_dashboard("fair_short", "0ms", 10);
	set_latency(LATENCY_MS);

	printf("\ndashboard: %d clusters, a look each %d s for %d s, %d requests a minute\n", CLUSTERS, PERIOD, SECONDS, LIMIT);
	simulator_call("POST", "counters/reset", NULL);
	loads[0] = make_load("50 viewers, cache_ttl 15s", "shared.online_migrations", VIEWERS, PERIOD, 0);
	run_loads(loads, 1, SECONDS);
	asked = counter("get_status");
	judge_least("dashboard, 50 viewers, cache_ttl 15s: looks of 600", loads[0].times.count, 590, "", "");
	judge("  requests", (double) asked, 260, "", "");
	judge("  p95 of a look", 1e3 * samples_percentile(&loads[0].times, 95), 50, "ms", "");
	judge_least("  refreshes that each viewer has seen", loads[0].least_seen, loads[0].most_seen, "", "");
	judge_exact("  wrong", loads[0].wrong, 0, "");

	simulator_call("POST", "counters/reset", NULL);
	loads[0] = make_load("1 viewer, cache_ttl 15s", "alone.online_migrations", 1, PERIOD, 0);
	loads[1] = make_load("50 viewers, no cache", "fair.online_migrations", VIEWERS, PERIOD, 0);
	loads[2] = make_load("50 viewers, no cache, 250 in 10 s", "fair_short.online_migrations", VIEWERS, PERIOD, 0);
	run_loads(loads, 3, SECONDS);
	judge_least("  1 viewer: looks of 12", loads[0].times.count, LOOKS, "", "");
	judge_least("without cache, 250 in 60 s: of the looks allowed", 100 * loads[1].times.count / allowed_looks(SECONDS, 60), 90, "%", "");
	judge_least("without cache, 250 in 10 s: of the looks allowed", 100 * loads[2].times.count / allowed_looks(SECONDS, 10), 90, "%", "");
	judge_exact("  429 at the API", counter("429"), 0, "");
}

/* ----- 50 sessions, a look each second ----- */

#define RUSH_SECONDS 20

void
sessions(void)
{
	Backend *backend = backend_open();
	Load loads[2];
	char note[48];
	long asked;

	array = keys(1, 1, CLUSTERS);
	make_dashboard("rush", "5s", 0);
	make_dashboard("rush_uncached", "0ms", 0);
	set_latency(LATENCY_MS);
	free(backend_ask(backend,
					 "CREATE TABLE looked_at (database_cluster_uuid uuid PRIMARY KEY, id text, created_at timestamptz, status text, fetched_at timestamptz); "
					 "INSERT INTO looked_at SELECT *, now() FROM plain.online_migrations WHERE database_cluster_uuid = ANY (SELECT keys(1, 1, 50))"));
	free(backend_ask(backend, "VACUUM ANALYZE looked_at"));
	backend_close(backend);

	printf("\nsessions: %d of them, a look at %d clusters each second for %d s\n", VIEWERS, CLUSTERS, RUSH_SECONDS);
	simulator_call("POST", "counters/reset", NULL);
	loads[0] = make_load("cache_ttl 5s", "rush.online_migrations", VIEWERS, 1, 0);
	loads[1] = make_load("a local table", "looked_at", VIEWERS, 1, 0.01);
	run_loads(loads, 2, RUSH_SECONDS);
	asked = counter("get_status");
	judge("50 sessions, a look a second, cache_ttl 5s: requests", (double) asked, 260, "", "");
	snprintf(note, sizeof(note), " (%.2f ms, of %d)", 1e3 * samples_percentile(&loads[0].warm, 99), loads[0].warm.count);
	judge("  p99 of a hit: against a local table", samples_percentile(&loads[0].warm, 99) / samples_percentile(&loads[1].times, 99), 2, "x", note);
	note_figure("  looks done", loads[0].times.count, "", "");
	note_figure("  p50 of a hit", 1e3 * samples_median(&loads[0].warm), "ms", "");
	note_figure("  p50 of the local table", 1e3 * samples_median(&loads[1].times), "ms", "");
	note_figure("  p99 of the local table", 1e3 * samples_percentile(&loads[1].times, 99), "ms", "");
	judge_exact("  wrong", loads[0].wrong + loads[1].wrong, 0, "");

	simulator_call("POST", "counters/reset", NULL);
	loads[0] = make_load("no cache", "rush_uncached.online_migrations", VIEWERS, 1, 0);
	run_loads(loads, 1, RUSH_SECONDS);
	note_figure("  without the cache: requests", (double) counter("get_status"), "", "");
	note_figure("  without the cache: looks done", loads[0].times.count, "", "");
	note_figure("  without the cache: p99", 1e3 * samples_percentile(&loads[0].times, 99), "ms", "");
}
