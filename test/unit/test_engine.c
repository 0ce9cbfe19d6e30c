/*-------------------------------------------------------------------------
 *
 * test_engine.c
 *	  Unit tests of src/client/engine.c: queue, time-outs, retries, calling off.
 *
 *-------------------------------------------------------------------------
 */
#include "fixture.h"
#include "client/pollset.h"
#include "tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>

static void
test_order(void)
{
	static const char *const paths[] = {"/a", "/b", "/c", "/d", "/e", "/f"};
	OmfRequest *requests[countof(paths)];
	int wrong = 0;

	begin_case("queue order");
	config.http.max_concurrency = 1;
	make_engine();
	server.handler = answer_at_once;
	is_number(omf_engine_prepare_wait(engine, false), -1, "nothing to do: wait for ever");
	for (int i = 0; i < countof(paths); i++)
		requests[i] = submit(i % 2 == 0 ? OMF_GET : OMF_DELETE, paths[i], NULL);
	is_number(omf_engine_prepare_wait(engine, false), 0, "something to send: don't wait");
	ok(until_finished(countof(paths)), "all finish");
	for (int i = 0; i < countof(paths) && i < nfinished; i++)
		wrong += strcmp(server.seen[i].path, paths[i]) != 0 || finished[i] != requests[i] ||
				 omf_request_owner(finished[i]) != &server ||
				 omf_request_method(finished[i]) != (i % 2 == 0 ? OMF_GET : OMF_DELETE) ||
				 strcmp(omf_request_path(finished[i]), paths[i]) != 0;
	is_number(wrong, 0, "they are sent and finish in their order");
	is_text(reply_of(2)->body, "/c", "each has its answer");
	is_number(server.nconnections, 1, "over one connection");
	ok(reply_of(0)->tries == 1 && reply_of(0)->sent_at > 0 && !reply_of(0)->earlier_unknown,
	   "sent once");
	is_text(omf_engine_token(engine), "dop_v1_token", "the token");
	end_case();
}

static void
test_concurrency(void)
{
	int unanswered = 0;

	begin_case("concurrency");
	config.http.max_concurrency = 3;
	make_engine();
	is_number(omf_engine_room(engine), 3, "room for three");
	for (int i = 0; i < 10; i++)
	{
		submit(OMF_GET, "/x", NULL);
		if (i < 4)
			is_number(omf_engine_room(engine), i < 2 ? 2 - i : 0, "room after %d", i + 1);
	}
	ok(until_seen(3), "three are sent");
	turns = 0;
	settle(60);
	is_number(server.nseen, 3, "and no more");
	ok(turns < 20, "nobody is woken for nothing (%d turns)", turns);
	for (int i = 0; i < 10; i++)
	{
		answer_at_once(&server, &server.seen[i]);
		if (!until_finished(i + 1) || (i < 7 && !until_seen(i + 4)))
			break;
		if (server.nseen - nfinished > unanswered)
			unanswered = server.nseen - nfinished;
	}
	is_number(nfinished, 10, "one answered, one more is sent");
	is_number(unanswered, 3, "never more than three at once");
	is_number(server.nconnections, 3, "over three connections");
	is_number(omf_engine_room(engine), 3, "room for three again");
	end_case();
}

/* Where descriptors run out, requests wait for connections that there are. */
static void
test_few_descriptors(void)
{
	char path[8];

	begin_case("few descriptors");
	make_engine();
	fd_allowance = fds_acquired() + 3;
	for (int i = 0; i < 10; i++)
	{
		snprintf(path, sizeof(path), "/%d", i);
		submit(OMF_GET, path, NULL);
	}
	ok(until_seen(3), "as many are sent as have a descriptor");
	turns = 0;
	settle(60);
	is_number(server.nseen, 3, "and no more");
	ok(turns < 20, "nobody is woken for nothing (%d turns)", turns);
	is_number(omf_engine_room(engine), 0, "there is no room for more");
	for (int i = 0; i < 10 && until_seen(i + 1); i++)
	{
		answer_at_once(&server, &server.seen[i]);
		if (!until_finished(i + 1))
			break;
		snprintf(path, sizeof(path), "/%d", i);
		is_text(reply_of(i)->body, path, "the others follow in their order");
	}
	is_number(nfinished, 10, "all are answered");
	is_number(server.nconnections, 3, "over three connections");
	is_number(reply_of(9)->tries, 1, "which is no try of its own");
	fd_allowance++;
	for (int i = 0; i < 4; i++)
		submit(OMF_GET, "/again", NULL);
	ok(until_seen(14), "later there may be more");
	is_number(server.nconnections, 4, "over four connections");
	end_case();
}

