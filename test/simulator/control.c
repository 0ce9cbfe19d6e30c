/*-------------------------------------------------------------------------
 *
 * control.c
 *	  The calls by which tests steer the simulator.
 *
 * They come in over the same listeners as requests to the API, below a
 * path of their own, need no token, and leave no trace in log or counters.
 *
 *-------------------------------------------------------------------------
 */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "server.h"
#include "state.h"
#include "stats.h"

#define ROOT "/_simulator/"

/* A call: what it was sent, and what it wants answered. */
typedef struct Call
{
	Exchange *exchange;	 /* which carries it */
	const char *path;	 /* what follows the path of the table's entry */
	const char *query;	 /* behind the question mark, or NULL */
	json_object *body;	 /* the request's, or NULL */
	json_object *result; /* to answer; used up; NULL is {} */
} Call;

typedef struct CallKind
{
	const char *method;
	const char *path; /* with a slash at its end if something follows */
	const char *(*handle)(Call *call);
} CallKind;

/*
 * Apply a setter to a body that is one object or an array of them; returns
 * what is wrong with the first bad one, or NULL.
 */
static const char *
set_each(json_object *body, const char *(*set)(json_object *settings))
{
	const char *wrong = NULL;

	if (json_object_is_type(body, json_type_object))
		return set(body);
	if (!json_object_is_type(body, json_type_array))
		return "an object or an array of objects is needed";
	for (size_t i = 0; wrong == NULL && i < json_object_array_length(body); i++)
		wrong = set(json_object_array_get_idx(body, i));
	return wrong;
}

static const char *
reset(Call *call)
{
	state_reset();
	faults_clear();
	stats_reset_counters();
	stats_clear_log();
	if (!json_bool(call->body, "keep_connections", true))
		server_close_idle(call->exchange->connection, false);
	return NULL;
}

static const char *
close_idle(Call *call)
{
	server_close_idle(call->exchange->connection, json_bool(call->body, "goaway", false));
	return NULL;
}

static const char *
get_counters(Call *call)
{
	call->result = stats_counters();
	return NULL;
}

static const char *
reset_counters(Call *call)
{
	(void) call;
	stats_reset_counters();
	return NULL;
}

/* Answers by itself, because a long log is not built as one JSON object. */
static const char *
get_log(Call *call)
{
	char *since = query_parameter(call->query, "since");
	char *as = query_parameter(call->query, "format");
	char *clear = query_parameter(call->query, "clear");
	uint64_t after = (since != NULL) ? strtoull(since, NULL, 10) : 0;
	bool text = (as != NULL && strcmp(as, "text") == 0);
	Text out = {0};

	if (text)
		stats_log_text(after, &out);
	else
		stats_log_json(after, &out);
	if (clear != NULL && strcmp(clear, "true") == 0)
		stats_clear_log();
	free(since);
	free(as);
	free(clear);
	fields_set(&call->exchange->reply.headers, "content-type", text ? "text/plain" : "application/json");
	reply_take_text(&call->exchange->reply, &out);
	call->exchange->reply.status = 200;
	return NULL;
}

static const char *
clear_log(Call *call)
{
	(void) call;
	stats_clear_log();
	return NULL;
}

static const char *
get_clusters(Call *call)
{
	call->result = json_object_new_array();
	for (const Cluster *cluster = clusters_first(); cluster != NULL; cluster = cluster->next)
	{
		json_object *object = json_object_new_object();
		const char *status;
		bool visible = migration_status(cluster, &status);

		json_put(object, "uuid", cluster->uuid);
		json_put(object, "account", cluster->account);
		json_put(object, "name", cluster->name);
		json_put(object, "engine", cluster->engine);
		json_object_object_add(object, "migration",
							   visible ? migration_json(cluster->migration.id, status, cluster->migration.created_at) : NULL);
		json_object_array_add(call->result, object);
	}
	return NULL;
}

static const char *
set_clusters(Call *call)
{
	return set_each(call->body, clusters_set);
}

static const char *
remove_cluster(Call *call)
{
	Cluster *cluster = clusters_find(call->path);

	if (cluster == NULL)
		return "no such cluster";
	clusters_remove(cluster);
	return NULL;
}

static const char *
populate(Call *call)
{
	return clusters_populate(call->body);
}

static const char *
get_config(Call *call)
{
	call->result = state_config();
	return NULL;
}

static const char *
set_config(Call *call)
{
	return set_each(call->body, state_configure);
}

static const char *
get_tokens(Call *call)
{
	call->result = tokens_json();
	return NULL;
}

static const char *
set_tokens(Call *call)
{
	return set_each(call->body, tokens_set);
}

static const char *
get_faults(Call *call)
{
	call->result = faults_json();
	return NULL;
}

static const char *
set_faults(Call *call)
{
	return set_each(call->body, faults_add);
}

static const char *
clear_faults(Call *call)
{
	(void) call;
	faults_clear();
	return NULL;
}

static const char *
get_fault_table(Call *call)
{
	call->result = faults_table();
	return NULL;
}

static const CallKind kinds[] = {
	{"POST", "reset", reset},
	{"POST", "close_idle", close_idle},
	{"GET", "counters", get_counters},
	{"POST", "counters/reset", reset_counters},
	{"GET", "log", get_log},
	{"DELETE", "log", clear_log},
	{"GET", "clusters", get_clusters},
	{"POST", "clusters", set_clusters},
	{"DELETE", "clusters/", remove_cluster},
	{"POST", "populate", populate},
	{"GET", "config", get_config},
	{"POST", "config", set_config},
	{"GET", "tokens", get_tokens},
	{"POST", "tokens", set_tokens},
	{"GET", "faults", get_faults},
	{"POST", "faults", set_faults},
	{"DELETE", "faults", clear_faults},
	{"GET", "fault_table", get_fault_table},
};

bool
control_owns(const char *path)
{
	return strncmp(path, ROOT, sizeof(ROOT) - 1) == 0;
}

static void
answer_error(Exchange *exchange, int status, const char *message)
{
	json_object *body = json_object_new_object();

	json_put(body, "error", message);
	reply_json(&exchange->reply, status, body);
}

static const CallKind *
find_kind(const char *method, const char *path, Call *call)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
	{
		size_t length = strlen(kinds[i].path);
		bool open = (kinds[i].path[length - 1] == '/');

		if (strcmp(method, kinds[i].method) != 0 ||
			(open ? strncmp(path, kinds[i].path, length) : strcmp(path, kinds[i].path)) != 0)
			continue;
		call->path = path + length;
		return &kinds[i];
	}
	return NULL;
}

void
control_answer(Exchange *exchange)
{
	size_t length = strcspn(exchange->path, "?");
	char *path = xmemdup(exchange->path, length);
	Call call = {.exchange = exchange};
	const CallKind *kind = find_kind(exchange->method, path + sizeof(ROOT) - 1, &call);
	const char *wrong;

	call.query = (exchange->path[length] == '?') ? exchange->path + length + 1 : NULL;
	call.body = json_parse(exchange->body.data, exchange->body.length);
	if (kind == NULL)
		answer_error(exchange, 404, "no such control call");
	else if (call.body == NULL && exchange->body.length > 0)
		answer_error(exchange, 400, "the body is no JSON");
	else if ((wrong = kind->handle(&call)) != NULL)
		answer_error(exchange, 400, wrong);
	else if (exchange->reply.status == 0)
	{
		reply_json(&exchange->reply, 200, (call.result != NULL) ? call.result : json_object_new_object());
		call.result = NULL;
	}
	json_object_put(call.result);
	json_object_put(call.body);
	free(path);
}
