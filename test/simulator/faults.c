/*-------------------------------------------------------------------------
 *
 * faults.c
 *	  Ways to misbehave, set by a control call or picked by a cluster's UUID.
 *
 * 0badc0de-0000-4000-8000-000000000NNN answers HTTP status NNN.
 * 0badc0de-0001-4000-8000-00000000000K meets the fault number K (decimal) of
 * the table below with its default parameters.
 *
 *-------------------------------------------------------------------------
 */
#include "faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "server.h"

/* Pause of the slow faults unless a parameter says else. */
#define SLOW_MS 1000

typedef struct FaultKind
{
	const char *name;
	void (*apply)(const Fault *fault, Exchange *exchange);
	bool serves; /* the answer is made first, and then spoilt */
	const char *what;
} FaultKind;

struct Fault
{
	Fault *next;
	const FaultKind *kind;
	json_object *parameters; /* the description, or NULL */
	char uuid[37];			 /* of a cluster, or empty: any */
	char method[8];			 /* GET, PUT, DELETE, LIST, or empty: any */
	int64_t skip;			 /* so many requests pass first */
	int64_t times;			 /* so many meet it; -1: all */
	bool reused_only;		 /* only on a connection that was used before */
	bool apply;				 /* a start or stop is carried out all the same */
	int status;				 /* of the magic UUIDs, or 0 */
};

static Fault *faults; /* in the order in which they were added */
static Fault magic;	  /* the one that a UUID picked */

static int64_t
parameter(const Fault *fault, const char *name, int64_t otherwise)
{
	return json_int(fault->parameters, name, otherwise);
}

static void
set_body(Exchange *exchange, const char *type, const char *body)
{
	fields_set(&exchange->reply.headers, "content-type", type);
	reply_body(&exchange->reply, body, strlen(body));
	if (exchange->reply.status == 0)
		exchange->reply.status = 200;
}

static void
set_json(Exchange *exchange, const char *body)
{
	exchange->reply.status = 200;
	set_body(exchange, "application/json", body);
}

/* ----- statuses ----- */

/* Headers of a description: {"headers": {"name": "value"}}. */
static void
add_given_headers(const Fault *fault, Exchange *exchange)
{
	json_object *headers = json_get(fault->parameters, "headers");

	if (!json_object_is_type(headers, json_type_object))
		return;
	json_object_object_foreach(headers, name, value)
		fields_set(&exchange->reply.headers, name, json_object_get_string(value));
}

static void
apply_status(const Fault *fault, Exchange *exchange)
{
	int status = fault->status > 0 ? fault->status : (int) parameter(fault, "status", 500);
	const char *retry_after = json_string(fault->parameters, "retry_after", NULL);
	const char *body = json_string(fault->parameters, "body", NULL);

	if (status >= 502 && status <= 504 && !json_has(fault->parameters, "message"))
	{
		set_body(exchange, "text/html", "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>");
		exchange->reply.status = status;
	}
	else
		api_error(exchange, status, json_string(fault->parameters, "id", NULL),
				  json_string(fault->parameters, "message", "The simulator was asked to answer so."));
	if (status >= 300 && status < 400)
		fields_set(&exchange->reply.headers, "location", "/v2/elsewhere");
	if (status == 429 && fault->parameters == NULL)
		retry_after = "29";
	if (retry_after != NULL)
		fields_set(&exchange->reply.headers, "retry-after", retry_after);
	if (body != NULL)
		reply_body(&exchange->reply, body, strlen(body));
	add_given_headers(fault, exchange);
}

static void
apply_redirect(const Fault *fault, Exchange *exchange)
{
	api_error(exchange, (int) parameter(fault, "status", 302), "redirect", "Elsewhere.");
	fields_set(&exchange->reply.headers, "location", json_string(fault->parameters, "location", "/v2/databases"));
}

static void
apply_echo_secrets(const Fault *fault, Exchange *exchange)
{
	const char *authorization = fields_get(&exchange->headers, "authorization");
	char *message = format("You sent %s and %s", authorization != NULL ? authorization : "nothing",
						   exchange->body.data != NULL ? exchange->body.data : "no body");

	api_error(exchange, (int) parameter(fault, "status", 422), NULL, message);
	free(message);
}

static void
apply_no_content(const Fault *fault, Exchange *exchange)
{
	(void) fault;
	reply_body(&exchange->reply, "", 0);
	exchange->reply.status = 204;
}

/* ----- time ----- */

