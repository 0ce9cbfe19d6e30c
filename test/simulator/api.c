/*-------------------------------------------------------------------------
 *
 * api.c
 *	  The calls of the managed databases API that the simulator knows.
 *
 * https://docs.digitalocean.com/reference/api/
 *
 *-------------------------------------------------------------------------
 */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "faults.h"
#include "server.h"
#include "state.h"
#include "stats.h"

#define PREFIX "/v2/databases"

/* The most clusters on a page, and one that the list has shifted there. */
#define PAGE_MAX 1001

/* A request, taken apart. */
typedef struct Call
{
	Kind kind;
	char uuid[37];          /* of the cluster, or empty */
	char migration_id[128]; /* of a DELETE, or empty */
	const char *query;      /* behind the question mark, or NULL */
	Token *token;           /* whose it is */
} Call;

static uint64_t last_number;

const char *
api_error_id(int status)
{
	switch (status)
	{
		case 401:
			return "unauthorized";
		case 403:
			return "forbidden";
		case 404:
			return "not_found";
		case 409:
			return "conflict";
		case 412:
			return "precondition_failed";
		case 422:
			return "unprocessable_entity";
		case 429:
			return "too_many_requests";
		case 500:
			return "server_error";
		default:
			return status < 500 ? "bad_request" : "service_unavailable";
	}
}

void
api_error(Exchange *exchange, int status, const char *id, const char *message)
{
	json_object *body = json_object_new_object();
	const char *request_id = fields_get(&exchange->reply.headers, "x-request-id");

	json_put(body, "id", id != NULL ? id : api_error_id(status));
	json_put(body, "message", message);
	if (request_id != NULL)
		json_put(body, "request_id", request_id);
	reply_json(&exchange->reply, status, body);
}

/* ----- taking a request apart ----- */

static void
parse_call(const Exchange *exchange, Call *call)
{
	const char *path = exchange->path;
	size_t length = strcspn(path, "?");
	const char *rest = path + strlen(PREFIX);
	const char *end = path + length;

	memset(call, 0, sizeof(*call));
	call->kind = KIND_OTHER;
	call->query = path[length] == '?' ? path + length + 1 : NULL;
	if (strncmp(path, PREFIX, strlen(PREFIX)) != 0)
		return;

	/* whoever resolves the dot segments may find that this names the cluster */
	if (strcmp(exchange->method, "DELETE") == 0 && (strstr(path, "..") != NULL || strcasestr(path, "%2e") != NULL))
	{
		call->kind = KIND_DESTROY_CLUSTER;
		return;
	}
	if (rest == end || (rest + 1 == end && *rest == '/'))
	{
		if (strcmp(exchange->method, "GET") == 0)
			call->kind = KIND_LIST;
		return;
	}
	if (*rest != '/' || end - rest < 37 || !is_uuid(rest + 1, 36))
		return;
	memcpy(call->uuid, rest + 1, 36);
	rest += 37;
	if (rest == end || (rest + 1 == end && *rest == '/'))
	{
		if (strcmp(exchange->method, "GET") == 0)
			call->kind = KIND_GET_CLUSTER;
		else if (strcmp(exchange->method, "DELETE") == 0)
			call->kind = KIND_DESTROY_CLUSTER;
		return;
	}
	if (strncmp(rest, "/online-migration", 17) != 0)
		return;
	rest += 17;
	if (rest == end)
	{
		if (strcmp(exchange->method, "GET") == 0)
			call->kind = KIND_GET_STATUS;
		else if (strcmp(exchange->method, "PUT") == 0)
			call->kind = KIND_PUT;
	}
	else if (*rest == '/' && rest + 1 < end && strcmp(exchange->method, "DELETE") == 0)
	{
		snprintf(call->migration_id, sizeof(call->migration_id), "%.*s", (int) (end - rest - 1), rest + 1);
		call->kind = KIND_DELETE_MIGRATION;
	}
}

/* ----- headers ----- */

static void
add_number(Exchange *exchange, const char *name, int64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long) number);
	fields_add(&exchange->reply.headers, name, text);
}

