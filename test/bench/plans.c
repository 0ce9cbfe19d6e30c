/*-------------------------------------------------------------------------
 *
 * plans.c
 *	  Queries as people and reporting tools write them, each beside the best
 *	  form that somebody who knows the API could give it by hand.
 *
 * That form asks for `= ANY (ARRAY(SELECT DISTINCT ...))` in a CTE and joins
 * what comes; both must have the same result.  The account has 1,000 clusters,
 * and the planner knows it.
 *
 *-------------------------------------------------------------------------
 */
#include "robust.h"

#include <stdio.h>
#include <stdlib.h>

#include "contender.h"
#include "figures.h"
#include "measure.h"
#include "simulator.h"

#define SEED 3 /* of the account's clusters */
#define ACCOUNT 1000
#define PAGES 5
#define LATENCY_MS 50
#define ROUNDS 9
#define WARM_UPS 6 /* generic plans are settled on after five executions */
#define GOAL 1.3

/* Rows that ask about its clusters, and the account on four servers. */
static const char *const set_up[] = {
	"CREATE SCHEMA plans",
	"CREATE TABLE plans.few AS SELECT k, k::text AS t FROM keys(3, 1, 3) k",
	"CREATE TABLE plans.hundred AS SELECT k FROM keys(3, 1, 100) k",
	"CREATE TABLE plans.two_hundred AS SELECT k FROM keys(3, 1, 200) k",
	"CREATE TABLE plans.dup3 AS SELECT k FROM generate_series(1, 10000) i, keys(3, 1 + i % 3, 1 + i % 3) k",
	"CREATE TABLE plans.history AS SELECT k, n FROM keys(3, 1, 100) k, generate_series(1, 100) n ORDER BY k, n",
	"CREATE TABLE plans.names AS SELECT k, md5(k::text) AS name FROM keys(3, 1, 1000) k",
	"CREATE VIEW plans.everywhere AS SELECT * FROM quarter1.online_migrations UNION ALL SELECT * FROM quarter2.online_migrations"
	" UNION ALL SELECT * FROM quarter3.online_migrations UNION ALL SELECT * FROM quarter4.online_migrations",
	"CREATE TABLE plans.parted (server text, database_cluster_uuid uuid, id text, status text) PARTITION BY LIST (server)",
	"CREATE FOREIGN TABLE plans.parted1 PARTITION OF plans.parted FOR VALUES IN ('quarter1') SERVER quarter1 OPTIONS (resource 'online_migrations')",
	"CREATE FOREIGN TABLE plans.parted2 PARTITION OF plans.parted FOR VALUES IN ('quarter2') SERVER quarter2 OPTIONS (resource 'online_migrations')",
	"CREATE FOREIGN TABLE plans.parted3 PARTITION OF plans.parted FOR VALUES IN ('quarter3') SERVER quarter3 OPTIONS (resource 'online_migrations')",
	"CREATE FOREIGN TABLE plans.parted4 PARTITION OF plans.parted FOR VALUES IN ('quarter4') SERVER quarter4 OPTIONS (resource 'online_migrations')"};

/* What a backend knows before it plans: the tables, and the accounts' size. */
static const char *const begin[] = {
	"SET search_path = plans, thousand, public",
	"SELECT count(*) FROM thousand.clusters",
	"SELECT count(*) FROM quarter1.clusters",
	"SELECT count(*) FROM quarter2.clusters",
	"SELECT count(*) FROM quarter3.clusters",
	"SELECT count(*) FROM quarter4.clusters"};

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

#define M "online_migrations m ON m.database_cluster_uuid = "
#define KEY "database_cluster_uuid"

/* A CTE of what is asked for by hand. */
#define ASKED(name, table, column, keys) \
	name " AS MATERIALIZED (SELECT * FROM " table " WHERE " column " = ANY (ARRAY(SELECT DISTINCT " keys ")))"
#define BY_HAND(keys) "WITH " ASKED("m", "online_migrations", KEY, keys) " "

typedef struct Query
{
	const char *name;
	long requests; /* that it is to take */
	const char *sql;
	const char *by_hand;
	int nkeys; /* in the array $1, or 0: there is no $1 */
} Query;

