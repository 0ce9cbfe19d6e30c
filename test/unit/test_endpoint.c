/*-------------------------------------------------------------------------
 *
 * test_endpoint.c
 *	  Unit tests of src/client/endpoint.c: which server addresses are accepted.
 *
 *-------------------------------------------------------------------------
 */
#include "client/endpoint.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

static const char *const accepted[] = {
	"https://api.digitalocean.com",
	"https://api.digitalocean.com/",
	"https://api.digitalocean.com/prefix/v2_1/a-b.c~d",
	"https://api.digitalocean.com/prefix/",
	"HTTPS://API.DigitalOcean.com",
	"https://api.digitalocean.com:443",
	"https://api.digitalocean.com:1/",
	"https://api.digitalocean.com:65535/x",
	"https://api.digitalocean.com.",
	"https://my_host",
	"https://10.0.0.1:8443",
	"https://[2001:db8::1]",
	"https://[2001:db8::1]:8443/x",
	"https://[::ffff:10.0.0.1]",
	"https://h/...",
	"https://h/.a/..b/c..",
	"http://localhost",
	"http://LOCALHOST:8080/x",
	"http://localhost:80",
	"HTTP://127.0.0.1:8080",
	"http://127.0.0.1",
	"http://127.255.255.254/x",
	"http://[::1]",
	"http://[::1]:8080/",
	"http://[0:0:0:0:0:0:0:1]",
};

static const struct
{
	const char *endpoint;
	const char *problem; /* a part of what is said */
} refused[] = {
	/* the scheme */
	{"", "begin with"},
	{"https:", "begin with"},
	{"https:/h", "begin with"},
	{"api.digitalocean.com", "begin with"},
	{"//api.digitalocean.com", "begin with"},
	{" https://h", "begin with"},
	{"ftp://h", "begin with"},
	{"file:///etc/passwd", "begin with"},
	{"httpss://h", "begin with"},
	{"https\t://h", "begin with"},
	{"javascript://h", "begin with"},

	/* plain text to another host */
	{"http://api.digitalocean.com", "clear text"},
	{"http://127.0.0.1.evil.com", "clear text"},
	{"http://localhost.evil.com", "clear text"},
	{"http://localhost.", "clear text"},
	{"http://notlocalhost", "clear text"},
	{"http://128.0.0.1", "clear text"},
	{"http://0.0.0.0", "clear text"},
	{"http://10.0.0.1", "clear text"},
	{"http://127.1", "clear text"},
	{"http://2130706433", "clear text"},
	{"http://0x7f.0.0.1", "clear text"},
	{"http://0177.0.0.1", "clear text"},
	{"http://127.0.0.256", "clear text"},
	{"http://127.0.0.1.", "clear text"},
	{"http://[::]", "clear text"},
	{"http://[::2]", "clear text"},
	{"http://[2001:db8::1]", "clear text"},
	{"http://[fe80::1]", "clear text"},

	/* a user, and what looks like a host but is one */
	{"https://user@h", "no user"},
	{"https://user:password@h", "no user"},
	{"https://api.digitalocean.com@evil.com", "no user"},
	{"https://api.digitalocean.com:443@evil.com/", "no user"},
	{"http://localhost@evil.com", "no user"},
	{"http://127.0.0.1:80@evil.com", "no user"},
	{"https://h/@x", "no user"},
	{"https://@h", "no user"},
	{"https://api.digitalocean.com%40evil.com", "character"},
	{"https://evil.com\\@api.digitalocean.com", "no user"},
	{"https://evil.com\\.digitalocean.com", "character"},
	{"http://localhost\\.evil.com", "character"},
	{"http://evil.com#@localhost", "no fragment"},
	{"http://localhost#evil", "no fragment"},
	{"https://h?x", "no query"},
	{"https://h/?", "no query"},
	{"https://h/x#", "no fragment"},

	/* the host */
	{"https://", "no host"},
	{"https:///x", "no host"},
	{"https://:443", "no host"},
	{"https://h h", "character"},
	{"https:// h", "character"},
	{"https://h\n", "character"},
	{"https://h\x01", "character"},
	{"https://h\x7F", "character"},
	{"https://h%2e", "character"},
	{"https://\xC3\xA9.com", "character"},
	{"https://h*", "character"},
	{"https://a,b", "character"},
	{"https://::1", "no host"},
	{"https://2001:db8::1", "port"},

	/* brackets */
	{"https://[]", "no host"},
	{"https://[::1", "not closed"},
	{"https://[::1/", "not closed"},
	{"https://[", "no host"},
	{"https://[::g]", "not an IPv6"},
	{"https://[127.0.0.1]", "not an IPv6"},
	{"https://[h]", "not an IPv6"},
	{"https://[fe80::1%25eth0]", "not an IPv6"},
	{"https://[::1]x", "neither a port nor a path"},
	{"https://[::1].evil.com", "neither a port nor a path"},
	{"http://[::1]evil.com", "neither a port nor a path"},
	{"https://[[::1]]", "not an IPv6"},
	{"https://h]", "character"},

	/* the port */
	{"https://h:", "port"},
	{"https://h:/x", "port"},
	{"https://h:0", "port"},
	{"https://h:65536", "port"},
	{"https://h:99999", "port"},
	{"https://h:000443", "port"},
	{"https://h:4294967739", "port"},
	{"https://h:-1", "port"},
	{"https://h:+1", "port"},
	{"https://h: 1", "port"},
	{"https://h:x", "port"},
	{"https://h:443x", "neither a port nor a path"},
	{"https://h:443:443", "neither a port nor a path"},
	{"http://localhost:80.evil.com", "neither a port nor a path"},
	{"https://h:443\n", "neither a port nor a path"},

	/* the path */
	{"https://h/.", "dot segment"},
	{"https://h/..", "dot segment"},
	{"https://h/./", "dot segment"},
	{"https://h/../x", "dot segment"},
	{"https://h/a/..", "dot segment"},
	{"https://h/a/./b", "dot segment"},
	{"https://h/a/b/../", "dot segment"},
	{"https://h//", "empty segment"},
	{"https://h//x", "empty segment"},
	{"https://h/a//b", "empty segment"},
	{"https://h/a//", "empty segment"},
	{"https://h/%2e%2e", "path may contain"},
	{"https://h/%2E", "path may contain"},
	{"https://h/a%2Fb", "path may contain"},
	{"https://h/a b", "path may contain"},
	{"https://h/a\r\nX: y", "path may contain"},
	{"https://h/a\x01", "path may contain"},
	{"https://h/a\\..\\b", "path may contain"},
	{"https://h/\xC3\xA9", "path may contain"},
	{"https://h/a;b", "path may contain"},
	{"https://h/{x}", "path may contain"},
	{"https://h/[1-9]", "path may contain"},
};