static void
apply_slow_first_byte(const Fault *fault, Exchange *exchange)
{
	exchange->reply.delay_ms = parameter(fault, "ms", SLOW_MS);
}

static void
apply_drip(const Fault *fault, Exchange *exchange)
{
	exchange->reply.drip_ms = parameter(fault, "ms", 50);
}

static void
apply_hang(const Fault *fault, Exchange *exchange)
{
	(void) fault;
	exchange->reply.cut = CUT_BEFORE;
	exchange->reply.ending = END_HANG;
}

/* ----- endings ----- */

static void
cut_off(Exchange *exchange, Cut cut, Ending ending)
{
	exchange->reply.cut = cut;
	exchange->reply.ending = ending;
	if (exchange->reply.status == 0)
		set_json(exchange, "{\"id\":\"magic\",\"status\":\"running\",\"created_at\":\"2020-10-29T15:57:38Z\"}");
}

/* Ways to cut an answer off that need no more than that. */
static const struct
{
	const char *name;
	Cut cut;
	Ending ending;
} cuts[] = {
	{"reset_before", CUT_BEFORE, END_RESET},
	{"close_before", CUT_BEFORE, END_CLOSE},
	{"reset_in_headers", CUT_IN_HEADERS, END_RESET},
	{"close_in_headers", CUT_IN_HEADERS, END_CLOSE},
	{"reset_in_body", CUT_IN_BODY, END_RESET},
	{"close_in_body", CUT_IN_BODY, END_CLOSE},
	{"half_close", CUT_IN_BODY, END_HALF_CLOSE},
	{"rst_in_body", CUT_IN_BODY, END_KEEP},
};

static void
apply_cut(const Fault *fault, Exchange *exchange)
{
	for (size_t i = 0; i < lengthof(cuts); i++)
		if (strcmp(cuts[i].name, fault->kind->name) == 0)
			cut_off(exchange, cuts[i].cut, cuts[i].ending);
}

static void
apply_truncated_chunk(const Fault *fault, Exchange *exchange)
{
	(void) fault;
	cut_off(exchange, CUT_IN_BODY, END_CLOSE);
	exchange->reply.chunked = true;
}

static void
apply_bad_content_length(const Fault *fault, Exchange *exchange)
{
	cut_off(exchange, CUT_NONE, END_CLOSE);
	exchange->reply.stated_length = format("%lld", (long long) parameter(fault, "length", (int64_t) exchange->reply.length + 10));
}

static void
apply_goaway(const Fault *fault, Exchange *exchange)
{
	cut_off(exchange, CUT_BEFORE, END_GOAWAY);
	exchange->reply.covered = json_flag(fault->parameters, "covered", false);
	exchange->reply.error_code = (uint32_t) parameter(fault, "code", 0);
}

static void
apply_goaway_idle(const Fault *fault, Exchange *exchange)
{
	(void) fault;
	exchange->reply.ending = END_GOAWAY_IDLE;
}

static void
apply_rst_stream(const Fault *fault, Exchange *exchange)
{
	cut_off(exchange, CUT_BEFORE, END_RST_STREAM);
	exchange->reply.error_code = (uint32_t) parameter(fault, "code", 2);
}

/* ----- sizes ----- */

static void
apply_oversized_body(const Fault *fault, Exchange *exchange)
{
	size_t size = (size_t) parameter(fault, "size", 2 * 1024 * 1024);
	char *body = xcalloc(size + 1, 1);

	memset(body, ' ', size);
	body[0] = '{';
	body[size - 1] = '}';
	set_json(exchange, body);
	exchange->reply.status = (int) parameter(fault, "status", 200);
	exchange->reply.chunked = json_flag(fault->parameters, "chunked", false);
	free(body);
}

static void
apply_oversized_headers(const Fault *fault, Exchange *exchange)
{
	int64_t count = parameter(fault, "count", 100);
	char value[1001];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int64_t i = 0; i < count; i++)
		fields_add(&exchange->reply.headers, "x-filler", value);
}

static void
apply_many_1xx(const Fault *fault, Exchange *exchange)
{
	exchange->reply.early_hints = (int) parameter(fault, "count", 3);
}

static void
apply_empty_frames(const Fault *fault, Exchange *exchange)
{
	exchange->reply.flood_ms = parameter(fault, "ms", 12000);
}

static void
apply_deep_json(const Fault *fault, Exchange *exchange)
{
	int64_t depth = parameter(fault, "depth", 100);
	Text body = {0};

	text_puts(&body, "{\"id\":");
	for (int64_t i = 0; i < depth; i++)
		text_append(&body, "[", 1);
	for (int64_t i = 0; i < depth; i++)
		text_append(&body, "]", 1);
	text_puts(&body, "}");
	set_json(exchange, body.data);
	free(body.data);
}

