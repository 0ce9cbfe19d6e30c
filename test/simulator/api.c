/*-------------------------------------------------------------------------
 *
 * api.c
 *	  The managed databases API: routes, checks, and the right answers.
 *
 * What goes wrong on purpose is in faults.c.
 *
 *-------------------------------------------------------------------------
 */
#include "api.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "list.h"

#define ROOT "/v2/databases"

static const char *
error_id(int status)
{
	switch (status)
	{
		case 400:
			return "bad_request";
		case 401:
			return "unauthorized";
		case 403:
			return "forbidden";
		case 404:
			return "not_found";
		case 405:
			return "method_not_allowed";
		case 409:
			return "conflict";
		case 412:
			return "precondition_failed";
		case 422:
			return "unprocessable_entity";
		case 429:
			return "too_many_requests";
		case 503:
			return "service_unavailable";
		default:
			return (status >= 500) ? "server_error" : "error";
	}
}

/* Answer with an error as the API words it. */
void
api_error(Exchange *exchange, int status, const char *message)
{
	json_object *body = json_object_new_object();

	json_put(body, "id", error_id(status));
	json_put(body, "message", message);
	if (config.request_id_in_body)
		json_put(body, "request_id", fields_get(&exchange->reply.headers, "x-request-id"));
	reply_json(&exchange->reply, status, body);
}

/*
 * Remove "." and ".." segments, dots written as %2e too, as servers and
 * proxies do.  So a client that lets ".." through does here what it would do
 * out there.
 */
static void
remove_dot_segments(char *path)
{
	char *to = path;

	for (char *dot = path; *dot != '\0'; dot++)
	{
		bool encoded = (dot[0] == '%' && dot[1] == '2' && (dot[2] == 'e' || dot[2] == 'E'));

		*to++ = encoded ? '.' : *dot;
		dot += encoded ? 2 : 0;
	}
	*to = '\0';
	to = path;
	for (char *from = path; *from == '/';)
	{
		size_t length = 1 + strcspn(from + 1, "/");

		if (length == 2 && from[1] == '.')
		{
			if (from[2] == '\0')
				*to++ = '/';
		}
		else if (length == 3 && from[1] == '.' && from[2] == '.')
		{
			while (to > path && *--to != '/')
				;
			if (from[3] == '\0')
				*to++ = '/';
		}
		else
		{
			memmove(to, from, length);
			to += length;
		}
		from += length;
	}
	*to = '\0';
}

static bool
is_method(const Exchange *exchange, const char *method)
{
	return strcmp(exchange->method, method) == 0;
}

/* A path below that of a cluster; "rest" begins with its slash or is empty. */
static void
route_cluster(const Exchange *exchange, const char *rest, Route *route)
{
	static const char migration[] = "/online-migration";
	bool get = is_method(exchange, "GET");
	bool put = is_method(exchange, "PUT");
	bool del = is_method(exchange, "DELETE");

	if (*rest == '\0' || strcmp(rest, "/") == 0)
	{
		route->known_path = true;
		if (del)
			route->kind = KIND_DESTROY_CLUSTER;
		else if (get && *rest == '\0')
			route->kind = KIND_GET_CLUSTER;
	}
	else if (strcmp(rest, migration) == 0)
	{
		route->known_path = true;
		if (get)
			route->kind = KIND_GET_STATUS;
		else if (put)
			route->kind = KIND_PUT;
	}
	else if (strncmp(rest, migration, sizeof(migration) - 1) == 0 && rest[sizeof(migration) - 1] == '/')
	{
		const char *id = rest + sizeof(migration);

		if (*id == '\0' || strchr(id, '/') != NULL)
			return;
		route->known_path = true;
		route->migration_id = xstrdup(id);
		percent_decode(route->migration_id);
		if (del)
			route->kind = KIND_DELETE_MIGRATION;
	}
}

static void
find_route(const Exchange *exchange, Route *route)
{
	size_t length = strcspn(exchange->path, "?");
	char *path = xmemdup(exchange->path, length);
	const char *rest;

	memset(route, 0, sizeof(*route));
	route->kind = KIND_OTHER;
	if (exchange->path[length] == '?')
		route->query = xstrdup(exchange->path + length + 1);
	remove_dot_segments(path);
	if (strcmp(path, ROOT) == 0)
	{
		route->known_path = true;
		if (is_method(exchange, "GET"))
			route->kind = KIND_LIST;
	}
	else if (strncmp(path, ROOT "/", sizeof(ROOT)) == 0)
	{
		rest = path + sizeof(ROOT);
		length = strcspn(rest, "/");
		if (is_uuid(rest, length))
		{
			for (size_t i = 0; i < length; i++)
				route->uuid[i] = (char) tolower((unsigned char) rest[i]);
			route_cluster(exchange, rest + length, route);
		}
	}
	free(path);
}

