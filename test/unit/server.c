/*-------------------------------------------------------------------------
 *
 * server.c
 *	  A small HTTP/1.1 server inside the test program itself.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

bool
server_open(Server *server)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	memset(server, 0, sizeof(*server));
	memset(&address, 0, sizeof(address));
	for (int i = 0; i < SERVER_CONNECTIONS; i++)
		server->connections[i].fd = -1;
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->listener < 0 ||
		bind(server->listener, (struct sockaddr *) &address, length) != 0 ||
		listen(server->listener, SERVER_CONNECTIONS) != 0 ||
		getsockname(server->listener, (struct sockaddr *) &address, &length) != 0)
		return false;
	server->port = ntohs(address.sin_port);
	return true;
}

void
server_close(Server *server)
{
	for (int i = 0; i < server->nconnections; i++)
		server_hang_up(server, i, false);
	if (server->listener >= 0)
		close(server->listener);
	server->listener = -1;
}

void
server_hang_up(Server *server, int connection, bool reset)
{
	Connection *hung = &server->connections[connection];
	struct linger at_once = {1, 0};

	if (hung->fd < 0)
		return;
	if (reset)
		setsockopt(hung->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(hung->fd);
	hung->fd = -1;
}

int
server_poll(const Server *server, struct pollfd *polls)
{
	int npolls = 0;

	polls[npolls++] = (struct pollfd){server->listener, POLLIN, 0};
	for (int i = 0; i < server->nconnections; i++)
		if (server->connections[i].fd >= 0 && !server->connections[i].client_closed)
			polls[npolls++] = (struct pollfd){server->connections[i].fd, POLLIN, 0};
	return npolls;
}

void
server_send(Server *server, Seen *request, const char *bytes, size_t length)
{
	int fd = server->connections[request->connection].fd;

	while (length > 0 && fd >= 0)
	{
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

		/* the client may have had enough */
		if (sent <= 0)
			return;
		bytes += sent;
		length -= (size_t) sent;
	}
}

void
server_answer(Server *server, Seen *request, int http_status,
			  const char *headers, const char *body)
{
	char head[512];

	snprintf(head, sizeof(head), "HTTP/1.1 %d Status\r\n%sContent-Length: %zu\r\n\r\n",
			 http_status, headers, strlen(body));
	if (http_status == 204)
		snprintf(head, sizeof(head), "HTTP/1.1 204 No Content\r\n%s\r\n", headers);
	request->answered = true;
	server_send(server, request, head, strlen(head));
	if (http_status != 204)
		server_send(server, request, body, strlen(body));
}

/* The length of the whole request that the input begins with, or 0. */
static size_t
whole_request(const Connection *connection)
{
	const char *end = strstr(connection->input, "\r\n\r\n");
	const char *field = strcasestr(connection->input, "\r\nContent-Length:");
	size_t length;

	if (end == NULL)
		return 0;
	length = (size_t) (end - connection->input) + 4;
	if (field != NULL && field < end)
		length += strtoul(field + 17, NULL, 10);
	return length <= connection->length ? length : 0;
}

/* Note the requests that are whole, and hand them to the test. */
static void
take_requests(Server *server, int number)
{
	Connection *connection = &server->connections[number];
	size_t length;

	while (server->nseen < SERVER_REQUESTS && (length = whole_request(connection)) > 0)
	{
		Seen *request = &server->seen[server->nseen++];

		memset(request, 0, sizeof(*request));
		memcpy(request->text, connection->input, length);
		sscanf(request->text, "%15s %255s", request->method, request->path);
		request->connection = number;
		connection->length -= length;
		memmove(connection->input, connection->input + length, connection->length + 1);
		if (server->handler != NULL)
			server->handler(server, request);
	}
}

static bool
read_connection(Server *server, int number)
{
	Connection *connection = &server->connections[number];
	ssize_t got;

	if (connection->fd < 0 || connection->client_closed)
		return false;
	got = recv(connection->fd, connection->input + connection->length,
			   SERVER_INPUT - 1 - connection->length, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0)
	{
		connection->client_closed = true;
		return true;
	}
	connection->length += (size_t) got;
	connection->input[connection->length] = '\0';
	take_requests(server, number);
	return true;
}

bool
server_step(Server *server)
{
	const int send_buffer = 400 * 1000;
	bool progress = false;
	int fd;

	while (server->nconnections < SERVER_CONNECTIONS &&
		   (fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
	{
		Connection *connection = &server->connections[server->nconnections++];

		memset(connection, 0, sizeof(*connection));
		connection->fd = fd;
		/* what a test sends at once must fit: nobody reads meanwhile */
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
		progress = true;
	}
	for (int i = 0; i < server->nconnections; i++)
		progress |= read_connection(server, i);
	return progress;
}
