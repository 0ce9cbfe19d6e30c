/*-------------------------------------------------------------------------
 *
 * test_exchange.c
 *	  Unit tests of src/client/http.c: what is on the wire, driven by the engine.
 *
 *-------------------------------------------------------------------------
 */
#include "fixture.h"
#include "tap.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Does the request have that header line? */
static bool
has_line(int number, const char *line)
{
	char wanted[200];

	snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
	return strcasestr(server.seen[number].text, wanted) != NULL;
}

static const char *
body_of(int number)
{
	const char *end = strstr(server.seen[number].text, "\r\n\r\n");

	return end != NULL ? end + 4 : "";
}

/* Send a request and let it finish; the number of its reply. */
static int
send_one(OmfMethod method, const char *body)
{
	int number = nfinished;

	submit(method, "/x", body);
	until_finished(number + 1);
	return number;
}

static void
test_requests(void)
{
	static const OmfMethod methods[] = {OMF_GET, OMF_PUT, OMF_DELETE, OMF_PUT, OMF_GET};
	static const char body[] = "{\"source\":{\"host\":\"\xC3\xA9\"}}";

	begin_case("requests");
	config.http.max_concurrency = 1; /* all with the same handle */
	make_engine();
	server.handler = answer_at_once;
	for (int i = 0; i < countof(methods); i++)
	{
		bool put = methods[i] == OMF_PUT;

		is_number(reply_of(send_one(methods[i], put ? body : NULL))->http_status,
				  methods[i] == OMF_DELETE ? 204 : 200, "answered");
		is_text(server.seen[i].method, omf_method_name(methods[i]), "the method");
		is_text(body_of(i), put ? body : "", "the body");
		ok(has_line(i, "Authorization: Bearer dop_v1_token"), "the token");
		ok(has_line(i, "User-Agent: unit/test") && has_line(i, "Accept: application/json"),
		   "other headers");
		is_number(has_line(i, "Content-Type: application/json"), put, "its type, if a body");
		ok(strcasestr(server.seen[i].text, "\r\nExpect:") == NULL &&
			   strcasestr(server.seen[i].text, "\r\nAccept-Encoding:") == NULL &&
			   strcasestr(server.seen[i].text, "\r\nTransfer-Encoding:") == NULL,
		   "nothing that was not asked for");
	}
	end_case();
}

static void
test_url(void)
{
	char url[80];

	begin_case("addresses");
	snprintf(url, sizeof(url), "%s/prefix", config.http.base_url);
	config.http.base_url = url;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	make_engine();
	server.handler = answer_at_once;
	submit(OMF_GET, "/a/../b/./c", NULL);
	ok(until_finished(1) && reply_of(0)->outcome == OMF_ANSWERED, "no proxy is asked");
	is_text(server.seen[0].path, "/prefix/a/../b/./c", "the path is sent as it is");
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	end_case();

	begin_case("upper-case scheme");
	snprintf(url, sizeof(url), "HTTPS%s", config.http.base_url + 4);
	config.http.base_url = url;
	config.http.connect_timeout_ms = 300;
	make_engine();
	submit(OMF_GET, "/x", NULL);
	settle(100);
	is_number(server.connections[0].input[0], 0x16, "HTTPS speaks TLS");
	end_case();
}

/* The validator of options allows none of these. */
static void
test_no_url(void)
{
	static const char *const urls[] = {"http://", "http://user@127.0.0.1/"};

	for (int i = 0; i < countof(urls); i++)
	{
		const char *reason;

		begin_case("no address");
		config.http.base_url = urls[i];
		engine = omf_engine_create(&config, &reason);
		ok(engine == NULL, "of %s no engine is made", urls[i]);
		is_text(reason, "libcurl does not take the endpoint for a URL.", "the reason");
		end_case();
	}
}

/* ----- what libcurl is told ----- */

/* CURLOPT_CAINFO and CURLOPT_CAPATH: their numbers are part of its interface. */
#define OPTION_CAINFO 10065
#define OPTION_CAPATH 10097

static const char *told_ca_file;
static bool told_no_folder;