/* A start and what goes with it wait for no read: not in the queue either. */
static void
test_urgent(void)
{
	begin_case("urgent requests");
	config.http.max_concurrency = 1;
	make_engine();
	submit(OMF_GET, "/hangs", NULL);
	submit(OMF_GET, "/queued", NULL);
	ok(until_seen(1), "one hangs, one is queued");
	server.handler = answer_at_once;
	omf_request_make_urgent(submit(OMF_GET, "/look", NULL), false);
	ok(until_finished(1), "an urgent one is answered");
	is_text(reply_of(0)->body, "/look", "before both");
	omf_request_make_urgent(submit(OMF_PUT, "/start", "{}"), true);
	ok(until_finished(2), "a start, too");
	is_text(reply_of(1)->body, "/start", "that was it");
	omf_request_make_urgent(submit(OMF_DELETE, "/stop", NULL), true);
	ok(until_finished(3) && reply_of(2)->http_status == 204, "and a stop");
	is_number(omf_engine_room(engine), 0, "they take nobody's room");
	is_number(server.nseen, 4, "what is queued still is");
	end_case();
}

/* ----- calling off ----- */

static void
test_free_waiting(void)
{
	OmfRequest *request;

	begin_case("free what was not sent");
	config.http.max_concurrency = 1;
	make_engine();
	server.handler = answer_at_once;
	omf_request_free(submit(OMF_PUT, "/never", "{}"));
	request = submit(OMF_GET, "/queued", NULL);
	submit(OMF_GET, "/sent", NULL);
	omf_request_free(request);
	omf_request_free(NULL);
	ok(until_finished(1), "the other one finishes");
	is_text(server.seen[0].path, "/sent", "it alone is sent");
	is_number(server.nseen, 1, "and no other");

	request = submit(OMF_GET, "/connecting", NULL);
	omf_engine_drive(engine);
	omf_request_free(request);
	is_number(omf_engine_room(engine), 1, "what is called off makes room");
	submit(OMF_GET, "/next", NULL);
	ok(until_finished(2), "one that was just started is called off");
	is_text(reply_of(1)->body, "/next", "the next one has its own answer");
	end_case();
}

static void
test_free_flying(void)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
	OmfRequest *request;

	begin_case("free in flight");
	config.http.max_concurrency = 1;
	make_engine();
	request = submit(OMF_PUT, "/sent", "{}");
	ok(until_seen(1), "sent");
	omf_request_free(request);
	settle(30);
	ok(server.connections[0].client_closed, "called off: its connection is closed");
	is_number(omf_engine_room(engine), 1, "and there is room");
	is_number(nfinished, 0, "nothing arrives");

	request = submit(OMF_GET, "/half", NULL);
	ok(until_seen(2), "another one");
	server_send(&server, &server.seen[1], half, strlen(half));
	settle(30);
	omf_request_free(request);
	settle(30);
	ok(server.connections[1].client_closed, "called off within its answer: closed");

	submit(OMF_GET, "/left", NULL);
	submit(OMF_GET, "/left", NULL);
	ok(until_seen(3), "one in flight and one queued are left to the inbox");
	end_case();
}

static void
answer_503(Server *answering, Seen *request)
{
	server_answer(answering, request, 503, "Retry-After: 9\r\n", "");
}

static void
test_free_later(void)
{
	OmfRequest *request;
	OmfRequest *other;

	begin_case("free when delayed and when done");
	config.max_retries = 3;
	config.max_retry_wait_ms = 10000;
	make_engine();
	server.handler = answer_503;
	request = submit(OMF_GET, "/delayed", NULL);
	ok(until_seen(1), "answered with 503");
	settle(30);
	ok(nfinished == 0 && omf_engine_prepare_wait(engine, false) > 4000, "it is delayed");
	is_number(omf_engine_room(engine), 3, "and takes room");
	omf_request_free(request);
	is_number(omf_engine_room(engine), 4, "and room");

	server.handler = answer_at_once;
	request = submit(OMF_GET, "/done", NULL);
	other = submit(OMF_GET, "/done", NULL);
	for (int i = 0; i < 1000 && !TAILQ_EMPTY(&inbox.pending); i++)
		take_turn(100);
	ok(!TAILQ_EMPTY(&inbox.done), "two are in the inbox");
	omf_request_free(request);
	ok(omf_inbox_take(&inbox) == other, "one is freed there, the other one taken");
	ok(omf_inbox_take(&inbox) == NULL, "that was all");
	omf_request_free(other);
	end_case();
}

