/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  Counters, and a log of the last requests.
 *
 * The log is a ring, so that a day of load tests does not fill the memory.
 * Secrets do not belong into it: of a token it keeps the last four
 * characters.  A request's body is kept, because tests look at what was
 * sent; whoever prints it, prints the password in it.
 *
 *-------------------------------------------------------------------------
 */
#include "stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* Requests that the log remembers. */
#define LOG_ENTRIES 100000

/* Bytes of a request's body that an entry remembers. */
#define LOG_BODY 65536

typedef struct Entry
{
	uint64_t number;	 /* 0 for an entry not in use */
	double time;		 /* seconds since 1970 */
	char *method;		 /* as on the wire */
	char *path;			 /* as on the wire, with the query */
	const char *version; /* 1.1 or 2 */
	uint64_t connection; /* its number */
	int32_t stream;		 /* 0 on HTTP/1.1 */
	char token[8];		 /* the last four characters */
	char *user_agent;	 /* or NULL */
	char *content_type;	 /* or NULL */
	char *header_names;	 /* joined by commas */
	char *body;			 /* or NULL */
	int status;			 /* 0 until, or unless, there is an answer */
	const char *fault;	 /* or NULL */
	bool answered;		 /* was all of the answer sent? */
} Entry;

typedef struct Counters
{
	uint64_t requests;			/* to the API, all kinds */
	uint64_t kinds[KINDS];		/* by kind */
	uint64_t statuses[600];		/* answered, by status */
	uint64_t plain;				/* connections accepted on the plain port */
	uint64_t tls;				/* on TLS ports */
	uint64_t max_connections;	/* most at once */
	uint64_t max_in_flight;		/* most requests at once */
	uint64_t handshakes;		/* TLS, completed */
	uint64_t resumed;			/* of these */
	uint64_t handshakes_failed; /* TLS, given up */
	uint64_t streams;			/* of HTTP/2, control calls included */
	uint64_t faults;			/* requests that met a fault */
} Counters;

static const char *const kind_names[KINDS] = {
	"get_status", "put", "delete_migration", "list", "get_cluster", "destroy_cluster", "other"};

static Counters counters;
static uint64_t connections_open; /* now */
static uint64_t in_flight;		  /* now */
static uint64_t last_entry;		  /* its number */
static uint64_t cleared_entry;	  /* the last one that was forgotten */
static Entry *ring;				  /* LOG_ENTRIES of them; by number modulo that */

void
stats_connection(bool tls)
{
	if (tls)
		counters.tls++;
	else
		counters.plain++;
	if (++connections_open > counters.max_connections)
		counters.max_connections = connections_open;
}

void
stats_disconnection(void)
{
	connections_open--;
}

void
stats_handshake(bool resumed)
{
	counters.handshakes++;
	if (resumed)
		counters.resumed++;
}

void
stats_handshake_failed(void)
{
	counters.handshakes_failed++;
}

void
stats_stream(void)
{
	counters.streams++;
}

static void
free_entry(Entry *entry)
{
	free(entry->method);
	free(entry->path);
	free(entry->user_agent);
	free(entry->content_type);
	free(entry->header_names);
	free(entry->body);
	memset(entry, 0, sizeof(*entry));
}

/* The last four characters of what the Authorization header holds. */
static void
remember_token(Entry *entry, const Fields *headers)
{
	const char *authorization = fields_get(headers, "authorization");
	size_t length = (authorization != NULL) ? strlen(authorization) : 0;

	if (length >= 4)
		snprintf(entry->token, sizeof(entry->token), "%s", authorization + length - 4);
}

static char *
copy_or_null(const char *string)
{
	return (string != NULL) ? xstrdup(string) : NULL;
}

static void
log_request(Exchange *exchange)
{
	const Connection *connection = exchange->connection;
	Text names = {0};
	struct timespec now;
	Entry *entry;

	if (ring == NULL)
		ring = xcalloc(LOG_ENTRIES, sizeof(Entry));
	exchange->entry = ++last_entry;
	entry = &ring[last_entry % LOG_ENTRIES];
	free_entry(entry);

	clock_gettime(CLOCK_REALTIME, &now);
	entry->number = last_entry;
	entry->time = (double) now.tv_sec + (double) now.tv_nsec / 1e9;
	entry->method = xstrdup(exchange->method);
	entry->path = xstrdup(exchange->path);
	entry->version = connection->protocol->version;
	entry->connection = connection->number;
	entry->stream = exchange->stream;
	remember_token(entry, &exchange->headers);
	entry->user_agent = copy_or_null(fields_get(&exchange->headers, "user-agent"));
	entry->content_type = copy_or_null(fields_get(&exchange->headers, "content-type"));
	for (int i = 0; i < exchange->headers.count; i++)
	{
		text_puts(&names, (i > 0) ? "," : "");
		text_puts(&names, exchange->headers.items[i].name);
	}
	entry->header_names = names.data;
	if (exchange->body.length > 0)
		entry->body = xmemdup(exchange->body.data, exchange->body.length < LOG_BODY ? exchange->body.length : LOG_BODY);
}

/* A request to the API has come, and what it asks for is known. */
void
stats_request(Exchange *exchange, Kind kind)
{
	counters.requests++;
	counters.kinds[kind]++;
	if (++in_flight > counters.max_in_flight)
		counters.max_in_flight = in_flight;
	log_request(exchange);
}

/*
 * It is being answered, or is about to get as much of an answer as its
 * fault lets through.
 */
