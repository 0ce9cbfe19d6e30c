/*-------------------------------------------------------------------------
 *
 * contender.h
 *	  Those that are timed: the C program, and statements in a backend.
 *
 * Every failure ends the benchmark: what it printed then is no measurement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_CONTENDER_H
#define BENCH_CONTENDER_H

#include <stdio.h>
#include <sys/types.h>

#include <libpq-fe.h>

/* The C program of client.c, running. */
typedef struct Client
{
	pid_t pid;
	FILE *commands;
	FILE *replies;
} Client;

extern Client *client_start(const char *base_url, const char *ca_file, int concurrency);
extern void client_stop(Client *client);

/* A connection, and the backend behind it. */
typedef struct Backend
{
	PGconn *conn;
	pid_t pid;
	int nprepared; /* statements so far, for their names */
} Backend;

extern Backend *backend_open(void);
extern void backend_close(Backend *backend);

/* Text of the first column of the first row; the caller frees it. */
extern char *backend_ask(Backend *backend, const char *sql);

/* A foreign server and a schema of that name, see setup.sql. */
extern void backend_make_server(Backend *backend, const char *name, const char *endpoint, const char *token);

/* A statement to be sent without waiting for its end. */
extern void backend_prepare(Backend *backend, const char *name, const char *sql);

/* One thing to do again and again, by the client or by a backend. */
typedef struct Task Task;

struct Task
{
	pid_t pid;         /* whose CPU time counts */
	Client *client;    /* or NULL */
	const char *round; /* its command */
	Backend *backend;  /* or NULL */
	char name[16];     /* of the prepared statement */
	const char *param; /* its only parameter, or NULL */
	const Task *then;  /* to be done right after it, or NULL */
	long expected;     /* rows to be found */
};

extern Task client_task(Client *client, const char *round, long expected);
extern Task backend_task(Backend *backend, const char *sql, const char *param, long expected);

extern void task_run(const Task *task);

#endif /* BENCH_CONTENDER_H */
