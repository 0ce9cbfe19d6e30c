/*-------------------------------------------------------------------------
 *
 * contender.c
 *	  Those that are timed: the C program, and statements in a backend.
 *
 *-------------------------------------------------------------------------
 */
#include "contender.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
give_up(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(1);
}

/* ----- the C program ----- */

Client *
client_start(const char *base_url, const char *ca_file, int concurrency)
{
	Client *client = calloc(1, sizeof(Client));
	char number[16];
	char program[4096];
	int in[2];
	int out[2];

	snprintf(number, sizeof(number), "%d", concurrency);
	snprintf(program, sizeof(program), "%s/client", getenv("BENCH_BIN"));
	if (pipe(in) != 0 || pipe(out) != 0 || (client->pid = fork()) < 0)
		give_up("client", "cannot be started");
	if (client->pid == 0)
	{
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[0]), close(in[1]), close(out[0]), close(out[1]);
		execl(program, "client", base_url, ca_file, number, (char *) NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	client->commands = fdopen(in[1], "w");
	client->replies = fdopen(out[0], "r");
	return client;
}

void
client_stop(Client *client)
{
	fclose(client->commands);
	fclose(client->replies);
	free(client);
}

static long
client_run(const Client *client, const char *round)
{
	long found = -1;

	fprintf(client->commands, "%s\n", round);
	fflush(client->commands);
	if (fscanf(client->replies, "%ld", &found) != 1)
		give_up("client", "it has ended");
	return found;
}

/* ----- backends ----- */

Backend *
backend_open(void)
{
	Backend *backend = calloc(1, sizeof(Backend));

	backend->conn = PQconnectdb("");
	if (PQstatus(backend->conn) != CONNECTION_OK)
		give_up("connection", PQerrorMessage(backend->conn));
	backend->pid = (pid_t) PQbackendPID(backend->conn);
	return backend;
}

void
backend_close(Backend *backend)
{
	PQfinish(backend->conn);
	free(backend);
}

char *
backend_ask(Backend *backend, const char *sql)
{
	PGresult *result = PQexec(backend->conn, sql);
	char *answer = NULL;

	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0)
		answer = strdup(PQgetvalue(result, 0, 0));
	else if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		give_up(sql, PQerrorMessage(backend->conn));
	PQclear(result);
	return answer;
}

void
backend_make_server(Backend *backend, const char *name, const char *endpoint, const char *token)
{
	char sql[2048];

	snprintf(sql, sizeof(sql), "CALL make_server('%s', '%s', '%s', '%s')", name, endpoint, getenv("OMF_CA_FILE"), token);
	free(backend_ask(backend, sql));
}

void
backend_prepare(Backend *backend, const char *name, const char *sql)
{
	PGresult *result = PQprepare(backend->conn, name, sql, 0, NULL);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		give_up(sql, PQerrorMessage(backend->conn));
	PQclear(result);
}

static long
backend_run(const Task *task)
{
	PGresult *result = PQexecPrepared(task->backend->conn, task->name, task->param != NULL,
									  &task->param, NULL, NULL, 0);
	long found;

	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
		give_up("statement", PQerrorMessage(task->backend->conn));
	found = strtol(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return found;
}

/* ----- tasks ----- */

Task
client_task(Client *client, const char *round, long expected)
{
	Task task = {0};

	task.pid = client->pid;
	task.client = client;
	task.round = round;
	task.expected = expected;
	return task;
}

Task
backend_task(Backend *backend, const char *sql, const char *param, long expected)
{
	Task task = {0};

	task.pid = backend->pid;
	task.backend = backend;
	task.param = param;
	task.expected = expected;
	snprintf(task.name, sizeof(task.name), "s%d", backend->nprepared++);
	backend_prepare(backend, task.name, sql);
	return task;
}

void
task_run(const Task *task)
{
	for (; task != NULL; task = task->then)
	{
		long found = task->client != NULL ? client_run(task->client, task->round) : backend_run(task);

		if (found != task->expected)
		{
			fprintf(stderr, "bench: %ld rows were expected, and there were %ld\n", task->expected, found);
			exit(1);
		}
	}
}
