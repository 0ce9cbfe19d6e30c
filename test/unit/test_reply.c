/*-------------------------------------------------------------------------
 *
 * test_reply.c
 *	  Unit tests of src/client/reply.c: headers and bodies, piece by piece.
 *
 *-------------------------------------------------------------------------
 */
#include "client/reply.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static OmfReply reply;

static void
begin_reply(size_t body_max)
{
	omf_reply_free(&reply);
	memset(&reply, 0, sizeof(reply));
	reply.body_max = body_max;
	omf_reply_reset(&reply);
}

/* Header lines come without a NUL: hand over a block of just their size. */
static bool
add_bytes(const char *line, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);
	bool added;

	memcpy(copy, line, length);
	added = omf_reply_add_header(&reply, copy, length);
	free(copy);
	return added;
}

static bool
add(const char *line)
{
	return add_bytes(line, strlen(line));
}

static void
test_headers(void)
{
	begin_reply(100);
	is_number(reply.retry_after, -1, "no Retry-After yet");
	is_number(reply.ratelimit_limit, -1, "no limit yet");
	is_number(reply.ratelimit_remaining, -1, "no remainder yet");
	is_number(reply.ratelimit_reset, -1, "no reset yet");
	ok(add("HTTP/1.1 429 Too Many Requests\r\n") && add("ratelimit-limit: 5000\r\n") &&
		   add("RateLimit-Remaining:0\r\n") && add("RATELIMIT-RESET: \t 1700000000 \t\r\n") &&
		   add("Retry-After: 29\n") && add("X-Request-ID: 4d9d8375-3c56_A.b:c"),
	   "all lines are taken");
	is_number(reply.ratelimit_limit, 5000, "ratelimit-limit");
	is_number(reply.ratelimit_remaining, 0, "ratelimit-remaining");
	is_number(reply.ratelimit_reset, 1700000000, "ratelimit-reset");
	is_number(reply.retry_after, 29, "retry-after");
	is_text(reply.retry_after_text, "29", "as it was sent");
	is_text(reply.request_id, "4d9d8375-3c56_A.b:c", "x-request-id");
	ok(!reply.content_encoded, "no Content-Encoding");

	ok(add("Content-Encoding: identity\r\n") && !reply.content_encoded, "identity is none");
	ok(add("content-encoding: gzip\r\n") && reply.content_encoded, "gzip is one");
	ok(add("\r\n") && reply.headers_ended, "the empty line ends the headers");
	ok(add("Retry-After: 30\r\n") && add("HTTP/1.1 503 Odd\r\n") && add("\r\n") &&
		   reply.retry_after == 29 && reply.content_encoded,
	   "what comes after it is a trailer, and no header");
}

static void
test_numbers(void)
{
	static const struct
	{
		const char *line;
		int64_t expected;
	} cases[] = {
		{"ratelimit-limit: 0\r\n", 0},
		{"ratelimit-limit: 9223372036854775807\r\n", INT64_MAX},
		{"ratelimit-limit: 9223372036854775808\r\n", INT64_MAX},
		{"ratelimit-limit: 99999999999999999999999999\r\n", INT64_MAX},
		{"ratelimit-limit: -1\r\n", -1},
		{"ratelimit-limit: +7\r\n", -1},
		{"ratelimit-limit: -0\r\n", -1},
		{"ratelimit-limit: 007\r\n", 7},
		{"ratelimit-limit: \v7\r\n", -1},
		{"ratelimit-limit: 7, 7\r\n", -1},
		{"ratelimit-limit: 7;w=60\r\n", -1},
		{"ratelimit-limit: 7e2\r\n", -1},
		{"ratelimit-limit: -9223372036854775808\r\n", -1},
		{"ratelimit-limit: 12a\r\n", -1},
		{"ratelimit-limit: 1 2\r\n", -1},
		{"ratelimit-limit: 1.5\r\n", -1},
		{"ratelimit-limit: 0x10\r\n", -1},
		{"ratelimit-limit:\r\n", -1},
		{"ratelimit-limit: \r\n", -1},
		{"ratelimit-limit : 7\r\n", -1},
		{" ratelimit-limit: 7\r\n", -1},
		{"ratelimit-limit 7\r\n", -1},
		{"xratelimit-limit: 7\r\n", -1},
		{"ratelimit-limits: 7\r\n", -1},
	};

	for (int i = 0; i < countof(cases); i++)
	{
		begin_reply(100);
		ok(add(cases[i].line), "taken: %s", cases[i].line);
		is_number(reply.ratelimit_limit, cases[i].expected, "  and understood");
	}
}

