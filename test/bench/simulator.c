/*-------------------------------------------------------------------------
 *
 * simulator.c
 *	  The API simulator's control calls, and the keys of its clusters.
 *
 *-------------------------------------------------------------------------
 */
#include "simulator.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

/* Counters are the longest answer. */
#define ANSWER_ROOM 16384

/* Seconds that anything waited for here takes at most. */
#define PATIENCE 30

static void
give_up(const char *what, const char *why)
{
	fprintf(stderr, "bench: the simulator, %s: %s\n", what, why);
	exit(1);
}

/* ----- calls ----- */

/* OMF_SIMULATOR is http://ADDRESS:PORT. */
static int
connect_to_simulator(void)
{
	const char *url = getenv("OMF_SIMULATOR");
	struct sockaddr_in address = {0};
	char host[64];
	unsigned int port;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (url == NULL || sscanf(url, "http://%63[0-9.]:%u", host, &port) != 2)
		give_up("OMF_SIMULATOR", "no address");
	address.sin_family = AF_INET;
	address.sin_port = htons((uint16_t) port);
	inet_pton(AF_INET, host, &address.sin_addr);
	if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
		give_up(url, "does not answer");
	return fd;
}

static void
send_all(int fd, const char *data, size_t length)
{
	while (length > 0)
	{
		ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);

		if (sent <= 0)
			give_up("a control call", "cannot be sent");
		data += sent;
		length -= (size_t) sent;
	}
}

/* Makes a call, and takes of the whole answer as much as there is room for. */
static void
call(const char *method, const char *path, const char *body, char *answer)
{
	int fd = connect_to_simulator();
	size_t length = 0;
	ssize_t got;
	char head[512];

	snprintf(head, sizeof(head),
			 "%s /_simulator/%s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: %zu\r\n\r\n",
			 method, path, body != NULL ? strlen(body) : 0);
	send_all(fd, head, strlen(head));
	if (body != NULL)
		send_all(fd, body, strlen(body));
	while (length < ANSWER_ROOM - 1 && (got = read(fd, answer + length, ANSWER_ROOM - 1 - length)) > 0)
		length += (size_t) got;
	answer[length] = '\0';
	close(fd);
	if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0)
		give_up(path, answer);
}

void
simulator_call(const char *method, const char *path, const char *body)
{
	char answer[ANSWER_ROOM];

	call(method, path, body, answer);
}

void
simulator_post(const char *path, const char *format, ...)
{
	char body[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(body, sizeof(body), format, args);
	va_end(args);
	simulator_call("POST", path, body);
}

void
set_latency(int ms)
{
	simulator_post("config", "{\"latency_ms\": %d}", ms);
}

void
delete_faults(void)
{
	simulator_call("DELETE", "faults", NULL);
}

/* ----- counters ----- */

long
counter(const char *name)
{
	char answer[ANSWER_ROOM];
	char member[64];
	const char *found;

	call("GET", "counters", NULL, answer);
	snprintf(member, sizeof(member), "\"%s\":", name);
	found = strstr(answer, member);
	if (found == NULL && (name[0] < '1' || name[0] > '5'))
		give_up(name, "there is no such counter");
	return found != NULL ? strtol(found + strlen(member), NULL, 10) : 0;
}

bool
wait_for_counter(const char *name, long value)
{
	double end = wall_clock() + PATIENCE;

	while (counter(name) != value)
	{
		if (wall_clock() > end)
			return false;
		usleep(2000);
	}
	return true;
}

/* ----- keys ----- */

char *
key(char *uuid, unsigned int seed, int number)
{
	snprintf(uuid, UUID_ROOM, "%08x-0000-4000-8000-%012x", seed, (unsigned int) number);
	return uuid;
}

char *
keys(unsigned int seed, int first, int count)
{
	char *array = malloc((size_t) count * UUID_ROOM + 3);
	char *end = array;
	char uuid[UUID_ROOM];

	for (int i = 0; i < count; i++)
		end += sprintf(end, "%c%s", i == 0 ? '{' : ',', key(uuid, seed, first + i));
	strcpy(end, "}");
	return array;
}
