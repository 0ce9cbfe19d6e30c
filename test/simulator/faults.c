/*-------------------------------------------------------------------------
 *
 * faults.c
 *	  Which requests meet a fault.
 *
 * A fault is asked for by a control call, as a rule that later requests
 * are held against, or by the UUID of a cluster that does not exist:
 *
 *	0badc0de-0000-4000-8000-000000000NNN  answers HTTP status NNN
 *	0badc0de-0001-4000-8000-0000000000KK  fault number KK of the table
 *
 * Faults come before any check, as those of a proxy or a network would; so
 * a request with a wrong token meets them as well.
 *
 *-------------------------------------------------------------------------
 */
#include "faults.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "list.h"
#include "server.h"

#define MAGIC_STATUS "0badc0de-0000-4000-8000-000000000"
#define MAGIC_FAULT "0badc0de-0001-4000-8000-000000"

/* Faults to come, in the order in which they were asked for. */
typedef struct Rule
{
	struct Rule *next;
	const FaultKind *kind;
	json_object *parameters; /* of the control call; owned */
	int64_t met;			 /* requests that fit its conditions */
	int64_t served;			 /* of these, those that met the fault */
} Rule;

static Rule *rules;

static const FaultKind *
find_kind(const char *name)
{
	for (int i = 0; i < fault_kinds_count; i++)
		if (strcmp(fault_kinds[i].name, name) == 0)
			return &fault_kinds[i];
	return NULL;
}

/* The table, for those who want to choose. */
json_object *
faults_table(void)
{
	json_object *result = json_object_new_array();

	for (int i = 0; i < fault_kinds_count; i++)
	{
		json_object *object = json_object_new_object();

		json_object_object_add(object, "number", json_object_new_int(i + 1));
		json_put(object, "name", fault_kinds[i].name);
		json_put(object, "does", fault_kinds[i].does);
		json_object_array_add(result, object);
	}
	return result;
}

/* Take a rule; returns what is wrong with it, or NULL. */
const char *
faults_add(json_object *parameters)
{
	const char *name = json_string(parameters, "fault", "");
	const FaultKind *kind = find_kind(name);
	Rule **end = &rules;

	if (kind == NULL)
		return "no such fault";
	while (*end != NULL)
		end = &(*end)->next;
	*end = xcalloc(1, sizeof(Rule));
	(*end)->kind = kind;
	(*end)->parameters = json_object_get(parameters);
	return NULL;
}

void
faults_clear(void)
{
	while (rules != NULL)
	{
		Rule *next = rules->next;

		json_object_put(rules->parameters);
		free(rules);
		rules = next;
	}
}

/* The rules, with how often they were used. */
json_object *
faults_json(void)
{
	json_object *result = json_object_new_array();

	for (const Rule *rule = rules; rule != NULL; rule = rule->next)
	{
		json_object *object = json_object_new_object();

		json_object_object_foreach(rule->parameters, key, value)
			json_object_object_add(object, key, json_object_get(value));
		json_object_object_add(object, "met", json_object_new_int64(rule->met));
		json_object_object_add(object, "served", json_object_new_int64(rule->served));
		json_object_array_add(result, object);
	}
	return result;
}

/* Does the request fit the rule's conditions, but for counts? */
static bool
fits(const Rule *rule, const Exchange *exchange, const Route *route)
{
	json_object *parameters = rule->parameters;
	const char *uuid = json_string(parameters, "uuid", NULL);
	const char *method = json_string(parameters, "method", NULL);
	const char *http = json_string(parameters, "http", NULL);
	const char *token = json_string(parameters, "token", NULL);
	int64_t page = json_int(parameters, "page", 0);

	if (uuid != NULL && strcasecmp(uuid, route->uuid) != 0)
		return false;
	if (method != NULL && strcmp(method, "LIST") == 0)
	{
		if (route->kind != KIND_LIST)
			return false;
	}
	else if (method != NULL && (strcmp(method, exchange->method) != 0 || route->kind == KIND_LIST))
		return false;
	if (page > 0 && (route->kind != KIND_LIST || list_page(route) != page))
		return false;
	if (http != NULL && strncmp(http, exchange->connection->protocol->version, 1) != 0)
		return false;
	if (token != NULL)
	{
		const char *authorization = fields_get(&exchange->headers, "authorization");

		if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0 ||
			strcmp(authorization + 7, token) != 0)
			return false;
	}
	return !json_bool(parameters, "reused_only", false) || connection_reused(exchange->connection);
}