/* ----- bodies ----- */

/* Bodies that need no more than being sent with status 200. */
static const struct
{
	const char *name;
	const char *type;
	const char *body;
} bodies[] = {
	{"not_json", "application/json", "This is not JSON."},
	{"html_200", "text/html", "<html><body>Welcome to the captive portal</body></html>"},
	{"truncated_json", "application/json", "{\"id\":\"magic\",\"status\":\"run"},
	{"invalid_utf8", "application/json", "{\"id\":\"mag\xff\xfeic\",\"status\":\"running\"}"},
	{"nul_escape", "application/json", "{\"id\":\"magic\",\"status\":\"run\\u0000ning\"}"},
	{"json_array", "application/json", "[{\"id\":\"magic\",\"status\":\"running\"}]"},
	{"json_scalar", "application/json", "\"running\""},
	{"json_null", "application/json", "null"},
	{"duplicate_keys", "application/json", "{\"id\":\"first\",\"id\":\"second\",\"status\":\"running\",\"created_at\":\"2020-10-29T15:57:38Z\"}"},
	{"trailing_garbage", "application/json", "{\"id\":\"magic\",\"status\":\"running\"} and more"},
	{"number_out_of_range", "application/json", "{\"id\":-1.5e308,\"status\":\"running\"}"},
	{"null_fields", "application/json", "{\"id\":null,\"status\":null,\"created_at\":null}"},
	{"missing_fields", "application/json", "{}"},
	{"bad_timestamp", "application/json", "{\"id\":\"magic\",\"status\":\"running\",\"created_at\":\"the day before yesterday\"}"},
	{"empty_200", "application/json", ""},
};

static void
apply_fixed_body(const Fault *fault, Exchange *exchange)
{
	for (size_t i = 0; i < lengthof(bodies); i++)
		if (strcmp(bodies[i].name, fault->kind->name) == 0)
		{
			exchange->reply.status = 200;
			set_body(exchange, bodies[i].type, bodies[i].body);
		}
}

static void
apply_wrong_type(const Fault *fault, Exchange *exchange)
{
	const char *field = json_string(fault->parameters, "field", "status");
	char *body = format("{\"id\":%s,\"status\":%s,\"created_at\":%s}",
						strcmp(field, "id") == 0 ? "{\"a\":1}" : "\"magic\"",
						strcmp(field, "status") == 0 ? "7" : "\"running\"",
						strcmp(field, "created_at") == 0 ? "true" : "\"2020-10-29T15:57:38Z\"");

	set_json(exchange, body);
	free(body);
}

static void
apply_unknown_status(const Fault *fault, Exchange *exchange)
{
	char *body = format("{\"id\":\"magic\",\"status\":\"%s\",\"created_at\":\"2020-10-29T15:57:38Z\"}",
						json_string(fault->parameters, "value", "paused"));

	set_json(exchange, body);
	free(body);
}