/* A field that comes more than once. */
static void
test_duplicates(void)
{
	begin_reply(100);
	add("ratelimit-limit: 250\r\n");
	add("ratelimit-limit: 250\r\n");
	is_number(reply.ratelimit_limit, 250, "the same twice is one");
	add("RateLimit-Limit: 0\r\n");
	is_number(reply.ratelimit_limit, OMF_AT_ODDS, "two that differ are none");
	add("ratelimit-limit: 250\r\n");
	is_number(reply.ratelimit_limit, OMF_AT_ODDS, "  whatever follows");
	add("ratelimit-remaining: 5\r\n");
	add("ratelimit-remaining: none\r\n");
	is_number(reply.ratelimit_remaining, OMF_AT_ODDS, "nor one that is no number, behind one that is");
	add("ratelimit-reset: 1\r\n");
	add("ratelimit-reset: 2\r\n");
	is_number(reply.ratelimit_reset, OMF_AT_ODDS, "which holds for each");
	add("HTTP/1.1 200 OK\r\n");
	add("ratelimit-limit: 7\r\n");
	is_number(reply.ratelimit_limit, 7, "another answer begins anew");

	/* and one that leaves open where the answer ends */
	ok(add("Content-Length: 5\r\n") && add("content-length: 5\r\n"), "the same length twice is one");
	ok(!add("Content-Length: 6\r\n"), "another one is not taken");
	is_number(reply.outcome, OMF_LOST, "  so that there is no answer");
	begin_reply(100);
	ok(add("Content-Length: 5\r\n") && !add("Content-Length: 5x\r\n"), "nor what is none");
	begin_reply(100);
	ok(!add("Content-Length: 5, 6\r\n"), "nor two in one line");
	begin_reply(100);
	ok(add("HTTP/1.1 103 Early Hints\r\n") && add("Content-Length: 5\r\n") && add("\r\n") &&
		   add("HTTP/1.1 200 OK\r\n") && add("Content-Length: 6\r\n") && add("\r\n") && add("Content-Length: 7\r\n"),
	   "an interim answer and a trailer have their own");
}

static void
test_retry_after(void)
{
	begin_reply(100);
	add("Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n");
	is_number(reply.retry_after, -1, "a date is no number");
	is_text(reply.retry_after_text, "Fri, 31 Dec 1999 23:59:59 GMT", "but is kept");

	begin_reply(100);
	add("Retry-After: 123456789012345678901234567890123456789\r\n");
	is_text(reply.retry_after_text, "123456789012345678901234567890123456789", "39 characters fit");
	begin_reply(100);
	add("Retry-After: 1234567890123456789012345678901234567890\r\n");
	is_text(reply.retry_after_text, "", "40 do not");
}

static void
test_request_id(void)
{
	static const char *const refused[] = {
		"a b", "a\"b", "<script>", "a\xC3\xA9", "a\tb", "a;b", "%41", "a\x1B[1m"};
	char line[200];
	char id[100];

	for (int i = 0; i < countof(refused); i++)
	{
		begin_reply(100);
		snprintf(line, sizeof(line), "x-request-id: %s\r\n", refused[i]);
		add(line);
		is_text(reply.request_id, "", "no request id: %s", refused[i]);
	}
	memset(id, 'f', sizeof(id));
	for (int length = OMF_REQUEST_ID_SIZE - 1; length <= OMF_REQUEST_ID_SIZE; length++)
	{
		begin_reply(100);
		snprintf(line, sizeof(line), "x-request-id: %.*s\r\n", length, id);
		add(line);
		is_number((long long) strlen(reply.request_id),
				  length < OMF_REQUEST_ID_SIZE ? length : 0,
				  "a request id of %d characters", length);
	}
}

/* What an interim answer or an earlier try said does not count. */
static void
test_reset(void)
{
	begin_reply(100);
	add("HTTP/1.1 103 Early Hints\r\n");
	add("Retry-After: 5\r\n");
	add("Content-Encoding: gzip\r\n");
	add("ratelimit-limit: 1\r\n");
	add("ratelimit-remaining: 2\r\n");
	add("ratelimit-reset: 3\r\n");
	add("x-request-id: early\r\n");
	add("\r\n");
	add("HTTP/2 200\r\n");
	is_number(reply.retry_after, -1, "retry-after of an interim answer is forgotten");
	is_text(reply.retry_after_text, "", "and its text");
	ok(!reply.content_encoded, "content-encoding, too");
	is_number(reply.ratelimit_limit, -1, "ratelimit-limit, too");
	is_number(reply.ratelimit_remaining, -1, "ratelimit-remaining, too");
	is_number(reply.ratelimit_reset, -1, "ratelimit-reset, too");
	is_text(reply.request_id, "", "x-request-id, too");
	ok(reply.header_bytes > 100, "its bytes do count against the cap");

	add("Retry-After: 7\r\n");
	omf_reply_add_body(&reply, "text", 4);
	strcpy(reply.words, "words");
	reply.http_status = 503;
	reply.outcome = OMF_LOST;
	reply.sent_at = 1700000000;
	reply.tries = 3;
	reply.earlier_unknown = true;
	omf_reply_reset(&reply);
	ok(reply.retry_after == -1 && reply.http_status == 0 && reply.header_bytes == 0 &&
		   reply.body_length == 0 && reply.body[0] == '\0' && reply.words[0] == '\0' &&
		   reply.outcome == OMF_ANSWERED && reply.sent_at == 0,
	   "a reset forgets the answer");
	ok(reply.body_max == 100 && reply.tries == 3 && reply.earlier_unknown,
	   "but not the cap and what is said of earlier tries");
}