/* ----- time ----- */

static void
test_request_timeout(void)
{
	int64_t start;

	begin_case("request_timeout");
	config.request_timeout_ms = 200;
	make_engine();
	submit(OMF_GET, "/x", NULL);
	submit(OMF_PUT, "/x", "{}");
	ok(until_seen(2), "sent");
	rest(400);
	omf_engine_drive(engine);
	settle(20);
	is_number(nfinished, 0, "time that nobody waits does not count");
	start = omf_pollset_now();
	ok(until_finished(2), "time that is waited does");
	ok(omf_pollset_now() - start >= 100 && omf_pollset_now() - start < PATIENCE / 2, "all of it");
	is_number(reply_of(0)->outcome, OMF_TIMED_OUT, "timed out");
	is_number(reply_of(1)->outcome, OMF_TIMED_OUT, "both");
	is_text(reply_of(0)->words, "No complete answer within 200 ms.", "the words");
	is_number(server.nseen, 2, "neither is sent again");

	submit(OMF_GET, "/y", NULL);
	ok(until_seen(3), "another one");
	rest(400);
	answer_at_once(&server, &server.seen[2]);
	ok(until_finished(3), "answered while nobody waited");
	is_number(reply_of(2)->outcome, OMF_ANSWERED, "is answered");
	end_case();
}

/* Some of an answer every now and then does not put the time-out off. */
static void
test_slow_answer(void)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";

	begin_case("a slow answer");
	config.request_timeout_ms = 100;
	make_engine();
	submit(OMF_GET, "/x", NULL);
	ok(until_seen(1), "sent");
	server_send(&server, &server.seen[0], head, strlen(head));
	for (int i = 0; i < 100 && nfinished == 0; i++)
	{
		server_send(&server, &server.seen[0], "x", 1);
		settle(10);
	}
	is_number(reply_of(0)->outcome, OMF_TIMED_OUT, "times out all the same");
	end_case();
}

/* A listener whose queue is full: connecting to it takes for ever. */
static int
open_black_hole(int *fillers, int nfillers)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *) &address, length) != 0 || listen(listener, 0) != 0 ||
		getsockname(listener, (struct sockaddr *) &address, &length) != 0)
		ok(false, "a black hole");
	for (int i = 0; i < nfillers; i++)
	{
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void) connect(fillers[i], (struct sockaddr *) &address, length);
	}
	fillers[nfillers] = listener;
	return ntohs(address.sin_port);
}

static void
test_connect_timeout(void)
{
	int fillers[5];
	char url[64];
	int64_t start;

	begin_case("connect_timeout");
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", open_black_hole(fillers, 4));
	config.http.base_url = url;
	config.http.connect_timeout_ms = 200;
	config.request_timeout_ms = 50;
	make_engine();
	start = omf_pollset_now();
	submit(OMF_PUT, "/x", "{}");
	ok(until_finished(1), "nobody accepts");
	note("after %lld ms", (long long) (omf_pollset_now() - start));
	ok(omf_pollset_now() - start >= 190, "connect_timeout is waited for, not request_timeout");
	is_number(reply_of(0)->outcome, OMF_UNREACHABLE, "unreachable");
	is_number(reply_of(0)->tries, 1, "after one try");

	submit(OMF_GET, "/x", NULL);
	omf_engine_drive(engine);
	rest(300);
	omf_engine_drive(engine);
	ok(TAILQ_EMPTY(&inbox.done), "time that nobody waits does not count");
	start = omf_pollset_now();
	ok(until_finished(2), "time that is waited does");
	ok(omf_pollset_now() - start >= 150, "all of it");
	is_number(reply_of(1)->outcome, OMF_UNREACHABLE, "unreachable");
	for (int i = 0; i < countof(fillers); i++)
		close(fillers[i]);
	end_case();
}

/*
 * A host that accepts and says nothing: each try ends by connect_timeout, the
 * time that libcurl itself takes counts, and no try is for nothing.
 */
static void
test_silent_host(void)
{
	static const int timeouts[] = {1, 10, 100};
	char url[64];

	for (int i = 0; i < countof(timeouts); i++)
	{
		begin_case("a host that says nothing");
		snprintf(url, sizeof(url), "https%s", config.http.base_url + 4);
		config.http.base_url = url;
		config.http.connect_timeout_ms = timeouts[i];
		config.max_retries = 2;
		config.max_retry_wait_ms = 10;
		make_engine();
		submit(OMF_GET, "/x", NULL);
		ok(until_finished(1), "with a connect_timeout of %d ms, the end comes", timeouts[i]);
		is_number(reply_of(0)->outcome, OMF_UNREACHABLE, "unreachable");
		ok(reply_of(0)->tries >= 3 && reply_of(0)->tries <= 3 + 2, "after %d tries", reply_of(0)->tries);
		ok(server.nconnections <= reply_of(0)->tries, "with no more connections than tries");
		end_case();
	}
}

