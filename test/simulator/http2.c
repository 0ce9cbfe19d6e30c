/*-------------------------------------------------------------------------
 *
 * http2.c
 *	  HTTP/2, by way of nghttp2.
 *
 * nghttp2 must not be asked to send while it calls us back, and some ways
 * to go wrong need a say in what is sent.  So complete requests are first
 * collected in a queue, which is worked off once the input is digested.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <nghttp2/nghttp2.h>

#include "state.h"
#include "stats.h"

/* Output that may wait for the client before nghttp2 is asked for more. */
#define MAX_OUTPUT 262144

/* Largest request body, and largest header section that a fault may send. */
#define MAX_BODY 16777216
#define MAX_REPLY_HEADERS 16777216

/* What this module keeps about an exchange. */
typedef struct Stream
{
	Exchange *next_ready; /* the next complete request in the queue */
	size_t sent;		  /* bytes of the body given to nghttp2 */
	size_t allowed;		  /* bytes of it that may be given */
	bool done;			  /* all that is meant to be sent was given */
	bool ended;			  /* the ending has happened */
} Stream;

typedef struct Http2
{
	nghttp2_session *session; /* owned */
	Exchange *ready;		  /* queue of complete requests */
	Exchange **ready_end;	  /* where its next one goes */
	int32_t last_stream;	  /* the highest one with a complete request */
	bool busy;				  /* nghttp2 or work() is on the stack */
	bool goaway;			  /* close once no request is in flight */
} Http2;

static void work(Connection *connection);

static Stream *
stream_of(const Exchange *exchange)
{
	return exchange->protocol_data;
}

static int
begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *argument)
{
	Exchange *exchange;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	stats_stream();
	exchange = exchange_new(argument, frame->hd.stream_id);
	exchange->protocol_data = xcalloc(1, sizeof(Stream));
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange);
	return 0;
}

static int
header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
	   const uint8_t *value, size_t value_length, uint8_t flags, void *argument)
{
	Exchange *exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	char **target = NULL;

	(void) name_length;
	(void) flags;
	(void) argument;
	if (exchange == NULL)
		return 0;
	if (strcmp((const char *) name, ":method") == 0)
		target = &exchange->method;
	else if (strcmp((const char *) name, ":path") == 0)
		target = &exchange->path;
	else if (strcmp((const char *) name, ":authority") == 0)
		fields_add(&exchange->headers, "host", (const char *) value);
	else if (*name != ':')
		fields_add(&exchange->headers, (const char *) name, (const char *) value);
	if (target != NULL && *target == NULL)
		*target = xmemdup(value, value_length);
	return 0;
}

static int
data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t length, void *argument)
{
	Exchange *exchange = nghttp2_session_get_stream_user_data(session, stream);

	(void) flags;
	(void) argument;
	if (exchange == NULL)
		return 0;
	if (exchange->body.length + length > MAX_BODY)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	text_append(&exchange->body, data, length);
	return 0;
}

static int
frame_received(nghttp2_session *session, const nghttp2_frame *frame, void *argument)
{
	Connection *connection = argument;
	Http2 *http = connection->state;
	Exchange *exchange;

	if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
		(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (exchange == NULL || exchange->method == NULL || exchange->path == NULL)
		return 0;
	*http->ready_end = exchange;
	http->ready_end = &stream_of(exchange)->next_ready;
	http->last_stream = frame->hd.stream_id;
	return 0;
}

static void
unqueue(Http2 *http, Exchange *exchange)
{
	Exchange **link = &http->ready;

	while (*link != NULL && *link != exchange)
		link = &stream_of(*link)->next_ready;
	if (*link == NULL)
		return;
	*link = stream_of(exchange)->next_ready;
	if (http->ready_end == &stream_of(exchange)->next_ready)
		http->ready_end = link;
}

static void
forget(Exchange *exchange)
{
	unqueue(exchange->connection->state, exchange);
	exchange_finish(exchange);
}

/* Answered, or reset by either side. */
static int
stream_closed(nghttp2_session *session, int32_t stream, uint32_t error, void *argument)
{
	Exchange *exchange = nghttp2_session_get_stream_user_data(session, stream);

	(void) error;
	(void) argument;
	if (exchange != NULL)
	{
		nghttp2_session_set_stream_user_data(session, stream, NULL);
		forget(exchange);
	}
	return 0;
}

static ssize_t
read_body(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t size, uint32_t *flags,
		  nghttp2_data_source *source, void *argument)
{
	Exchange *exchange = source->ptr;
	const Reply *reply = &exchange->reply;
	Stream *stream = stream_of(exchange);
	size_t end = reply_cut_length(reply);
	size_t length = stream->allowed - stream->sent;

	(void) session;
	(void) id;
	(void) argument;
	if (length > size)
		length = size;
	if (length > 0)
		memcpy(buffer, reply->body + stream->sent, length);
	stream->sent += length;
	if (stream->sent == end && reply->cut == CUT_NONE && reply->ending != END_HANG)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	else if (length == 0)
	{
		stream->done = (stream->sent == end);
		return NGHTTP2_ERR_DEFERRED;
	}
	return (ssize_t) length;
}

static nghttp2_session *
new_session(Connection *connection)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	nghttp2_session *session;

	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
	nghttp2_option_new(&option);
	nghttp2_option_set_max_send_header_block_length(option, MAX_REPLY_HEADERS);
	if (nghttp2_session_server_new2(&session, callbacks, connection, option) != 0)
		abort();
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return session;
}

