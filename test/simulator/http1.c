/*-------------------------------------------------------------------------
 *
 * http1.c
 *	  HTTP/1.1: reads requests, writes answers, one at a time.
 *
 * The parser takes what well-behaved clients send: a request line, header
 * fields, and a body with a content-length or in chunks.  Everything else
 * gets a 400 and the connection closed.  A request that comes before its
 * predecessor is answered waits in the input buffer.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/buffer.h>

/* Largest request line with header fields, and largest request body. */
#define MAX_HEAD 262144
#define MAX_BODY 16777216

/* What a client's TLS begins with. */
#define TLS_HANDSHAKE 0x16

/* The pause between the two parts of what is sent in two, in milliseconds. */
#define SPLIT_MS 50

/* Bytes that may wait in the input buffer before reading pauses. */
#define MAX_WAITING (MAX_HEAD + MAX_BODY)

typedef enum Step
{
	STEP_HEAD,       /* waiting for the end of the header fields */
	STEP_BODY,       /* for a body of known length */
	STEP_CHUNK_SIZE, /* for the line that opens a chunk */
	STEP_CHUNK,      /* for a chunk and its line end */
	STEP_TRAILER,    /* for the empty line after the last chunk */
	STEP_ANSWER      /* for our own answer to be complete */
} Step;

typedef struct Http1
{
	Step step;         /* what is next */
	Exchange *current; /* the request being read or answered */
	size_t wanted;     /* bytes of the body or of the chunk */
	size_t sent;       /* bytes of a dripped body */
	bool last;         /* the client asked to close after this answer */
	bool busy;         /* http1_input() is on the stack */
} Http1;

static void http1_input(Connection *connection);
static void continue_sending(Exchange *exchange);

static const char *
reason_phrase(int status)
{
	switch (status)
	{
		case 200:
			return "OK";
		case 204:
			return "No Content";
		case 400:
			return "Bad Request";
		case 401:
			return "Unauthorized";
		case 403:
			return "Forbidden";
		case 404:
			return "Not Found";
		case 429:
			return "Too Many Requests";
		case 500:
			return "Internal Server Error";
		case 502:
			return "Bad Gateway";
		case 503:
			return "Service Unavailable";
		case 504:
			return "Gateway Timeout";
		default:
			return "Simulated";
	}
}

static void
http1_open(Connection *connection)
{
	connection->state = xcalloc(1, sizeof(Http1));
	bufferevent_setwatermark(connection->stream, EV_READ, 0, MAX_WAITING);
}

static void
http1_close(Connection *connection)
{
	free(connection->state);
}

/* There is nothing of the kind in HTTP/1.1. */
static void
http1_goaway(Connection *connection)
{
	(void) connection;
}

/* Not a request that we understand. */
static void
refuse(Connection *connection)
{
	static const char answer[] =
		"HTTP/1.1 400 Bad Request\r\n"
		"content-length: 0\r\n"
		"connection: close\r\n"
		"\r\n";

	evbuffer_add(bufferevent_get_output(connection->stream), answer, sizeof(answer) - 1);
	connection_finish(connection, END_CLOSE);
}

