/*-------------------------------------------------------------------------
 *
 * exchange.h
 *	  One request and the answer to it, whatever HTTP version carries them.
 *
 * A protocol module (http1.c, http2.c) fills in the request and calls
 * exchange_received().  The API, a fault or a control call then fills in
 * the reply: what to answer, and how to go wrong while doing so.  After
 * the reply's delay the protocol's send() is called, which delivers it and
 * ends with exchange_finish().
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_EXCHANGE_H
#define SIMULATOR_EXCHANGE_H

#include "util.h"

#include <event2/event.h>

struct Connection;

/* One header field. */
typedef struct Field
{
	char *name;	 /* lower case */
	char *value; /* without white space around it */
} Field;

typedef struct Fields
{
	Field *items; /* in the order in which they came */
	int count;	  /* fields in use */
	int size;	  /* fields allocated */
} Fields;

/* How much of the answer is sent before its ending. */
typedef enum Cut
{
	CUT_NONE,		/* all of it */
	CUT_BEFORE,		/* nothing */
	CUT_IN_HEADERS, /* about half of the header section */
	CUT_IN_BODY		/* the headers and part of the body */
} Cut;

/* What happens then. */
typedef enum Ending
{
	END_KEEP,		 /* the connection serves further requests */
	END_CLOSE,		 /* the connection is closed in an orderly way */
	END_RESET,		 /* the connection is reset (TCP RST) */
	END_HANG,		 /* nothing more is ever sent for this request */
	END_HALF_CLOSE,	 /* the sending side is closed, reading goes on */
	END_GOAWAY,		 /* GOAWAY, then the connection is closed */
	END_GOAWAY_IDLE, /* the same once no request is in flight */
	END_RST_STREAM	 /* RST_STREAM; the connection goes on */
} Ending;

typedef struct Reply
{
	int status;			 /* HTTP status */
	Fields headers;		 /* without those that tell the body's length */
	char *body;			 /* allocated, or NULL */
	size_t length;		 /* bytes of the body */
	bool chunked;		 /* HTTP/1.1: chunked, not content-length */
	char *stated_length; /* content-length to claim, or NULL for the true one */
	bool raw;			 /* send the body's bytes and no HTTP at all */
	int64_t split;		 /* raw: bytes that come first, the others a moment later, or 0 */
	int64_t delay_ms;	 /* pause before the first byte */
	int64_t drip_ms;	 /* pause before every byte of the body, or 0 */
	int64_t flood_ms;	 /* HTTP/2: so long empty frames instead of a body */
	int early_hints;	 /* how many 103 answers precede this one */
	Cut cut;			 /* how much is sent */
	int64_t cut_at;		 /* CUT_IN_BODY: bytes of the body, or -1 for half */
	Ending ending;		 /* what happens then */
	uint32_t error_code; /* of RST_STREAM or GOAWAY */
	bool covered;		 /* GOAWAY names this stream as one processed */
	bool no_notify;		 /* END_CLOSE without TLS's close_notify */
} Reply;

typedef struct Exchange
{
	struct Exchange *next, *previous; /* of the same connection */
	struct Connection *connection;	  /* on which it came */
	int32_t stream;					  /* HTTP/2 stream, 0 on HTTP/1.1 */
	void *protocol_data;			  /* the protocol module's own */

	char *method;	/* as on the wire */
	char *path;		/* as on the wire, with the query */
	Fields headers; /* the request's; no pseudo headers */
	Text body;		/* the request's */

	bool control;		/* a control call: neither counted nor logged */
	uint64_t number;	/* of the request since the last reset */
	uint64_t entry;		/* its number in the log */
	const char *fault;	/* name of the fault that it meets, or NULL */
	bool sending;		/* has the delay passed? */
	struct event *timer; /* of the delay or of the drip, or NULL */

	Reply reply; /* the answer */
} Exchange;

extern void fields_add(Fields *fields, const char *name, const char *value);
extern void fields_set(Fields *fields, const char *name, const char *value);
extern void fields_remove(Fields *fields, const char *name);
extern const char *fields_get(const Fields *fields, const char *name);
extern void fields_free(Fields *fields);

extern void reply_body(Reply *reply, const void *data, size_t length);
extern void reply_take_text(Reply *reply, Text *text);
extern void reply_json(Reply *reply, int status, json_object *object);
extern void reply_clear(Reply *reply);
extern size_t reply_cut_length(const Reply *reply);

extern Exchange *exchange_new(struct Connection *connection, int32_t stream);
extern void exchange_received(Exchange *exchange);
extern void exchange_answered(Exchange *exchange);
extern void exchange_finish(Exchange *exchange);
extern void exchange_timer(Exchange *exchange, event_callback_fn callback, int64_t ms);

#endif /* SIMULATOR_EXCHANGE_H */
