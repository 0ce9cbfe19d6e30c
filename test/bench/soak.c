/*-------------------------------------------------------------------------
 *
 * soak.c
 *	  A million look-ups over 8 backends at the same time, one in a hundred of
 *	  which meets a fault.
 *
 * In rounds: each backend looks up clusters of its own in one statement, in
 * turns by an array and by a join, half of the backends over HTTP/1.1 and half
 * over HTTP/2.  One in a hundred clusters meets a fault, once, in each round,
 * so that a further try succeeds and every statement must return all rows.
 *
 * Memory and descriptors are compared between the rounds in which a backend
 * has done its first 10,000 look-ups and the last one, both without faults.
 *
 *-------------------------------------------------------------------------
 */
#include "robust.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contender.h"
#include "figures.h"
#include "measure.h"
#include "simulator.h"

#define BACKENDS 8
#define SEED 2          /* of the clusters */
#define STATEMENT 1250  /* look-ups of a statement */
#define ROUND 10000     /* of all backends in a round */
#define SETTLED 8       /* rounds after which a backend has done 10,000 */
#define LOOKUPS 1000000 /* unless BENCH_LOOKUPS says else */
#define FAULT_EVERY 100
#define FAULT_ROOM 160 /* bytes of a fault's description */

static const char *const faults[] = {
	"\"fault\": \"reset_before\"",
	"\"fault\": \"status\", \"status\": 503, \"retry_after\": 0",
	"\"fault\": \"goaway\"",
	"\"fault\": \"status\", \"status\": 429, \"retry_after\": 0",
	"\"fault\": \"rst_stream\", \"code\": 7",
	"\"fault\": \"status\", \"status\": 500, \"retry_after\": 0",
	"\"fault\": \"close_in_body\"",
	"\"fault\": \"reset_in_body\"",
	"\"fault\": \"rst_stream\", \"code\": 2",
	"\"fault\": \"status\", \"status\": 502, \"retry_after\": 0"};

#define FAULTS ((int) (sizeof(faults) / sizeof(faults[0])))

typedef struct Worker
{
	Backend *backend;
	char *array;     /* of its keys */
	double memory;   /* MiB once settled */
	int descriptors; /* open then */
} Worker;

static Worker workers[BACKENDS];
static long errors;    /* statements that failed */
static long shortages; /* that returned less than all rows */

/* Each has a server, and so a token, of its own. */
static void
open_worker(Worker *worker, int number)
{
	int first = number * STATEMENT + 1;
	char name[16];
	char token[32];
	char sql[1024];

	worker->backend = backend_open();
	worker->array = keys(SEED, first, STATEMENT);
	simulator_post("tokens", "{\"token\": \"dop_v1_soak%d\", \"account\": \"dop_v1_simulator\"}", number);
	snprintf(name, sizeof(name), "soak%d", number);
	snprintf(token, sizeof(token), "dop_v1_soak%d", number);
	backend_make_server(worker->backend, name, getenv(number % 2 == 0 ? "OMF_HTTPS" : "OMF_HTTP"), token);
	snprintf(sql, sizeof(sql), "ANALYZE soak%d.online_migrations", number);
	free(backend_ask(worker->backend, sql));
	snprintf(sql, sizeof(sql), "CREATE TABLE soak%d.keys AS SELECT key FROM keys(%d, %d, %d) key", number, SEED,
			 first, first + STATEMENT - 1);
	free(backend_ask(worker->backend, sql));
	snprintf(sql, sizeof(sql), "ANALYZE soak%d.keys", number);
	free(backend_ask(worker->backend, sql));
	free(backend_ask(worker->backend, "SET client_min_messages = warning"));
	snprintf(sql, sizeof(sql), "SELECT count(status) FROM soak%d.online_migrations WHERE database_cluster_uuid = ANY ($1)", number);
	backend_prepare(worker->backend, "array", sql);
	snprintf(sql, sizeof(sql), "SELECT count(status) FROM soak%d.keys JOIN soak%d.online_migrations ON database_cluster_uuid = key WHERE $1::uuid[] IS NOT NULL",
			 number, number);
	backend_prepare(worker->backend, "join", sql);
}

static int
descriptors_of(pid_t pid)
{
	char path[64];
	int count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
	folder = opendir(path);
	while (folder != NULL && readdir(folder) != NULL)
		count++;
	if (folder != NULL)
		closedir(folder);
	return count - 2; /* "." and ".." */
}