void
stats_answer(const Exchange *exchange)
{
	const Reply *reply = &exchange->reply;
	Entry *entry = &ring[exchange->entry % LOG_ENTRIES];
	bool whole = (reply->cut == CUT_NONE && !reply->raw && reply->ending != END_GOAWAY &&
				  reply->ending != END_RST_STREAM);

	if (whole && reply->status > 0 && reply->status < (int) lengthof(counters.statuses))
		counters.statuses[reply->status]++;
	if (exchange->fault != NULL)
		counters.faults++;
	if (entry->number != exchange->entry)
		return; /* the ring has gone round, or was cleared */
	entry->fault = exchange->fault;
	entry->answered = whole;
	if (whole)
		entry->status = reply->status;
}

/* It is no longer in flight. */
void
stats_done(void)
{
	in_flight--;
}

json_object *
stats_counters(void)
{
	json_object *result = json_object_new_object();
	json_object *statuses = json_object_new_object();
	const struct
	{
		const char *name;
		uint64_t value;
	} rest[] = {
		{"connections", counters.plain + counters.tls},
		{"connections_plain", counters.plain},
		{"connections_tls", counters.tls},
		{"connections_open", connections_open},
		{"max_connections", counters.max_connections},
		{"in_flight", in_flight},
		{"max_in_flight", counters.max_in_flight},
		{"tls_handshakes", counters.handshakes},
		{"tls_resumed", counters.resumed},
		{"tls_failed", counters.handshakes_failed},
		{"streams", counters.streams},
		{"faults", counters.faults},
	};

	json_object_object_add(result, "requests", json_object_new_int64((int64_t) counters.requests));
	for (int i = 0; i < KINDS; i++)
		json_object_object_add(result, kind_names[i], json_object_new_int64((int64_t) counters.kinds[i]));
	for (size_t i = 0; i < lengthof(rest); i++)
		json_object_object_add(result, rest[i].name, json_object_new_int64((int64_t) rest[i].value));
	for (size_t i = 0; i < lengthof(counters.statuses); i++)
	{
		char name[16];

		if (counters.statuses[i] == 0)
			continue;
		snprintf(name, sizeof(name), "%zu", i);
		json_object_object_add(statuses, name, json_object_new_int64((int64_t) counters.statuses[i]));
	}
	json_object_object_add(result, "answers", statuses);
	return result;
}

/* Start over, from what is going on right now. */
void
stats_reset_counters(void)
{
	memset(&counters, 0, sizeof(counters));
	counters.max_connections = connections_open;
	counters.max_in_flight = in_flight;
}

/* The first entry after a number that the ring still has. */
static uint64_t
first_entry(uint64_t since)
{
	uint64_t oldest = (last_entry > LOG_ENTRIES) ? last_entry - LOG_ENTRIES : 0;

	if (since < cleared_entry)
		since = cleared_entry;
	return ((since > oldest) ? since : oldest) + 1;
}

static json_object *
entry_json(const Entry *entry)
{
	json_object *result = json_object_new_object();
	json_object *names = json_object_new_array();
	const char *name = entry->header_names;

	json_object_object_add(result, "n", json_object_new_int64((int64_t) entry->number));
	json_object_object_add(result, "time", json_object_new_double(entry->time));
	json_put(result, "method", entry->method);
	json_put(result, "path", entry->path);
	json_put(result, "http", entry->version);
	json_object_object_add(result, "connection", json_object_new_int64((int64_t) entry->connection));
	json_object_object_add(result, "stream", json_object_new_int(entry->stream));
	json_put(result, "token", (entry->token[0] != '\0') ? entry->token : NULL);
	json_put(result, "user_agent", entry->user_agent);
	json_put(result, "content_type", entry->content_type);
	while (name != NULL && *name != '\0')
	{
		int length = (int) strcspn(name, ",");

		json_object_array_add(names, json_object_new_string_len(name, length));
		name += length + (name[length] == ',');
	}
	json_object_object_add(result, "headers", names);
	json_put(result, "body", entry->body);
	json_object_object_add(result, "status", (entry->status > 0) ? json_object_new_int(entry->status) : NULL);
	json_put(result, "fault", entry->fault);
	json_object_object_add(result, "answered", json_object_new_boolean(entry->answered));
	return result;
}

/* The log as a JSON array. */
void
stats_log_json(uint64_t since, Text *out)
{
	const char *separator = "[\n";

	for (uint64_t i = first_entry(since); i <= last_entry; i++)
	{
		json_object *entry = entry_json(&ring[i % LOG_ENTRIES]);

		text_puts(out, separator);
		text_puts(out, json_object_to_json_string_ext(entry, JSON_C_TO_STRING_PLAIN |
															 JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(entry);
		separator = ",\n";
	}
	text_puts(out, (*separator == '[') ? "[]\n" : "\n]\n");
}

/* The log as lines "METHOD PATH STATUS"; a fault's name if there is none. */
void
stats_log_text(uint64_t since, Text *out)
{
	text_puts(out, "");
	for (uint64_t i = first_entry(since); i <= last_entry; i++)
	{
		const Entry *entry = &ring[i % LOG_ENTRIES];

		text_printf(out, "%s %s ", entry->method, entry->path);
		if (entry->status > 0)
			text_printf(out, "%d\n", entry->status);
		else
			text_printf(out, "%s\n", (entry->fault != NULL) ? entry->fault : "-");
	}
}

void
stats_clear_log(void)
{
	for (size_t i = 0; ring != NULL && i < LOG_ENTRIES; i++)
		free_entry(&ring[i]);
	cleared_entry = last_entry;
}