static const Query queries[] = {
	{"a join by the key's text, 3 keys", 3,
	 "SELECT count(m.id) FROM few JOIN online_migrations m ON m.database_cluster_uuid::text = few.t",
	 BY_HAND("t::uuid FROM few") "SELECT count(m.id) FROM few JOIN m ON m." KEY "::text = few.t", 0},
	{"EXISTS by the key's text, 3 keys", 3,
	 "SELECT count(*) FROM few WHERE EXISTS (SELECT FROM online_migrations m WHERE m." KEY "::text = few.t)",
	 BY_HAND("t::uuid FROM few") "SELECT count(*) FROM few WHERE EXISTS (SELECT FROM m WHERE m." KEY "::text = few.t)", 0},
	{"IN by the key's text, 3 keys", 3,
	 "SELECT count(*) FROM few WHERE t IN (SELECT " KEY "::text FROM online_migrations)",
	 BY_HAND("t::uuid FROM few") "SELECT count(*) FROM few WHERE t IN (SELECT " KEY "::text FROM m)", 0},
	{"IN (SELECT) of 100 keys", 100,
	 "SELECT count(id) FROM online_migrations WHERE " KEY " IN (SELECT k FROM hundred)",
	 BY_HAND("k FROM hundred") "SELECT count(id) FROM m", 0},
	{"IN (VALUES), 3 keys", 3,
	 "SELECT count(id) FROM online_migrations WHERE " KEY " IN (VALUES ('00000003-0000-4000-8000-000000000001'::uuid),"
	 " ('00000003-0000-4000-8000-000000000002'), ('00000003-0000-4000-8000-000000000003'))",
	 BY_HAND("k FROM few") "SELECT count(id) FROM m", 0},
	{"EXISTS over 10,000 rows of 3 keys", 3,
	 "SELECT count(*) FROM dup3 WHERE EXISTS (SELECT FROM online_migrations WHERE " KEY " = k AND status = 'done')",
	 BY_HAND("k FROM dup3") "SELECT count(*) FROM dup3 WHERE EXISTS (SELECT FROM m WHERE " KEY " = k AND status = 'done')", 0},
	{"a join of 10,000 rows of 3 keys", 3,
	 "SELECT count(m.id) FROM dup3 JOIN " M "k",
	 BY_HAND("k FROM dup3") "SELECT count(m.id) FROM dup3 JOIN m ON m." KEY " = k", 0},
	{"a join of 10,000 rows of 100 keys, clustered", 100,
	 "SELECT count(m.id) FROM history JOIN " M "k",
	 BY_HAND("k FROM history") "SELECT count(m.id) FROM history JOIN m ON m." KEY " = k", 0},
	{"the first 20 of all clusters by name", PAGES + 20,
	 "SELECT count(id) FROM (SELECT m.id FROM clusters c LEFT JOIN " M "c.id ORDER BY c.name LIMIT 20) x",
	 "WITH c AS MATERIALIZED (SELECT id, name FROM clusters ORDER BY name LIMIT 20), " ASKED("m", "online_migrations", KEY, "id FROM c") " SELECT count(m.id) FROM c LEFT JOIN m ON m." KEY " = c.id", 0},
	{"the first 20 of 1,000 rows without an index", 20,
	 "SELECT count(id) FROM (SELECT m.id FROM names LEFT JOIN " M "k ORDER BY name LIMIT 20) x",
	 "WITH n AS MATERIALIZED (SELECT * FROM names ORDER BY name LIMIT 20), " ASKED("m", "online_migrations", KEY, "k FROM n") " SELECT count(m.id) FROM n LEFT JOIN m ON m." KEY " = k", 0},
	{"the first by a column of 200 rows' answers", 200,
	 "SELECT count(id) FROM (SELECT m.id FROM two_hundred JOIN " M "k ORDER BY m.created_at LIMIT 1) x",
	 BY_HAND("k FROM two_hundred") "SELECT count(id) FROM (SELECT m.id FROM two_hundred JOIN m ON m." KEY " = k ORDER BY m.created_at LIMIT 1) x", 0},
	{"LATERAL with LIMIT 1, 100 rows", 100,
	 "SELECT count(m.status) FROM hundred LEFT JOIN LATERAL (SELECT status FROM online_migrations WHERE " KEY " = k LIMIT 1) m ON true",
	 BY_HAND("k FROM hundred") "SELECT count(m.status) FROM hundred LEFT JOIN m ON m." KEY " = k", 0},
	{"a sub-select in the list, 100 rows", 100,
	 "SELECT count((SELECT status FROM online_migrations WHERE " KEY " = k)) FROM hundred",
	 BY_HAND("k FROM hundred") "SELECT count((SELECT status FROM m WHERE " KEY " = k)) FROM hundred", 0},
	{"a sub-select in WHERE, 100 rows", 100,
	 "SELECT count(*) FROM hundred WHERE (SELECT status FROM online_migrations WHERE " KEY " = k) <> 'error'",
	 BY_HAND("k FROM hundred") "SELECT count(*) FROM hundred WHERE (SELECT status FROM m WHERE " KEY " = k) <> 'error'", 0},
	{"an inner side that is a join, 3 keys", 6,
	 "SELECT count(m.id) FROM few LEFT JOIN (online_migrations m JOIN clusters c ON c.id = m." KEY ") ON m." KEY " = k",
	 BY_HAND("k FROM few") ", " ASKED("c", "clusters", "id", "k FROM few") " SELECT count(m.id) FROM few LEFT JOIN (m JOIN c ON c.id = m." KEY ") ON m." KEY " = k", 0},
	{"UNION ALL over 4 servers, 100 rows", 400,
	 "SELECT count(m.id) FROM hundred JOIN everywhere m ON m." KEY " = k",
	 "WITH " ASKED("m", "everywhere", KEY, "k FROM hundred") " SELECT count(m.id) FROM hundred JOIN m ON m." KEY " = k", 0},
	{"4 partitions, 100 rows", 400,
	 "SELECT count(m.id) FROM hundred JOIN parted m ON m." KEY " = k",
	 "WITH " ASKED("m", "parted", KEY, "k FROM hundred") " SELECT count(m.id) FROM hundred JOIN m ON m." KEY " = k", 0},
	{"1,000 clusters by id", PAGES,
	 "SELECT count(*) FROM clusters WHERE id = ANY ($1)",
	 "SELECT count(*) FROM clusters WHERE $1::uuid[] IS NOT NULL", 1000},
	{"5,000 keys in an account of 1,000", PAGES + ACCOUNT,
	 "SELECT count(id) FROM online_migrations WHERE " KEY " = ANY ($1)",
	 "SELECT count(id) FROM online_migrations WHERE $1::uuid[] IS NOT NULL", 5000},
	{"FULL JOIN, which needs every row", PAGES + ACCOUNT,
	 "SELECT count(m.id) FROM few FULL JOIN " M "k",
	 "WITH m AS MATERIALIZED (SELECT * FROM online_migrations) SELECT count(m.id) FROM few FULL JOIN m ON m." KEY " = k", 0},
	{"NOT IN, of keys that may be NULL", PAGES + ACCOUNT,
	 "SELECT count(*) FROM few WHERE k NOT IN (SELECT nullif(" KEY ", '00000000-0000-0000-0000-000000000000') FROM online_migrations)",
	 "WITH m AS MATERIALIZED (SELECT " KEY " FROM online_migrations) "
	 "SELECT count(*) FROM few WHERE k NOT IN (SELECT nullif(" KEY ", '00000000-0000-0000-0000-000000000000') FROM m)",
	 0}};