static void
add_headers(Exchange *exchange, const Token *token)
{
	struct timespec now;
	char id[64];

	snprintf(id, sizeof(id), "51a0a7e0-0000-4000-8000-%012llx", (unsigned long long) exchange->number);
	fields_add(&exchange->reply.headers, "x-request-id", id);
	if (token == NULL || !token->headers)
		return;
	add_number(exchange, "ratelimit-limit", token->limit);
	add_number(exchange, "ratelimit-remaining", token_remaining(token));
	clock_gettime(CLOCK_REALTIME, &now);
	add_number(exchange, "ratelimit-reset",
			   ((int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000 + token_reset_ms(token) + 999) / 1000);
}

/* ----- who asks ----- */

/* The token of the request, or NULL after answering 401. */
static Token *
authenticate(Exchange *exchange)
{
	const char *authorization = fields_get(&exchange->headers, "authorization");
	Token *token = NULL;

	if (authorization != NULL && strncmp(authorization, "Bearer ", 7) == 0)
		token = token_find(authorization + 7);
	return token;
}

/* Answers 403 or 429 where the token may not do that, or not now. */
static bool
authorize(Exchange *exchange, const Call *call)
{
	Token *token = call->token;
	bool writes = call->kind == KIND_PUT || call->kind == KIND_DELETE_MIGRATION ||
				  call->kind == KIND_DESTROY_CLUSTER;
	bool within = token_take(token);

	add_headers(exchange, token);
	if (!within)
	{
		api_error(exchange, 429, NULL, "API rate limit exceeded.");
		if (token->retry_after)
			add_number(exchange, "retry-after", (token_wait_ms(token) + 999) / 1000);
		return false;
	}
	if (!token->can_read || (writes && !token->can_write))
	{
		api_error(exchange, 403, NULL, "You are missing the required permission for this action.");
		return false;
	}
	return true;
}

/* ----- the calls ----- */

static void
answer_migration(Exchange *exchange, const Migration *migration, const char *status)
{
	Text body = {0};

	text_printf(&body, "{\"id\":\"%s\",\"status\":\"%s\",\"created_at\":\"%s\"}", migration->id, status,
				migration->created_at);
	reply_take_text(&exchange->reply, &body);
	exchange->reply.status = 200;
	fields_set(&exchange->reply.headers, "content-type", "application/json");
}

static void
get_status(Exchange *exchange, Cluster *cluster)
{
	const char *status = migration_status(&cluster->migration);

	if (status == NULL)
		api_error(exchange, 404, NULL, "The resource you were accessing could not be found.");
	else
		answer_migration(exchange, &cluster->migration, status);
}

/* What is wrong with the body of a start, or NULL. */
static const char *
start_problem(json_object *body)
{
	json_object *source = json_get(body, "source");
	json_object *port = json_get(source, "port");

	if (!json_object_is_type(body, json_type_object))
		return "The request body is not a JSON object.";
	json_object_object_foreach(body, key, value)
	{
		(void) value;
		if (strcmp(key, "source") != 0 && strcmp(key, "disable_ssl") != 0 && strcmp(key, "ignore_dbs") != 0)
			return "The request body has an unknown field.";
	}
	if (!json_object_is_type(source, json_type_object))
		return "source is missing.";
	if (!json_object_is_type(json_get(source, "host"), json_type_string))
		return "source.host is missing.";
	if (!json_object_is_type(port, json_type_int) || json_object_get_int(port) < 1 || json_object_get_int(port) > 65535)
		return "source.port is invalid.";
	if (json_has(body, "disable_ssl") && !json_object_is_type(json_get(body, "disable_ssl"), json_type_boolean))
		return "disable_ssl is invalid.";
	if (json_has(body, "ignore_dbs") && !json_object_is_type(json_get(body, "ignore_dbs"), json_type_array))
		return "ignore_dbs is invalid.";
	return NULL;
}

static void
start(Exchange *exchange, Cluster *cluster)
{
	json_object *body = json_parse(exchange->body.data, exchange->body.length);
	const char *problem = start_problem(body);

	if (strcmp(cluster->engine, "mongodb") == 0 || strcmp(cluster->engine, "kafka") == 0 ||
		strcmp(cluster->engine, "opensearch") == 0)
		problem = "Online migration is not available for this engine.";
	if (problem != NULL)
		api_error(exchange, 422, NULL, problem);
	else
	{
		migration_start(cluster);
		answer_migration(exchange, &cluster->migration, "running");
	}
	json_object_put(body);
}

static void
stop(Exchange *exchange, Cluster *cluster, const char *id)
{
	const char *status = migration_status(&cluster->migration);

	if (status == NULL || strcmp(cluster->migration.id, id) != 0 ||
		(strcmp(status, "running") != 0 && strcmp(status, "syncing") != 0))
	{
		api_error(exchange, 404, NULL, "The migration could not be found.");
		return;
	}
	free(cluster->migration.frozen);
	cluster->migration.frozen = xstrdup("canceled");
	exchange->reply.status = 204;
}

static void
add_link(json_object *pages, const char *name, const Exchange *exchange, int64_t page, int64_t per_page)
{
	const Listener *listener = exchange->connection->listener;
	char *host = format("%s:%d", listener->tls != NULL ? "localhost" : "127.0.0.1", listener->port);
	char *url = format("%s://%s" PREFIX "?page=%lld&per_page=%lld", listener->tls != NULL ? "https" : "http",
					   config.list_other_host ? "elsewhere.example.com" : host, (long long) page, (long long) per_page);

	json_put(pages, name, url);
	free(host);
	free(url);
}

static void
add_links(json_object *body, const Exchange *exchange, int64_t page, int64_t per_page, int64_t last)
{
	json_object *links = json_object_new_object();
	json_object *pages = json_object_new_object();

	if (page > 1)
	{
		add_link(pages, "first", exchange, 1, per_page);
		add_link(pages, "prev", exchange, page - 1, per_page);
	}
	if (page < last)
	{
		add_link(pages, "next", exchange, page == config.list_loop ? page : page + 1, per_page);
		add_link(pages, "last", exchange, last, per_page);
	}
	json_object_object_add(links, "pages", pages);
	json_object_object_add(body, "links", links);
}

static int64_t
query_number(const char *query, const char *name, int64_t otherwise)
{
	char *text = query_parameter(query, name);
	int64_t number = text != NULL ? atoll(text) : otherwise;

	free(text);
	return number > 0 ? number : otherwise;
}

static void
list(Exchange *exchange, const Call *call)
{
	char *tag = query_parameter(call->query, "tag_name");
	int64_t page = query_number(call->query, "page", 1);
	int64_t per_page = query_number(call->query, "per_page", 20);
	Cluster *found[PAGE_MAX];
	int64_t total;
	int nfound;
	json_object *body = json_object_new_object();
	json_object *databases = json_object_new_array();
	int64_t first;

	if (per_page > config.list_max_page)
		per_page = config.list_max_page;
	first = (page - 1) * per_page - (config.list_shift && page > 1 ? 1 : 0);
	nfound = cluster_slice(call->token->account, tag, first, page * per_page - first, found, &total);
	for (int i = 0; i < nfound; i++)
		json_object_array_add(databases, cluster_json(found[i]));
	json_object_object_add(body, "databases", databases);
	if (config.list_links)
		add_links(body, exchange, page, per_page, (total + per_page - 1) / per_page);
	if (config.list_total)
	{
		json_object *meta = json_object_new_object();

		json_object_object_add(meta, "total", json_object_new_int64(total + config.list_total_off));
		json_object_object_add(body, "meta", meta);
	}
	reply_json(&exchange->reply, 200, body);
	free(tag);
}

static void
get_cluster(Exchange *exchange, const Cluster *cluster)
{
	json_object *body = json_object_new_object();

	json_object_object_add(body, "database", cluster_json(cluster));
	reply_json(&exchange->reply, 200, body);
}

/* Do what is asked for. */
static void
serve(Exchange *exchange, const Call *call)
{
	Cluster *cluster = call->uuid[0] != '\0' ? cluster_find(call->uuid, call->token->account) : NULL;

	if (call->kind == KIND_LIST)
		list(exchange, call);
	else if (call->kind == KIND_OTHER)
		api_error(exchange, call->uuid[0] != '\0' ? 405 : 404, "not_found", "The resource you were accessing could not be found.");
	else if (cluster == NULL)
		api_error(exchange, 404, NULL, "The resource you were accessing could not be found.");
	else if (call->kind == KIND_GET_STATUS)
		get_status(exchange, cluster);
	else if (call->kind == KIND_PUT)
		start(exchange, cluster);
	else if (call->kind == KIND_DELETE_MIGRATION)
		stop(exchange, cluster, call->migration_id);
	else if (call->kind == KIND_GET_CLUSTER)
		get_cluster(exchange, cluster);
	else
	{
		cluster_remove(cluster);
		exchange->reply.status = 204;
	}
}

/* Where a fault says so, there is a cluster for its magic UUID. */
static void
conjure_cluster(const Call *call)
{
	if (strncmp(call->uuid, "0badc0de", 8) == 0 && cluster_find(call->uuid, NULL) == NULL)
		migration_freeze(cluster_add(call->uuid, call->token->account, "pg"), "running",
						 call->migration_id[0] != '\0' ? call->migration_id : "magic", NULL);
}

void
api_answer(Exchange *exchange)
{
	Call call;
	Fault *fault;
	const Cluster *cluster;

	parse_call(exchange, &call);
	exchange->number = ++last_number;
	stats_request(exchange, call.kind);
	exchange->reply.delay_ms = config.latency_ms;
	call.token = authenticate(exchange);
	if (call.token == NULL)
	{
		add_headers(exchange, NULL);
		api_error(exchange, 401, NULL, "Unable to authenticate you.");
		return;
	}
	if (!authorize(exchange, &call))
		return;
	fault = fault_find(exchange, call.kind, call.uuid);
	if (fault != NULL && strncmp(call.uuid, "0badc0de", 8) == 0)
		conjure_cluster(&call);
	cluster = call.uuid[0] != '\0' ? cluster_find(call.uuid, call.token->account) : NULL;
	if (cluster != NULL && cluster->latency_ms >= 0)
		exchange->reply.delay_ms = cluster->latency_ms;
	if (fault == NULL || fault_serves(fault, call.kind))
		serve(exchange, &call);
	if (fault != NULL)
		fault_apply(fault, exchange);
}