/* The first rule that applies to the request, which counts it. */
static Rule *
find_rule(const Exchange *exchange, const Route *route)
{
	for (Rule *rule = rules; rule != NULL; rule = rule->next)
	{
		int64_t times = json_int(rule->parameters, "times", -1);
		int64_t skip = json_int(rule->parameters, "skip", 0);
		int64_t every = json_int(rule->parameters, "every", 1);

		if ((times >= 0 && rule->served >= times) || !fits(rule, exchange, route))
			continue;
		rule->met++;
		if (rule->met <= skip || (every > 1 && (rule->met - skip) % every != 0))
			continue;
		rule->served++;
		return rule;
	}
	return NULL;
}

/* The fault that a cluster's UUID names, with parameters to be freed. */
static const FaultKind *
find_magic(const Route *route, json_object **parameters)
{
	const char *uuid = route->uuid;
	int number;

	*parameters = NULL;
	if (strncmp(uuid, MAGIC_STATUS, sizeof(MAGIC_STATUS) - 1) == 0)
	{
		number = atoi(uuid + sizeof(MAGIC_STATUS) - 1);
		if (number < 200 || number > 599)
			return NULL;
		*parameters = json_object_new_object();
		json_object_object_add(*parameters, "status", json_object_new_int(number));
		return find_kind("status");
	}
	if (strncmp(uuid, MAGIC_FAULT, sizeof(MAGIC_FAULT) - 1) == 0)
	{
		number = atoi(uuid + sizeof(MAGIC_FAULT) - 1);
		if (number >= 1 && number <= fault_kinds_count)
			return &fault_kinds[number - 1];
	}
	return NULL;
}

/* What the API answers when all is well. */
static void
sample_answer(Exchange *exchange, bool with_body)
{
	if (strcmp(exchange->method, "DELETE") == 0 && !with_body)
	{
		exchange->reply.status = 204;
		return;
	}
	reply_json(&exchange->reply, 200,
			   migration_json("77b28fc8-19ff-11eb-8c9c-c68e24557488",
							  strcmp(exchange->method, "GET") == 0 ? "done" : "running",
							  "2020-10-29T15:57:38Z"));
}

/* Fill in the answer that the fault is going to spoil. */
static void
answer_base(const FaultCall *call, const FaultKind *kind, bool magic, Token *token)
{
	Exchange *exchange = call->exchange;
	Reply *reply = &exchange->reply;
	bool get = (strcmp(exchange->method, "GET") == 0);

	if (json_bool(call->parameters, "apply", false) || (get && !magic && kind->base != BASE_NONE))
		api_answer_plainly(exchange, call->route, token);
	else
		sample_answer(exchange, false);
	if (kind->base == BASE_BODY && (reply->status != 200 || reply->length == 0))
		sample_answer(exchange, true);
	if (kind->base == BASE_NONE)
	{
		free(reply->body);
		reply->body = NULL;
		reply->length = 0;
		reply->status = 200;
	}
}

/* Parameters that all faults have. */
static void
apply_common(const FaultCall *call)
{
	Reply *reply = &call->exchange->reply;
	json_object *headers = json_get(call->parameters, "headers");

	reply->delay_ms += json_int(call->parameters, "delay_ms", 0);
	reply->chunked = json_bool(call->parameters, "chunked", reply->chunked);
	reply->no_notify = !json_bool(call->parameters, "close_notify", true);
	if (!json_object_is_type(headers, json_type_object))
		return;
	json_object_object_foreach(headers, name, value)
	{
		if (value == NULL)
			fields_remove(&reply->headers, name);
		else
			fields_set(&reply->headers, name, json_object_get_string(value));
	}
}

/* Answer with a fault, if the request is to meet one. */
bool
faults_answer(Exchange *exchange, const Route *route, Token *token)
{
	Rule *rule = find_rule(exchange, route);
	json_object *parameters = NULL;
	const FaultKind *kind = (rule != NULL) ? rule->kind : find_magic(route, &parameters);
	FaultCall call = {
		.exchange = exchange,
		.route = route,
		.token = token,
		.parameters = (rule != NULL) ? rule->parameters : parameters};

	if (kind == NULL)
		return false;
	exchange->fault = kind->name;
	answer_base(&call, kind, rule == NULL, token);
	kind->apply(&call);
	apply_common(&call);
	json_object_put(parameters);
	return true;
}