/* Time that nobody waits can't end a try for ever. */
static void
test_connect_rests(void)
{
	int fillers[5];
	char url[64];

	begin_case("connect_timeout, and nobody waits");
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", open_black_hole(fillers, 4));
	config.http.base_url = url;
	config.http.connect_timeout_ms = 20;
	make_engine();
	submit(OMF_GET, "/x", NULL);
	for (int i = 0; i < 10 && TAILQ_EMPTY(&inbox.done); i++)
	{
		omf_engine_drive(engine);
		rest(30);
	}
	ok(until_finished(1), "it ends all the same");
	is_number(reply_of(0)->tries, 2, "after as many tries as one that meets closed connections");
	for (int i = 0; i < countof(fillers); i++)
		close(fillers[i]);
	end_case();
}

static void
test_refused_connection(void)
{
	for (int retries = 0; retries <= 2; retries++)
	{
		begin_case("connection refused");
		server_close(&server);
		config.max_retries = retries;
		make_engine();
		submit(OMF_GET, "/x", NULL);
		submit(OMF_PUT, "/x", "{}");
		ok(until_finished(2), "they fail");
		for (int i = 0; i < 2; i++)
		{
			is_number(reply_of(i)->outcome, OMF_UNREACHABLE, "unreachable");
			is_number(reply_of(i)->tries, retries + 1, "after %d retries", retries);
			ok(reply_of(i)->words[0] != '\0' && reply_of(i)->sent_at == 0 &&
				   !reply_of(i)->earlier_unknown,
			   "with words, and never sent");
		}
		end_case();
	}
}

/* ----- retries ----- */

static void
answer_later(Server *answering, Seen *request)
{
	if (answering->nseen <= 2)
		server_answer(answering, request, 503, "", "busy");
	else
		answer_at_once(answering, request);
}

static void
hang_up_once(Server *answering, Seen *request)
{
	if (answering->nseen == 1)
		server_hang_up(answering, request->connection, false);
	else
		server_answer(answering, request, 404, "", "");
}

static void
test_retries(void)
{
	begin_case("503");
	config.max_retries = 2;
	make_engine();
	server.handler = answer_later;
	submit(OMF_GET, "/x", NULL);
	ok(until_finished(1) && reply_of(0)->http_status == 200, "two 503, then an answer");
	is_text(reply_of(0)->body, "/x", "which is the last one's alone");
	ok(reply_of(0)->tries == 3 && reply_of(0)->earlier_unknown, "after three tries");
	server.nseen = 0;
	submit(OMF_PUT, "/x", "{}");
	ok(until_finished(2) && reply_of(1)->http_status == 503, "a start that gets 503");
	settle(60);
	ok(server.nseen == 1 && reply_of(1)->tries == 1, "is not sent again");
	end_case();

	begin_case("lost");
	config.max_retries = 1;
	make_engine();
	server.handler = hang_up_once;
	submit(OMF_DELETE, "/x", NULL);
	ok(until_finished(1) && reply_of(0)->http_status == 404, "lost, then 404");
	ok(reply_of(0)->tries == 2 && reply_of(0)->earlier_unknown, "the first may have done it");
	end_case();
}

static int
count_turns(void)
{
	int count = 0;

	for (int i = 0; i < OMF_TURNS; i++)
		count += budget.turns[i].number != 0;
	return count;
}

/* What goes before others does so no longer than it is wanted. */
static void
test_places(void)
{
	begin_case("places");
	config.max_retry_wait_ms = 1000;
	make_engine();
	server.handler = answer_at_once;
	for (int i = 0; i < 2; i++)
	{
		budget.known = true;
		budget.limit = 10;
		budget.remaining = 0;
		budget.resets_at = omf_pollset_now() + 10;
		omf_request_make_urgent(submit(i == 0 ? OMF_GET : OMF_DELETE, "/look", NULL), true);
		ok(until_finished(i + 1), "a change that waits for the limit");
		is_number(count_turns(), 1, "keeps its place");
		if (i == 0)
			omf_engine_rest(engine);
		else
			omf_request_free(finished[--nfinished]);
		is_number(count_turns(), 0, i == 0 ? "until it rests" : "or is over");
	}
	end_case();
}