static void
test_lengths(void)
{
	char endpoint[OMF_ENDPOINT_MAX * 4];

	is_number(OMF_ENDPOINT_MAX, 1024, "as many bytes as the documents say");
	for (int length = OMF_ENDPOINT_MAX - 1; length <= OMF_ENDPOINT_MAX + 1; length++)
	{
		memset(endpoint, 'a', sizeof(endpoint));
		memcpy(endpoint, "https://h/", 10);
		endpoint[length] = '\0';
		ok((omf_endpoint_problem(endpoint) == NULL) == (length <= OMF_ENDPOINT_MAX),
		   "a path, %d characters in all", length);
		memset(endpoint, 'a', (size_t) length);
		memcpy(endpoint, "https://", 8);
		ok((omf_endpoint_problem(endpoint) == NULL) == (length <= OMF_ENDPOINT_MAX),
		   "a host, %d characters in all", length);
	}
	memset(endpoint, ':', sizeof(endpoint));
	memcpy(endpoint, "https://[", 9);
	endpoint[sizeof(endpoint) - 1] = '\0';
	ok(omf_endpoint_problem(endpoint) != NULL, "a very long IPv6 address");
	endpoint[OMF_ENDPOINT_MAX] = '\0';
	ok(omf_endpoint_problem(endpoint) != NULL, "one just as long as may be");
}

/* What is remembered of an API is found again, however it is spelt. */
static void
test_normalize(void)
{
	static const char *const spellings[][2] = {
		{"HTTPS://Api.Example.COM", "https://api.example.com"},
		{"https://api.example.com:443/", "https://api.example.com"},
		{"https://api.example.com:443/Path/", "https://api.example.com/Path"},
		{"https://api.example.com:80", "https://api.example.com:80"},
		{"http://LOCALHOST:80//", "http://localhost"},
		{"http://127.0.0.1:443", "http://127.0.0.1:443"},
		{"http://127.0.0.1:8080/v", "http://127.0.0.1:8080/v"},
		{"http://[::1]:80", "http://[::1]"},
		{"https://[FE80::443]", "https://[fe80::443]"},
	};

	for (int i = 0; i < countof(spellings); i++)
	{
		char endpoint[64];

		snprintf(endpoint, sizeof(endpoint), "%s", spellings[i][0]);
		omf_endpoint_normalize(endpoint);
		is_text(endpoint, spellings[i][1], "normalized: %s", spellings[i][0]);
	}
}

int
main(void)
{
	begin_tests();
	for (int i = 0; i < countof(accepted); i++)
		is_text(omf_endpoint_problem(accepted[i]), NULL, "accepted: %s", accepted[i]);
	for (int i = 0; i < countof(refused); i++)
	{
		const char *problem = omf_endpoint_problem(refused[i].endpoint);

		ok(problem != NULL && strstr(problem, refused[i].problem) != NULL,
		   "refused: %s: %s", refused[i].endpoint, problem != NULL ? problem : "(accepted)");
	}
	test_lengths();
	test_normalize();
	return finish_tests();
}
