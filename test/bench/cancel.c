/*-------------------------------------------------------------------------
 *
 * cancel.c
 *	  How soon a statement ends that is cancelled, or is out of time.
 *
 * Tries go through all phases in turns, half of them cancelled with
 * pg_cancel_backend() over another connection, half by statement_timeout.
 * Time runs from when the cancel is sent, or the timeout is due, to when the
 * error is here.  Each try has a backend of its own, whose connections to the
 * API are open already, and counts only if the statement had got into its
 * phase: the simulator is asked before.  After it, the same backend must work.
 *
 * Cancelled calls of pg_sleep() show what of this is PostgreSQL and machine.
 *
 *-------------------------------------------------------------------------
 */
#include "robust.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contender.h"
#include "figures.h"
#include "measure.h"
#include "simulator.h"

#define TRIES 200
#define GOAL_MS 15
#define REQUESTS 100
#define TOKEN "dop_v1_simulator"

/* Milliseconds for a statement to get into its phase, at first. */
#define TIMEOUT_MS 400
#define MOST_TIMEOUT_MS 6400

#define SELECT_STATUS "SELECT status FROM "
#define KEYS ".online_migrations WHERE database_cluster_uuid = ANY "
#define IN_SCHEMA(schema) SELECT_STATUS schema KEYS "($1)"
#define PART(schema, from, to) SELECT_STATUS schema KEYS "(($1::uuid[])[" from ":" to "])"
#define PARTS(schema)                                                         \
	PART(schema "1", "1", "25")                                               \
	" UNION ALL " PART(schema "2", "26", "50") " UNION ALL " PART(schema "3", \
																  "51", "75") " UNION ALL " PART(schema "4", "76", "100")
#define JOIN(schema) \
	"SELECT status FROM keys100 JOIN " schema ".online_migrations ON database_cluster_uuid = key WHERE $1::text IS NOT NULL"

static void hang(void);
static void drip(void);
static void answer_503(void);
static void answer_429(void);

#define ONE_LOOKUP SELECT_STATUS "tls.online_migrations WHERE database_cluster_uuid = '00000001-0000-4000-8000-000000000001'"

typedef struct Phase
{
	const char *name;
	const char *sql;      /* $1 is an array of keys */
	void (*before)(void); /* what the simulator is told, or NULL */
	const char *counter;  /* of the simulator, which tells that it is there, */
	long reached;         /* when it is that; or NULL */
} Phase;

static const Phase phases[] = {
	{"connecting, HTTP/1.1", IN_SCHEMA("deaf"), NULL, NULL, 0},
	{"connecting, TLS", IN_SCHEMA("deaftls"), NULL, NULL, 0},
	{"TLS handshake", IN_SCHEMA("blackhole"), NULL, NULL, 0},
	{"first answer, HTTP/1.1", IN_SCHEMA("plain"), hang, "in_flight", REQUESTS},
	{"first answer, HTTP/2", IN_SCHEMA("tls"), hang, "in_flight", REQUESTS},
	{"amid answers, HTTP/1.1", IN_SCHEMA("plain"), drip, "in_flight", REQUESTS},
	{"amid answers, HTTP/2", IN_SCHEMA("tls"), drip, "in_flight", REQUESTS},
	{"retry pause, HTTP/1.1", IN_SCHEMA("plain"), answer_503, "503", REQUESTS},
	{"retry pause, HTTP/2", IN_SCHEMA("tls"), answer_503, "503", REQUESTS},
	{"rate limit, HTTP/1.1", IN_SCHEMA("limited"), answer_429, "429", 0},
	{"rate limit, HTTP/2", IN_SCHEMA("limitedtls"), answer_429, "429", 0},
	{"async Append, HTTP/1.1", PARTS("plainpart"), hang, "in_flight", REQUESTS},
	{"async Append, HTTP/2", PARTS("part"), hang, "in_flight", REQUESTS},
	{"batched join, HTTP/1.1", JOIN("plain"), hang, "in_flight", REQUESTS},
	{"batched join, HTTP/2", JOIN("tls"), hang, "in_flight", REQUESTS},
	/* for comparison, and not one of the tries */
	{"(pg_sleep)", "SELECT pg_sleep(60) WHERE $1::text IS NOT NULL", NULL, NULL, 0}};

#define PHASES ((int) (sizeof(phases) / sizeof(phases[0])) - 1)

static char *hundred; /* keys */

/* ----- what the simulator does meanwhile ----- */

static void
hang(void)
{
	set_latency(NEVER_MS);
}

