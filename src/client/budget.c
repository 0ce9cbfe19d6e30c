/*-------------------------------------------------------------------------
 *
 * budget.c
 *	  How many requests a token may still send, as far as is known.
 *
 *-------------------------------------------------------------------------
 */
#include "client/budget.h"

#include <string.h>

/* The same reset can come out as either of two seconds. */
#define RESET_TOLERANCE_S 1

/* Who comes just in time comes too early: two clocks never show the same. */
#define RESET_MARGIN_MS 10

static int64_t
min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Permits whose requests are not over. */
static int64_t
permits_out(const OmfBudget *budget)
{
	return budget->issued > budget->ended
			   ? (int64_t) (budget->issued - budget->ended)
			   : 0;
}

int64_t
omf_budget_left(const OmfBudget *budget)
{
	int64_t left = budget->remaining - permits_out(budget);

	return left > 0 ? left : 0;
}

static OmfPermit
grant(OmfBudget *budget, int64_t now)
{
	OmfPermit permit = {true, ++budget->issued, 0, 0};

	budget->changed_at = now;
	return permit;
}

static OmfPermit
refuse(int64_t ask_at, int64_t allowed_at)
{
	OmfPermit permit = {false, 0, ask_at, allowed_at};

	return permit;
}

/* Nobody will say what has become of the permits that are out. */
static void
take_for_used(OmfBudget *budget)
{
	budget->remaining = omf_budget_left(budget);
	budget->ended = budget->issued;
	budget->used = budget->issued;
}

/* ----- turns ----- */

/* The turn of that number, unless it has passed. */
static OmfTurn *
find_turn(OmfBudget *budget, uint64_t number, int64_t now)
{
	for (int i = 0; number != 0 && i < OMF_TURNS; i++)
		if (budget->turns[i].number == number &&
			budget->turns[i].lives_until > now)
			return &budget->turns[i];
	return NULL;
}

/*
 * Is it somebody else's turn?  One of a higher rank counts about the time at
 * which it is to be taken: who waits for something else is in nobody's way.
 */
static bool
is_behind(OmfBudget *budget, const OmfPlace *place, int64_t now)
{
	uint64_t own;

	if (budget->turns_until <= now)
		return false;
	own = find_turn(budget, place->turn, now) != NULL ? place->turn
													  : UINT64_MAX;
	for (int i = 0; i < OMF_TURNS; i++)
	{
		const OmfTurn *turn = &budget->turns[i];

		if (turn->number == 0 || turn->number == own ||
			turn->lives_until <= now)
			continue;
		if (turn->rank < place->rank
				? turn->lives_until - 2 * OMF_TURN_PATIENCE_MS <= now
				: turn->rank == place->rank && turn->rank == OMF_RANK_MUCH &&
					  turn->number < own)
			return true;
	}
	return false;
}

/* A turn that nobody has, or else the last one of a lower rank, or NULL. */
static OmfTurn *
new_turn(OmfBudget *budget, OmfRank rank, int64_t now)
{
	OmfTurn *last = NULL;

	for (int i = 0; i < OMF_TURNS; i++)
	{
		OmfTurn *turn = &budget->turns[i];

		if (turn->number == 0 || turn->lives_until <= now)
			return turn;
		if (turn->rank > rank &&
			(last == NULL || turn->rank > last->rank ||
			 (turn->rank == last->rank && turn->number > last->number)))
			last = turn;
	}
	return last;
}

/* Have a turn, if there is one to be had, until some time after `ask_at`. */
static void
take_turn(OmfBudget *budget, OmfPlace *place, int64_t now, int64_t ask_at)
{
	OmfTurn *turn = find_turn(budget, place->turn, now);

	if (turn == NULL)
	{
		turn = new_turn(budget, place->rank, now);
		if (turn != NULL)
			turn->number = ++budget->last_turn;
	}
	place->turn = turn != NULL ? turn->number : 0;
	if (turn == NULL)
		return;
	turn->rank = place->rank;
	turn->lives_until = ask_at + OMF_TURN_PATIENCE_MS;
	if (turn->lives_until > budget->turns_until)
		budget->turns_until = turn->lives_until;
}

void
omf_budget_leave(OmfBudget *budget, OmfPlace *place)
{
	OmfTurn *turn = find_turn(budget, place->turn, 0);

	if (turn != NULL)
		turn->number = 0;
	place->turn = 0;
}

/*
 * It is somebody else's turn: ask again soon, or when anybody may be let
 * through.
 */
static OmfPermit
refuse_behind(const OmfBudget *budget, int64_t now, int64_t reserve)
{
	int64_t allowed_at = now;

	if (budget->held_until > allowed_at)
		allowed_at = budget->held_until;
	if (budget->remaining <= reserve && budget->resets_at > allowed_at)
		allowed_at = budget->resets_at;
	return refuse(allowed_at > now ? allowed_at : now + OMF_TURN_POLL_MS,
				  allowed_at);
}

/* ----- permits ----- */

