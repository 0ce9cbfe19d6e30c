/*-------------------------------------------------------------------------
 *
 * bench.c
 *	  How fast the foreign table is: scenarios, figures, goals.  Those of how
 *	  it stands up to trouble are in files of their own (robust.h).
 *
 * The foreign table and the C program (client.c) take turns, round by round,
 * against the same simulator.  Wall time is taken here around both alike: the
 * C program is told over a pipe and answers over one, the backend over libpq;
 * both look at every row and hand back their number.  A statement counts the
 * non-NULL values of the three fields, so that rows are made in full, but not
 * sent.  Statements are prepared.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contender.h"
#include "figures.h"
#include "measure.h"
#include "robust.h"
#include "simulator.h"

#define CONCURRENCY 100 /* the default of the server option */
#define LEAST_ROUNDS 7
#define MOST_ROUNDS 300

/* Both of a comparison, in every round. */
typedef struct Comparison
{
	Samples wall[2]; /* seconds of one task: of A, of B */
	Samples cpu[2];  /* likewise */
} Comparison;

static int nrounds = 15;

/* ----- comparing ----- */

static void
print_samples(const char *what, const char *who, const Samples *samples, double scale, const char *unit)
{
	printf("  %-4s %-14s median %10.2f %s, min %.2f, max %.2f\n", what, who,
		   samples_median(samples) * scale, unit, samples_min(samples) * scale,
		   samples_max(samples) * scale);
}

/* How many clusters the task looks up: in its last part, if it has several. */
static double
lookups_of(const Task *task)
{
	while (task->then != NULL)
		task = task->then;
	return (double) task->expected;
}

/* Time A and B in turns, `repeats` times each in each of so many rounds. */
static Comparison *
compare_rounds(const char *title, const char *const names[2], const Task *a, const Task *b,
			   int rounds, int repeats)
{
	const Task *tasks[2] = {a, b};
	Comparison *result = calloc(1, sizeof(Comparison));

	printf("\n%s: %d rounds of %d each, in turns\n", title, rounds, repeats);
	fflush(stdout);
	for (int round = 0; round < rounds; round++)
		for (int which = 0; which < 2; which++)
		{
			double wall = wall_clock();
			double cpu = cpu_clock(tasks[which]->pid);

			for (int i = 0; i < repeats; i++)
				task_run(tasks[which]);
			samples_add(&result->cpu[which], (cpu_clock(tasks[which]->pid) - cpu) / repeats /
												 lookups_of(tasks[which]));
			samples_add(&result->wall[which], (wall_clock() - wall) / repeats);
		}
	for (int which = 0; which < 2; which++)
		print_samples("wall", names[which], &result->wall[which], 1e3, "ms");
	for (int which = 0; which < 2; which++)
		print_samples("CPU", names[which], &result->cpu[which], 1e6, "us/look-up");
	printf("  B/A  wall %.3f (median of pairs %.3f), CPU %.3f (%.3f)\n",
		   samples_median(&result->wall[1]) / samples_median(&result->wall[0]),
		   paired_ratio(&result->wall[0], &result->wall[1]),
		   samples_median(&result->cpu[1]) / samples_median(&result->cpu[0]),
		   paired_ratio(&result->cpu[0], &result->cpu[1]));
	fflush(stdout);
	return result;
}

static Comparison *
compare(const char *title, const char *const names[2], const Task *a, const Task *b,
		int repeats)
{
	return compare_rounds(title, names, a, b, nrounds, repeats);
}

/* Generic plans are settled on after five executions. */
static void
warm_up(const Task *task, int times)
{
	for (int i = 0; i < times; i++)
		task_run(task);
}

#define SELECT_ALL "SELECT least(count(id), count(created_at), count(status)) FROM "
#define BY_ARRAY ".online_migrations WHERE database_cluster_uuid = ANY ($1)"

static const char *const client_and_table[2] = {"A C program", "B foreign table"};
static const char *const list_and_join[2] = {"A IN list", "B join"};

