/*-------------------------------------------------------------------------
 *
 * test_budget.c
 *	  Unit tests of src/client/budget.c: how many requests a token may still send.
 *
 * The second half plays the API's sliding window against the budget, with a
 * clock of its own: nobody runs into a 429, and next to nothing of what the
 * limit allows is left unused.
 *
 *-------------------------------------------------------------------------
 */
#include "client/budget.h"
#include "tap.h"

#include <string.h>

#define EPOCH_MS INT64_C(1700000000000)

static OmfBudget budget;
static int64_t now;

/* An answer with these headers; -1 for none. */
static OmfReply
answer(int http_status, int64_t limit, int64_t remaining, int64_t resets_in_ms)
{
	OmfReply reply;

	memset(&reply, 0, sizeof(reply));
	omf_reply_reset(&reply);
	reply.http_status = http_status;
	reply.ratelimit_limit = limit;
	reply.ratelimit_remaining = remaining;
	if (resets_in_ms >= 0)
		reply.ratelimit_reset = (EPOCH_MS + now + resets_in_ms + 999) / 1000;
	omf_api_time_settle(&reply, EPOCH_MS + now);
	return reply;
}

static void
hear(uint64_t permit, OmfReply reply)
{
	omf_budget_hear(&budget, permit, &reply, now);
}

/* The same, and the request is over. */
static void
land_one(uint64_t permit, OmfReply reply)
{
	hear(permit, reply);
	omf_budget_end(&budget, permit, now);
}

static void
start(void)
{
	memset(&budget, 0, sizeof(budget));
	now = 1000000;
}

static OmfPermit
ask(int64_t reserve)
{
	OmfPlace alone = {0, OMF_RANK_LITTLE, false};
	OmfPermit permit = omf_budget_ask(&budget, now, reserve, &alone);

	omf_budget_leave(&budget, &alone);
	return permit;
}

/* ----- rules ----- */

static void
test_unknown(void)
{
	start();
	for (int i = 0; i < 1000; i++)
		if (!ask(0).granted)
			ok(false, "request %d is refused", i);
	ok(ask(0).granted, "nothing known: everything may be sent");
	ok(ask(5000).granted, "  with a reserve, too");
	land_one(500, answer(200, -1, -1, -1));
	ok(ask(0).granted, "answers without the headers change nothing");
}

static void
test_counting(void)
{
	start();
	for (int i = 0; i < 3; i++)
		(void) ask(0);
	land_one(2, answer(200, 250, 4, 60000));
	is_number(omf_budget_left(&budget), 2, "what an answer said, less what is under way");
	land_one(3, answer(200, 250, 5, 60000));
	is_number(omf_budget_left(&budget), 3, "one that was overtaken by the first does not raise it");
	land_one(1, answer(200, 250, 3, 60000));
	is_number(omf_budget_left(&budget), 3, "nothing is under way: what the last one said");
	hear(4, answer(502, -1, -1, -1));
	is_number(omf_budget_left(&budget), 3, "a proxy has nothing to say");
	ok(ask(0).granted && ask(0).granted && ask(0).granted, "three more");
	ok(!ask(0).granted, "and no fourth");
	is_number(ask(0).ask_at, now + OMF_BUDGET_POLL_MS, "  as long as they are under way");
	is_number(ask(0).allowed_at, now, "  which is no pause worth an error");
	for (int i = 4; i <= 6; i++)
		land_one((uint64_t) i, answer(200, 250, 6 - i, 60000));
	ok(!ask(0).granted, "nor when they are over");
	is_number(ask(0).allowed_at, now + 60010, "  before the reset");
	is_number(ask(0).ask_at, now + 60010, "  which is when to ask again");
	land_one(7, answer(200, 250, 10, 61000));
	is_number(omf_budget_left(&budget), 0, "a reset that is rounded otherwise changes nothing");
	land_one(8, answer(200, 250, 10, 62000));
	is_number(omf_budget_left(&budget), 10, "with another reset, more is left");
}