static void
http2_open(Connection *connection)
{
	Http2 *http = xcalloc(1, sizeof(Http2));
	nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t) config.max_concurrent_streams}};

	connection->state = http;
	http->ready_end = &http->ready;
	http->session = new_session(connection);
	nghttp2_submit_settings(http->session, NGHTTP2_FLAG_NONE, settings, lengthof(settings));
	work(connection);
}

/* The connection is being freed, its exchanges are gone already. */
static void
http2_close(Connection *connection)
{
	Http2 *http = connection->state;

	nghttp2_session_del(http->session);
	free(http);
}

/* Pass on what nghttp2 has to send, as long as the client takes it. */
static void
flush(Connection *connection)
{
	Http2 *http = connection->state;
	struct evbuffer *output = bufferevent_get_output(connection->stream);
	Text bytes = {0};

	while (!connection->closing && evbuffer_get_length(output) + bytes.length < MAX_OUTPUT)
	{
		const uint8_t *data;
		ssize_t length = nghttp2_session_mem_send(http->session, &data);

		if (length <= 0)
			break;
		text_append(&bytes, data, (size_t) length);
	}
	if (bytes.length > 0)
		evbuffer_add(output, bytes.data, bytes.length);
	free(bytes.data);
}

static void
make_field(nghttp2_nv *nv, const char *name, const char *value)
{
	nv->name = (uint8_t *) (uintptr_t) name;
	nv->value = (uint8_t *) (uintptr_t) value;
	nv->namelen = strlen(name);
	nv->valuelen = strlen(value);
	nv->flags = NGHTTP2_NV_FLAG_NONE;
}

/* Give nghttp2 the answer; it sends it by and by. */
static void
submit(Exchange *exchange)
{
	Http2 *http = exchange->connection->state;
	const Reply *reply = &exchange->reply;
	nghttp2_nv *fields = xcalloc((size_t) reply->headers.count + 2, sizeof(nghttp2_nv));
	nghttp2_data_provider body = {.source = {.ptr = exchange}, .read_callback = read_body};
	bool bodiless = (reply->length == 0 && reply->cut == CUT_NONE && reply->ending != END_HANG);
	char status[16];
	char length[32];
	size_t count = 0;

	for (int i = 0; i < reply->early_hints; i++)
	{
		nghttp2_nv hint[2];

		make_field(&hint[0], ":status", "103");
		make_field(&hint[1], "link", "</style.css>; rel=preload");
		nghttp2_submit_headers(http->session, NGHTTP2_FLAG_NONE, exchange->stream, NULL, hint, 2, NULL);
	}
	snprintf(status, sizeof(status), "%d", reply->status);
	make_field(&fields[count++], ":status", status);
	for (int i = 0; i < reply->headers.count; i++)
		make_field(&fields[count++], reply->headers.items[i].name, reply->headers.items[i].value);
	snprintf(length, sizeof(length), "%zu", reply->length);
	if (reply->stated_length != NULL)
		make_field(&fields[count++], "content-length", reply->stated_length);
	else if (!reply->chunked && reply->status != 204 && reply->status != 304)
		make_field(&fields[count++], "content-length", length);
	nghttp2_submit_response(http->session, exchange->stream, fields, count, bodiless ? NULL : &body);
	free(fields);
}

/* Send the 9 bytes that open the frame of the headers and half its content. */
static void
send_half_headers(Connection *connection, Exchange *exchange)
{
	Http2 *http = connection->state;
	const uint8_t *data;
	ssize_t length;

	flush(connection);
	submit(exchange);
	length = nghttp2_session_mem_send(http->session, &data);
	if (length > 9)
		bufferevent_write(connection->stream, data, 9 + (size_t) (length - 9) / 2);
}

/* The bytes meant to be sent for this request are sent: now the ending. */
static void
end_exchange(Connection *connection, Exchange *exchange)
{
	Http2 *http = connection->state;
	const Reply *reply = &exchange->reply;
	int32_t last;

	stream_of(exchange)->ended = true;
	connection->no_notify = reply->no_notify;
	switch (reply->ending)
	{
		case END_HANG:
			break;
		case END_RST_STREAM:
			nghttp2_submit_rst_stream(http->session, NGHTTP2_FLAG_NONE, exchange->stream, reply->error_code);
			break;
		case END_GOAWAY:
			last = reply->covered ? http->last_stream : exchange->stream - 2;
			nghttp2_submit_goaway(http->session, NGHTTP2_FLAG_NONE, (last > 0) ? last : 0, reply->error_code, NULL, 0);
			flush(connection);
			connection_finish(connection, END_CLOSE);
			break;
		case END_RESET:
		case END_HALF_CLOSE:
			connection_finish(connection, reply->ending);
			break;
		default:
			connection_finish(connection, END_CLOSE);
			break;
	}
}