/* An answer takes some seconds. */
static void
drip(void)
{
	simulator_post("faults", "{\"fault\": \"drip\", \"ms\": 50}");
}

static void
answer_503(void)
{
	simulator_post("faults", "{\"fault\": \"status\", \"status\": 503, \"retry_after\": 50}");
}

static void
answer_429(void)
{
	simulator_post("faults", "{\"fault\": \"status\", \"status\": 429, \"retry_after\": 50}");
}

/* A rate limit's pause is the token's, for all: so each try has its own. */
static void
set_fresh_token(void)
{
	static int tokens;
	Backend *backend = backend_open();
	char sql[256];

	tokens++;
	simulator_post("tokens", "{\"token\": \"dop_v1_limited%d\", \"account\": \"" TOKEN "\"}", tokens);
	for (int i = 0; i < 2; i++)
	{
		snprintf(sql, sizeof(sql), "ALTER USER MAPPING FOR CURRENT_USER SERVER %s OPTIONS (SET token 'dop_v1_limited%d')",
				 i == 0 ? "limited" : "limitedtls", tokens);
		free(backend_ask(backend, sql));
	}
	backend_close(backend);
}

static void
calm_down(void)
{
	delete_faults();
	set_latency(0);
}

/* A listener whose queue is full: connecting to it never ends.  Its port. */
static int
listen_deafly(void)
{
	struct sockaddr_in address = {0};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *) &address, length) != 0 || listen(fd, 0) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &length) != 0)
	{
		perror("bench: a listener");
		exit(1);
	}
	for (int i = 0; i < 4; i++)
		(void) connect(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
					   (struct sockaddr *) &address, length);
	return ntohs(address.sin_port);
}

static void
make_servers(void)
{
	Backend *backend = backend_open();
	int port = listen_deafly();
	char url[64];
	char name[16];

	backend_make_server(backend, "limited", getenv("OMF_HTTP"), TOKEN);
	backend_make_server(backend, "limitedtls", getenv("OMF_HTTPS"), TOKEN);
	backend_make_server(backend, "blackhole", getenv("OMF_URL_BLACKHOLE"), TOKEN);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
	backend_make_server(backend, "deaf", url, TOKEN);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d", port);
	backend_make_server(backend, "deaftls", url, TOKEN);
	for (int i = 1; i <= 4; i++)
	{
		snprintf(name, sizeof(name), "plainpart%d", i);
		backend_make_server(backend, name, getenv("OMF_HTTP"), TOKEN);
	}
	free(backend_ask(backend, "ANALYZE plain.online_migrations"));
	backend_close(backend);
}

/* ----- one try ----- */

static void
give_up(const char *what, const char *why)
{
	fprintf(stderr, "bench: cancel, %s: %s\n", what, why);
	exit(1);
}

/* When the statement's error is here; it must be the one that is meant. */
static double
take_error(Backend *backend, const Phase *phase)
{
	PGresult *result;
	double done = 0;
	bool cancelled = false;

	while ((result = PQgetResult(backend->conn)) != NULL)
	{
		const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

		if (done == 0)
			done = wall_clock();
		cancelled |= sqlstate != NULL && strcmp(sqlstate, "57014") == 0;
		if (!cancelled)
			give_up(phase->name, PQresultErrorMessage(result));
		PQclear(result);
	}
	if (!cancelled)
		give_up(phase->name, "it has ended before");
	return done;
}

static bool
has_got_there(const Phase *phase)
{
	long now;

	if (phase->counter == NULL)
		return true;
	now = counter(phase->counter);
	if (phase->reached == 0)
		return now > 0 && counter("in_flight") == 0;
	return now == phase->reached;
}

static void
send_statement(Backend *backend, const Phase *phase)
{
	const char *params[1] = {hundred};

	if (!PQsendQueryPrepared(backend->conn, "phase", 1, params, NULL, NULL, 0) || PQflush(backend->conn) != 0)
		give_up(phase->name, PQerrorMessage(backend->conn));
}

/* Seconds from the cancel to the error. */
static double
try_cancel(Backend *backend, Backend *other, const Phase *phase)
{
	double patience = wall_clock() + 30;
	double sent;
	char pid[16];
	const char *params[1] = {pid};
	PGresult *result;

	snprintf(pid, sizeof(pid), "%d", (int) backend->pid);
	send_statement(backend, phase);
	usleep(TIMEOUT_MS * 1000 / 2);
	while (!has_got_there(phase))
	{
		if (wall_clock() > patience)
			give_up(phase->name, "it does not get there");
		usleep(20000);
	}
	usleep(20000);
	sent = wall_clock();
	if (!PQsendQueryPrepared(other->conn, "cancel", 1, params, NULL, NULL, 0))
		give_up(phase->name, PQerrorMessage(other->conn));
	sent = take_error(backend, phase) - sent;
	while ((result = PQgetResult(other->conn)) != NULL)
		PQclear(result);
	return sent;
}

