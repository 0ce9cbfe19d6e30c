/*-------------------------------------------------------------------------
 *
 * server.h
 *	  A small HTTP/1.1 server inside the test program itself.
 *
 * It does nothing by itself: server_step() takes what has arrived, without
 * waiting, so that server and engine advance in turns and a test can say what
 * happens at each point.  A request is noted, and given to the test's handler
 * once it is whole; the handler answers at once, or the test does later.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SERVER_H
#define OMF_SERVER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define SERVER_CONNECTIONS 64
#define SERVER_REQUESTS 256
#define SERVER_INPUT 8192

typedef struct Connection
{
	int fd;                       /* -1 once closed */
	char input[SERVER_INPUT + 1]; /* what has arrived, and a NUL */
	size_t length;                /* of it */
	bool client_closed;           /* the client has closed it */
} Connection;

typedef struct Seen
{
	char method[16];         /* of the request */
	char path[256];          /* of the request */
	char text[SERVER_INPUT]; /* all of it, headers and body */
	int connection;          /* the number of the connection */
	bool answered;           /* server_answer() was called */
} Seen;

typedef struct Server
{
	int listener;                               /* listening socket */
	int port;                                   /* that it listens on */
	Connection connections[SERVER_CONNECTIONS]; /* in the order of arrival */
	int nconnections;                           /* how many there have been */
	Seen seen[SERVER_REQUESTS];                 /* in the order of arrival */
	int nseen;                                  /* how many there have been */
	void (*handler)(struct Server *server, Seen *request);
} Server;

/* Listen on a free port of 127.0.0.1. */
extern bool server_open(Server *server);
extern void server_close(Server *server);

/* Take what has arrived; true if that was anything. */
extern bool server_step(Server *server);

/* Fill in what to poll() for; at most SERVER_CONNECTIONS + 1 entries. */
extern int server_poll(const Server *server, struct pollfd *polls);

/* Send bytes as they are. */
extern void server_send(Server *server, Seen *request, const char *bytes, size_t length);

/* Send an answer with a status, more header lines ("A: b\r\n"...) and a body. */
extern void server_answer(Server *server, Seen *request, int http_status,
						  const char *headers, const char *body);

/* Close a connection, with a reset if so wanted. */
extern void server_hang_up(Server *server, int connection, bool reset);

#endif /* OMF_SERVER_H */
