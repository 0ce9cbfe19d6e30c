/*-------------------------------------------------------------------------
 *
 * control.c
 *	  Calls below /_simulator/, by which tests say what they want.
 *
 * JSON in and out, no token; neither counted nor logged.  README.md lists
 * them.
 *
 *-------------------------------------------------------------------------
 */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "faults.h"
#include "server.h"
#include "state.h"
#include "stats.h"

#define PREFIX "/_simulator/"

/* A control call under way. */
typedef struct Control
{
	Exchange *exchange;
	const char *rest;  /* of the path, behind the call's name */
	const char *query; /* or NULL */
	json_object *body; /* or NULL */
} Control;

bool
control_owns(const char *path)
{
	return strncmp(path, PREFIX, strlen(PREFIX)) == 0;
}

static void
done(Control *control)
{
	reply_json(&control->exchange->reply, 200, json_object_new_object());
}

static void
refuse(Control *control, const char *why)
{
	json_object *body = json_object_new_object();

	json_put(body, "error", why);
	reply_json(&control->exchange->reply, 400, body);
}

static void
send_text(Control *control, Text *text, const char *type)
{
	reply_take_text(&control->exchange->reply, text);
	control->exchange->reply.status = 200;
	fields_set(&control->exchange->reply.headers, "content-type", type);
}

/* ----- calls ----- */

static void
reset(Control *control)
{
	state_reset();
	faults_reset();
	stats_reset_counters();
	stats_clear_log();
	done(control);
}

static void
close_idle(Control *control)
{
	server_close_idle(control->exchange->connection, json_flag(control->body, "goaway", false));
	done(control);
}

static void
get_counters(Control *control)
{
	reply_json(&control->exchange->reply, 200, stats_counters());
}

static void
reset_counters(Control *control)
{
	stats_reset_counters();
	done(control);
}

static void
get_log(Control *control)
{
	char *since = query_parameter(control->query, "since");
	char *form = query_parameter(control->query, "format");
	Text text = {0};

	if (form != NULL && strcmp(form, "text") == 0)
	{
		stats_log_text(since != NULL ? strtoull(since, NULL, 10) : 0, &text);
		send_text(control, &text, "text/plain");
	}
	else
	{
		stats_log_json(since != NULL ? strtoull(since, NULL, 10) : 0, &text);
		send_text(control, &text, "application/json");
	}
	free(since);
	free(form);
}

static void
clear_log(Control *control)
{
	stats_clear_log();
	done(control);
}