/* The simulator searches its faults from the first: so only those of a round. */
static void
set_faults(int round)
{
	char *body = malloc((size_t) ROUND / FAULT_EVERY * FAULT_ROOM + 3);
	char *end = body;
	char uuid[UUID_ROOM];

	for (int i = 0; i < ROUND / FAULT_EVERY; i++)
		end += snprintf(end, FAULT_ROOM, "%c{\"uuid\": \"%s\", \"times\": 1, %s}", i == 0 ? '[' : ',',
						key(uuid, SEED, i * FAULT_EVERY + 1 + (round * 37 + i * 13) % FAULT_EVERY),
						faults[(i + round) % FAULTS]);
	strcpy(end, "]");
	delete_faults();
	simulator_call("POST", "faults", body);
	free(body);
}

static void
take_rows(Worker *worker)
{
	PGresult *result;

	while ((result = PQgetResult(worker->backend->conn)) != NULL)
	{
		if (PQresultStatus(result) != PGRES_TUPLES_OK)
		{
			errors++;
			printf("  %s", PQerrorMessage(worker->backend->conn));
		}
		else if (strtol(PQgetvalue(result, 0, 0), NULL, 10) != STATEMENT)
		{
			shortages++;
			printf("  %s rows instead of %d\n", PQgetvalue(result, 0, 0), STATEMENT);
		}
		PQclear(result);
	}
	fflush(stdout);
}

static void
play_round(int round)
{
	for (int i = 0; i < BACKENDS; i++)
	{
		const char *params[1] = {workers[i].array};

		if (!PQsendQueryPrepared(workers[i].backend->conn, round / BACKENDS % 2 == 0 ? "array" : "join", 1, params, NULL, NULL, 0))
		{
			fprintf(stderr, "bench: soak: %s", PQerrorMessage(workers[i].backend->conn));
			exit(1);
		}
	}
	for (int i = 0; i < BACKENDS; i++)
		take_rows(&workers[i]);
}

/* How much more memory than when settled, at most, and descriptors in all. */
static void
judge_remains(void)
{
	double most = 0;
	long more = 0;

	for (int i = 0; i < BACKENDS; i++)
	{
		double memory = memory_of(workers[i].backend->pid);
		int descriptors = descriptors_of(workers[i].backend->pid);

		printf("  backend %d: %.1f MiB after 10,000, %.1f at the end; %d and %d descriptors\n", i,
			   workers[i].memory, memory, workers[i].descriptors, descriptors);
		if (memory - workers[i].memory > most)
			most = memory - workers[i].memory;
		more += labs((long) descriptors - workers[i].descriptors);
	}
	judge("  memory since the first 10,000, of the worst", most, 1, MIB, "");
	judge_exact("  change in descriptors", more, 0, "");
}

void
soak(void)
{
	const char *wanted = getenv("BENCH_LOOKUPS");
	int rounds = (int) ((wanted != NULL ? atol(wanted) : LOOKUPS) / ROUND);
	double began;
	double seconds;

	rounds = rounds > SETTLED ? rounds : SETTLED + 1;
	for (int i = 0; i < BACKENDS; i++)
		open_worker(&workers[i], i);
	set_latency(0);
	simulator_call("POST", "counters/reset", NULL);
	printf("\nsoak: %d look-ups over %d backends, 1 in %d meets a fault\n", rounds * ROUND, BACKENDS, FAULT_EVERY);
	fflush(stdout);
	began = wall_clock();
	for (int round = 1; round <= rounds; round++)
	{
		if (round != SETTLED && round != rounds)
			set_faults(round);
		else
			delete_faults();
		play_round(round);
		for (int i = 0; i < BACKENDS && round == SETTLED; i++)
		{
			workers[i].memory = memory_of(workers[i].backend->pid);
			workers[i].descriptors = descriptors_of(workers[i].backend->pid);
		}
	}
	seconds = wall_clock() - began;
	printf("  %.0f look-ups/s; the API saw %ld tries and served %ld faults\n", rounds * ROUND / seconds,
		   counter("get_status"), counter("faults"));
	judge_exact("soak: statements that failed", errors, 0, "");
	judge_exact("  that lack rows", shortages, 0, "");
	judge_remains();
	delete_faults();
	for (int i = 0; i < BACKENDS; i++)
		backend_close(workers[i].backend);
}
