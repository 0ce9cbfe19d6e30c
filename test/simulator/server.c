/*-------------------------------------------------------------------------
 *
 * server.c
 *	  Listeners and connections: from accept() to the many ways in which a
 *	  connection ends.
 *
 * A connection is never freed while one of its protocol's functions may be
 * on the stack: connection_finish() only marks it, stops its input, and
 * leaves the rest to the event loop.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>

#include "stats.h"

/*
 * After an orderly close the connection waits so long for the client's, so
 * that a reset does not overtake the last bytes.
 */
#define LINGER_MS 1000

/*
 * A connection to be reset after some bytes waits so long, so that the
 * client sees the bytes first.
 */
#define RESET_MS 20

struct event_base *event_base;

static Listener *listeners;
static Connection *connections;
static uint64_t last_connection; /* its number */

static void connection_event(struct bufferevent *stream, short what, void *argument);

bool
connection_reused(const Connection *connection)
{
	return connection->requests > 1;
}

/*
 * Whoever makes control calls only is no client of the API: connections are
 * counted when they send a request to it, or end without any request.
 */
void
connection_count(Connection *connection)
{
	if (connection->counted)
		return;
	connection->counted = true;
	stats_connection(connection->listener->tls != NULL);
}

static void
connection_free(Connection *connection)
{
	if (connection->requests == 0)
		connection_count(connection);
	if (connection->counted)
		stats_disconnection();
	while (connection->exchanges != NULL)
		exchange_finish(connection->exchanges);
	if (connection->protocol != NULL)
		connection->protocol->close(connection);
	if (connection->timer != NULL)
		event_free(connection->timer);
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		connections = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	/* or it would send a close_notify ahead of a reset */
	if (connection->tls != NULL)
		SSL_set_quiet_shutdown(connection->tls, 1);
	bufferevent_free(connection->stream);
	free(connection);
}

