/*-------------------------------------------------------------------------
 *
 * test_retry.c
 *	  Unit tests of src/client/retry.c: what is tried again, and when.
 *
 * The policy stands here a second time, as a table: a start is sent again
 * only where it surely was not carried out, reading and stopping wherever
 * another try could do better.
 *
 *-------------------------------------------------------------------------
 */
#include "client/retry.h"
#include "tap.h"

#include <string.h>

/* How a try ended, and what follows from it for each method. */
static const struct
{
	OmfOutcome outcome;
	int http_status;
	bool get_again;  /* GET and DELETE alike */
	bool put_again;  /* PUT */
	bool maybe_done; /* omf_retry_maybe_done() */
	const char *name;
} endings[] = {
	{OMF_ANSWERED, 99, false, false, true, "099"},
	{OMF_ANSWERED, 200, false, false, true, "200"},
	{OMF_ANSWERED, 204, false, false, true, "204"},
	{OMF_ANSWERED, 301, false, false, false, "301"},
	{OMF_ANSWERED, 304, false, false, false, "304"},
	{OMF_ANSWERED, 400, false, false, false, "400"},
	{OMF_ANSWERED, 401, false, false, false, "401"},
	{OMF_ANSWERED, 403, false, false, false, "403"},
	{OMF_ANSWERED, 404, false, false, false, "404"},
	{OMF_ANSWERED, 408, false, false, true, "408"},
	{OMF_ANSWERED, 409, false, false, false, "409"},
	{OMF_ANSWERED, 412, false, false, false, "412"},
	{OMF_ANSWERED, 422, false, false, false, "422"},
	{OMF_ANSWERED, 425, false, false, false, "425"},
	{OMF_ANSWERED, 429, true, true, false, "429"},
	{OMF_ANSWERED, 499, false, false, true, "499"},
	{OMF_ANSWERED, 500, true, false, true, "500"},
	{OMF_ANSWERED, 501, false, false, true, "501"},
	{OMF_ANSWERED, 502, true, false, true, "502"},
	{OMF_ANSWERED, 503, true, false, true, "503"},
	{OMF_ANSWERED, 504, true, false, true, "504"},
	{OMF_ANSWERED, 505, false, false, true, "505"},
	{OMF_ANSWERED, 520, true, false, true, "520"},
	{OMF_ANSWERED, 522, true, false, true, "522"},
	{OMF_ANSWERED, 527, true, false, true, "527"},
	{OMF_ANSWERED, 530, true, false, true, "530"},
	{OMF_ANSWERED, 599, true, false, true, "599"},
	{OMF_UNREACHABLE, 0, true, true, false, "unreachable"},
	{OMF_REFUSED, 0, true, true, false, "refused"},
	{OMF_LOST, 0, true, false, true, "lost"},
	{OMF_LOST, 429, true, false, true, "lost within a 429"},
	{OMF_TIMED_OUT, 0, true, false, true, "timed out"},
	{OMF_TOO_LARGE, 200, false, false, true, "too large"},
	{OMF_TOO_LARGE, 429, false, false, true, "a 429 too large"},
	{OMF_NO_MEMORY, 0, false, false, true, "no memory"},
};

static const char *const method_names[] = {"GET", "PUT", "DELETE"};

static OmfReply reply;

/* A first try that ended so; nothing said of when to come back. */
static OmfRetryQuestion
ask(OmfMethod method, OmfOutcome outcome, int http_status)
{
	OmfRetryQuestion question;

	memset(&reply, 0, sizeof(reply));
	omf_reply_reset(&reply);
	reply.outcome = outcome;
	reply.http_status = http_status;
	memset(&question, 0, sizeof(question));
	question.method = method;
	question.reply = &reply;
	question.max_retries = 4;
	question.max_wait_ms = 60000;
	question.random = 0.5;
	return question;
}