/* A process that dies takes its permits with it. */
static void
test_lost_permits(void)
{
	start();
	(void) ask(0);
	land_one(1, answer(200, 250, 2, 60000));
	ok(ask(0).granted && ask(0).granted && !ask(0).granted, "two permits out");
	now += OMF_PERMIT_PATIENCE_MS - 1;
	ok(!ask(0).granted, "  are waited for");
	now += 1;
	ok(!ask(0).granted, "  and taken for used after a while");
	is_number(ask(0).allowed_at, now - OMF_PERMIT_PATIENCE_MS + 60010, "  so that more are there at the reset only");

	/* answers that come late end nothing twice */
	for (int i = 2; i <= 3; i++)
		land_one((uint64_t) i, answer(200, 250, 3 - i, 60000));
	now += 60010;
	land_one(ask(0).number, answer(200, 250, 4, 60000));
	for (int i = 0; i < 4; i++)
		ok(ask(0).granted, "permit %d of 4 that are left", i + 1);
	ok(!ask(0).granted, "  and no more");
}

/* However slow the answers are, no more is granted than is left. */
static void
test_slow_answers(void)
{
	uint64_t out[64];
	int granted = 0;

	start();
	(void) ask(0);
	land_one(1, answer(200, 250, 5, 60000));
	for (int round = 0; round < 8; round++)
	{
		OmfPermit permit;

		while ((permit = ask(0)).granted)
			out[granted++] = permit.number;
		now += OMF_PERMIT_PATIENCE_MS + 500;
		if (round == 4)
			for (int i = 0; i < granted; i++)
				land_one(out[i], answer(200, 250, 4 - i, 60000));
	}
	is_number(granted, 5, "5 left, and answers that take longer than patience");
}

/* What no limit can be is not believed: it would hold for ever. */
static void
test_absurd(void)
{
	static const struct
	{
		int64_t limit;
		int64_t remaining;
	} absurd[] = {{0, 0}, {0, 10}, {-1, 5}, {250, -1}, {5, 250}, {OMF_AT_ODDS, 0}, {250, OMF_AT_ODDS}, {INT64_MAX, 0}, {INT64_MAX, INT64_MAX}, {1000000001, 0}};

	for (int i = 0; i < countof(absurd); i++)
	{
		start();
		land_one(ask(0).number, answer(200, absurd[i].limit, absurd[i].remaining, 60000));
		ok(ask(0).granted && ask(10).granted, "limit %lld, %lld left", (long long) absurd[i].limit,
		   (long long) absurd[i].remaining);
	}
}

/* Which budgets can be forgotten, and what forgetting one does. */
static void
test_forget(void)
{
	OmfPermit permit;

	start();
	ok(!omf_budget_is_needed(&budget, now), "a new budget is not needed");
	permit = ask(0);
	ok(omf_budget_is_needed(&budget, now), "  one with a permit out is");
	ok(!omf_budget_is_needed(&budget, now + OMF_PAUSE_MAX_MS), "  but not for ever");
	land_one(permit.number, answer(200, 250, 7, 60000));
	ok(!omf_budget_is_needed(&budget, now), "  nor when it has ended");
	omf_budget_hold(&budget, now, 10000);
	ok(omf_budget_is_needed(&budget, now) && !omf_budget_is_needed(&budget, now + 10000),
	   "  one with a hold is, as long as it holds");
	permit = ask(0);
	omf_budget_forget(&budget);
	ok(ask(0).granted && ask(0).granted, "forgotten, it holds nothing");

	start();
	permit = ask(0);
	omf_budget_hold(&budget, now, 3600000);
	omf_budget_forget(&budget);
	land_one(permit.number, answer(200, 250, 3, 60000));
	is_number(omf_budget_left(&budget), 3, "  and the answer of a permit that was out then counts");
}

static void
test_probe(void)
{
	OmfPermit probe;

	start();
	(void) ask(0);
	land_one(1, answer(200, 250, 0, 10000));
	now += 11000;
	probe = ask(0);
	ok(probe.granted, "at the reset one goes first");
	ok(!ask(0).granted, "the others wait for what it finds");
	is_number(ask(0).ask_at, now + OMF_BUDGET_POLL_MS, "  and look after it soon");
	is_number(ask(0).allowed_at, now, "  which is no pause worth an error");
	land_one(probe.number, answer(200, 250, 249, 60000));
	is_number(omf_budget_left(&budget), 249, "then all of them go");

	land_one(ask(0).number, answer(200, 250, 0, 0));
	probe = ask(0);
	ok(probe.granted && !ask(0).granted, "a probe that gets lost");
	now += OMF_PROBE_PATIENCE_MS - 1;
	ok(!ask(0).granted, "  is waited for");
	now += 1;
	ok(ask(0).granted, "  but not for long");
}