/* Does something happen after the answer, if that is sent as a whole? */
static bool
ends_afterwards(const Reply *reply)
{
	return reply->cut == CUT_NONE && !reply->raw &&
		(reply->ending == END_CLOSE || reply->ending == END_RESET || reply->ending == END_HALF_CLOSE);
}

/* Start to deliver an answer. */
static void
start(Connection *connection, Exchange *exchange)
{
	const Reply *reply = &exchange->reply;
	const Ending ending = reply->ending;
	Stream *stream = stream_of(exchange);

	stream->allowed = (reply->drip_ms > 0) ? 0 : reply_cut_length(reply);
	exchange_answered(exchange);
	if (reply->ending == END_GOAWAY_IDLE)
		((Http2 *) connection->state)->goaway = true;
	if (reply->raw)
		bufferevent_write(connection->stream, reply->body, reply->length);
	else if (reply->cut == CUT_IN_HEADERS)
		send_half_headers(connection, exchange);
	else if (reply->cut != CUT_BEFORE)
	{
		submit(exchange);
		if (!ends_afterwards(reply))
			return;
		/* the answer is small, so this sends it; the exchange is gone then */
		flush(connection);
		connection_finish(connection, ending);
		return;
	}
	end_exchange(connection, exchange);
}

/* Every answer that has got as far as it should meets its ending. */
static bool
end_those_done(Connection *connection)
{
	bool any = false;
	Exchange *next;

	for (Exchange *exchange = connection->exchanges; exchange != NULL && !connection->closing; exchange = next)
	{
		Stream *stream = stream_of(exchange);

		next = exchange->next;
		if (!stream->done || stream->ended)
			continue;
		end_exchange(connection, exchange);
		any = true;
	}
	return any;
}

static void
http2_goaway(Connection *connection)
{
	Http2 *http = connection->state;

	nghttp2_submit_goaway(http->session, NGHTTP2_FLAG_NONE, http->last_stream, NGHTTP2_NO_ERROR, NULL, 0);
	flush(connection);
}

/* Answer complete requests and send what there is to send. */
static void
work(Connection *connection)
{
	Http2 *http = connection->state;

	if (http->busy)
		return;
	http->busy = true;
	while (http->ready != NULL)
	{
		Exchange *exchange = http->ready;

		unqueue(http, exchange);
		exchange_received(exchange);
	}
	do
		flush(connection);
	while (end_those_done(connection));
	if (!connection->closing && http->goaway && connection->exchanges == NULL)
	{
		http2_goaway(connection);
		connection_finish(connection, END_CLOSE);
	}
	if (!nghttp2_session_want_read(http->session) && !nghttp2_session_want_write(http->session))
		connection_finish(connection, END_CLOSE);
	http->busy = false;
}

static void
http2_input(Connection *connection)
{
	Http2 *http = connection->state;
	struct evbuffer *input = bufferevent_get_input(connection->stream);
	size_t length = evbuffer_get_length(input);
	ssize_t read;

	if (http->busy || length == 0)
		return;
	http->busy = true;
	read = nghttp2_session_mem_recv(http->session, evbuffer_pullup(input, -1), length);
	http->busy = false;
	evbuffer_drain(input, length);
	if (read < 0)
	{
		flush(connection); /* what nghttp2 has to say to that */
		connection_finish(connection, END_CLOSE);
		return;
	}
	work(connection);
}

static void
next_drip(evutil_socket_t unused, short what, void *argument)
{
	Exchange *exchange = argument;
	Http2 *http = exchange->connection->state;
	Stream *stream = stream_of(exchange);

	(void) unused;
	(void) what;
	if (stream->allowed < reply_cut_length(&exchange->reply))
	{
		stream->allowed++;
		exchange_timer(exchange, next_drip, exchange->reply.drip_ms);
	}
	nghttp2_session_resume_data(http->session, exchange->stream);
	work(exchange->connection);
}

/*
 * Deliver the reply.  Called from work(), or by a timer at the end of the
 * reply's delay.
 */
static void
http2_send(Exchange *exchange)
{
	Connection *connection = exchange->connection;
	int64_t drip_ms = exchange->reply.drip_ms;

	if (connection->closing)
		return;
	start(connection, exchange);
	if (drip_ms > 0 && !connection->closing)
		exchange_timer(exchange, next_drip, drip_ms);
	work(connection);
}

static void
http2_drained(Connection *connection)
{
	work(connection);
}

const Protocol http2_protocol = {
	.version = "2",
	.open = http2_open,
	.input = http2_input,
	.drained = http2_drained,
	.send = http2_send,
	.goaway = http2_goaway,
	.close = http2_close};