/* In the place of libcurl's, whose options are all of a word. */
extern int curl_easy_setopt(void *handle, int option, void *value);

int
curl_easy_setopt(void *handle, int option, void *value)
{
	typedef int (*Setter)(void *, int, ...);
	static Setter real;

	if (real == NULL)
		real = (Setter) dlsym(RTLD_NEXT, "curl_easy_setopt");
	if (option == OPTION_CAINFO)
		told_ca_file = value;
	if (option == OPTION_CAPATH)
		told_no_folder = value == NULL;
	return real(handle, option, value);
}

/* A CA file replaces what the system trusts, and is not added to it. */
static void
test_trust(void)
{
	begin_case("ca_file");
	make_engine();
	ok(told_ca_file == NULL && !told_no_folder, "without one, libcurl's own");
	omf_engine_destroy(engine);
	config.http.ca_file = "/somewhere/ca.pem";
	make_engine();
	is_text(told_ca_file != NULL ? told_ca_file : "", "/somewhere/ca.pem", "with one, that");
	ok(told_no_folder, "and no other");
	end_case();
}

static void
answer_location(Server *answering, Seen *request)
{
	server_answer(answering, request, 302, "Location: /other\r\n", "");
}

static void
test_redirect(void)
{
	begin_case("redirect");
	make_engine();
	server.handler = answer_location;
	is_number(reply_of(send_one(OMF_GET, NULL))->http_status, 302, "an answer like any other");
	settle(30);
	is_number(server.nseen, 1, "is not followed");
	end_case();
}

/* ----- connections ----- */

static void
test_reuse(void)
{
	begin_case("kept connections");
	config.http.max_concurrency = 1;
	make_engine();
	server.handler = answer_at_once;
	send_one(OMF_GET, NULL);
	send_one(OMF_GET, NULL);
	is_number(server.nconnections, 1, "GET after GET: kept");
	send_one(OMF_PUT, "{}");
	is_number(server.nconnections, 2, "PUT: a fresh one");
	ok(server.connections[0].client_closed, "for which an idle one makes room");
	send_one(OMF_DELETE, NULL);
	is_number(server.nconnections, 3, "DELETE after PUT: another one");
	ok(server.connections[1].client_closed, "for that of a start is closed after it");
	send_one(OMF_PUT, "{}");
	send_one(OMF_PUT, "{}");
	is_number(server.nconnections, 5, "PUT after PUT: a fresh one each");
	is_number(nfinished, 6, "all answered");
	end_case();
}

static void
close_idle(bool reset)
{
	const OmfReply *reply;

	begin_case(reset ? "idle connection reset" : "idle connection closed");
	make_engine();
	server.handler = answer_at_once;
	send_one(OMF_GET, NULL);
	server_hang_up(&server, 0, reset);
	reply = reply_of(send_one(OMF_GET, NULL));
	ok(reply->outcome == OMF_ANSWERED && reply->http_status == 200, "the next GET is answered");
	is_number(server.nseen, 2, "and seen once");
	ok(server.seen[1].connection != server.seen[0].connection, "over another one");
	end_case();
}

/* The server closes a kept connection just when the next request arrives. */
static bool reset_second;

static void
close_on_second(Server *answering, Seen *request)
{
	if (answering->nseen == 2)
		server_hang_up(answering, request->connection, reset_second);
	else
		answer_at_once(answering, request);
}

static void
close_under_request(OmfMethod method, bool reset)
{
	const OmfReply *reply;

	begin_case(reset ? "kept connection reset under a request" : "kept connection closed under a request");
	make_engine();
	reset_second = reset;
	server.handler = close_on_second;
	send_one(OMF_GET, NULL);
	reply = reply_of(send_one(method, NULL));
	is_number(reply->outcome, OMF_ANSWERED, "%s is answered, without max_retries",
			  omf_method_name(method));
	is_number(server.nseen, 3, "the second time it is sent");
	is_number(reply->tries, 2, "which counts, though libcurl would have done it by itself");
	ok(server.seen[2].connection != server.seen[1].connection, "over a fresh connection");
	end_case();
}