static void
test_odd_lines(void)
{
	static const char with_nul[] = "ratelimit-limit: 5\0ratelimit-limit: 6\r\n";
	static const char name_nul[] = "ratelimit-limit\0: 5\r\n";
	char line[400];

	begin_reply(100);
	ok(add_bytes("", 0) && add("\r\n") && add(":") && add(": 5\r\n") && add("no colon\r\n") &&
		   add("HTTP/") && add("HTTP") && add("\r\r\n\n") && add("::::") && add("\xFF\xFE: \x80"),
	   "odd lines are passed over");
	begin_reply(100);
	ok(add_bytes(with_nul, sizeof(with_nul) - 1) && reply.ratelimit_limit == -1,
	   "a line with a NUL in it is not looked at");
	ok(add_bytes(name_nul, sizeof(name_nul) - 1) && reply.ratelimit_limit == -1,
	   "nor one with a NUL in its name");

	snprintf(line, sizeof(line), "ratelimit-limit:%*s\r\n", 255 - 16, "8");
	ok(add(line) && reply.ratelimit_limit == 8, "a line of 255 characters is looked at");
	begin_reply(100);
	snprintf(line, sizeof(line), "ratelimit-limit:%*s\r\n", 256 - 16, "8");
	ok(add(line) && reply.ratelimit_limit == -1, "one of 256 is not");
	ok(add("ratelimit-limit: 9\r\n") && reply.ratelimit_limit == 9, "the next one is");
}

static void
test_header_cap(void)
{
	char line[1024];
	int taken = 0;

	is_number(OMF_HEADERS_MAX, 64 * 1024, "as many bytes as the documents say");
	memset(line, 'x', sizeof(line));
	begin_reply(100);
	for (int i = 0; i < 100 && add_bytes(line, sizeof(line)); i++)
		taken++;
	is_number(taken, OMF_HEADERS_MAX / 1024, "headers up to the cap are taken");
	is_number(reply.outcome, OMF_TOO_LARGE, "one byte more is too much");

	/* a server that never ends its interim answers */
	begin_reply(100);
	taken = 0;
	for (int i = 0; i < 100000 && add("HTTP/1.1 102 Processing\r\n"); i++)
		taken++;
	is_number(taken, OMF_HEADERS_MAX / 25, "interim answers count, too");
	is_number(reply.outcome, OMF_TOO_LARGE, "and end as too large");
}

static void
test_body(void)
{
	static char piece[1000];
	int taken = 0;

	begin_reply(10);
	ok(reply.body == NULL, "no body, no memory");
	ok(omf_reply_add_body(&reply, "", 0) && reply.body_length == 0, "an empty piece");
	ok(omf_reply_add_body(&reply, "12345", 5) && omf_reply_add_body(&reply, "67890", 5),
	   "a body that just fits");
	is_text(reply.body, "1234567890", "is put together");
	ok(!omf_reply_add_body(&reply, "x", 1), "one byte more does not fit");
	is_number(reply.outcome, OMF_TOO_LARGE, "and ends as too large");
	is_text(reply.body, "1234567890", "the body is as it was");

	begin_reply(10);
	ok(!omf_reply_add_body(&reply, "12345678901", 11), "a piece over the cap");
	ok(reply.body == NULL || reply.body_length == 0, "is not kept in part");

	begin_reply(0);
	ok(!omf_reply_add_body(&reply, "x", 1), "a cap of nothing");

	begin_reply(2 * OMF_PIECES_MAX);
	for (int i = 0; i < OMF_PIECES_MAX; i++)
		taken += omf_reply_add_body(&reply, "x", 1);
	is_number(taken, OMF_PIECES_MAX, "a body in many pieces");
	ok(!omf_reply_add_body(&reply, "x", 1) && reply.outcome == OMF_TOO_LARGE, "one piece more is too many");

	begin_reply(100 * 1000);
	for (int i = 0; i < 100; i++)
	{
		memset(piece, 'a' + i % 26, sizeof(piece));
		if (!omf_reply_add_body(&reply, piece, sizeof(piece)))
			break;
	}
	is_number((long long) reply.body_length, 100 * 1000, "a hundred pieces");
	ok(reply.body_length == 100000 && reply.body[99999] == 'a' + 99 % 26 &&
		   reply.body[1000] == 'b' && reply.body[100000] == '\0',
	   "in their order, with a NUL after them");
	ok(reply.body_room <= 4 * 100 * 1000, "in not much more memory than they take");

	omf_reply_free(&reply);
	ok(reply.body == NULL && reply.body_length == 0 && reply.body_room == 0, "freed");
	omf_reply_free(&reply);
	ok(reply.body == NULL, "freed twice");
}

int
main(void)
{
	begin_tests();
	test_headers();
	test_numbers();
	test_duplicates();
	test_retry_after();
	test_request_id();
	test_reset();
	test_odd_lines();
	test_header_cap();
	test_body();
	omf_reply_free(&reply);
	return finish_tests();
}