/* ----- scenarios: against the C program ----- */

static void
fan_100(void)
{
	Client *client = client_start(getenv("OMF_HTTPS"), getenv("OMF_CA_FILE"), CONCURRENCY);
	Backend *backend = backend_open();
	Task a = client_task(client, "fan 1 100", 100);
	Task b = backend_task(backend, SELECT_ALL "tls" BY_ARRAY, keys(1, 1, 100), 100);
	Comparison *result;
	long connections;
	long before;

	set_latency(50);
	before = counter("connections_tls");
	warm_up(&b, 20);
	connections = counter("connections_tls") - before;
	warm_up(&a, 20);
	before = counter("connections_tls");
	result = compare("100 clusters, TLS and HTTP/2, 50 ms", client_and_table, &a, &b, 10);
	connections += counter("connections_tls") - before;
	judge_ratio("100 clusters, h2, 50 ms: wall", &result->wall[0], &result->wall[1], 1.05);
	judge_exact("  connections of the backend", connections, 1, "");
	judge_ratio("  CPU per look-up", &result->cpu[0], &result->cpu[1], 1.1);
	backend_close(backend);
	client_stop(client);
	free(result);
}

static void
fan_1000(void)
{
	Client *client = client_start(getenv("OMF_HTTPS"), getenv("OMF_CA_FILE"), CONCURRENCY);
	Backend *backend = backend_open();
	Task a = client_task(client, "fan 1 1000", 1000);
	Task b = backend_task(backend, SELECT_ALL "tls" BY_ARRAY, keys(1, 1, 1000), 1000);
	Comparison *result;

	set_latency(0);
	warm_up(&b, 10);
	warm_up(&a, 10);
	result = compare("1,000 clusters, TLS and HTTP/2, no latency", client_and_table, &a, &b, 5);
	judge_ratio("1,000 clusters, h2, no latency: wall", &result->wall[0], &result->wall[1], 1.10);
	backend_close(backend);
	client_stop(client);
	free(result);
}

/*
 * 1,000 look-ups in one call, so that telling and answering don't count.  Only
 * one of two processes runs at any time here: on one CPU, or else what is
 * measured is where the kernel happens to put them.
 */
static void
single(void)
{
	pid_t simulator = (pid_t) atoi(getenv("BENCH_SIMULATOR_PID"));
	Client *client = client_start(getenv("OMF_HTTP"), getenv("OMF_CA_FILE"), CONCURRENCY);
	Backend *backend = backend_open();
	Task a = client_task(client, "each 1 1000", 1000);
	Task b = backend_task(backend, "SELECT one_by_one($1)", keys(1, 1, 1000), 1000);
	Comparison *result;

	pin(simulator);
	pin(client->pid);
	pin(backend->pid);
	set_latency(0);
	warm_up(&b, 6);
	warm_up(&a, 6);
	result = compare("1,000 single look-ups, plain HTTP/1.1, in a plpgsql loop, on one CPU", client_and_table, &a, &b, 2);
	unpin(simulator);
	judge_ratio("one look-up, HTTP/1.1, on one CPU: wall", &result->wall[0], &result->wall[1], 1.7);
	note_figure("  above the C program", 1e3 * paired_difference(&result->wall[0], &result->wall[1]), "us", "");
	backend_close(backend);
	client_stop(client);
	free(result);
}

/* ----- scenarios: a new backend ----- */

/* What a statement takes at first above the second time. */
typedef struct Beginning
{
	Samples wall;   /* seconds */
	Samples cpu;    /* of the backend, in seconds */
	Samples faults; /* pages that it found not mapped */
} Beginning;