static void
test_hold(void)
{
	OmfPermit probe;

	start();
	(void) ask(0);
	land_one(1, answer(429, -1, -1, -1));
	omf_budget_hold(&budget, now, 29000);
	is_number(ask(0).allowed_at, now + 29000, "a 429 holds everything back");
	omf_budget_hold(&budget, now, 5000);
	is_number(ask(0).allowed_at, now + 29000, "  a shorter one does not shorten that");
	now += 29000;
	probe = ask(0);
	ok(probe.granted && !ask(0).granted, "then one goes first");
	land_one(probe.number, answer(200, -1, -1, -1));
	ok(ask(0).granted, "an answer without the headers frees all");

	start();
	(void) ask(0);
	land_one(1, answer(429, 5000, 4700, 3600000));
	omf_budget_hold(&budget, now, 29000);
	is_number(ask(0).allowed_at, now + 29000, "a 429 of the minute with the hour's headers");
	now += 29000;
	land_one(ask(0).number, answer(200, 5000, 4699, 3600000));
	is_number(omf_budget_left(&budget), 4699, "  and all may go on");

	start();
	omf_budget_hold(&budget, now, INT64_MAX);
	is_number(ask(0).allowed_at, now + OMF_PAUSE_MAX_MS, "nothing is held longer than an hour");
	start();
	land_one(ask(0).number, answer(200, 250, 0, 2 * OMF_PAUSE_MAX_MS));
	is_number(ask(0).allowed_at, now + OMF_PAUSE_MAX_MS, "  whatever the headers say");
	start();
	land_one(ask(0).number, answer(200, 250, 0, INT64_C(9000000000000000)));
	ok(ask(0).granted && !ask(0).granted, "a reset that is none holds nothing: one by one");
}

static void
test_reserve(void)
{
	start();
	land_one(ask(50).number, answer(200, 250, 51, 60000));
	ok(ask(50).granted, "down to the reserve");
	ok(!ask(50).granted, "  and no further");
	ok(ask(0).granted, "but for those that may use it");
	is_number(ask(250).allowed_at, INT64_MAX, "a reserve of all leaves nothing, ever");
}

static void
test_clocks(void)
{
	OmfReply reply;

	start();
	reply = answer(200, 250, 0, 10000);
	reply.ratelimit_reset += 3600;
	reply.date = (EPOCH_MS + now) / 1000 + 3600;
	omf_api_time_settle(&reply, EPOCH_MS + now);
	land_one(ask(0).number, reply);
	is_number(ask(0).allowed_at, now + 10010, "the API's clock is an hour ahead");
	start();
	reply = answer(200, 250, 0, 10000);
	reply.ratelimit_reset -= 3600;
	reply.date = (EPOCH_MS + now) / 1000 - 3600;
	omf_api_time_settle(&reply, EPOCH_MS + now);
	land_one(ask(0).number, reply);
	is_number(ask(0).allowed_at, now + 10010, "  an hour behind");
	start();
	land_one(ask(0).number, answer(200, 250, 0, -1));
	ok(ask(0).granted, "no reset: one by one");
}

/* ----- turns ----- */

static OmfPermit
ask_from(OmfPlace *place)
{
	return omf_budget_ask(&budget, now, 0, place);
}

static void
test_turns(void)
{
	OmfPlace first = {0, OMF_RANK_MUCH, true};
	OmfPlace second = {0, OMF_RANK_MUCH, true};
	OmfPlace third = {0, OMF_RANK_MUCH, true};
	OmfPermit permit;

	start();
	ok(ask_from(&second).granted && ask_from(&first).granted && second.turn == 0,
	   "who need not wait needs no turn");
	land_one(1, answer(200, 250, 0, 1000));
	land_one(2, answer(200, 250, 0, 1000));
	ok(!ask_from(&first).granted && !ask_from(&second).granted, "two that have to wait");
	now += 1010;
	ok(!ask_from(&second).granted, "the second one goes not first, though it asks first");
	permit = ask_from(&first);
	ok(permit.granted, "  but the first one");
	land_one(permit.number, answer(200, 250, 100, 60000));
	ok(!ask_from(&second).granted && !ask_from(&third).granted, "others wait as long as it wants more");
	is_number(ask_from(&second).ask_at, now + OMF_TURN_POLL_MS, "  and look after it");
	is_number(ask_from(&second).allowed_at, now, "  which is no pause worth an error");
	ok(ask_from(&first).granted && ask_from(&first).granted, "  which it does");
	ok(ask(0).granted, "who wants little goes at once");
	omf_budget_leave(&budget, &first);
	ok(!ask_from(&third).granted && ask_from(&second).granted, "then it is the second one's turn");
	now += OMF_TURN_PATIENCE_MS - 1;
	ok(!ask_from(&third).granted, "a turn that is not taken");
	now += 1;
	ok(ask_from(&third).granted, "  passes");
	ok(!ask_from(&second).granted, "  and comes again behind that");
}