/* Take one header field, without its line end; false if it is none. */
static bool
parse_field(Exchange *exchange, char *line)
{
	char *colon = strchr(line, ':');
	char *value;
	char *end;

	if (colon == NULL || colon == line || isspace((unsigned char) colon[-1]))
		return false;
	*colon = '\0';
	for (char *c = line; c < colon; c++)
		*c = (char) tolower((unsigned char) *c);
	value = colon + 1;
	value += strspn(value, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	fields_add(&exchange->headers, line, value);
	return true;
}

/* Take a request line and header fields, which this cuts up. */
static bool
parse_head(Exchange *exchange, char *head)
{
	char *line = strsep(&head, "\n");
	char *space = strchr(line, ' ');
	char *version = strrchr(line, ' ');

	if (space == NULL || version == space || space == line ||
		(strcmp(version + 1, "HTTP/1.1\r") != 0 && strcmp(version + 1, "HTTP/1.0\r") != 0))
		return false;
	((Http1 *) exchange->connection->state)->last = (version[8] == '0');
	exchange->method = xmemdup(line, (size_t) (space - line));
	exchange->path = xmemdup(space + 1, (size_t) (version - space - 1));
	while ((line = strsep(&head, "\n")) != NULL)
	{
		size_t length = strlen(line);

		if (length == 0 || line[length - 1] != '\r')
			return length == 0 && head == NULL;
		line[length - 1] = '\0';
		if (length == 1)
			return true;
		if (!parse_field(exchange, line))
			return false;
	}
	return true;
}

/* Parse a non-negative number that is all of the text. */
static bool
parse_size(const char *text, int base, size_t *size)
{
	char *end;
	unsigned long long value = strtoull(text, &end, base);

	if (!isxdigit((unsigned char) *text) || value > MAX_BODY ||
		(*end != '\0' && *end != ';' && *end != '\r'))
		return false;
	*size = (size_t) value;
	return true;
}

/* What the header fields say of what follows them. */
static bool
expect_body(Connection *connection)
{
	Http1 *http = connection->state;
	const Fields *headers = &http->current->headers;
	const char *length = fields_get(headers, "content-length");
	const char *encoding = fields_get(headers, "transfer-encoding");
	const char *expect = fields_get(headers, "expect");
	const char *close = fields_get(headers, "connection");

	http->wanted = 0;
	http->step = STEP_BODY;
	if (encoding != NULL)
	{
		if (strcasecmp(encoding, "chunked") != 0 || length != NULL)
			return false;
		http->step = STEP_CHUNK_SIZE;
	}
	else if (length != NULL && !parse_size(length, 10, &http->wanted))
		return false;
	if (close != NULL && strcasecmp(close, "close") == 0)
		http->last = true;
	if (expect != NULL && strcasecmp(expect, "100-continue") == 0)
		evbuffer_add_printf(bufferevent_get_output(connection->stream), "HTTP/1.1 100 Continue\r\n\r\n");
	return true;
}

/* Read header fields; false if more bytes have to come, or if refused. */
static bool
read_head(Connection *connection, struct evbuffer *input)
{
	Http1 *http = connection->state;
	struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
	char *head;
	bool good;

	if (end.pos < 0)
	{
		const unsigned char *first = evbuffer_pullup(input, 1);

		/* most servers do not wait for the end of what begins like TLS */
		if (evbuffer_get_length(input) > MAX_HEAD || (first != NULL && *first == TLS_HANDSHAKE))
			refuse(connection);
		return false;
	}
	head = xcalloc(1, (size_t) end.pos + 5);
	evbuffer_remove(input, head, (size_t) end.pos + 4);
	http->current = exchange_new(connection, 0);
	good = strlen(head) == (size_t) end.pos + 4 && parse_head(http->current, head) && expect_body(connection);
	free(head);
	if (!good)
	{
		exchange_finish(http->current);
		http->current = NULL;
		refuse(connection);
	}
	return good;
}

/* Move this many bytes to the request's body; false if not all are here. */
static bool
read_bytes(Exchange *exchange, struct evbuffer *input, size_t wanted)
{
	if (evbuffer_get_length(input) < wanted)
		return false;
	if (wanted > 0)
	{
		text_append(&exchange->body, evbuffer_pullup(input, (ev_ssize_t) wanted), wanted);
		evbuffer_drain(input, wanted);
	}
	return true;
}

/* Read the line that opens a chunk, or one of the trailer. */
static bool
read_line(Connection *connection, struct evbuffer *input)
{
	Http1 *http = connection->state;
	char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF_STRICT);
	bool good = true;

	if (line == NULL)
		return false;
	if (http->step == STEP_TRAILER)
		http->step = (*line == '\0') ? STEP_ANSWER : STEP_TRAILER;
	else
	{
		good = parse_size(line, 16, &http->wanted) && http->current->body.length + http->wanted <= MAX_BODY;
		http->step = (http->wanted == 0) ? STEP_TRAILER : STEP_CHUNK;
	}
	free(line);
	if (!good)
		refuse(connection);
	return good;
}

/* Take one step; false if more bytes, or our answer, have to come first. */
static bool
take_step(Connection *connection, struct evbuffer *input)
{
	Http1 *http = connection->state;

	switch (http->step)
	{
		case STEP_HEAD:
			return read_head(connection, input);
		case STEP_BODY:
			if (!read_bytes(http->current, input, http->wanted))
				return false;
			http->step = STEP_ANSWER;
			break;
		case STEP_CHUNK:
			if (evbuffer_get_length(input) < http->wanted + 2)
				return false;
			read_bytes(http->current, input, http->wanted);
			evbuffer_drain(input, 2);
			http->step = STEP_CHUNK_SIZE;
			return true;
		case STEP_CHUNK_SIZE:
		case STEP_TRAILER:
			if (!read_line(connection, input))
				return false;
			if (http->step != STEP_ANSWER)
				return true;
			break;
		case STEP_ANSWER:
			return false;
	}
	exchange_received(http->current);
	return true;
}

static void
http1_input(Connection *connection)
{
	Http1 *http = connection->state;

	if (http->busy)
		return;
	http->busy = true;
	while (!connection->deaf && take_step(connection, bufferevent_get_input(connection->stream)))
		;
	http->busy = false;
}