static void
ask_all(Backend *backend, const char *const *statements, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(backend_ask(backend, statements[i]));
}

static void
make_tables(void)
{
	Backend *backend = backend_open();
	char name[16];

	for (int i = 1; i <= 4; i++)
	{
		snprintf(name, sizeof(name), "quarter%d", i);
		backend_make_server(backend, name, getenv("OMF_HTTPS"), "dop_v1_thousand");
	}
	ask_all(backend, set_up, lengthof(set_up));
	free(backend_ask(backend, "VACUUM ANALYZE plans.few, plans.hundred, plans.two_hundred, plans.dup3, plans.history, plans.names"));
	backend_close(backend);
}

static long
requests(void)
{
	return counter("list") + counter("get_status") + counter("get_cluster");
}

/* How many requests a task takes, once there are plans and connections. */
static long
count_requests(const Task *task)
{
	long before;

	for (int i = 0; i < WARM_UPS; i++)
		task_run(task);
	before = requests();
	task_run(task);
	return requests() - before;
}

static double
time_task(const Task *task)
{
	double start = wall_clock();

	task_run(task);
	return wall_clock() - start;
}

/* The statements' result, to which both are held. */
static long
rows_of(Backend *backend, const Query *query, const char *array)
{
	const char *values[1] = {array};
	PGresult *result = PQexecParams(backend->conn, query->by_hand, array != NULL, NULL, values, NULL, NULL, 0);
	long rows;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "bench: %s: %s\n", query->name, PQerrorMessage(backend->conn));
		exit(1);
	}
	rows = strtol(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return rows;
}

static void
run_query(const Query *query)
{
	Backend *backend = backend_open();
	char *array = query->nkeys > 0 ? keys(SEED, 1, query->nkeys) : NULL;
	Samples times[2] = {{{0}, 0}, {{0}, 0}};
	char note[32];
	Task tasks[2];
	long asked[2];
	long rows;

	ask_all(backend, begin, lengthof(begin));
	rows = rows_of(backend, query, array);
	tasks[0] = backend_task(backend, query->by_hand, array, rows);
	tasks[1] = backend_task(backend, query->sql, array, rows);
	for (int which = 0; which < 2; which++)
		asked[which] = count_requests(&tasks[which]);
	for (int round = 0; round < ROUNDS; round++)
		for (int which = 0; which < 2; which++)
			samples_add(&times[which], time_task(&tasks[which]));
	printf("  %-46s %5ld requests %7.1f ms; by hand %5ld, %7.1f ms; %.2f x\n", query->name,
		   asked[1], 1e3 * samples_median(&times[1]), asked[0], 1e3 * samples_median(&times[0]),
		   samples_median(&times[1]) / samples_median(&times[0]));
	fflush(stdout);
	judge_exact(query->name, asked[1], query->requests, " requests");
	snprintf(note, sizeof(note), " (%.1f, %.1f ms)", 1e3 * samples_median(&times[1]), 1e3 * samples_median(&times[0]));
	judge("  time, against the form by hand", samples_median(&times[1]) / samples_median(&times[0]), GOAL, "x", note);
	backend_close(backend);
	free(array);
}

void
plans(void)
{
	printf("\nplans: queries beside the best form by hand, an account of %d clusters, %d ms\n", ACCOUNT, LATENCY_MS);
	set_latency(0);
	make_tables();
	set_latency(LATENCY_MS);
	for (size_t i = 0; i < lengthof(queries); i++)
		run_query(&queries[i]);
}