static void
begin_statement(Beginning *beginning, Backend *backend, const char *sql)
{
	double wall[3];
	double cpu[3];
	double faults[3];

	for (int i = 0; i < 3; i++)
	{
		wall[i] = wall_clock();
		cpu[i] = cpu_clock(backend->pid);
		faults[i] = page_faults(backend->pid);
		if (i < 2)
			free(backend_ask(backend, sql));
	}
	samples_add(&beginning->wall, (wall[1] - wall[0]) - (wall[2] - wall[1]));
	samples_add(&beginning->cpu, (cpu[1] - cpu[0]) - (cpu[2] - cpu[1]));
	samples_add(&beginning->faults, (faults[1] - faults[0]) - (faults[2] - faults[1]));
}

/* What the backend did meanwhile. */
static const char *
about_beginning(const Beginning *beginning)
{
	static char note[64];

	snprintf(note, sizeof(note), " (CPU %.1f ms, %.0f page faults)",
			 samples_median(&beginning->cpu) * 1e3, samples_median(&beginning->faults));
	return note;
}

#define FIRST \
	"SELECT id, created_at, status FROM plain.online_migrations" \
	" WHERE database_cluster_uuid = '00000001-0000-4000-8000-000000000001'"

/*
 * What the first look-up of a backend takes above its second one.  To tell
 * where that goes, every other backend takes it step by step.
 */
static void
first(void)
{
	const char *const steps[] = {"SELECT key FROM keys100 LIMIT 1", "LOAD 'online_migrations_fdw'", "EXPLAIN " FIRST, FIRST};
	const char *const names[] = {"  of that, PostgreSQL's for any first statement", "  loading the library", "  planning, with the catalog's entries", "  session and connection"};
	const int nsteps = sizeof(steps) / sizeof(steps[0]);
	static Beginning at_once;
	static Beginning by_step[sizeof(steps) / sizeof(steps[0])];

	set_latency(0);
	for (int round = 0; round < nrounds; round++)
	{
		Backend *backend = backend_open();

		begin_statement(&at_once, backend, FIRST);
		backend_close(backend);
		backend = backend_open();
		for (int i = 0; i < nsteps; i++)
			begin_statement(&by_step[i], backend, steps[i]);
		backend_close(backend);
	}
	judge("first look-up of a backend, above its second", samples_median(&at_once.wall) * 1e3, 1.2, "ms", about_beginning(&at_once));
	for (int i = 0; i < nsteps; i++)
		note_figure(names[i], samples_median(&by_step[i].wall) * 1e3, "ms", about_beginning(&by_step[i]));
}

/* ----- scenarios: memory ----- */

/* What a backend has more afterwards than before, and at most in between. */
typedef struct Growth
{
	double after;
	double most;
} Growth;

static Growth
measure_memory(const char *title, const char *warm_up_sql, const char *sql, const char *param)
{
	Backend *backend = backend_open();
	Task small = backend_task(backend, warm_up_sql, param != NULL ? keys(1, 1, 100) : NULL, 100);
	Task large = backend_task(backend, sql, param, 10000);
	double before;
	double after;
	double peak;
	Growth growth;

	set_latency(0);
	warm_up(&small, 6);
	before = memory_of(backend->pid);
	reset_peak_memory(backend->pid);
	task_run(&large);
	peak = peak_memory_of(backend->pid);
	after = memory_of(backend->pid);
	printf("\n%s: %.1f MiB before, %.1f after, %.1f at most\n", title, before, after, peak);
	growth.after = after - before;
	growth.most = peak - before;
	backend_close(backend);
	return growth;
}

#define NO_LOOKUPS \
	"SELECT least(count(id), count(created_at), count(status)) FROM" \
	" (SELECT key, key::text AS id, now() AS created_at, 'done' AS status FROM unnest($1::uuid[]) key) nothing"

static void
memory(void)
{
	Growth growth = measure_memory("10,000 look-ups", SELECT_ALL "tls" BY_ARRAY, SELECT_ALL "tls" BY_ARRAY,
								   keys(2, 1, 10000));
	Growth empty = measure_memory("as many rows without look-ups", NO_LOOKUPS, NO_LOOKUPS, keys(2, 1, 10000));

	judge("memory that 10,000 look-ups add", growth.most, 6.5, MIB, "");
	note_figure("  that as many rows without look-ups add", empty.most, MIB, "");
	judge("memory after 10,000 look-ups", growth.after, 6, MIB, "");
}