static void
answer_429_once(Server *answering, Seen *request)
{
	if (answering->nseen == 1)
		server_answer(answering, request, 429, "Retry-After: 1\r\n", "");
	else
		answer_at_once(answering, request);
}

static void
answer_429(Server *answering, Seen *request)
{
	server_answer(answering, request, 429, "", "");
}

static void
test_rate_limit(void)
{
	int64_t start;

	begin_case("429");
	config.max_retries = 1;
	config.max_retry_wait_ms = 1000;
	make_engine();
	server.handler = answer_429_once;
	submit(OMF_PUT, "/first", "{}");
	ok(until_seen(1), "the first gets 429");
	settle(30);
	start = omf_pollset_now();
	submit(OMF_GET, "/second", NULL);
	turns = 0;
	settle(500);
	is_number(server.nseen, 1, "no other is sent meanwhile");
	ok(turns < 20, "nobody is woken for nothing (%d turns)", turns);
	ok(until_finished(2), "both finish");
	ok(omf_pollset_now() - start >= 900, "after the second that was asked for");
	ok(reply_of(0)->http_status == 200 && reply_of(1)->http_status == 200, "well");
	ok(!reply_of(0)->earlier_unknown && !reply_of(1)->earlier_unknown, "without doubt");
	end_case();

	begin_case("429 for too long");
	config.max_retries = 4;
	config.max_retry_wait_ms = 10;
	make_engine();
	server.handler = answer_429_once;
	submit(OMF_GET, "/first", NULL);
	ok(until_finished(1), "no retry");
	is_number(reply_of(0)->http_status, 429, "but the answer");
	is_number(reply_of(0)->pause_ms, 1000, "with its retry-after");
	submit(OMF_GET, "/second", NULL);
	ok(until_finished(2) && reply_of(1)->outcome == OMF_HELD_BACK, "the next one fails at once");
	ok(reply_of(1)->pause_ms > 900 && reply_of(1)->pause_ms <= 1000, "  and says when it may go");
	is_number(server.nseen, 1, "  without being sent");
	end_case();

	begin_case("429 for ever");
	config.max_retries = 2;
	make_engine();
	server.handler = answer_429;
	for (int i = 0; i < 4; i++)
		submit(OMF_GET, "/x", NULL);
	ok(until_finished(1), "the first one ends");
	is_number(reply_of(0)->tries, 3, "  after its tries");
	is_number(server.nseen, 4 + 2, "  for which the others waited");
	end_case();
}

/* ----- the engine itself ----- */

static void
test_create(void)
{
	const char *reason;
	sigset_t before;
	sigset_t after;

	begin_case("create");
	/* two of the pollset's, and two that libcurl wakes itself up with */
	for (fd_allowance = 0; fd_allowance < 4; fd_allowance++)
	{
		engine = omf_engine_create(&config, &reason);
		ok(engine == NULL && strcmp(reason, "Out of file descriptors.") == 0,
		   "not with %d descriptors", fd_allowance);
	}
	config.http.ca_file = "/nonexistent.pem";
	make_engine();
	omf_engine_destroy(engine);
	config.http.ca_file = NULL;
	omf_engine_destroy(NULL);
	make_engine();
	/* a libcurl with eventfd() wakes itself up with one */
	ok(fds_acquired() == 3 || fds_acquired() == 4, "it has those");
	fd_allowance = fds_acquired();
	server.handler = answer_at_once;
	submit(OMF_GET, "/x", NULL);
	ok(until_finished(1) && reply_of(0)->outcome == OMF_UNREACHABLE,
	   "no descriptor for a connection: unreachable");
	fd_allowance++;
	sigemptyset(&before);
	sigaddset(&before, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	submit(OMF_GET, "/x", NULL);
	ok(until_finished(2) && reply_of(1)->outcome == OMF_ANSWERED, "with one it works");
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	ok(sigismember(&after, SIGUSR2) == 1 && sigismember(&after, SIGALRM) == 0,
	   "the signal mask is as it was");
	end_case();
}

int
main(void)
{
	begin_tests();
	test_order();
	test_concurrency();
	test_few_descriptors();
	test_urgent();
	test_free_waiting();
	test_free_flying();
	test_free_later();
	test_request_timeout();
	test_slow_answer();
	test_connect_timeout();
	test_silent_host();
	test_connect_rests();
	test_refused_connection();
	test_retries();
	test_places();
	test_rate_limit();
	test_create();
	return finish_tests();
}