/* What is wrong with the body of a PUT, or NULL; "status" is 400 or 422. */
static const char *
check_put(json_object *body, int *status)
{
	json_object *source = json_get(body, "source");
	json_object *ignored = json_get(body, "ignore_dbs");
	int64_t port = json_int(source, "port", 1);
	static const char *const strings[] = {"dbname", "username", "password"};

	*status = 400;
	if (!json_object_is_type(body, json_type_object))
		return "invalid request body";
	*status = 422;
	json_object_object_foreach(body, key, value)
	{
		(void) value;
		if (strcmp(key, "source") != 0 && strcmp(key, "disable_ssl") != 0 && strcmp(key, "ignore_dbs") != 0)
			return "unknown field in request body";
	}
	if (!json_object_is_type(source, json_type_object))
		return "source is required";
	if (!json_object_is_type(json_get(source, "host"), json_type_string) || *json_string(source, "host", "") == '\0')
		return "source.host is required";
	if (json_has(source, "port") &&
		(!json_object_is_type(json_get(source, "port"), json_type_int) || port < 1 || port > 65535))
		return "source.port is invalid";
	for (size_t i = 0; i < lengthof(strings); i++)
		if (json_has(source, strings[i]) && !json_object_is_type(json_get(source, strings[i]), json_type_string))
			return "a field of source must be a string";
	if (json_has(body, "disable_ssl") && !json_object_is_type(json_get(body, "disable_ssl"), json_type_boolean))
		return "disable_ssl must be a boolean";
	if (json_has(body, "ignore_dbs") && !json_object_is_type(ignored, json_type_array))
		return "ignore_dbs must be an array of strings";
	for (size_t i = 0; ignored != NULL && i < json_object_array_length(ignored); i++)
		if (!json_object_is_type(json_object_array_get_idx(ignored, i), json_type_string))
			return "ignore_dbs must be an array of strings";
	return NULL;
}

static bool
can_migrate(const char *engine)
{
	return strcmp(engine, "mongodb") != 0 && strcmp(engine, "kafka") != 0 && strcmp(engine, "opensearch") != 0;
}

static void
answer_put(Exchange *exchange, Cluster *cluster)
{
	json_object *body = json_parse(exchange->body.data, exchange->body.length);
	int status;
	const char *wrong = check_put(body, &status);

	json_object_put(body);
	if (wrong == NULL && !can_migrate(cluster->engine))
		wrong = "online migration is not supported for this engine";
	if (wrong != NULL)
	{
		api_error(exchange, status, wrong);
		return;
	}
	migration_start(cluster);
	reply_json(&exchange->reply, 200,
			   migration_json(cluster->migration.id, "running", cluster->migration.created_at));
}

static void
answer_get_status(Exchange *exchange, const Cluster *cluster)
{
	const char *status;

	if (migration_status(cluster, &status))
		reply_json(&exchange->reply, 200,
				   migration_json(cluster->migration.id, status, cluster->migration.created_at));
	else
		api_error(exchange, 404, "The resource you requested could not be found.");
}

static void
answer_delete(Exchange *exchange, Cluster *cluster, const char *id)
{
	const char *status;

	migration_status(cluster, &status);
	if (!cluster->migration.exists || strcmp(cluster->migration.id, id) != 0 || migration_finished(status))
	{
		api_error(exchange, 404, "The resource you requested could not be found.");
		return;
	}
	migration_cancel(cluster);
	exchange->reply.status = 204;
}

static void
answer_cluster(Exchange *exchange, const Cluster *cluster)
{
	json_object *body = json_object_new_object();

	json_object_object_add(body, "database", cluster_json(cluster));
	reply_json(&exchange->reply, 200, body);
}

/* The account's cluster, or NULL. */
static Cluster *
find_cluster(const Route *route, const Token *token)
{
	Cluster *cluster = clusters_find(route->uuid);

	return (cluster != NULL && strcmp(cluster->account, token->account) == 0) ? cluster : NULL;
}

/* What the API does about a request that has passed the checks. */
static void
carry_out(Exchange *exchange, const Route *route, const Token *token)
{
	Cluster *cluster = find_cluster(route, token);

	if (cluster != NULL && cluster->latency_ms >= 0)
		exchange->reply.delay_ms = cluster->latency_ms;
	if (route->kind == KIND_LIST)
		list_answer(exchange, route, token);
	else if (route->kind == KIND_OTHER)
		api_error(exchange, route->known_path ? 405 : 404,
				  route->known_path ? "method not allowed" : "The resource you requested could not be found.");
	else if (cluster == NULL)
		api_error(exchange, 404, "The resource you requested could not be found.");
	else if (route->kind == KIND_GET_STATUS)
		answer_get_status(exchange, cluster);
	else if (route->kind == KIND_PUT)
		answer_put(exchange, cluster);
	else if (route->kind == KIND_DELETE_MIGRATION)
		answer_delete(exchange, cluster, route->migration_id);
	else if (route->kind == KIND_GET_CLUSTER)
		answer_cluster(exchange, cluster);
	else
	{
		clusters_remove(cluster);
		exchange->reply.status = 204;
	}
}

void
api_answer_plainly(Exchange *exchange, const Route *route, Token *token)
{
	bool reads = is_method(exchange, "GET");

	if (token == NULL)
		api_error(exchange, 401, "Unable to authenticate you.");
	else if (!(reads ? token->readable : token->writable))
		api_error(exchange, 403, "You are not authorized to perform this operation");
	else
		carry_out(exchange, route, token);
}

/* Unlike others, ids of requests tell which request it was since the reset. */
static void
identify(Exchange *exchange)
{
	char id[64];

	exchange->number = state_next_request();
	snprintf(id, sizeof(id), "00000000-0000-4000-9000-%012llx", (unsigned long long) exchange->number);
	fields_set(&exchange->reply.headers, "x-request-id", id);
}

/* Fill in the reply to a request. */
void
api_answer(Exchange *exchange)
{
	Token *token = tokens_find(exchange);
	bool admitted = (token == NULL || tokens_admit(token));
	Route route;

	find_route(exchange, &route);
	stats_request(exchange, route.kind);
	identify(exchange);
	fields_set(&exchange->reply.headers, "content-type", "application/json");
	tokens_headers(token, &exchange->reply, !admitted);
	exchange->reply.delay_ms = config.latency_ms;
	if (!admitted)
		api_error(exchange, 429, "API rate limit exceeded.");
	else if (!faults_answer(exchange, &route, token))
		api_answer_plainly(exchange, &route, token);
	free(route.migration_id);
	free(route.query);
}