/* ----- what comes on a kept connection that nobody uses ----- */

static const char extra_answer[] =
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra";
static const char request_timeout[] =
	"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

static void
speak_unasked(const char *unasked, OmfMethod method)
{
	begin_case("unasked words on a kept connection");
	make_engine();
	server.handler = answer_at_once;
	send_one(OMF_GET, NULL);
	server_send(&server, &server.seen[0], unasked, strlen(unasked));
	send_one(method, NULL);
	is_number(reply_of(1)->http_status, method == OMF_GET ? 200 : 204, "%s has its own answer",
			  omf_method_name(method));
	is_text(reply_of(1)->body != NULL ? reply_of(1)->body : "", method == OMF_GET ? "/x" : "",
			"and body");
	/* a libcurl that does not look at a connection first finds out by trying */
	ok(reply_of(1)->tries <= 2, "at once, or when the connection has turned out to be of no use");
	is_number(server.nseen, 2, "it was seen once");
	ok(server.seen[1].connection != server.seen[0].connection, "over another connection");
	ok(server.connections[0].client_closed, "the first one is closed");

	/* the same while somebody waits, with the next request some time later */
	server_send(&server, &server.seen[1], unasked, strlen(unasked));
	settle(20);
	send_one(method, NULL);
	is_number(reply_of(2)->http_status, method == OMF_GET ? 200 : 204, "again");
	ok(server.seen[2].connection > server.seen[1].connection, "over a third one");
	end_case();
}

/* A flood of it ends, too. */
static void
speak_much_unasked(void)
{
	char much[50 * 1000];

	begin_case("a flood on a kept connection");
	make_engine();
	server.handler = answer_at_once;
	send_one(OMF_GET, NULL);
	memset(much, 'x', sizeof(much));
	for (int i = 0; i < 4; i++)
		server_send(&server, &server.seen[0], much, sizeof(much));
	send_one(OMF_GET, NULL);
	is_number(reply_of(1)->http_status, 200, "the next request is answered");
	ok(server.seen[1].connection != server.seen[0].connection, "over another connection");
	end_case();
}

static int half_from; /* the number of the first request that gets half an answer */
static int half_to;   /* and of the last one */

static void
answer_half(Server *answering, Seen *request)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";

	if (answering->nseen < half_from || answering->nseen > half_to)
	{
		answer_at_once(answering, request);
		return;
	}
	server_send(answering, request, half, strlen(half));
	server_hang_up(answering, request->connection, false);
}

static void
test_half_answers(void)
{
	begin_case("half an answer");
	make_engine();
	server.handler = answer_half;
	half_from = half_to = 2;
	send_one(OMF_GET, NULL);
	send_one(OMF_GET, NULL);
	is_number(reply_of(1)->outcome, OMF_ANSWERED, "over a kept connection: sent again");
	is_text(reply_of(1)->body, "/x", "with the second answer alone");
	ok(reply_of(1)->tries == 2 && reply_of(1)->earlier_unknown && server.nseen == 3, "once");
	end_case();

	begin_case("half an answer over a fresh connection");
	make_engine();
	half_from = 1;
	half_to = 100;
	server.handler = answer_half;
	send_one(OMF_GET, NULL);
	is_number(reply_of(0)->outcome, OMF_LOST, "lost");
	ok(reply_of(0)->words[0] != '\0' && server.nseen == 1, "with words, and sent once");
	send_one(OMF_PUT, "{}");
	is_number(reply_of(1)->outcome, OMF_LOST, "a start, too");
	is_number(server.nseen, 2, "also sent once");
	end_case();
}

/* ----- a start is sent once ----- */

static bool reset_put;

static void
hang_up_on_put(Server *answering, Seen *request)
{
	if (strcmp(request->method, "PUT") == 0)
		server_hang_up(answering, request->connection, reset_put);
	else
		answer_at_once(answering, request);
}