/* A gzip member whose data is stored, not compressed. */
static void
apply_gzip_body(const Fault *fault, Exchange *exchange)
{
	static const char head[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x01";
	Reply *reply = &exchange->reply;
	uint32_t crc = crc32_of(reply->body, reply->length);
	uint16_t length = (uint16_t) reply->length;
	unsigned char sizes[4] = {(unsigned char) length, (unsigned char) (length >> 8),
							  (unsigned char) ~length, (unsigned char) (~length >> 8)};
	unsigned char tail[8];
	Text body = {0};

	(void) fault;
	for (int i = 0; i < 4; i++)
	{
		tail[i] = (unsigned char) (crc >> (8 * i));
		tail[4 + i] = (unsigned char) (reply->length >> (8 * i));
	}
	text_append(&body, head, sizeof(head) - 1);
	text_append(&body, sizes, sizeof(sizes));
	text_append(&body, reply->body, reply->length);
	text_append(&body, tail, sizeof(tail));
	reply_take_text(reply, &body);
	fields_set(&reply->headers, "content-encoding", "gzip");
}

/*
 * {"body": text} or {"body_base64": ...}, "status", "headers", "raw", "split".  With
 * {"repeat": text, "count": n, "tail": text} the body goes on with that.
 */
static void
apply_custom(const Fault *fault, Exchange *exchange)
{
	const char *encoded = json_string(fault->parameters, "body_base64", NULL);
	const char *repeat = json_string(fault->parameters, "repeat", "");
	Text body = {0};
	Text decoded = {0};

	text_puts(&body, json_string(fault->parameters, "body", ""));
	for (int64_t i = parameter(fault, "count", 0); i > 0; i--)
		text_puts(&body, repeat);
	text_puts(&body, json_string(fault->parameters, "tail", ""));
	set_json(exchange, body.data);
	free(body.data);
	if (encoded != NULL && base64_decode(encoded, &decoded))
		reply_take_text(&exchange->reply, &decoded);
	exchange->reply.status = (int) parameter(fault, "status", 200);
	exchange->reply.raw = json_flag(fault->parameters, "raw", false);
	exchange->reply.split = parameter(fault, "split", 0);
	add_given_headers(fault, exchange);
}

/* ----- the table ----- */

/* Its order gives the numbers of the magic UUIDs, from 1: append only. */
static const FaultKind kinds[] = {
	{"status", apply_status, false, "an HTTP status: status, message, id, body, headers, retry_after"},
	{"redirect", apply_redirect, false, "a redirect: status, location"},
	{"echo_secrets", apply_echo_secrets, false, "an error whose message holds the token and the body"},
	{"no_content_204", apply_no_content, false, "204 where a body belongs"},
	{"slow_first_byte", apply_slow_first_byte, true, "the answer begins late: ms"},
	{"drip", apply_drip, true, "the body comes byte by byte: ms"},
	{"hang", apply_hang, false, "no answer, ever"},
	{"reset_before", apply_cut, true, "connection reset before the answer"},
	{"close_before", apply_cut, true, "connection closed before the answer"},
	{"reset_in_headers", apply_cut, true, "connection reset within the headers"},
	{"close_in_headers", apply_cut, true, "connection closed within the headers"},
	{"reset_in_body", apply_cut, true, "connection reset within the body"},
	{"close_in_body", apply_cut, true, "connection closed within the body"},
	{"truncated_chunk", apply_truncated_chunk, true, "connection closed within a chunk"},
	{"half_close", apply_cut, true, "sending side closed within the body"},
	{"bad_content_length", apply_bad_content_length, true, "content-length of more than the body: length"},
	{"goaway", apply_goaway, true, "GOAWAY instead of the answer: covered, code"},
	{"goaway_idle", apply_goaway_idle, true, "connection closed after the answer"},
	{"rst_stream", apply_rst_stream, true, "RST_STREAM instead of the answer: code"},
	{"oversized_body", apply_oversized_body, false, "a huge body: size, chunked, status"},
	{"oversized_headers", apply_oversized_headers, true, "headers of 1 kB each: count"},
	{"many_1xx", apply_many_1xx, true, "interim answers first: count"},
	{"deep_json", apply_deep_json, false, "deeply nested JSON: depth"},
	{"wrong_type", apply_wrong_type, false, "a field of another type: field"},
	{"unknown_status", apply_unknown_status, false, "a status of another word: value"},
	{"gzip_body", apply_gzip_body, true, "content-encoding gzip, not asked for"},
	{"custom", apply_custom, false, "any answer: body or body_base64, status, headers, raw, split; repeat, count, tail"},
	{"not_json", apply_fixed_body, false, "text that is no JSON"},
	{"html_200", apply_fixed_body, false, "a page with status 200"},
	{"truncated_json", apply_fixed_body, false, "JSON that ends early"},
	{"invalid_utf8", apply_fixed_body, false, "bytes that are no UTF-8"},
	{"nul_escape", apply_fixed_body, false, "\\u0000 in a string"},
	{"json_array", apply_fixed_body, false, "an array"},
	{"json_scalar", apply_fixed_body, false, "a string"},
	{"json_null", apply_fixed_body, false, "null"},
	{"duplicate_keys", apply_fixed_body, false, "a key twice"},
	{"trailing_garbage", apply_fixed_body, false, "text behind the JSON"},
	{"number_out_of_range", apply_fixed_body, false, "a huge number for an id"},
	{"null_fields", apply_fixed_body, false, "all fields null"},
	{"missing_fields", apply_fixed_body, false, "an empty object"},
	{"bad_timestamp", apply_fixed_body, false, "created_at is no time"},
	{"empty_200", apply_fixed_body, false, "an empty body with status 200"},
	{"rst_in_body", apply_cut, true, "RST_STREAM within the body; HTTP/1.1: the body stops"},
	{"empty_frames", apply_empty_frames, true, "HTTP/2: empty frames without a pause instead of a body: ms"},
};

/* ----- which one ----- */

static bool
is_of_method(const Fault *fault, const Exchange *exchange, Kind kind)
{
	if (fault->method[0] == '\0')
		return true;
	if (strcmp(fault->method, "LIST") == 0)
		return kind == KIND_LIST;
	return kind != KIND_LIST && strcmp(fault->method, exchange->method) == 0;
}

/* If the fault is for one value of the query's parameter only: is it that? */
static bool
is_of_query(const Fault *fault, const Exchange *exchange, const char *name, const char *query_name)
{
	const char *query = strchr(exchange->path, '?');
	json_object *wanted = json_get(fault->parameters, name);
	char *value;
	bool same;

	if (wanted == NULL)
		return true;
	value = query_parameter(query != NULL ? query + 1 : NULL, query_name);
	same = value != NULL && strcmp(value, json_object_get_string(wanted)) == 0;
	free(value);
	return same;
}

/* The fault that a magic UUID stands for, or NULL. */
static Fault *
magic_fault(const char *uuid)
{
	int number;

	if (strncmp(uuid, "0badc0de-000", 12) != 0)
		return NULL;
	number = atoi(uuid + 24);
	memset(&magic, 0, sizeof(magic));
	magic.times = -1;
	if (uuid[12] == '0' && number >= 200 && number < 600)
	{
		magic.kind = &kinds[0];
		magic.status = number;
		return &magic;
	}
	if (uuid[12] == '1' && number >= 1 && number <= (int) lengthof(kinds))
	{
		magic.kind = &kinds[number - 1];
		return &magic;
	}
	return NULL;
}

Fault *
fault_find(const Exchange *exchange, Kind kind, const char *uuid)
{
	for (Fault *fault = faults; fault != NULL; fault = fault->next)
	{
		if (fault->times == 0 || !is_of_method(fault, exchange, kind) ||
			(fault->uuid[0] != '\0' && strcmp(fault->uuid, uuid) != 0) ||
			(fault->reused_only && !connection_reused(exchange->connection)) ||
			!is_of_query(fault, exchange, "page", "page") || !is_of_query(fault, exchange, "tag", "tag_name"))
			continue;
		if (fault->skip > 0)
		{
			fault->skip--;
			continue;
		}
		if (fault->times > 0)
			fault->times--;
		return fault;
	}
	return magic_fault(uuid);
}

bool
fault_serves(const Fault *fault, Kind kind)
{
	if (kind == KIND_PUT || kind == KIND_DELETE_MIGRATION || kind == KIND_DESTROY_CLUSTER)
	{
		/* slow or odd is not the same as lost */
		return fault->apply || fault->kind->apply == apply_slow_first_byte || fault->kind->apply == apply_drip ||
			   fault->kind->apply == apply_goaway_idle || fault->kind->apply == apply_many_1xx ||
			   fault->kind->apply == apply_oversized_headers || fault->kind->apply == apply_gzip_body;
	}
	return fault->kind->serves;
}

void
fault_apply(const Fault *fault, Exchange *exchange)
{
	exchange->fault = fault->kind->name;
	fault->kind->apply(fault, exchange);
}

const char *
fault_add(json_object *description)
{
	const char *name = json_string(description, "fault", "");
	Fault *fault;
	Fault **end = &faults;

	for (size_t i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		fault = xcalloc(1, sizeof(Fault));
		fault->kind = &kinds[i];
		fault->parameters = json_object_get(description);
		snprintf(fault->uuid, sizeof(fault->uuid), "%s", json_string(description, "uuid", ""));
		snprintf(fault->method, sizeof(fault->method), "%s", json_string(description, "method", ""));
		fault->skip = json_int(description, "skip", 0);
		fault->times = json_int(description, "times", -1);
		fault->reused_only = json_flag(description, "reused_only", false);
		fault->apply = json_flag(description, "apply", false);
		while (*end != NULL)
			end = &(*end)->next;
		*end = fault;
		return NULL;
	}
	return "There is no such fault.";
}

void
faults_reset(void)
{
	while (faults != NULL)
	{
		Fault *next = faults->next;

		json_object_put(faults->parameters);
		free(faults);
		faults = next;
	}
}

json_object *
faults_list(void)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < lengthof(kinds); i++)
	{
		json_object *entry = json_object_new_object();

		json_object_object_add(entry, "number", json_object_new_int((int) i + 1));
		json_put(entry, "name", kinds[i].name);
		json_put(entry, "what", kinds[i].what);
		json_object_array_add(list, entry);
	}
	return list;
}