/* Seconds from when it is due to the error; less than 0 if it came too soon. */
static double
try_timeout(Backend *backend, const Phase *phase, int timeout_ms)
{
	char sql[64];
	double due;
	double done;
	bool there;

	snprintf(sql, sizeof(sql), "SET statement_timeout = %d", timeout_ms);
	free(backend_ask(backend, sql));
	due = wall_clock() + timeout_ms / 1e3;
	send_statement(backend, phase);
	usleep((useconds_t) (timeout_ms - 50) * 1000);
	there = has_got_there(phase);
	done = take_error(backend, phase);
	free(backend_ask(backend, "RESET statement_timeout"));
	return there ? done - due : -1;
}

/* A backend whose connections are open. */
static Backend *
open_backend(const Phase *phase)
{
	Backend *backend = backend_open();
	PGresult *result;

	free(backend_ask(backend, "SET client_min_messages = warning"));
	backend_prepare(backend, "phase", phase->sql);
	backend_prepare(backend, "cancel", "SELECT pg_cancel_backend($1)");
	if (phase->before != NULL)
	{
		const char *params[1] = {hundred};

		result = PQexecPrepared(backend->conn, "phase", 1, params, NULL, NULL, 0);
		if (PQntuples(result) != REQUESTS)
			give_up(phase->name, PQerrorMessage(backend->conn));
		PQclear(result);
	}
	return backend;
}

static double
try_once(const Phase *phase, bool timeout, int timeout_ms)
{
	Backend *other = open_backend(&phases[PHASES]);
	Backend *backend;
	double seconds;

	if (phase->before == answer_429)
		set_fresh_token();
	backend = open_backend(phase);
	if (phase->before != NULL)
		phase->before();
	simulator_call("POST", "counters/reset", NULL);
	seconds = timeout ? try_timeout(backend, phase, timeout_ms) : try_cancel(backend, other, phase);
	calm_down();
	free(backend_ask(backend, ONE_LOOKUP));
	backend_close(backend);
	backend_close(other);
	if (!wait_for_counter("in_flight", 0))
		give_up(phase->name, "requests stay in flight");
	return seconds;
}

/* ----- all of them ----- */

static void
try_phase(const Phase *phase, bool timeout, Samples *samples)
{
	double seconds = -1;

	for (int ms = TIMEOUT_MS; seconds < 0 && ms <= MOST_TIMEOUT_MS; ms *= 2)
		seconds = try_once(phase, timeout, ms);
	if (seconds < 0)
		give_up(phase->name, "the timeout is always too soon");
	samples_add(samples, seconds);
}

static void
print_phase(const char *name, const Samples *samples)
{
	printf("  %-24s %3d tries: p50 %6.2f ms, p99 %6.2f ms, max %6.2f ms\n", name, samples->count,
		   1e3 * samples_median(samples), 1e3 * samples_percentile(samples, 99), 1e3 * samples_max(samples));
	fflush(stdout);
}

void
cancel_statements(void)
{
	Samples *by_phase = calloc((size_t) PHASES + 1, sizeof(Samples));
	Samples all = {{0}, 0};
	char note[64];

	hundred = keys(1, 1, REQUESTS);
	make_servers();
	calm_down();
	printf("\ncancel: %d tries, half of them statement_timeout; until the error is here\n", TRIES);
	fflush(stdout);
	for (int i = 0; i < TRIES; i++)
		try_phase(&phases[i % PHASES], i / PHASES % 2 == 1, &by_phase[i % PHASES]);
	for (int i = 0; i < TRIES / PHASES; i++)
		try_phase(&phases[PHASES], i % 2 == 1, &by_phase[PHASES]);
	for (int phase = 0; phase <= PHASES; phase++)
	{
		print_phase(phases[phase].name, &by_phase[phase]);
		for (int i = 0; i < by_phase[phase].count && phase < PHASES; i++)
			samples_add(&all, by_phase[phase].values[i]);
	}
	print_phase("all but pg_sleep", &all);
	snprintf(note, sizeof(note), " (p50 %.1f, max %.1f)", 1e3 * samples_median(&all), 1e3 * samples_max(&all));
	judge("cancel or statement_timeout, 200 tries: p99", 1e3 * samples_percentile(&all, 99), GOAL_MS, "ms", note);
	free(by_phase);
}