static void
put_once(bool reset)
{
	begin_case(reset ? "PUT, then reset" : "PUT, then closed");
	config.http.max_concurrency = 1;
	config.max_retries = 4;
	make_engine();
	reset_put = reset;
	server.handler = hang_up_on_put;
	send_one(OMF_GET, NULL);
	send_one(OMF_PUT, "{\"x\":1}");
	is_number(reply_of(1)->outcome, OMF_LOST, "lost");
	is_number(reply_of(1)->tries, 1, "after one try");
	settle(60);
	is_number(server.nseen, 2, "the server saw one GET and one PUT");
	is_text(server.seen[1].method, "PUT", "the last is the PUT");
	is_number(reply_of(send_one(OMF_GET, NULL))->http_status, 200, "the engine goes on");
	end_case();
}

/* ----- answers ----- */

static const char *scripted; /* what the server sends, as it is */
static size_t scripted_length;
static bool scripted_close; /* and closes then */

static void
answer_scripted(Server *answering, Seen *request)
{
	server_send(answering, request, scripted, scripted_length);
	if (scripted_close)
		server_hang_up(answering, request->connection, false);
}

/* The outcome of a GET that is answered so over a fresh connection. */
static OmfOutcome
outcome_of(const char *bytes, bool close)
{
	int number = nfinished;

	scripted = bytes;
	scripted_length = strlen(bytes);
	scripted_close = close;
	server.handler = answer_scripted;
	for (int i = 0; i < server.nconnections; i++)
		server_hang_up(&server, i, false);
	send_one(OMF_GET, NULL);
	return reply_of(number)->outcome;
}

static const char *
last_body(void)
{
	const OmfReply *reply = reply_of(nfinished - 1);

	return reply->body != NULL ? reply->body : "";
}

static void
test_answers(void)
{
	static const char *const lost[] = {
		"", "H", "HTTP/1.1 200",
		"SSH-2.0-OpenSSH_9.2\r\n", "<html></html>", "HTTP/1.1 xyz\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1234",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n1234",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
		/* nothing says that this is all */
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n \r\n",
		"HTTP/1.1 200 OK\r\n\r\n{\"a\":[{\"b\":1}]",
		"HTTP/1.1 200 OK\r\n\r\n{\"a\":\"}\\\"}"};
	static const char *const whole[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
		"HTTP/1.1 200 OK\r\n\r\n{\"a\":\"{\\\"{\",\"b\":[{}]}\n"};

	begin_case("answers");
	make_engine();
	for (int i = 0; i < countof(lost); i++)
		is_number(outcome_of(lost[i], true), OMF_LOST, "lost: %s", lost[i]);
	for (int i = 0; i < countof(whole); i++)
		is_number(outcome_of(whole[i], true), OMF_ANSWERED, "whole: %s", whole[i]);
	is_number(outcome_of("HTTP/1.1 200 OK\r\n", true), OMF_LOST, "lost after the status line");
	scripted = "HTTP/1.1 200 OK\r\n\r\n";
	scripted_length = strlen(scripted);
	send_one(OMF_DELETE, NULL);
	is_number(reply_of(nfinished - 1)->outcome, OMF_ANSWERED, "a stop without a length");
	is_number(outcome_of("HTTP/1.1 200 OK\r\nA: b\r\n", true), OMF_LOST, "lost within the headers");
	is_number(outcome_of("HTTP/1.0 200 OK\r\n\r\nto the end", true), OMF_ANSWERED, "HTTP/1.0");
	is_text(last_body(), "to the end", "has a body up to the end");
	is_number(outcome_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
						 "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
						 false),
			  OMF_ANSWERED, "chunks");
	is_text(last_body(), "abcde", "are put together");
	is_number(outcome_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Retry-After\r\n\r\n"
						 "3\r\nabc\r\n0\r\nRetry-After: 5\r\nRatelimit-Remaining: 0\r\n"
						 "Content-Encoding: gzip\r\n\r\n",
						 false),
			  OMF_ANSWERED, "trailers");
	ok(reply_of(nfinished - 1)->retry_after == -1 && !reply_of(nfinished - 1)->content_encoded &&
		   reply_of(nfinished - 1)->ratelimit_remaining == -1 && strcmp(last_body(), "abc") == 0,
	   "are no headers");
	is_number(outcome_of("HTTP/1.1 103 Early\r\nRetry-After: 5\r\nContent-Encoding: gzip\r\n\r\n"
						 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
						 false),
			  OMF_ANSWERED, "an interim answer");
	ok(reply_of(nfinished - 1)->retry_after == -1 && !reply_of(nfinished - 1)->content_encoded &&
		   reply_of(nfinished - 1)->http_status == 200,
	   "does not count");
	is_number(outcome_of("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
						 false),
			  OMF_ANSWERED, "an encoding that was not asked for");
	ok(reply_of(nfinished - 1)->content_encoded && strcmp(last_body(), "{}") == 0,
	   "is noted, and not undone");
	end_case();
}