static void
test_policy(void)
{
	for (int i = 0; i < countof(endings); i++)
	{
		for (OmfMethod method = OMF_GET; method <= OMF_DELETE; method++)
		{
			OmfRetryQuestion question = ask(method, endings[i].outcome, endings[i].http_status);
			OmfRetryAnswer answer = omf_retry_decide(&question);
			bool again = method == OMF_PUT ? endings[i].put_again : endings[i].get_again;
			bool limited = endings[i].outcome == OMF_ANSWERED && endings[i].http_status == 429;

			is_number(answer.again, again, "%s, %s: %s", method_names[method],
					  endings[i].name, again ? "again" : "not again");
			if (!again)
				continue;
			ok(answer.counts && !answer.at_once, "  counts against max_retries");
			is_number(answer.delay_ms, limited ? 4500 : 500, "  after a back-off");
			is_number(answer.hold_ms >= 0, limited, "  holds back all others: %s",
					  limited ? "yes" : "no");
		}
		is_number(omf_retry_could_help(&reply), endings[i].get_again,
				  "%s: another try could help: %s", endings[i].name,
				  endings[i].get_again ? "yes" : "no");
		is_number(omf_retry_maybe_done(&reply), endings[i].maybe_done,
				  "%s: may have been carried out: %s", endings[i].name,
				  endings[i].maybe_done ? "yes" : "no");
	}
}

/*
 * An error in an answer of success passes or not as it says, but a start that
 * was answered so may have been carried out.
 */
static void
test_disguised(void)
{
	static const int statuses[] = {401, 404, 422, 429, 500};

	for (int i = 0; i < countof(statuses); i++)
		for (OmfMethod method = OMF_GET; method <= OMF_DELETE; method++)
		{
			OmfRetryQuestion question = ask(method, OMF_ANSWERED, 200);
			bool again = method != OMF_PUT && statuses[i] >= 429;
			OmfRetryAnswer answer;

			reply.disguised_status = statuses[i];
			answer = omf_retry_decide(&question);
			is_number(answer.again, again, "%s, %d in a 200: %s", method_names[method], statuses[i],
					  again ? "again" : "not again");
			if (again)
				is_number(answer.hold_ms >= 0, statuses[i] == 429, "  holds back all others where it is the limit");
			is_number(omf_retry_maybe_done(&reply), true, "  may have been carried out");
		}
}

/* The promise that matters most, for all combinations of all that is asked. */
static void
test_put(void)
{
	int wrong = 0;

	for (int i = 0; i < countof(endings); i++)
		for (int bits = 0; bits < 32; bits++)
		{
			OmfRetryQuestion question = ask(OMF_PUT, endings[i].outcome, endings[i].http_status);

			question.stale = bits & 1;
			reply.pause_ms = bits & 2 ? 1000 : -1;
			reply.resets_in_ms = bits & 4 ? 1000 : -1;
			reply.earlier_unknown = bits & 8;
			question.stale_retries = bits & 16 ? 1 : 0;
			if (omf_retry_decide(&question).again && !endings[i].put_again)
			{
				wrong++;
				note("PUT again after %s, bits %d", endings[i].name, bits);
			}
		}
	is_number(wrong, 0, "PUT is never sent again when it may have been carried out");
}

static void
test_max_retries(void)
{
	for (int retries = 0; retries <= 5; retries++)
	{
		OmfRetryQuestion question = ask(OMF_GET, OMF_ANSWERED, 503);

		question.retries = retries;
		is_number(omf_retry_decide(&question).again, retries < 4,
				  "after %d of 4 retries", retries);
	}
	for (int i = 0; i < countof(endings); i++)
	{
		OmfRetryQuestion question = ask(OMF_GET, endings[i].outcome, endings[i].http_status);

		question.max_retries = 0;
		is_number(omf_retry_decide(&question).again, false,
				  "max_retries 0: not after %s", endings[i].name);
	}
}