#define JOIN(keys) SELECT_ALL keys " JOIN tls.online_migrations ON database_cluster_uuid = key"

/* Does a plan have a node that is named so? */
static bool
plan_shows(const char *sql, const char *word)
{
	Backend *backend = backend_open();
	char explain[1024];
	PGresult *result;
	bool shows = false;

	snprintf(explain, sizeof(explain), "EXPLAIN %s", sql);
	result = PQexec(backend->conn, explain);
	for (int i = 0; i < PQntuples(result); i++)
		shows |= strstr(PQgetvalue(result, i, 0), word) != NULL;
	PQclear(result);
	backend_close(backend);
	return shows;
}

static bool
joins_in_batches(void)
{
	return plan_shows(JOIN("keys100"), "Custom Scan");
}

static void
join_memory(void)
{
	const char *title = "memory after 10,000 joined rows";

	if (!joins_in_batches())
		skip(title, "<= 8 MiB", "no batched join");
	else
		judge(title, measure_memory(title, JOIN("keys100"), JOIN("keys10000"), NULL).after, 8, MIB, "");
}

/* ----- scenarios: the table as a relation ----- */

static void
join(const char *title, const char *sql, int count)
{
	Backend *backend;
	Comparison *result;
	Task a;
	Task b;

	if (!joins_in_batches())
	{
		skip(title, "<= 1.3 x", "no batched join");
		return;
	}
	backend = backend_open();
	a = backend_task(backend, SELECT_ALL "tls" BY_ARRAY, keys(1, 1, count), count);
	b = backend_task(backend, sql, NULL, count);
	set_latency(50);
	warm_up(&a, 6);
	warm_up(&b, 6);
	result = compare(title, list_and_join, &a, &b, count < 1000 ? 5 : 1);
	judge_ratio(title, &result->wall[0], &result->wall[1], 1.3);
	backend_close(backend);
	free(result);
}

static void
join_100(void)
{
	join("join of 100 rows, 50 ms: against an IN list", JOIN("keys100"), 100);
}

static void
join_1000(void)
{
	join("join of 1,000 rows, 50 ms: against an IN list", JOIN("keys1000"), 1000);
}

static void
account(void)
{
	static const char *const names[2] = {"A page, IN list", "B account"};
	Backend *backend = backend_open();
	Task list = backend_task(backend, SELECT_ALL "thousand" BY_ARRAY, keys(3, 1, 1000), 1000);
	Task a = backend_task(backend, "SELECT count(*) FROM onepage.clusters", NULL, 200);
	Task b = backend_task(backend, SELECT_ALL "thousand.online_migrations", NULL, 1000);
	Comparison *result;
	long pages;
	long asked;

	set_latency(50);
	a.then = &list;
	warm_up(&a, 6);
	warm_up(&b, 6);
	pages = counter("list");
	asked = counter("get_status");
	task_run(&b);
	pages = counter("list") - pages;
	asked = counter("get_status") - asked;
	result = compare("account of 1,000 clusters, 50 ms", names, &a, &b, 1);
	judge_ratio("account of 1,000: against one page and an IN list", &result->wall[0], &result->wall[1], 1.15);
	judge_exact("  pages asked", pages, 5, "");
	judge_exact("  clusters asked", asked, 1000, "");
	backend_close(backend);
	free(result);
}

#define PART(n, from, to) \
	"SELECT id, created_at, status FROM part" n ".online_migrations WHERE database_cluster_uuid = ANY (($1::uuid[])[" from ":" to "])"
#define FOUR_PARTS \
	"(" PART("1", "1", "100") " UNION ALL " PART("2", "101", "200") " UNION ALL " PART("3", "201", "300") " UNION ALL " PART("4", "301", "400") ") parts"

