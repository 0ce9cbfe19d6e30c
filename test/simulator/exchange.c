/*-------------------------------------------------------------------------
 *
 * exchange.c
 *	  The life of one request: received, answered by somebody, delayed,
 *	  sent by its protocol, finished.
 *
 * Nothing here knows how bytes look on the wire.
 *
 *-------------------------------------------------------------------------
 */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "control.h"
#include "server.h"
#include "stats.h"

void
fields_add(Fields *fields, const char *name, const char *value)
{
	if (fields->count == fields->size)
	{
		fields->size = (fields->size == 0) ? 12 : fields->size * 2;
		fields->items = xrealloc(fields->items, (size_t) fields->size * sizeof(Field));
	}
	fields->items[fields->count].name = xstrdup(name);
	fields->items[fields->count].value = xstrdup(value);
	fields->count++;
}

void
fields_remove(Fields *fields, const char *name)
{
	int kept = 0;

	for (int i = 0; i < fields->count; i++)
	{
		if (strcasecmp(fields->items[i].name, name) == 0)
		{
			free(fields->items[i].name);
			free(fields->items[i].value);
		}
		else
			fields->items[kept++] = fields->items[i];
	}
	fields->count = kept;
}

void
fields_set(Fields *fields, const char *name, const char *value)
{
	fields_remove(fields, name);
	fields_add(fields, name, value);
}

const char *
fields_get(const Fields *fields, const char *name)
{
	for (int i = 0; i < fields->count; i++)
		if (strcasecmp(fields->items[i].name, name) == 0)
			return fields->items[i].value;
	return NULL;
}

void
fields_free(Fields *fields)
{
	for (int i = 0; i < fields->count; i++)
	{
		free(fields->items[i].name);
		free(fields->items[i].value);
	}
	free(fields->items);
	memset(fields, 0, sizeof(*fields));
}

/* Give the reply a copy of these bytes for its body. */
void
reply_body(Reply *reply, const void *data, size_t length)
{
	char *copy = xmemdup(data, length);

	free(reply->body);
	reply->body = copy;
	reply->length = length;
}

/* Give the reply this text for its body; the text is empty afterwards. */
void
reply_take_text(Reply *reply, Text *text)
{
	free(reply->body);
	reply->body = text->data;
	reply->length = text->length;
	memset(text, 0, sizeof(*text));
}

/* Answer with a JSON object, which is used up; NULL for no body. */
void
reply_json(Reply *reply, int status, json_object *object)
{
	reply->status = status;
	if (object == NULL)
		return;
	free(reply->body);
	reply->body = json_text(object);
	reply->length = strlen(reply->body);
	fields_set(&reply->headers, "content-type", "application/json");
	json_object_put(object);
}

/* Take status and body back, to answer something else instead. */
void
reply_clear(Reply *reply)
{
	fields_free(&reply->headers);
	free(reply->body);
	free(reply->stated_length);
	memset(reply, 0, sizeof(*reply));
	reply->cut_at = -1;
}

/* How many bytes of the body are sent? */
size_t
reply_cut_length(const Reply *reply)
{
	if (reply->cut != CUT_IN_BODY)
		return reply->length;
	if (reply->cut_at >= 0 && (size_t) reply->cut_at < reply->length)
		return (size_t) reply->cut_at;
	return reply->length / 2;
}

Exchange *
exchange_new(Connection *connection, int32_t stream)
{
	Exchange *exchange = xcalloc(1, sizeof(Exchange));

	exchange->connection = connection;
	exchange->stream = stream;
	exchange->reply.cut_at = -1;
	exchange->next = connection->exchanges;
	if (exchange->next != NULL)
		exchange->next->previous = exchange;
	connection->exchanges = exchange;
	return exchange;
}

/* Call back in so many milliseconds, unless the exchange ends before. */
void
exchange_timer(Exchange *exchange, event_callback_fn callback, int64_t ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	if (exchange->timer == NULL)
		exchange->timer = evtimer_new(event_base, callback, exchange);
	else
	{
		/* one that is pending must not be assigned again */
		evtimer_del(exchange->timer);
		evtimer_assign(exchange->timer, event_base, callback, exchange);
	}
	evtimer_add(exchange->timer, &wait);
}

static void
delay_passed(evutil_socket_t unused, short what, void *argument)
{
	Exchange *exchange = argument;

	(void) unused;
	(void) what;
	exchange->sending = true;
	exchange->connection->protocol->send(exchange);
}

/* A request is complete: find the answer, and have it sent in due time. */
void
exchange_received(Exchange *exchange)
{
	Reply *reply = &exchange->reply;

	exchange->connection->requests++;
	exchange->control = control_owns(exchange->path);
	if (exchange->control)
		control_answer(exchange);
	else
	{
		connection_count(exchange->connection);
		api_answer(exchange);
	}
	if (fields_get(&reply->headers, "date") == NULL)
		fields_set(&reply->headers, "date", http_date());

	if (reply->ending == END_HANG && reply->cut == CUT_BEFORE)
		return;
	if (reply->delay_ms > 0)
		exchange_timer(exchange, delay_passed, reply->delay_ms);
	else
		delay_passed(-1, EV_TIMEOUT, exchange);
}

/*
 * The protocol module is about to hand over the last bytes of the answer:
 * note it now, so that a client that has read them also finds it in the log.
 */
void
exchange_answered(Exchange *exchange)
{
	if (!exchange->control)
		stats_answer(exchange);
}

/* Forget an exchange: its answer is sent, or never will be. */
void
exchange_finish(Exchange *exchange)
{
	if (exchange->number > 0)
		stats_done();
	if (exchange->timer != NULL)
		event_free(exchange->timer);
	if (exchange->previous != NULL)
		exchange->previous->next = exchange->next;
	else
		exchange->connection->exchanges = exchange->next;
	if (exchange->next != NULL)
		exchange->next->previous = exchange->previous;
	free(exchange->protocol_data);
	free(exchange->method);
	free(exchange->path);
	fields_free(&exchange->headers);
	free(exchange->body.data);
	reply_clear(&exchange->reply);
	free(exchange);
}