/* The last few of somebody who has a turn, in a window that lasts. */
static void
test_last_few(void)
{
	OmfPlace first = {0, OMF_RANK_MUCH, true};
	OmfPlace second = {0, OMF_RANK_MUCH, true};

	start();
	land_one(ask(0).number, answer(200, 250, 0, 1000));
	ok(!ask_from(&first).granted && !ask_from(&second).granted, "two that have to wait");
	now += 1010;
	land_one(ask_from(&first).number, answer(200, 250, 0, 2 * OMF_TURN_PATIENCE_MS));
	first.rank = OMF_RANK_LITTLE;
	ok(!ask_from(&first).granted && !ask_from(&second).granted, "  and wait again, one of them for little");
	now += 2 * OMF_TURN_PATIENCE_MS + 1010;
	ok(!ask_from(&second).granted, "who has a turn keeps it for its last few");
	ok(ask_from(&first).granted, "  which it then gets");
}

/* Starts and stops go first, then who wants little. */
static void
test_ranks(void)
{
	OmfPlace change = {0, OMF_RANK_CHANGE, true};
	OmfPlace little = {0, OMF_RANK_LITTLE, false};
	OmfPlace other = {0, OMF_RANK_LITTLE, false};
	OmfPlace much = {0, OMF_RANK_MUCH, true};
	OmfPermit permit;

	start();
	land_one(ask(0).number, answer(200, 250, 0, 60000));
	ok(!ask_from(&much).granted && !ask_from(&little).granted && !ask_from(&other).granted && !ask_from(&change).granted,
	   "all have to wait");
	now += 60010;
	ok(!ask_from(&much).granted, "who wants much goes not first, though it has asked first");
	ok(!ask_from(&little).granted, "nor who wants little");
	permit = ask_from(&change);
	ok(permit.granted, "  but a start");
	land_one(permit.number, answer(200, 250, 249, 60000));
	ok(!ask_from(&little).granted && !ask_from(&much).granted, "  which has its place for what follows");
	is_number(ask_from(&much).ask_at, now + OMF_TURN_POLL_MS, "  as others see soon");
	change.more = false;
	ok(ask_from(&change).granted && change.turn == 0, "  until that is sent");
	ok(!ask_from(&much).granted, "then who wants much still goes not");
	ok(ask_from(&other).granted && ask_from(&little).granted, "  but who wants little, in any order");
	ok(ask_from(&much).granted, "  and then it does");

	start();
	change.turn = little.turn = much.turn = 0;
	land_one(ask(0).number, answer(200, 250, 0, 60000));
	ok(!ask_from(&change).granted && !ask_from(&much).granted, "a start that waits");
	now += 60010 + OMF_TURN_PATIENCE_MS - 1;
	ok(!ask_from(&much).granted, "  and has died");
	now += 1;
	ok(ask_from(&much).granted, "  holds nobody up for long");

	start();
	change.turn = little.turn = much.turn = 0;
	land_one(ask(0).number, answer(200, 250, 40, 60000));
	ok(!omf_budget_ask(&budget, now, 50, &little).granted && little.turn != 0, "who waits for a reserve");
	ok(ask_from(&much).granted, "  is in nobody's way until it is there");
	now += 60010 - OMF_TURN_PATIENCE_MS;
	ok(!ask_from(&much).granted, "  but then is");
}

/* However many wait, a start has a turn. */
static void
test_turn_of_start(void)
{
	OmfPlace change = {0, OMF_RANK_CHANGE, false};
	OmfPlace first = {0, OMF_RANK_MUCH, true};
	OmfPlace little;

	start();
	land_one(ask(0).number, answer(200, 250, 0, 1000));
	(void) ask_from(&first);
	for (int i = 0; i < OMF_TURNS; i++)
	{
		little = (OmfPlace){0, OMF_RANK_LITTLE, false};
		(void) ask_from(&little);
	}
	ok(first.turn != 0 && little.turn != 0, "all turns are given");
	ok(!ask_from(&change).granted && change.turn != 0, "  and a start has one");
	now += 1010;
	ok(!ask_from(&little).granted && ask_from(&change).granted, "  before all others");
}