static void
append(void)
{
	static const char *const names[2] = {"A one server", "B four servers"};
	const char *title = "UNION ALL over 4 servers, 50 ms: against one";
	Backend *backend = backend_open();
	Task a = backend_task(backend, SELECT_ALL "part1" BY_ARRAY, keys(1, 1, 100), 100);
	Task b = backend_task(backend, SELECT_ALL FOUR_PARTS, keys(1, 1, 400), 400);
	Comparison *result;

	set_latency(50);
	warm_up(&a, 6);
	warm_up(&b, 6);
	result = compare(title, names, &a, &b, 5);
	judge_ratio(title, &result->wall[0], &result->wall[1], 1.3);
	backend_close(backend);
	free(result);
}

/* ----- scenarios: the cache ----- */

/* So short that most of them pass without anybody else's having the CPU. */
#define HIT_REPEATS 3

/* A table of what the API says of the first 50 clusters, and the answers that backends share. */
static void
hit(void)
{
	static const char *const names[2] = {"A local table", "B cached"};
	Backend *backend = backend_open();
	Comparison *result;
	char note[32];
	Task a;
	Task b;

	backend_make_server(backend, "cached", getenv("OMF_HTTPS"), "dop_v1_simulator");
	free(backend_ask(backend, "ALTER SERVER cached OPTIONS (ADD cache_ttl '60min')"));
	free(backend_ask(backend, "CREATE TABLE known (database_cluster_uuid uuid PRIMARY KEY, id text, created_at timestamptz, status text); "
							  "INSERT INTO known SELECT * FROM plain.online_migrations WHERE database_cluster_uuid = ANY (SELECT keys(1, 1, 50))"));
	free(backend_ask(backend, "VACUUM ANALYZE known"));
	a = backend_task(backend, SELECT_ALL "known WHERE database_cluster_uuid = ANY ($1)", keys(1, 1, 50), 50);
	b = backend_task(backend, SELECT_ALL "cached" BY_ARRAY, keys(1, 1, 50), 50);
	set_latency(0);
	warm_up(&a, 100);
	warm_up(&b, 100);
	result = compare_rounds("50 clusters from the cache", names, &a, &b, MAX_ROUNDS, HIT_REPEATS);
	snprintf(note, sizeof(note), " (CPU %.2f)", 1e6 * paired_difference(&result->cpu[0], &result->cpu[1]));
	judge("a hit: a cluster above a local table", 1e6 / 50 * paired_difference(&result->wall[0], &result->wall[1]), 3, "us", note);
	backend_close(backend);
	free(result);
}

/* ----- all of it ----- */

static const struct
{
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{"fan100", fan_100},
	{"fan1000", fan_1000},
	{"single", single},
	{"first", first},
	{"memory", memory},
	{"join100", join_100},
	{"join1000", join_1000},
	{"account", account},
	{"append", append},
	{"plans", plans},
	{"joinmemory", join_memory},
	{"cancel", cancel_statements},
	{"kill", kill_backends},
	{"soak", soak},
	{"pace", pace},
	{"hit", hit},
	{"dashboard", dashboard},
	{"sessions", sessions},
	{"waiters", relieve_askers}};

static bool
wanted(const char *name, char **filters)
{
	if (*filters == NULL)
		return true;
	for (; *filters != NULL; filters++)
		if (strstr(name, *filters) != NULL)
			return true;
	return false;
}

static void
print_versions(void)
{
	Backend *backend = backend_open();
	char *version = backend_ask(backend, "SELECT version()");

	printf("%s\n", version);
	free(version);
	backend_close(backend);
}

int
main(int argc, char **argv)
{
	const char *rounds = getenv("BENCH_ROUNDS");

	(void) argc;
	if (rounds != NULL)
		nrounds = atoi(rounds);
	if (nrounds < LEAST_ROUNDS)
		nrounds = LEAST_ROUNDS;
	if (nrounds > MOST_ROUNDS)
		nrounds = MOST_ROUNDS;
	print_versions();
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (wanted(scenarios[i].name, argv + 1))
			scenarios[i].run();
	print_figures();
	return 0;
}