static OmfPermit
decide(OmfBudget *budget, int64_t now, int64_t reserve)
{
	int64_t lost_at;

	if (budget->held_until > now)
		return refuse(budget->held_until, budget->held_until);
	if (!budget->known || omf_budget_left(budget) > reserve)
		return grant(budget, now);
	if (budget->limit >= 0 && reserve >= budget->limit)
		return refuse(INT64_MAX, INT64_MAX);

	/* only what is under way stands in the way */
	if (budget->remaining > reserve)
	{
		lost_at = budget->changed_at + OMF_PERMIT_PATIENCE_MS;
		if (lost_at > now)
			return refuse(min(now + OMF_BUDGET_POLL_MS, lost_at), now);
		take_for_used(budget);
		if (budget->remaining > reserve)
			return grant(budget, now);
	}
	if (budget->resets_at > now)
		return refuse(budget->resets_at, budget->resets_at);

	/* the window has moved on: one request finds out how far */
	lost_at = budget->probed_at + OMF_PROBE_PATIENCE_MS;
	if (budget->probe != 0 && lost_at > now)
		return refuse(min(now + OMF_BUDGET_POLL_MS, lost_at), now);
	budget->probed_at = now;
	budget->probe = budget->issued + 1;
	return grant(budget, now);
}

OmfPermit
omf_budget_ask(OmfBudget *budget, int64_t now, int64_t reserve,
			   OmfPlace *place)
{
	OmfPermit permit;

	if (budget->known && is_behind(budget, place, now))
		permit = refuse_behind(budget, now, reserve);
	else
		permit = decide(budget, now, reserve);
	if (!permit.granted)
	{
		if (permit.ask_at != INT64_MAX)
			take_turn(budget, place, now, permit.ask_at);
	}
	else if (place->turn != 0 && !place->more)
		omf_budget_leave(budget, place);
	else if (place->turn != 0)
		take_turn(budget, place, now,
				  place->rank == OMF_RANK_CHANGE ? now + OMF_TURN_PATIENCE_MS
												 : now);
	return permit;
}

void
omf_budget_end(OmfBudget *budget, uint64_t permit, int64_t now)
{
	/* a probe that was called off tells nothing */
	if (permit == budget->probe)
		budget->probe = 0;
	if (permit <= budget->used || permit > budget->issued)
		return;
	budget->ended++;
	budget->changed_at = now;
}

bool
omf_budget_is_needed(const OmfBudget *budget, int64_t now)
{
	if (budget->held_until > now ||
		(budget->known && omf_budget_left(budget) == 0 &&
		 budget->resets_at > now))
		return true;
	return permits_out(budget) > 0 &&
		   budget->changed_at + OMF_PAUSE_MAX_MS > now;
}

void
omf_budget_forget(OmfBudget *budget)
{
	uint64_t issued = budget->issued;
	uint64_t ended = budget->ended;
	uint64_t used = budget->used;
	int64_t changed_at = budget->changed_at;
	uint64_t last_turn = budget->last_turn;

	memset(budget, 0, sizeof(OmfBudget));
	budget->issued = issued;
	budget->ended = ended;
	budget->used = used;
	budget->changed_at = changed_at;
	budget->last_turn = last_turn;
}

/* No window of the API's allows more requests by far. */
#define LIMIT_MAX INT64_C(1000000000)

/*
 * Does the answer say of the limit what can be?  A limit of nothing would
 * never end, and nobody has more left than the limit.
 */
static bool
tells_limit(const OmfReply *reply)
{
	return reply->ratelimit_limit > 0 && reply->ratelimit_limit <= LIMIT_MAX &&
		   reply->ratelimit_remaining >= 0 &&
		   reply->ratelimit_remaining <= reply->ratelimit_limit;
}

void
omf_budget_hear(OmfBudget *budget, uint64_t permit, const OmfReply *reply,
				int64_t now)
{
	bool probe = permit == budget->probe;
	bool raises;
	bool moved;

	if (probe)
		budget->probe = 0;

	/* an answer from before a 429, or none of the API's own */
	if (permit <= budget->ignored_to || reply->outcome != OMF_ANSWERED ||
		(reply->ratelimit_remaining < 0 && reply->http_status >= 500))
		return;
	if (!tells_limit(reply))
	{
		budget->known = false;
		return;
	}

	/*
	 * more is left only once the window has moved on: answers overtake each
	 * other
	 */
	budget->observed_at = now;
	raises = reply->ratelimit_remaining > budget->remaining;
	moved = reply->ratelimit_reset > budget->reset + RESET_TOLERANCE_S &&
			permit > budget->latest;
	if (permit > budget->latest)
		budget->latest = permit;
	if (budget->known && raises && !moved && !probe)
		return;
	budget->known = true;
	budget->remaining = reply->ratelimit_remaining;
	budget->limit = reply->ratelimit_limit;
	budget->reset = reply->ratelimit_reset;
	budget->resets_at = now + (reply->resets_in_ms > 0
								   ? min(reply->resets_in_ms + RESET_MARGIN_MS,
										 OMF_PAUSE_MAX_MS)
								   : 0);
}

void
omf_budget_hold(OmfBudget *budget, int64_t now, int64_t pause_ms)
{
	int64_t until = now + min(pause_ms, OMF_PAUSE_MAX_MS);

	if (until > budget->held_until)
		budget->held_until = until;

	/* and then one by one, until an answer says how many */
	if (!budget->known)
		budget->limit = -1;
	budget->known = true;
	budget->remaining = 0;
	budget->ignored_to = budget->issued;
	budget->probe = 0;
	budget->resets_at = budget->held_until;
}
