/*-------------------------------------------------------------------------
 *
 * http2.c
 *	  HTTP/2 by libnghttp2: many requests at a time.
 *
 * https://nghttp2.org/documentation/
 *
 * nghttp2 must not be asked for output while it takes input, so what is
 * submitted meanwhile is sent when that is over.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <nghttp2/nghttp2.h>

#include "config.h"
#include "stats.h"

/* Largest request body. */
#define MAX_BODY 16777216

typedef struct Http2
{
	nghttp2_session *session;
	bool busy;			/* inside nghttp2_session_mem_recv() */
	bool end_after;		/* finish the connection once output is written */
	Ending ending;		/* in which way */
	int32_t flooded;	/* the stream of a flood of empty frames, or 0 */
	int64_t flood_ms;	/* a flood that is to begin, so long; or 0 */
	int64_t flood_ends; /* when, on the monotonic clock */
} Http2;

/* Exchange.protocol_data: the delivery of the answer's body. */
typedef struct Delivery
{
	size_t sent;	/* bytes of the body */
	bool may_drip;	/* the pause before the next byte is over */
	bool cut;		/* as much as is to be sent has been */
} Delivery;

static void flush_output(Connection *connection);
static void begin_flood(Connection *connection);

static Exchange *
stream_exchange(nghttp2_session *session, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(session, stream);
}

/* ----- input ----- */

static int
begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *argument)
{
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
	{
		Exchange *exchange = exchange_new(argument, frame->hd.stream_id);

		stats_stream();
		exchange->protocol_data = xcalloc(1, sizeof(Delivery));
		nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange);
	}
	return 0;
}

static int
header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
	   const uint8_t *value, size_t value_length, uint8_t flags, void *argument)
{
	Exchange *exchange = stream_exchange(session, frame->hd.stream_id);
	char *text = xmemdup(value, value_length);

	(void) flags;
	(void) argument;
	if (exchange == NULL)
		free(text);
	else if (name_length == 7 && memcmp(name, ":method", 7) == 0)
		exchange->method = text;
	else if (name_length == 5 && memcmp(name, ":path", 5) == 0)
		exchange->path = text;
	else
	{
		if (name[0] != ':')
			fields_add(&exchange->headers, (const char *) name, text);
		free(text);
	}
	return 0;
}

static int
data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t length,
		   void *argument)
{
	Exchange *exchange = stream_exchange(session, stream);

	(void) flags;
	(void) argument;
	if (exchange != NULL && exchange->body.length + length <= MAX_BODY)
		text_append(&exchange->body, data, length);
	return 0;
}