/* Names of a cluster's description that are no fields of the API's. */
static bool
is_own_name(const char *name)
{
	static const char *const names[] = {"uuid", "token", "engine", "migration", "latency_ms", "kickoff_ms",
										"running_ms", "syncing_ms", "outcome"};

	for (size_t i = 0; i < lengthof(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const char *
add_cluster(json_object *description)
{
	const char *uuid = json_string(description, "uuid", "");
	const char *outcome = json_string(description, "outcome", NULL);
	json_object *migration = json_get(description, "migration");
	Cluster *cluster;

	if (!is_uuid(uuid, strlen(uuid)))
		return "A cluster needs a uuid.";
	cluster = cluster_add(uuid, json_string(description, "token", NULL), json_string(description, "engine", NULL));
	cluster->latency_ms = json_int(description, "latency_ms", cluster->latency_ms);
	cluster->kickoff_ms = json_int(description, "kickoff_ms", cluster->kickoff_ms);
	cluster->running_ms = json_int(description, "running_ms", cluster->running_ms);
	cluster->syncing_ms = json_int(description, "syncing_ms", cluster->syncing_ms);
	if (outcome != NULL)
	{
		free(cluster->outcome);
		cluster->outcome = xstrdup(outcome);
	}
	if (json_has(description, "migration"))
		migration_freeze(cluster, json_string(migration, "status", NULL), json_string(migration, "id", NULL),
						 json_string(migration, "created_at", NULL));
	json_object_object_foreach(description, name, value)
	{
		if (is_own_name(name))
			continue;
		if (cluster->overrides == NULL)
			cluster->overrides = json_object_new_object();
		json_object_object_add(cluster->overrides, name, json_object_get(value));
	}
	return NULL;
}

static void
post_clusters(Control *control)
{
	const char *problem = NULL;

	if (json_object_is_type(control->body, json_type_array))
		for (size_t i = 0; i < json_object_array_length(control->body) && problem == NULL; i++)
			problem = add_cluster(json_object_array_get_idx(control->body, i));
	else if (json_object_is_type(control->body, json_type_object))
		problem = add_cluster(control->body);
	else
		problem = "The body is no cluster.";
	if (problem != NULL)
		refuse(control, problem);
	else
		done(control);
}

static void
delete_cluster(Control *control)
{
	Cluster *cluster = cluster_find(control->rest, NULL);

	if (cluster == NULL)
		refuse(control, "There is no such cluster.");
	else
	{
		cluster_remove(cluster);
		done(control);
	}
}

static void
get_clusters(Control *control)
{
	char *account = query_parameter(control->query, "token");
	const char *of = account != NULL ? account : "dop_v1_simulator";
	json_object *list = json_object_new_array();
	Cluster *cluster;

	for (int i = 0; (cluster = cluster_nth(of, NULL, i)) != NULL; i++)
	{
		json_object *entry = json_object_new_object();

		json_put(entry, "uuid", cluster->uuid);
		json_put(entry, "engine", cluster->engine);
		json_put(entry, "status", migration_status(&cluster->migration));
		json_object_array_add(list, entry);
	}
	reply_json(&control->exchange->reply, 200, list);
	free(account);
}

static void
populate(Control *control)
{
	int64_t count = json_int(control->body, "count", 100);
	int64_t seed = json_int(control->body, "seed", 1);
	const char *status = json_has(control->body, "status") ? json_string(control->body, "status", NULL) : "done";

	for (int64_t i = 1; i <= count; i++)
	{
		char uuid[64];
		char id[64];

		snprintf(uuid, sizeof(uuid), "%08x-0000-4000-8000-%012llx", (unsigned int) seed, (unsigned long long) i);
		snprintf(id, sizeof(id), "mig-%lld-%lld", (long long) seed, (long long) i);
		migration_freeze(cluster_add(uuid, json_string(control->body, "token", NULL),
									 json_string(control->body, "engine", "pg")),
						 status, id, NULL);
	}
	done(control);
}

static void
set_config(Control *control)
{
	json_object *body = control->body;

	config.latency_ms = json_int(body, "latency_ms", config.latency_ms);
	config.max_streams = json_int(body, "max_streams", config.max_streams);
	config.kickoff_ms = json_int(body, "kickoff_ms", config.kickoff_ms);
	config.running_ms = json_int(body, "running_ms", config.running_ms);
	config.syncing_ms = json_int(body, "syncing_ms", config.syncing_ms);
	config.list_links = json_flag(body, "list_links", config.list_links);
	config.list_total = json_flag(body, "list_total", config.list_total);
	config.list_total_off = json_int(body, "list_total_off", config.list_total_off);
	config.list_max_page = json_int(body, "list_max_page", config.list_max_page);
	if (config.list_max_page > 1000)
		config.list_max_page = 1000;
	config.list_shift = json_flag(body, "list_shift", config.list_shift);
	config.list_loop = json_int(body, "list_loop", config.list_loop);
	config.list_other_host = json_flag(body, "list_other_host", config.list_other_host);
	done(control);
}

static void
post_tokens(Control *control)
{
	json_object *body = control->body;
	const char *name = json_string(body, "token", NULL);
	Token *token;

	if (name == NULL)
	{
		refuse(control, "A token needs a name: token.");
		return;
	}
	token = token_add(name, json_string(body, "account", name));
	token->can_read = json_flag(body, "can_read", true);
	token->can_write = json_flag(body, "can_write", true);
	token->enforce = json_flag(body, "enforce", false);
	token->retry_after = json_flag(body, "retry_after", true);
	token->limit = json_int(body, "limit", 5000);
	token->window_ms = json_int(body, "window_ms", json_int(body, "window_seconds", 3600) * 1000);
	token->headers = json_flag(body, "headers", true);
	token->burst = json_int(body, "burst", 0);
	if (token->burst > WINDOW_MAX)
		token->burst = WINDOW_MAX;
	token->burst_ms = json_int(body, "burst_seconds", 60) * 1000;
	token->requests = 0;
	token->oldest = 0;
	done(control);
}

static void
post_faults(Control *control)
{
	const char *problem = NULL;

	if (json_object_is_type(control->body, json_type_array))
		for (size_t i = 0; i < json_object_array_length(control->body) && problem == NULL; i++)
			problem = fault_add(json_object_array_get_idx(control->body, i));
	else
		problem = fault_add(control->body);
	if (problem != NULL)
		refuse(control, problem);
	else
		done(control);
}

static void
delete_faults(Control *control)
{
	faults_reset();
	done(control);
}

static void
get_faults(Control *control)
{
	reply_json(&control->exchange->reply, 200, faults_list());
}

/* ----- the table of calls ----- */

static const struct
{
	const char *method;
	const char *name;
	void (*call)(Control *control);
} calls[] = {
	{"POST", "reset", reset},
	{"POST", "close_idle", close_idle},
	{"GET", "counters", get_counters},
	{"POST", "counters/reset", reset_counters},
	{"GET", "log", get_log},
	{"DELETE", "log", clear_log},
	{"POST", "clusters", post_clusters},
	{"DELETE", "clusters/", delete_cluster},
	{"GET", "clusters", get_clusters},
	{"POST", "populate", populate},
	{"POST", "config", set_config},
	{"POST", "tokens", post_tokens},
	{"POST", "faults", post_faults},
	{"DELETE", "faults", delete_faults},
	{"GET", "faults", get_faults},
};

void
control_answer(Exchange *exchange)
{
	const char *name = exchange->path + strlen(PREFIX);
	size_t length = strcspn(name, "?");
	Control control = {exchange, "", name[length] == '?' ? name + length + 1 : NULL, NULL};

	control.body = json_parse(exchange->body.data, exchange->body.length);
	for (size_t i = 0; i < lengthof(calls); i++)
	{
		size_t known = strlen(calls[i].name);
		bool prefix = calls[i].name[known - 1] == '/';

		if (strcmp(calls[i].method, exchange->method) != 0 || strncmp(calls[i].name, name, known) != 0 ||
			(!prefix && known != length))
			continue;
		control.rest = name + known;
		calls[i].call(&control);
		json_object_put(control.body);
		return;
	}
	refuse(&control, "There is no such call.");
	json_object_put(control.body);
}