/* ----- HTTP/2 ----- */

static Seen *opened; /* whose header has been sent */

/* Of the client's preface, this much looks like requests. */
static void
answer_header(Server *answering, Seen *request)
{
	static const char settings[] = "\0\0\0\4\0\0\0\0";
	static const char status_200[] = "\0\0\1\1\4\0\0\0\1\x88";

	if (strcmp(request->method, "SM") != 0)
		return;
	server_send(answering, request, settings, sizeof(settings));
	server_send(answering, request, status_200, sizeof(status_200) - 1);
	opened = request;
}

/* The outcome of a GET whose header these bytes follow, a moment later. */
static OmfOutcome
outcome_after_header(const char *bytes, size_t length)
{
	int number = nfinished;

	opened = NULL;
	submit(OMF_GET, "/x", NULL);
	for (int i = 0; i < 100 && opened == NULL; i++)
		settle(10);
	settle(50);
	if (opened != NULL)
		server_send(&server, opened, bytes, length);
	until_finished(number + 1);
	is_number(reply_of(number)->http_status, 200, "after a header");
	for (int i = 0; i < server.nconnections; i++)
		server_hang_up(&server, i, false);
	return reply_of(number)->outcome;
}

#define AFTER_HEADER(bytes) outcome_after_header(bytes, sizeof(bytes) - 1)

static void
test_streams(void)
{
	begin_case("streams that end, and that break");
	config.http.version = OMF_HTTP_2;
	make_engine();
	server.handler = answer_header;
	is_number(AFTER_HEADER("\0\0\2\0\1\0\0\0\1{}"), OMF_ANSWERED, "END_STREAM");
	is_number(AFTER_HEADER("\0\0\0\0\1\0\0\0\1"), OMF_ANSWERED, "END_STREAM without a body");
	is_number(AFTER_HEADER("\0\0\1\6\0\0\0\0\0x"), OMF_LOST, "a connection error");
	is_number(AFTER_HEADER("\0\0\4\3\0\0\0\0\1\0\0\0\0"), OMF_ANSWERED, "RST_STREAM(NO_ERROR), which libcurl takes for the end");
	is_number(AFTER_HEADER("\0\0\2\0\0\0\0\0\1{\"\0\0\1\6\0\0\0\0\0x"), OMF_LOST, "one in the body");
	end_case();
}

static void
test_retry_after_date(void)
{
	char text[200];
	time_t later = time(NULL) + 100;
	struct tm parts;

	begin_case("Retry-After as a date");
	make_engine();
	gmtime_r(&later, &parts);
	strftime(text, sizeof(text),
			 "HTTP/1.1 503 S\r\nRetry-After: %a, %d %b %Y %H:%M:%S GMT\r\nContent-Length: 0\r\n\r\n",
			 &parts);
	outcome_of(text, false);
	ok(reply_of(0)->pause_ms > 80000 && reply_of(0)->pause_ms <= 100000, "is understood");
	outcome_of("HTTP/1.1 503 S\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"
			   "Content-Length: 0\r\n\r\n",
			   false);
	is_number(reply_of(1)->pause_ms, 0, "one that is past means now");
	outcome_of("HTTP/1.1 503 S\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", false);
	is_number(reply_of(2)->pause_ms, -1, "anything else means nothing");
	end_case();
}

