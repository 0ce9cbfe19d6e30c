/*-------------------------------------------------------------------------
 *
 * state.c
 *	  How the simulator is set up, and how it gets back to the start.
 *
 *-------------------------------------------------------------------------
 */
#include "state.h"

#include <stdlib.h>
#include <string.h>

Config config;

static uint64_t last_request;

/* Number the requests to the API since the last reset, from 1. */
uint64_t
state_next_request(void)
{
	return ++last_request;
}

/* What the simulator starts with, clusters and tokens too. */
void
state_reset(void)
{
	free(config.created_at);
	config = (Config) {
		.phases = {.running_ms = 400, .syncing_ms = 400, .outcome = "done"},
		.list_links = true,
		.list_meta = true,
		.list_per_page = 20,
		.list_max_per_page = 200,
		.request_id_in_body = true,
		.max_concurrent_streams = 100};
	last_request = 0;
	tokens_reset();
	clusters_reset();
}

/*
 * Change what is named and leave the rest.  Returns what is wrong with the
 * settings, or NULL.
 */
const char *
state_configure(json_object *settings)
{
	static const char *const known[] = {
		"latency_ms", "kickoff_ms", "running_ms", "syncing_ms", "outcome", "created_at",
		"list_links", "list_meta", "list_per_page", "list_max_per_page",
		"request_id_in_body", "max_concurrent_streams"};

	json_object_object_foreach(settings, key, unused)
	{
		size_t i = 0;

		(void) unused;
		while (i < lengthof(known) && strcmp(known[i], key) != 0)
			i++;
		if (i == lengthof(known))
			return "no such setting";
	}
	config.latency_ms = json_int(settings, "latency_ms", config.latency_ms);
	phases_set(&config.phases, settings);
	if (json_has(settings, "created_at"))
	{
		const char *created_at = json_string(settings, "created_at", NULL);

		free(config.created_at);
		config.created_at = (created_at != NULL) ? xstrdup(created_at) : NULL;
	}
	config.list_links = json_bool(settings, "list_links", config.list_links);
	config.list_meta = json_bool(settings, "list_meta", config.list_meta);
	config.list_per_page = json_int(settings, "list_per_page", config.list_per_page);
	config.list_max_per_page = json_int(settings, "list_max_per_page", config.list_max_per_page);
	config.request_id_in_body = json_bool(settings, "request_id_in_body", config.request_id_in_body);
	config.max_concurrent_streams = json_int(settings, "max_concurrent_streams", config.max_concurrent_streams);
	if (config.list_per_page < 1)
		config.list_per_page = 1;
	if (config.list_max_per_page < 1)
		config.list_max_per_page = 1;
	return NULL;
}

json_object *
state_config(void)
{
	json_object *result = json_object_new_object();

	json_object_object_add(result, "latency_ms", json_object_new_int64(config.latency_ms));
	json_object_object_add(result, "kickoff_ms", json_object_new_int64(config.phases.kickoff_ms));
	json_object_object_add(result, "running_ms", json_object_new_int64(config.phases.running_ms));
	json_object_object_add(result, "syncing_ms", json_object_new_int64(config.phases.syncing_ms));
	json_put(result, "outcome", config.phases.outcome);
	json_put(result, "created_at", config.created_at);
	json_object_object_add(result, "list_links", json_object_new_boolean(config.list_links));
	json_object_object_add(result, "list_meta", json_object_new_boolean(config.list_meta));
	json_object_object_add(result, "list_per_page", json_object_new_int64(config.list_per_page));
	json_object_object_add(result, "list_max_per_page", json_object_new_int64(config.list_max_per_page));
	json_object_object_add(result, "request_id_in_body", json_object_new_boolean(config.request_id_in_body));
	json_object_object_add(result, "max_concurrent_streams", json_object_new_int64(config.max_concurrent_streams));
	return result;
}

void
state_free(void)
{
	free(config.created_at);
	tokens_free();
	clusters_free();
}
