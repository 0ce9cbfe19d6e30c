/*-------------------------------------------------------------------------
 *
 * server.h
 *	  Listeners and connections.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_SERVER_H
#define SIMULATOR_SERVER_H

#include "exchange.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <openssl/ssl.h>

/* What an HTTP version has to offer to the rest. */
typedef struct Protocol
{
	const char *version;						   /* for the log */
	void (*open)(struct Connection *connection);   /* set up its state */
	void (*input)(struct Connection *connection);  /* bytes have come */
	void (*drained)(struct Connection *connection); /* all output is written */
	void (*send)(Exchange *exchange);			   /* deliver the reply */
	void (*goaway)(struct Connection *connection); /* announce the end */
	void (*close)(struct Connection *connection);  /* free its state */
} Protocol;

extern const Protocol http1_protocol;
extern const Protocol http2_protocol;

/* One listening socket, and what it does to those who connect. */
typedef struct Listener
{
	struct Listener *next;
	const char *name;				 /* as printed when the program starts */
	SSL_CTX *tls;					 /* NULL on a plain port */
	const Protocol *plain;			 /* without TLS; if neither: accept, and never answer */
	bool hangup;					 /* accept, and reset */
	struct evconnlistener *listener; /* NULL for a port that refuses */
	evutil_socket_t socket;			 /* of a port that refuses */
	int port;						 /* the port it got */
} Listener;

typedef struct Connection
{
	struct Connection *next, *previous;
	uint64_t number;			/* in order of acceptance */
	const Listener *listener;	/* where it came in */
	evutil_socket_t socket;		/* owned by the bufferevent */
	SSL *tls;					/* owned by the bufferevent; NULL if plain */
	struct bufferevent *stream; /* owned */
	const Protocol *protocol;	/* NULL until the TLS handshake is done */
	void *state;				/* the protocol's */
	Exchange *exchanges;		/* in flight */
	uint64_t requests;			/* received on it, control calls included */
	bool counted;				/* has it shown to be a client of the API? */
	bool deaf;					/* input is thrown away from now on */
	size_t low_water;			/* output is asked for when so little is left */
	bool closing;				/* an ending has begun */
	Ending ending;				/* END_CLOSE, END_RESET or END_HALF_CLOSE */
	bool no_notify;				/* close without TLS's close_notify */
	struct event *timer;		/* of the ending */
} Connection;

extern struct event_base *event_base;

extern Listener *server_listen(const char *name, int port, SSL_CTX *tls, const Protocol *plain);
extern Listener *server_hang_up(const char *name);
extern Listener *server_refuse(const char *name);
extern void server_close_idle(const Connection *except, bool goaway);
extern void server_shutdown(void);

extern bool connection_reused(const Connection *connection);
extern void connection_count(Connection *connection);
extern void connection_finish(Connection *connection, Ending ending);

#endif /* SIMULATOR_SERVER_H */