/* The answer's status line and header fields. */
static void
compose_head(const Exchange *exchange, Text *out)
{
	const Reply *reply = &exchange->reply;
	const Http1 *http = exchange->connection->state;

	for (int i = 0; i < reply->early_hints; i++)
		text_puts(out, "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n");
	text_printf(out, "HTTP/1.1 %d %s\r\n", reply->status, reason_phrase(reply->status));
	for (int i = 0; i < reply->headers.count; i++)
	{
		text_puts(out, reply->headers.items[i].name);
		text_append(out, ": ", 2);
		text_puts(out, reply->headers.items[i].value);
		text_append(out, "\r\n", 2);
	}
	if (reply->chunked)
		text_puts(out, "transfer-encoding: chunked\r\n");
	else if (reply->stated_length != NULL)
		text_printf(out, "content-length: %s\r\n", reply->stated_length);
	else if (reply->status != 204 && reply->status != 304)
		text_printf(out, "content-length: %zu\r\n", reply->length);
	if (http->last)
		text_puts(out, "connection: close\r\n");
	text_append(out, "\r\n", 2);
}

/* All that is meant to be sent has been handed over: now the ending. */
static void
end_answer(Exchange *exchange)
{
	Connection *connection = exchange->connection;
	Http1 *http = connection->state;
	const Reply *reply = &exchange->reply;
	Ending ending = reply->ending;

	if (ending == END_HANG)
		return;
	connection->no_notify = reply->no_notify;
	exchange_finish(exchange);
	http->current = NULL;
	http->step = STEP_HEAD;
	if (ending == END_RESET || ending == END_RST_STREAM)
		connection_finish(connection, END_RESET);
	else if (ending == END_HALF_CLOSE)
		connection_finish(connection, END_HALF_CLOSE);
	else if (ending != END_KEEP || http->last)
		connection_finish(connection, END_CLOSE);
	else
		http1_input(connection);
}

static void
next_drip(evutil_socket_t unused, short what, void *argument)
{
	(void) unused;
	(void) what;
	continue_sending(argument);
}

/* Send the next byte of a dripped body, and end after the last. */
static void
continue_sending(Exchange *exchange)
{
	Http1 *http = exchange->connection->state;
	struct evbuffer *output = bufferevent_get_output(exchange->connection->stream);
	const Reply *reply = &exchange->reply;

	if (http->sent < reply_cut_length(reply))
	{
		if (reply->chunked)
			evbuffer_add_printf(output, "1\r\n%c\r\n", reply->body[http->sent]);
		else
			evbuffer_add(output, reply->body + http->sent, 1);
		http->sent++;
		exchange_timer(exchange, next_drip, reply->drip_ms);
		return;
	}
	if (reply->chunked && reply->cut == CUT_NONE)
		evbuffer_add(output, "0\r\n\r\n", 5);
	end_answer(exchange);
}

/* The body, or as much of it as is sent, in one go. */
static void
compose_body(const Reply *reply, Text *out)
{
	size_t length = reply_cut_length(reply);

	if (reply->chunked && reply->length > 0)
		text_printf(out, "%zx\r\n", reply->length);
	text_append(out, reply->body, length);
	if (reply->chunked && reply->cut == CUT_NONE)
		text_puts(out, (reply->length > 0) ? "\r\n0\r\n\r\n" : "0\r\n\r\n");
}

/* The rest of bytes that are sent in two parts, as TLS records of their own. */
static void
send_rest(evutil_socket_t unused, short what, void *argument)
{
	Exchange *exchange = argument;
	const Reply *reply = &exchange->reply;

	(void) unused;
	(void) what;
	bufferevent_write(exchange->connection->stream, reply->body + reply->split, reply->length - (size_t) reply->split);
	end_answer(exchange);
}

static void
http1_send(Exchange *exchange)
{
	Connection *connection = exchange->connection;
	Http1 *http = connection->state;
	const Reply *reply = &exchange->reply;
	Text out = {0};

	exchange_answered(exchange);
	/* the sending side is closed already: requests are only looked at */
	if (connection->closing)
		return;
	if (reply->cut != CUT_BEFORE && !reply->raw)
		compose_head(exchange, &out);
	if (reply->cut == CUT_IN_HEADERS)
		out.length /= 2;
	else if (reply->cut != CUT_BEFORE && reply->drip_ms == 0)
		compose_body(reply, &out);
	if (reply->raw && reply->split > 0 && (size_t) reply->split < out.length)
	{
		bufferevent_write(connection->stream, out.data, (size_t) reply->split);
		free(out.data);
		exchange_timer(exchange, send_rest, SPLIT_MS);
		return;
	}
	if (out.length > 0)
		bufferevent_write(connection->stream, out.data, out.length);
	free(out.data);
	http->sent = 0;
	if (reply->drip_ms > 0 && (reply->cut == CUT_NONE || reply->cut == CUT_IN_BODY))
		exchange_timer(exchange, next_drip, reply->drip_ms);
	else
		end_answer(exchange);
}

/* Everything was handed over at once; there is no more. */
static void
http1_drained(Connection *connection)
{
	(void) connection;
}

const Protocol http1_protocol = {
	.version = "1.1",
	.open = http1_open,
	.input = http1_input,
	.drained = http1_drained,
	.send = http1_send,
	.goaway = http1_goaway,
	.close = http1_close};