/* More than there are turns, and those that have none. */
static void
test_many_turns(void)
{
	OmfPlace places[OMF_TURNS + 8];
	int granted = 0;

	start();
	land_one(ask(0).number, answer(200, 250, 0, 1000));
	for (int i = 0; i < countof(places); i++)
	{
		places[i] = (OmfPlace){0, OMF_RANK_MUCH, true};
		(void) ask_from(&places[i]);
	}
	now += 1010;
	land_one(ask(0).number, answer(200, 250, 100, 60000));
	for (int i = countof(places) - 1; i > 0; i--)
		granted += ask_from(&places[i]).granted;
	is_number(granted, 0, "behind the first one nobody goes, with a turn or without");
	ok(ask_from(&places[0]).granted, "  which does");
	for (int i = 0; i < countof(places); i++)
	{
		granted += ask_from(&places[i]).granted;
		omf_budget_leave(&budget, &places[i]);
	}
	is_number(granted, countof(places), "one after the other they all do");
}

/* ----- against a sliding window ----- */

#define LIMIT 250
#define ROUND_TRIP_MS 50
#define FLYING_MAX 100
#define REQUESTS_MAX 4096

static int64_t taken[REQUESTS_MAX]; /* when the API counted a request */
static int ntaken;

static int
in_window(int64_t window)
{
	int count = 0;

	for (int i = ntaken - 1; i >= 0 && taken[i] + window > now; i--)
		count++;
	return count;
}

typedef struct Flight
{
	uint64_t permit;
	int64_t lands_at;
	OmfReply reply;
} Flight;

static Flight flights[FLYING_MAX];
static int nflying;

static void
take_off(uint64_t permit, int64_t window, int *limited)
{
	int count = in_window(window);
	bool allowed = count < LIMIT;
	int64_t oldest = ntaken > 0 && count > 0 ? taken[ntaken - count] : now;

	if (allowed)
		taken[ntaken++] = now;
	else
		(*limited)++;
	count += allowed;
	flights[nflying].permit = permit;
	flights[nflying].lands_at = now + ROUND_TRIP_MS + (int64_t) (permit * 7919 % 13);
	flights[nflying].reply = answer(allowed ? 200 : 429, LIMIT, LIMIT - count,
									(count == 1 && allowed ? now : oldest) + window - now);
	nflying++;
}

static void
land(void)
{
	int left = 0;

	for (int i = 0; i < nflying; i++)
	{
		if (flights[i].lands_at > now)
			flights[left++] = flights[i];
		else
			land_one(flights[i].permit, flights[i].reply);
	}
	nflying = left;
}

/* So many requests through the window: milliseconds that takes. */
static int64_t
play(int requests, int64_t window, int *limited)
{
	int64_t begun;

	start();
	begun = now;
	ntaken = nflying = 0;
	*limited = 0;
	for (int sent = 0; sent < requests || nflying > 0; now++)
	{
		land();
		while (sent < requests && nflying < FLYING_MAX)
		{
			OmfPermit permit = ask(0);

			if (!permit.granted)
				break;
			take_off(permit.number, window, limited);
			sent++;
		}
	}
	return now - begun;
}

static void
test_window(void)
{
	int limited;
	int64_t took = play(600, 60000, &limited);

	/* two windows have to pass before the last hundred may go */
	is_number(limited, 0, "600 requests at 250 a minute: none meets a 429");
	ok(took >= 120000 && took * 95 <= 120000 * 100, "  in %lld ms of at least 120000", (long long) took);
	took = play(2000, 60000, &limited);
	is_number(limited, 0, "2000 requests: none meets a 429");
	ok(took >= 420000 && took * 95 <= 420000 * 100, "  in %lld ms of at least 420000", (long long) took);
}

int
main(void)
{
	begin_tests();
	test_unknown();
	test_counting();
	test_lost_permits();
	test_slow_answers();
	test_absurd();
	test_forget();
	test_probe();
	test_hold();
	test_reserve();
	test_clocks();
	test_turns();
	test_last_few();
	test_ranks();
	test_turn_of_start();
	test_many_turns();
	test_window();
	return finish_tests();
}