static void
test_backoff(void)
{
	static const int64_t bounds[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
	static const int many[] = {31, 32, 63, 64, 1000000};

	for (int retries = 0; retries < countof(bounds); retries++)
	{
		OmfRetryQuestion question = ask(OMF_GET, OMF_LOST, 0);
		int64_t delay;

		question.max_retries = 100;
		question.retries = retries;
		question.random = 0;
		is_number(omf_retry_decide(&question).delay_ms, OMF_PAUSE_LEAST_MS, "retry %d: from next to nothing", retries + 1);
		question.random = 0.9999999;
		delay = omf_retry_decide(&question).delay_ms;
		ok(delay < bounds[retries] && delay >= bounds[retries] - 1,
		   "retry %d: to just below %lld ms", retries + 1, (long long) bounds[retries]);
		question.max_wait_ms = 1500;
		ok(omf_retry_decide(&question).delay_ms <= 1500, "  and within max_retry_wait");
		for (question.max_wait_ms = 0; question.max_wait_ms < OMF_PAUSE_LEAST_MS; question.max_wait_ms++)
			is_number(omf_retry_decide(&question).again, false, "  but not without one: %d ms", (int) question.max_wait_ms);
		is_number(omf_retry_decide(&question).again, true, "  which is that");
	}
	for (int i = 0; i < countof(many); i++)
	{
		OmfRetryQuestion question = ask(OMF_GET, OMF_LOST, 0);

		question.max_retries = many[i] + 1;
		question.retries = many[i];
		is_number(omf_retry_decide(&question).delay_ms, 15000, "retry %d", many[i] + 1);
	}
}

/* A 429 that says nothing of time. */
static void
test_limit_pause(void)
{
	static const int64_t bounds[] = {4000, 8000, 16000, 32000, 32000};
	int64_t sum = 0;

	for (int retries = 0; retries < countof(bounds); retries++)
	{
		OmfRetryQuestion question = ask(OMF_PUT, OMF_ANSWERED, 429);

		question.max_retries = 100;
		question.max_wait_ms = 90000;
		question.retries = retries;
		question.random = 0;
		is_number(omf_retry_decide(&question).hold_ms, bounds[retries], "429, retry %d: at least", retries + 1);
		sum += retries < 4 ? bounds[retries] : 0;
		question.random = 0.9999999;
		ok(omf_retry_decide(&question).hold_ms < bounds[retries] * 5 / 4, "  and less than a quarter more");
		question.max_wait_ms = 1500;
		is_number(omf_retry_decide(&question).hold_ms, 1500, "  within max_retry_wait");
		is_number(omf_retry_decide(&question).again, true, "  as which it is tried again");
		question.max_wait_ms = 0;
		is_number(omf_retry_decide(&question).again, false, "  but not without a pause");
		is_number(omf_retry_decide(&question).hold_ms, OMF_PAUSE_LEAST_MS, "  which others keep to");
	}
	ok(sum >= 60000, "as many as there are by default outlast a minute");
}

static void
test_retry_after(void)
{
	static const int statuses[] = {429, 500, 502, 503, 504, 520, 530};

	for (int i = 0; i < countof(statuses); i++)
	{
		OmfRetryQuestion question = ask(OMF_GET, OMF_ANSWERED, statuses[i]);

		reply.pause_ms = 29000;
		is_number(omf_retry_decide(&question).delay_ms, 29000, "%d: retry-after", statuses[i]);
		reply.pause_ms = 0;
		is_number(omf_retry_decide(&question).delay_ms, 500, "  of 0: no retry is without a pause");
		reply.pause_ms = 60000;
		is_number(omf_retry_decide(&question).again, true, "  of just max_retry_wait");
		reply.pause_ms = 61000;
		is_number(omf_retry_decide(&question).again, false, "  of more: not again");
		is_number(omf_retry_decide(&question).hold_ms, statuses[i] == 429 ? 61000 : -1,
				  "  but a 429 holds back all others");
	}
	{
		OmfRetryQuestion question = ask(OMF_GET, OMF_LOST, 0);

		reply.pause_ms = 29000;
		is_number(omf_retry_decide(&question).delay_ms, 500,
				  "a lost connection: what its headers said does not count");
		question = ask(OMF_PUT, OMF_ANSWERED, 429);
		reply.pause_ms = 29000;
		is_number(omf_retry_decide(&question).delay_ms, 29000, "PUT, 429: retry-after");
		is_number(omf_retry_decide(&question).hold_ms, 29000, "  holds back all others");
	}
}

static void
test_ratelimit_reset(void)
{
	OmfRetryQuestion question = ask(OMF_GET, OMF_ANSWERED, 429);

	reply.resets_in_ms = 10000;
	is_number(omf_retry_decide(&question).delay_ms, 10000, "429: ratelimit-reset");
	reply.resets_in_ms = 0;
	is_number(omf_retry_decide(&question).delay_ms, 4500, "  that has passed is no word");
	reply.resets_in_ms = 60000;
	is_number(omf_retry_decide(&question).again, true, "  just max_retry_wait away");
	reply.resets_in_ms = 60001;
	is_number(omf_retry_decide(&question).again, false, "  farther away: not again");
	reply.pause_ms = 5000;
	is_number(omf_retry_decide(&question).delay_ms, 5000, "  yields to retry-after");

	question = ask(OMF_GET, OMF_ANSWERED, 429);
	reply.resets_in_ms = 3000000;
	reply.ratelimit_remaining = 0;
	is_number(omf_retry_decide(&question).hold_ms, 3000000, "nothing left: nothing until the reset");
	reply.ratelimit_remaining = 1;
	is_number(omf_retry_decide(&question).again, true, "something left: another limit was met, which passes sooner");
	is_number(omf_retry_decide(&question).hold_ms, omf_retry_decide(&question).delay_ms, "  and holds back all others as long");
	is_number(omf_retry_asked_pause(&reply), -1, "  of which nobody says how long it lasts");
	reply.pause_ms = 29000;
	is_number(omf_retry_decide(&question).hold_ms, 29000, "  but where retry-after does");

	question = ask(OMF_GET, OMF_ANSWERED, 503);
	reply.resets_in_ms = 10000;
	is_number(omf_retry_decide(&question).delay_ms, 500, "503: ratelimit-reset is not asked");
}

/* What is wrong here, and not there, is so the next time, too. */
static void
test_hopeless(void)
{
	for (OmfMethod method = OMF_GET; method <= OMF_DELETE; method++)
	{
		OmfRetryQuestion question = ask(method, OMF_UNREACHABLE, 0);

		reply.hopeless = true;
		is_number(omf_retry_decide(&question).again, false, "%s, unreachable for good", method_names[method]);
		is_number(omf_retry_could_help(&reply), false, "  no other try could help");
	}
}

static void
test_stale(void)
{
	for (OmfMethod method = OMF_GET; method <= OMF_DELETE; method++)
	{
		OmfRetryQuestion question = ask(method, OMF_LOST, 0);
		OmfRetryAnswer answer;

		question.stale = true;
		for (question.max_retries = 0; question.max_retries <= 4; question.max_retries++)
		{
			question.retries = question.stale_retries = 0;
			answer = omf_retry_decide(&question);
			is_number(answer.again, method != OMF_PUT, "%s on a stale connection, max_retries %d", method_names[method],
					  question.max_retries);
			is_number(answer.delay_ms, 0, "  at once");
			ok(!answer.again || (answer.at_once && !answer.counts), "  and for nothing");
			for (int i = 1; i < OMF_STALE_RETRIES; i++)
			{
				question.retries = i - 1;
				question.stale_retries = i;
				answer = omf_retry_decide(&question);
				is_number(answer.again, method != OMF_PUT && question.retries < question.max_retries, "  time %d", i + 1);
				is_number(answer.delay_ms, 0, "  at once");
				ok(!answer.again || (answer.at_once && answer.counts), "  which counts");
			}
			question.retries = OMF_STALE_RETRIES - 1;
			question.stale_retries = OMF_STALE_RETRIES;
			answer = omf_retry_decide(&question);
			is_number(answer.again, method != OMF_PUT && question.retries < question.max_retries, "  then max_retries decides");
			ok(!answer.again || (answer.counts && !answer.at_once && answer.delay_ms > 0), "  and there is a pause");
		}
	}
}

int
main(void)
{
	begin_tests();
	test_policy();
	test_disguised();
	test_put();
	test_max_retries();
	test_backoff();
	test_limit_pause();
	test_retry_after();
	test_ratelimit_reset();
	test_hopeless();
	test_stale();
	return finish_tests();
}
