/*-------------------------------------------------------------------------
 *
 * endpoint.c
 *	  What may be given as the server option "endpoint".
 *
 * The check is stricter than libcurl's parser, so that both see the same host
 * in whatever passes.
 *
 *-------------------------------------------------------------------------
 */
#include "client/endpoint.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#define ALPHANUMERIC                       \
	"0123456789abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Is the host this machine, whatever a name server says? */
static bool
is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	/* libcurl resolves this one by itself, to 127.0.0.1 and ::1 */
	return strcasecmp(host, "localhost") == 0;
}

static const char *
host_problem(const char *host, size_t length, bool bracketed, bool encrypted)
{
	char copy[OMF_ENDPOINT_MAX + 1];
	struct in6_addr v6;

	memcpy(copy, host, length);
	copy[length] = '\0';
	if (length == 0)
		return "It has no host.";
	if (bracketed && inet_pton(AF_INET6, copy, &v6) != 1)
		return "What stands in brackets is not an IPv6 address.";
	if (!bracketed && strspn(copy, ALPHANUMERIC "-._") != length)
		return "Its host contains a character that host names do not have.";
	if (!encrypted && !is_loopback(copy))
		return "Over plain http the API token would travel in clear text; http is for a loopback host only.";
	return NULL;
}

static const char *
path_problem(const char *path)
{
	if (path[strspn(path, ALPHANUMERIC "-._~/")] != '\0')
		return "Its path may contain only letters, digits, \"-\", \".\", \"_\", \"~\" and \"/\".";
	for (const char *segment = path; segment != NULL;
		 segment = strchr(segment + 1, '/'))
	{
		const char *name = segment + 1;
		size_t length = strcspn(name, "/");

		if ((length == 1 && name[0] == '.') ||
			(length == 2 && name[0] == '.' && name[1] == '.'))
			return "Its path contains a dot segment.";
		if (length == 0 && name[0] != '\0')
			return "Its path contains an empty segment.";
		if (segment[1] == '\0')
			break;
	}
	return NULL;
}

const char *
omf_endpoint_problem(const char *endpoint)
{
	bool encrypted = strncasecmp(endpoint, "https://", 8) == 0;
	const char *host;
	const char *end;
	const char *problem;
	bool bracketed;

	if (!encrypted && strncasecmp(endpoint, "http://", 7) != 0)
		return "It must begin with \"https://\".";
	if (strlen(endpoint) > OMF_ENDPOINT_MAX)
		return "It is too long.";
	host = endpoint + (encrypted ? 8 : 7);
	if (strpbrk(host, "?#") != NULL)
		return "It may have no query and no fragment.";
	if (strchr(host, '@') != NULL)
		return "It may have no user and no password; the token belongs into the user mapping.";

	bracketed = (*host == '[');
	if (bracketed)
		host++;
	end = host + strcspn(host, bracketed ? "]/" : ":/");
	problem = host_problem(host, (size_t) (end - host), bracketed, encrypted);
	if (problem != NULL)
		return problem;
	if (bracketed && *end++ != ']')
		return "The bracket of its IPv6 address is not closed.";
	if (*end == ':')
	{
		size_t digits = strspn(++end, "0123456789");
		long port = digits > 0 && digits <= 5 ? strtol(end, NULL, 10) : 0;

		if (port < 1 || port > 65535)
			return "Its port must be a number from 1 to 65535.";
		end += digits;
	}
	if (*end == '\0')
		return NULL;
	if (*end != '/')
		return "Its host is followed by neither a port nor a path.";
	return path_problem(end);
}

void
omf_endpoint_normalize(char *endpoint)
{
	size_t length = strlen(endpoint);
	char *host = strstr(endpoint, "://") + 3;
	const char *port;

	while (length > 0 && endpoint[length - 1] == '/')
		endpoint[--length] = '\0';
	length = strcspn(host, "/");
	for (char *c = endpoint; c < host + length; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';

	port = strncmp(endpoint, "https:", 6) == 0 ? ":443" : ":80";
	if (length > strlen(port) &&
		strncmp(host + length - strlen(port), port, strlen(port)) == 0)
	{
		char *end = host + length;

		memmove(end - strlen(port), end, strlen(end) + 1);
	}
}
