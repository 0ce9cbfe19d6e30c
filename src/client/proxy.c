/*-------------------------------------------------------------------------
 *
 * proxy.c
 *	  The proxy that the environment names for https.
 *
 *-------------------------------------------------------------------------
 */
#include "client/proxy.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The first of these that is set and not empty, as libcurl has it, or "". */
static const char *
environment(const char *const *names)
{
	for (; *names != NULL; names++)
	{
		const char *value = getenv(*names);

		if (value != NULL && value[0] != '\0')
			return value;
	}
	return "";
}

static int
hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return tolower((unsigned char) digit) - 'a' + 10;
}

/* A malloc'd copy with each %XX undone. */
static char *
decode(const char *text, size_t length)
{
	char *copy = strndup(text, length);
	char *target = copy;

	if (copy == NULL)
		return NULL;
	for (const char *next = copy; *next != '\0'; next++)
		if (next[0] == '%' && isxdigit((unsigned char) next[1]) &&
			isxdigit((unsigned char) next[2]))
		{
			*target++ = (char) (hex_digit(next[1]) * 16 + hex_digit(next[2]));
			next += 2;
		}
		else
			*target++ = *next;
	*target = '\0';
	return copy;
}

/* Is that a port and a path, as far as they are there? */
static bool
is_port(const char *text)
{
	if (*text == ':' && isdigit((unsigned char) text[1]))
	{
		char *end;
		unsigned long port = strtoul(text + 1, &end, 10);

		if (port == 0 || port > UINT16_MAX)
			return false;
		text = end;
	}
	return *text == '\0' || strchr("/?#", *text) != NULL;
}

/* libcurl takes user and password as strings, which would end there. */
static bool
has_zero_byte(const char *start, const char *end)
{
	const char *zero = strstr(start, "%00");

	return zero != NULL && zero < end;
}

/*
 * The user information ends at the last "@": a password may hold any
 * character, also those that should be encoded there.  Where the "@" is
 * missing, what looks like a port is the password, which libcurl would quote:
 * it is given a port that can't be one instead.
 */
static bool
split(OmfProxy *proxy, const char *value)
{
	const char *separator = strstr(value, "://");
	const char *start = separator != NULL ? separator + 3 : value;
	const char *at = strrchr(start, '@');
	const char *host = at != NULL ? at + 1 : start;
	size_t scheme = (size_t) (start - value);

	proxy->host = host[0] == '[' ? strndup(host, strcspn(host, "]") + 1)
								 : strndup(host, strcspn(host, ":/?#"));
	proxy->url = malloc(scheme + strlen(host) + sizeof(":x"));
	if (proxy->url == NULL || proxy->host == NULL)
		return false;
	proxy->malformed = !is_port(host + strlen(proxy->host)) ||
					   has_zero_byte(start, host);
	memcpy(proxy->url, value, scheme);
	strcpy(proxy->url + scheme, proxy->malformed ? proxy->host : host);
	if (proxy->malformed)
		strcat(proxy->url, ":x");
	if (at != NULL)
	{
		const char *colon = memchr(start, ':', (size_t) (at - start));
		const char *end = colon != NULL ? colon : at;
		const char *password = colon != NULL ? colon + 1 : at;

		proxy->user = decode(start, (size_t) (end - start));
		proxy->password = decode(password, (size_t) (at - password));
		return proxy->user != NULL && proxy->password != NULL;
	}
	return true;
}

bool
omf_proxy_from_environment(OmfProxy *proxy)
{
	static const char *const proxies[] = {"https_proxy", "HTTPS_PROXY",
										  "all_proxy", "ALL_PROXY", NULL};
	static const char *const exceptions[] = {"no_proxy", "NO_PROXY", NULL};
	const char *value = environment(proxies);

	memset(proxy, 0, sizeof(*proxy));
	proxy->except = strdup(value[0] != '\0' ? environment(exceptions) : "");
	if (value[0] != '\0')
		return split(proxy, value) && proxy->except != NULL;
	proxy->url = strdup("");
	return proxy->url != NULL && proxy->except != NULL;
}

void
omf_proxy_free(OmfProxy *proxy)
{
	if (proxy->password != NULL)
		explicit_bzero(proxy->password, strlen(proxy->password));
	free(proxy->url);
	free(proxy->host);
	free(proxy->user);
	free(proxy->password);
	free(proxy->except);
	memset(proxy, 0, sizeof(*proxy));
}

void
omf_proxy_scrub(char *text)
{
	char *start = text;

	while ((start = strstr(start, "://")) != NULL)
	{
		size_t length;
		char *at = NULL;

		start += 3;
		length = strcspn(start, " \t\r\n'\"");
		for (char *next = start; next < start + length; next++)
			if (*next == '@')
				at = next;
		if (at != NULL)
			memmove(start, at + 1, strlen(at + 1) + 1);
	}
}
