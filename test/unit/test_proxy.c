/*-------------------------------------------------------------------------
 *
 * test_proxy.c
 *	  Unit tests of src/client/proxy.c.
 *
 *-------------------------------------------------------------------------
 */
#include "client/proxy.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
	"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
	"no_proxy", "NO_PROXY", "http_proxy"};

static void
is_or_null(const char *got, const char *expected, const char *what)
{
	if (got == NULL || expected == NULL)
		ok(got == expected, "%s: %s", what, got != NULL ? got : "none");
	else
		is_text(got, expected, "%s", what);
}

/* The parts of a proxy that the environment names so. */
static void
try_value(const char *value, const char *url, const char *host, const char *user, const char *password)
{
	OmfProxy proxy;

	note("%s", value);
	setenv("https_proxy", value, 1);
	ok(omf_proxy_from_environment(&proxy), "memory suffices");
	is_or_null(proxy.url, url, "its address");
	is_or_null(proxy.host, host, "its host");
	is_or_null(proxy.user, user, "the user");
	is_or_null(proxy.password, password, "the password");
	omf_proxy_free(&proxy);
	omf_proxy_free(&proxy);
	unsetenv("https_proxy");
}

/* Which variables count, and in what order. */
static void
try_order(void)
{
	OmfProxy proxy;

	for (int i = 3; i >= 0; i--)
	{
		setenv(names[i], names[i], 1);
		ok(omf_proxy_from_environment(&proxy), "memory suffices");
		is_or_null(proxy.url, names[i], "this one goes before the later ones");
		is_or_null(proxy.except, "", "without exceptions");
		omf_proxy_free(&proxy);
	}
	setenv("https_proxy", "", 1);
	setenv("NO_PROXY", "a,b", 1);
	ok(omf_proxy_from_environment(&proxy), "memory suffices");
	is_or_null(proxy.url, "HTTPS_PROXY", "an empty one is none");
	is_or_null(proxy.except, "a,b", "with exceptions");
	omf_proxy_free(&proxy);
}

static void
try_scrub(const char *text, const char *scrubbed)
{
	char copy[200];

	strcpy(copy, text);
	omf_proxy_scrub(copy);
	is_text(copy, scrubbed, "scrubbed: %s", text);
}

int
main(void)
{
	for (int i = 0; i < countof(names); i++)
		unsetenv(names[i]);
	setenv("http_proxy", "http://plain:1", 1); /* is not for https */
	try_value("", "", NULL, NULL, NULL);
	try_value("http://proxy:3128", "http://proxy:3128", "proxy", NULL, NULL);
	try_value("proxy:3128/", "proxy:3128/", "proxy", NULL, NULL);
	try_value("socks5h://[::1]:1080", "socks5h://[::1]:1080", "[::1]", NULL, NULL);
	try_value("http://bob:secret@proxy:3128", "http://proxy:3128", "proxy", "bob", "secret");
	try_value("bob:secret@proxy", "proxy", "proxy", "bob", "secret");
	try_value("http://bob@proxy:3128", "http://proxy:3128", "proxy", "bob", "");
	try_value("http://bob:p#s/s?@:@proxy:3128", "http://proxy:3128", "proxy", "bob", "p#s/s?@:");
	try_value("http://b%6Fb:p%40%2fs%zz%@proxy", "http://proxy", "proxy", "bob", "p@/s%zz%");

	/* without the "@" a password looks like a port */
	try_value("http://bob:s3cr3t", "http://bob:x", "bob", NULL, NULL);
	try_value("http://bob:31280000", "http://bob:x", "bob", NULL, NULL);
	try_value("bob:0", "bob:x", "bob", NULL, NULL);
	try_value("http://[::1]s3cr3t", "http://[::1]:x", "[::1]", NULL, NULL);
	try_value("http://proxy:65535/path", "http://proxy:65535/path", "proxy", NULL, NULL);
	try_value("http://bob:", "http://bob:x", "bob", NULL, NULL);
	try_order();

	try_scrub("Unsupported proxy syntax in 'http://bob:p#ss@proxy:1'", "Unsupported proxy syntax in 'http://proxy:1'");
	try_scrub("http://a@b and https://c:d@e@f, https://g", "http://b and https://f, https://g");
	try_scrub("nothing of that kind: mail@example.com", "nothing of that kind: mail@example.com");
	try_scrub("", "");
	return finish_tests();
}