static void
free_later(evutil_socket_t unused, short what, void *argument)
{
	Connection *connection = argument;
	struct linger reset = {.l_onoff = 1, .l_linger = 0};

	(void) unused;
	(void) what;
	if (connection->ending == END_RESET)
		setsockopt(connection->socket, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	connection_free(connection);
}

static void
free_in(Connection *connection, int ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	if (connection->timer == NULL)
		connection->timer = evtimer_new(event_base, free_later, connection);
	evtimer_add(connection->timer, &wait);
}

/* All output is with the kernel: what the ending asks for happens now. */
static void
finish_drained(Connection *connection, bool had_output)
{
	if (connection->ending == END_RESET)
	{
		free_in(connection, had_output ? RESET_MS : 0);
		return;
	}
	if (connection->tls != NULL && !connection->no_notify)
		SSL_shutdown(connection->tls);
	shutdown(connection->socket, SHUT_WR);
	if (connection->ending == END_CLOSE)
		free_in(connection, LINGER_MS);
}

/*
 * End a connection once its output is written.  END_CLOSE, END_RESET, or
 * END_HALF_CLOSE, which goes on reading and logging requests.
 */
void
connection_finish(Connection *connection, Ending ending)
{
	struct evbuffer *output = bufferevent_get_output(connection->stream);

	if (connection->closing)
		return;
	connection->closing = true;
	connection->ending = ending;
	connection->deaf = (ending != END_HALF_CLOSE);
	if (evbuffer_get_length(output) == 0)
		finish_drained(connection, false);
}

static void
connection_readable(struct bufferevent *stream, void *argument)
{
	Connection *connection = argument;
	struct evbuffer *input = bufferevent_get_input(stream);

	if (connection->deaf || connection->protocol == NULL)
		evbuffer_drain(input, evbuffer_get_length(input));
	else
		connection->protocol->input(connection);
}

static void
connection_writable(struct bufferevent *stream, void *argument)
{
	Connection *connection = argument;

	/* the call may be about output before the last */
	if (evbuffer_get_length(bufferevent_get_output(stream)) > connection->low_water)
		return;
	if (connection->closing)
		finish_drained(connection, true);
	else if (connection->protocol != NULL)
		connection->protocol->drained(connection);
}

static void
speak(Connection *connection, const Protocol *protocol)
{
	connection->protocol = protocol;
	protocol->open(connection);
}

static void
connection_event(struct bufferevent *stream, short what, void *argument)
{
	Connection *connection = argument;

	(void) stream;
	if (what & BEV_EVENT_CONNECTED)
	{
		const unsigned char *name = NULL;
		unsigned int length = 0;

		stats_handshake(SSL_session_reused(connection->tls));
		SSL_get0_alpn_selected(connection->tls, &name, &length);
		if (length == 2 && memcmp(name, "h2", 2) == 0)
			speak(connection, &http2_protocol);
		else
			speak(connection, &http1_protocol);
		return;
	}
	if (connection->closing)
		return;
	if (connection->tls != NULL && connection->protocol == NULL)
	{
		/* a close at once would reset, and that overtake the alert */
		stats_handshake_failed();
		connection->closing = true;
		shutdown(connection->socket, SHUT_WR);
		free_in(connection, LINGER_MS);
		return;
	}
	connection_free(connection);
}

static void
accepted(struct evconnlistener *listener, evutil_socket_t client, struct sockaddr *address, int length, void *argument)
{
	Connection *connection;
	const Listener *where = argument;
	int on = 1;

	(void) listener;
	(void) address;
	(void) length;
	if (where->hangup)
	{
		struct linger none = {1, 0};

		setsockopt(client, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		evutil_closesocket(client);
		return;
	}
	connection = xcalloc(1, sizeof(Connection));
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	connection->number = ++last_connection;
	connection->listener = where;
	connection->socket = client;
	if (where->tls != NULL)
	{
		connection->tls = SSL_new(where->tls);
		connection->stream = bufferevent_openssl_socket_new(event_base, client, connection->tls,
															BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
		/* a client that closes without a close_notify is nothing special */
		bufferevent_openssl_set_allow_dirty_shutdown(connection->stream, 1);
	}
	else
		connection->stream = bufferevent_socket_new(event_base, client, BEV_OPT_CLOSE_ON_FREE);
	connection->next = connections;
	if (connection->next != NULL)
		connection->next->previous = connection;
	connections = connection;
	bufferevent_setcb(connection->stream, connection_readable, connection_writable, connection_event, connection);
	if (where->plain != NULL)
		speak(connection, where->plain);
	bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
}

/* Out of descriptors, for example: say so, and go on with those there are. */
static void
accept_failed(struct evconnlistener *listener, void *unused)
{
	(void) listener;
	(void) unused;
	fprintf(stderr, "simulator: cannot accept a connection: %s\n", strerror(errno));
}

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in address;

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_port = htons((uint16_t) port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int
port_of(evutil_socket_t bound)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	if (getsockname(bound, (struct sockaddr *) &address, &length) != 0)
		return 0;
	return ntohs(address.sin_port);
}

static Listener *
new_listener(const char *name)
{
	Listener *result = xcalloc(1, sizeof(Listener));

	result->name = name;
	result->socket = -1;
	result->next = listeners;
	listeners = result;
	return result;
}

/* Listen on a port of the loopback address, any if 0; NULL on failure. */
Listener *
server_listen(const char *name, int port, SSL_CTX *tls, const Protocol *plain)
{
	struct sockaddr_in address = loopback(port);
	Listener *result = new_listener(name);

	result->tls = tls;
	result->plain = plain;
	result->listener =
		evconnlistener_new_bind(event_base, accepted, result,
								LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
								1024, (struct sockaddr *) &address, sizeof(address));
	if (result->listener == NULL)
		return NULL;
	evconnlistener_set_error_cb(result->listener, accept_failed);
	result->port = port_of(evconnlistener_get_fd(result->listener));
	return result;
}

/* Listen, and reset every connection at once. */
Listener *
server_hang_up(const char *name)
{
	Listener *result = server_listen(name, 0, NULL, NULL);

	if (result != NULL)
		result->hangup = true;
	return result;
}

/* Hold a port on which nothing listens, so that nobody else gets it. */
Listener *
server_refuse(const char *name)
{
	struct sockaddr_in address = loopback(0);
	Listener *result = new_listener(name);

	result->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (result->socket < 0 ||
		bind(result->socket, (struct sockaddr *) &address, sizeof(address)) != 0)
		return NULL;
	result->port = port_of(result->socket);
	return result;
}

/* Close the connections on which no request is in flight. */
void
server_close_idle(const Connection *except, bool goaway)
{
	for (Connection *connection = connections; connection != NULL; connection = connection->next)
	{
		if (connection == except || connection->closing || connection->exchanges != NULL || connection->protocol == NULL)
			continue;
		if (goaway)
			connection->protocol->goaway(connection);
		connection_finish(connection, END_CLOSE);
	}
}

void
server_shutdown(void)
{
	while (connections != NULL)
		connection_free(connections);
	while (listeners != NULL)
	{
		Listener *next = listeners->next;

		if (listeners->listener != NULL)
			evconnlistener_free(listeners->listener);
		if (listeners->socket >= 0)
			close(listeners->socket);
		SSL_CTX_free(listeners->tls);
		free(listeners);
		listeners = next;
	}
}
