/*-------------------------------------------------------------------------
 *
 * mysql_greeting.c
 *	  How a MySQL server greets who connects to it.
 *
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
 *
 *-------------------------------------------------------------------------
 */
#include "functions/mysql_greeting.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "functions/call.h"
#include "functions/source_wait.h"

/* A packet: its length in three bytes, its number in one, then the rest. */
#define HEADER_SIZE 4

/* Longer is no greeting; that of a server is some 100 bytes. */
#define GREETING_MAX 1024

#define NO_GREETING "what it says is no greeting of a MySQL server"

/* First byte of what a server says. */
#define PROTOCOL_10 0x0A
#define SAYS_ERROR 0xFF

/* Behind the version's NUL: connection's number, 8 bytes of salt, a zero. */
#define BEFORE_CAPABILITIES (4 + 8 + 1)
#define CAPABILITY_TLS 0x0800

typedef struct Talk
{
	OmfSourceWay way;
	int fd; /* or -1 */
	int64 deadline;
	OmfMysqlGreeting *greeting;
	unsigned char packet[GREETING_MAX + 1];
	size_t length; /* of what has arrived of it */
} Talk;

static void
note_problem(const Talk *talk, const char *words)
{
	talk->greeting->problem = omf_source_words(words, NULL);
}

/* ----- connecting ----- */

static void
hang_up(Talk *talk)
{
	if (talk->fd < 0)
		return;
	close(talk->fd);
	talk->fd = -1;
	omf_source_uncount_descriptor(&talk->way);
}

/* Begin to connect to an address in numbers: false when that fails at once. */
static bool
begin_connecting(Talk *talk, const char *address, int port)
{
	const struct addrinfo wanted = {.ai_flags =
										AI_NUMERICHOST | AI_NUMERICSERV,
									.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char service[12];
	bool begun;

	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(address, service, &wanted, &found) != 0)
	{
		note_problem(talk, "its address can't be read");
		return false;
	}
	omf_source_count_descriptor(&talk->way);
	talk->fd = socket(found->ai_family,
					  SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	begun = talk->fd >= 0 &&
			(connect(talk->fd, found->ai_addr, found->ai_addrlen) == 0 ||
			 errno == EINPROGRESS);
	if (!begun)
		note_problem(talk, strerror(errno));
	if (talk->fd < 0)
		omf_source_uncount_descriptor(&talk->way);
	freeaddrinfo(found);
	return begun;
}

static bool
connect_to(Talk *talk, const char *address, int port)
{
	int error = 0;
	socklen_t size = sizeof(error);

	talk->greeting->address = pstrdup(address);
	if (!begin_connecting(talk, address, port))
		return false;
	if (!omf_source_wait(talk->fd, WL_SOCKET_WRITEABLE, talk->deadline))
	{
		note_problem(talk, "no answer within connect_timeout");
		return false;
	}
	if (getsockopt(talk->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error == 0)
		return true;
	note_problem(talk, strerror(error));
	return false;
}

/* One address after the other. */
static bool
connect_to_any(Talk *talk, const char *host, int port)
{
	char(*addresses)[OMF_ADDRESS_SIZE];
	const char *problem = omf_source_look_up(&talk->way, host, talk->deadline);
	int naddresses;

	if (problem != NULL)
	{
		note_problem(talk, problem);
		return false;
	}
	naddresses = omf_resolver_addresses(talk->way.lookup, &addresses,
										&problem);
	for (int i = 0; i < naddresses; i++)
	{
		if (connect_to(talk, addresses[i], port))
			return true;
		hang_up(talk);
	}
	return false;
}

/* ----- the greeting ----- */

/* Wait until so much has arrived. */
static bool
read_until(Talk *talk, size_t length)
{
	while (talk->length < length)
	{
		ssize_t count;

		if (!omf_source_wait(talk->fd, WL_SOCKET_READABLE, talk->deadline))
		{
			note_problem(talk, "no greeting within connect_timeout");
			return false;
		}
		count = recv(talk->fd, talk->packet + talk->length,
					 length - talk->length, 0);
		if (count > 0)
			talk->length += (size_t) count;
		else if (count == 0)
		{
			note_problem(talk, "it hung up without a greeting");
			return false;
		}
		else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		{
			note_problem(talk, strerror(errno));
			return false;
		}
	}
	return true;
}

/* What a server says that wants nothing of this machine. */
static void
note_refusal(const Talk *talk, const char *text)
{
	/* the error's number, and in later versions its SQLSTATE, come first */
	if (strlen(text) > 2)
		text += 2;
	if (text[0] == '#' && strlen(text) > 6)
		text += 6;
	note_problem(talk, text);
}

/* The packet is zeroed behind its end; false: it is no greeting. */
static bool
parse_greeting(OmfMysqlGreeting *greeting, const unsigned char *body,
			   size_t length)
{
	size_t version = strlen((const char *) body + 1);
	size_t capabilities = 1 + version + 1 + BEFORE_CAPABILITIES;

	if (body[0] != PROTOCOL_10 || capabilities + 2 > length)
		return false;
	greeting->takes_tls = ((body[capabilities] | body[capabilities + 1] << 8) &
						   CAPABILITY_TLS) != 0;
	return true;
}

static void
read_greeting(Talk *talk)
{
	const unsigned char *body = talk->packet + HEADER_SIZE;
	size_t length;

	if (!read_until(talk, HEADER_SIZE))
		return;
	length = talk->packet[0] | talk->packet[1] << 8 | talk->packet[2] << 16;
	if (length < 2 || length > GREETING_MAX - HEADER_SIZE)
	{
		note_problem(talk, NO_GREETING);
		return;
	}
	if (!read_until(talk, HEADER_SIZE + length))
		return;
	if (body[0] == SAYS_ERROR)
		note_refusal(talk, (const char *) body + 1);
	else
		talk->greeting->greeted =
			parse_greeting(talk->greeting, body, length);
	if (!talk->greeting->greeted && talk->greeting->problem == NULL)
		note_problem(talk, NO_GREETING);
}

OmfMysqlGreeting *
omf_mysql_greeting(const char *host, int port, int timeout_ms)
{
	Talk *talk = palloc0(sizeof(Talk));

	talk->fd = -1;
	talk->deadline = omf_clock() + timeout_ms;
	talk->greeting = palloc0(sizeof(OmfMysqlGreeting));
	PG_TRY();
	{
		talk->greeting->connected = connect_to_any(talk, host, port);
		if (talk->greeting->connected)
			read_greeting(talk);
	}
	PG_FINALLY();
	{
		hang_up(talk);
		omf_source_way_close(&talk->way);
	}
	PG_END_TRY();
	return talk->greeting;
}