static void
test_caps(void)
{
	size_t size = 120 * 1000;
	char *text = malloc(size + 200);
	int start;

	begin_case("caps");
	make_engine();
	for (int length = BODY_MAX; length <= BODY_MAX + 1; length++)
	{
		bool fits = length <= BODY_MAX;

		sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%0*d", length, length, 0);
		is_number(outcome_of(text, false), fits ? OMF_ANSWERED : OMF_TOO_LARGE,
				  "a body of %d bytes", length);
		sprintf(text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%0*d\r\n0\r\n\r\n",
				(unsigned int) length, length, 0);
		is_number(outcome_of(text, false), fits ? OMF_ANSWERED : OMF_TOO_LARGE, "in a chunk");
		sprintf(text, "HTTP/1.1 200 OK\r\n\r\n%0*d", length, 0);
		is_number(outcome_of(text, true), fits ? OMF_ANSWERED : OMF_TOO_LARGE, "up to the end");
	}
	is_number(outcome_of("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", true), OMF_LOST,
			  "a length that never comes");

	start = sprintf(text, "HTTP/1.1 200 OK\r\n");
	while ((size_t) start < OMF_HEADERS_MAX + 1000)
		start += sprintf(text + start, "X-Filler: %0980d\r\n", 0);
	strcpy(text + start, "\r\n");
	is_number(outcome_of(text, false), OMF_TOO_LARGE, "many header lines");

	start = sprintf(text, "HTTP/1.1 200 OK\r\nX-Filler: ");
	memset(text + start, 'x', size);
	text[(size_t) start + size] = '\0';
	is_number(outcome_of(text, false), OMF_TOO_LARGE, "a header line without an end");
	is_number(outcome_of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false), OMF_ANSWERED,
			  "the engine goes on");
	free(text);
	end_case();
}

/* Many sockets that take long are not waited for one after the other. */
#define NFLOODS 60
#define FLOOD_PIECES 14000

static void
test_flood(void)
{
	static char text[100 + 6 * FLOOD_PIECES];
	OmfRequest *requests[NFLOODS];
	int length = sprintf(text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	int begun = 0;

	for (int i = 0; i < FLOOD_PIECES; i++)
		length += sprintf(text + length, "1\r\nx\r\n");
	begin_case("a flood of small chunks");
	config.http.max_concurrency = NFLOODS;
	make_engine();
	for (int i = 0; i < NFLOODS; i++)
		requests[i] = omf_engine_submit(engine, &inbox, OMF_GET, "/x", NULL, 1 << 20, &server);
	ok(until_seen(NFLOODS), "they are asked for");
	for (int i = 0; i < NFLOODS; i++)
		server_send(&server, &server.seen[i], text, (size_t) length);
	omf_engine_drive(engine);
	for (int i = 0; i < NFLOODS; i++)
		begun += omf_request_reply(requests[i])->body_length > 0;
	ok(begun > 0 && begun < NFLOODS, "a drive is over before all have been read: %d", begun);
	for (int i = 0; i < NFLOODS; i++)
		server_send(&server, &server.seen[i], "0\r\n\r\n", 5);
	ok(until_finished(NFLOODS), "all are, in the end");
	for (int i = 0; i < NFLOODS; i++)
		if (reply_of(i)->outcome != OMF_ANSWERED)
			ok(false, "and answered");
	end_case();
}

int
main(void)
{
	begin_tests();
	test_requests();
	test_url();
	test_no_url();
	test_trust();
	test_redirect();
	test_reuse();
	close_idle(false);
	close_idle(true);
	close_under_request(OMF_GET, false);
	close_under_request(OMF_DELETE, false);
	close_under_request(OMF_GET, true);
	speak_unasked(request_timeout, OMF_GET);
	speak_unasked(request_timeout, OMF_DELETE);
	speak_unasked(extra_answer, OMF_GET);
	speak_unasked(extra_answer, OMF_DELETE);
	speak_much_unasked();
	test_half_answers();
	put_once(false);
	put_once(true);
	test_answers();
	test_streams();
	test_retry_after_date();
	test_caps();
	test_flood();
	return finish_tests();
}