static int
frame_received(nghttp2_session *session, const nghttp2_frame *frame, void *argument)
{
	Exchange *exchange;

	(void) argument;
	if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
		(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	exchange = stream_exchange(session, frame->hd.stream_id);
	if (exchange != NULL && exchange->method != NULL && exchange->path != NULL)
		exchange_received(exchange);
	return 0;
}

static int
stream_closed(nghttp2_session *session, int32_t stream, uint32_t code, void *argument)
{
	Exchange *exchange = stream_exchange(session, stream);

	(void) code;
	(void) argument;
	if (exchange != NULL)
	{
		nghttp2_session_set_stream_user_data(session, stream, NULL);
		exchange_finish(exchange);
	}
	return 0;
}

static void
http2_input(Connection *connection)
{
	Http2 *http = connection->state;
	struct evbuffer *input = bufferevent_get_input(connection->stream);
	size_t length = evbuffer_get_length(input);
	ssize_t taken;

	http->busy = true;
	taken = nghttp2_session_mem_recv(http->session, evbuffer_pullup(input, -1), length);
	http->busy = false;
	if (taken < 0)
	{
		connection_finish(connection, END_CLOSE);
		return;
	}
	evbuffer_drain(input, (size_t) taken);
	flush_output(connection);
}

/* ----- output ----- */

/* Have the connection end in that way once what is pending is written. */
static void
end_connection(Connection *connection, Ending ending)
{
	Http2 *http = connection->state;

	if (!http->end_after)
		http->ending = ending;
	http->end_after = true;
}

static void
flush_output(Connection *connection)
{
	Http2 *http = connection->state;
	const uint8_t *data;
	ssize_t length;

	if (http->busy || connection->closing || http->flood_ends > 0)
		return;
	while ((length = nghttp2_session_mem_send(http->session, &data)) > 0)
		bufferevent_write(connection->stream, data, (size_t) length);
	if (http->flood_ms > 0)
		begin_flood(connection);
	else if (http->end_after)
		connection_finish(connection, http->ending);
}

static void
drip_due(evutil_socket_t unused, short what, void *argument)
{
	Exchange *exchange = argument;
	Http2 *http = exchange->connection->state;

	(void) unused;
	(void) what;
	((Delivery *) exchange->protocol_data)->may_drip = true;
	nghttp2_session_resume_data(http->session, exchange->stream);
	flush_output(exchange->connection);
}

/* The body is delivered, or as much of it as was to be. */
static ssize_t
end_of_body(Exchange *exchange, uint32_t *flags)
{
	const Reply *reply = &exchange->reply;
	Connection *connection = exchange->connection;

	if (reply->cut == CUT_NONE && reply->ending != END_HANG)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	connection->no_notify = reply->no_notify;
	if (reply->ending == END_RESET)
		end_connection(connection, END_RESET);
	else if (reply->ending == END_GOAWAY_IDLE)
	{
		nghttp2_submit_goaway(((Http2 *) connection->state)->session, NGHTTP2_FLAG_NONE, exchange->stream,
							  NGHTTP2_NO_ERROR, NULL, 0);
		end_connection(connection, END_CLOSE);
	}
	else if (reply->ending == END_CLOSE || reply->ending == END_HALF_CLOSE)
		end_connection(connection, END_CLOSE);
	else if (reply->cut != CUT_NONE && reply->ending == END_KEEP)
	{
		Http2 *http = connection->state;

		nghttp2_submit_rst_stream(http->session, NGHTTP2_FLAG_NONE, exchange->stream, NGHTTP2_INTERNAL_ERROR);
	}
	return (*flags & NGHTTP2_DATA_FLAG_EOF) ? 0 : NGHTTP2_ERR_DEFERRED;
}

/* nghttp2 asks for a piece of the body. */
static ssize_t
read_body(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t room, uint32_t *flags,
		  nghttp2_data_source *source, void *argument)
{
	Exchange *exchange = source->ptr;
	Delivery *delivery = exchange->protocol_data;
	const Reply *reply = &exchange->reply;
	size_t left = reply_cut_length(reply) - delivery->sent;
	size_t piece = left < room ? left : room;

	(void) session;
	(void) stream;
	(void) argument;
	if (left == 0)
		return end_of_body(exchange, flags);
	if (reply->drip_ms > 0)
	{
		if (!delivery->may_drip)
		{
			exchange_timer(exchange, drip_due, reply->drip_ms);
			return NGHTTP2_ERR_DEFERRED;
		}
		delivery->may_drip = false;
		piece = 1;
	}
	memcpy(buffer, reply->body + delivery->sent, piece);
	delivery->sent += piece;
	if (delivery->sent == reply_cut_length(reply) && reply->cut == CUT_NONE && reply->ending != END_HANG)
		(void) end_of_body(exchange, flags);
	return (ssize_t) piece;
}

static nghttp2_nv
field(const char *name, const char *value)
{
	nghttp2_nv result;

	result.name = (uint8_t *) (uintptr_t) name;
	result.namelen = strlen(name);
	result.value = (uint8_t *) (uintptr_t) value;
	result.valuelen = strlen(value);
	result.flags = NGHTTP2_NV_FLAG_NONE;
	return result;
}

static void
submit_answer(Exchange *exchange)
{
	Http2 *http = exchange->connection->state;
	const Reply *reply = &exchange->reply;
	nghttp2_nv *fields = xcalloc((size_t) reply->headers.count + 2, sizeof(nghttp2_nv));
	nghttp2_data_provider provider;
	char status[16];
	char length[32];
	bool bodiless = reply->status == 204 || reply->status == 304;
	size_t count = 0;

	provider.source.ptr = exchange;
	provider.read_callback = read_body;
	for (int i = 0; i < reply->early_hints; i++)
	{
		nghttp2_nv hints[] = {field(":status", "103"), field("link", "</style.css>; rel=preload")};

		nghttp2_submit_headers(http->session, NGHTTP2_FLAG_NONE, exchange->stream, NULL, hints, 2, NULL);
	}
	snprintf(status, sizeof(status), "%d", reply->status);
	snprintf(length, sizeof(length), "%zu", reply->length);
	fields[count++] = field(":status", status);
	for (int i = 0; i < reply->headers.count; i++)
		fields[count++] = field(reply->headers.items[i].name, reply->headers.items[i].value);
	if (reply->stated_length != NULL)
		fields[count++] = field("content-length", reply->stated_length);
	else if (!bodiless && !reply->chunked)
		fields[count++] = field("content-length", length);
	nghttp2_submit_response(http->session, exchange->stream, fields, count,
							(reply->length > 0 && !bodiless) || reply->cut != CUT_NONE ? &provider : NULL);
	free(fields);
	if (reply->length == 0 && reply->cut == CUT_NONE && reply->ending == END_RESET)
		end_connection(exchange->connection, END_RESET);
}

/* An ending that comes instead of an answer, or in the midst of headers. */
static void
break_off(Exchange *exchange)
{
	Connection *connection = exchange->connection;
	Http2 *http = connection->state;
	const Reply *reply = &exchange->reply;

	connection->no_notify = reply->no_notify;
	if (reply->ending == END_HANG)
		return;
	if (reply->ending == END_RESET)
		end_connection(connection, END_RESET);
	else if (reply->ending == END_RST_STREAM || reply->ending == END_KEEP)
		nghttp2_submit_rst_stream(http->session, NGHTTP2_FLAG_NONE, exchange->stream, reply->error_code);
	else
		end_connection(connection, END_CLOSE);
}

/* Empty DATA frames, as many as keep the client busy until the next call. */
static void
flood(Connection *connection)
{
	Http2 *http = connection->state;
	unsigned char frame[9] = {0, 0, 0, NGHTTP2_DATA, 0};
	Text frames = {0};

	if (monotonic_ms() >= http->flood_ends)
	{
		connection->low_water = 0;
		connection_finish(connection, END_CLOSE);
		return;
	}
	for (int i = 0; i < 4; i++)
		frame[5 + i] = (unsigned char) ((uint32_t) http->flooded >> (24 - 8 * i));
	for (int i = 0; i < 20000; i++)
		text_append(&frames, frame, sizeof(frame));
	bufferevent_write(connection->stream, frames.data, frames.length);
	free(frames.data);
}

/* The headers of the stream are written. */
static void
begin_flood(Connection *connection)
{
	Http2 *http = connection->state;

	http->flood_ends = monotonic_ms() + http->flood_ms;
	http->flood_ms = 0;
	connection->low_water = 500 * 1000;
	bufferevent_setwatermark(connection->stream, EV_WRITE, connection->low_water, 0);
	flood(connection);
}

static void
http2_send(Exchange *exchange)
{
	Connection *connection = exchange->connection;
	Http2 *http = connection->state;
	const Reply *reply = &exchange->reply;

	exchange_answered(exchange);
	if (connection->closing)
		return;
	if (reply->raw)
	{
		bufferevent_write(connection->stream, reply->body, reply->length);
		end_connection(connection, END_CLOSE);
	}
	else if (reply->flood_ms > 0)
	{
		nghttp2_nv status = field(":status", "200");

		nghttp2_submit_headers(http->session, NGHTTP2_FLAG_NONE, exchange->stream, NULL, &status, 1, NULL);
		http->flooded = exchange->stream;
		http->flood_ms = reply->flood_ms;
	}
	else if (reply->ending == END_GOAWAY)
	{
		nghttp2_submit_goaway(http->session, NGHTTP2_FLAG_NONE,
							  reply->covered ? exchange->stream : exchange->stream - 2 > 0 ? exchange->stream - 2 : 0,
							  reply->error_code, NULL, 0);
		end_connection(connection, END_CLOSE);
	}
	else if (reply->cut == CUT_BEFORE || reply->cut == CUT_IN_HEADERS || reply->ending == END_RST_STREAM)
		break_off(exchange);
	else
		submit_answer(exchange);
	flush_output(connection);
}

static void
http2_goaway(Connection *connection)
{
	Http2 *http = connection->state;

	nghttp2_submit_goaway(http->session, NGHTTP2_FLAG_NONE,
						  nghttp2_session_get_last_proc_stream_id(http->session), NGHTTP2_NO_ERROR, NULL, 0);
	flush_output(connection);
}

static void
http2_drained(Connection *connection)
{
	if (((Http2 *) connection->state)->flood_ends > 0)
		flood(connection);
	else
		flush_output(connection);
}

/* ----- the life of a connection ----- */

static void
http2_open(Connection *connection)
{
	Http2 *http = xcalloc(1, sizeof(Http2));
	nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t) config.max_streams};
	nghttp2_session_callbacks *callbacks;

	connection->state = http;
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
	nghttp2_session_server_new(&http->session, callbacks, connection);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(http->session, NGHTTP2_FLAG_NONE, &settings, 1);
	flush_output(connection);
}

/* The exchanges are finished already; nghttp2 closes streams silently. */
static void
http2_close(Connection *connection)
{
	Http2 *http = connection->state;

	nghttp2_session_del(http->session);
	free(http);
}

const Protocol http2_protocol = {
	.version = "2",
	.open = http2_open,
	.input = http2_input,
	.drained = http2_drained,
	.send = http2_send,
	.goaway = http2_goaway,
	.close = http2_close};
