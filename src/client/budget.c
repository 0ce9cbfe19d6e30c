/*-------------------------------------------------------------------------
 *
 * budget.c
 *	  How many requests a token may still send, as far as is known.
 *
 *-------------------------------------------------------------------------
 */
#include "client/budget.h"

/* Clocks that differ by no more are taken to show the same time. */
#define CLOCK_TOLERANCE_S 2

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
	return budget->issued > budget->ended ? (int64_t) (budget->issued - budget->ended) : 0;
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

OmfPermit
omf_budget_ask(OmfBudget *budget, int64_t now, int64_t reserve)
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
		budget->ended = budget->issued;
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

void
omf_budget_end(OmfBudget *budget, int64_t now)
{
	budget->ended++;
	budget->changed_at = now;
}

void
omf_budget_hear(OmfBudget *budget, uint64_t permit, const OmfReply *reply,
				int64_t now, int64_t epoch_ms)
{
	bool probe = permit == budget->probe;
	bool raises;
	bool moved;
	int64_t pause;

	if (probe)
		budget->probe = 0;

	/* an answer from before a 429, or none of the API's own */
	if (permit <= budget->deaf_to || reply->outcome != OMF_ANSWERED ||
		(reply->ratelimit_remaining < 0 && reply->http_status >= 500))
		return;
	if (reply->ratelimit_limit < 0 || reply->ratelimit_remaining < 0)
	{
		budget->known = false;
		return;
	}

	/* more is left only once the window has moved on: answers overtake each other */
	budget->observed_at = now;
	raises = reply->ratelimit_remaining > budget->remaining;
	moved = reply->ratelimit_reset > budget->reset + RESET_TOLERANCE_S && permit > budget->latest;
	if (permit > budget->latest)
		budget->latest = permit;
	if (budget->known && raises && !moved && !probe)
		return;
	budget->known = true;
	budget->remaining = reply->ratelimit_remaining;
	budget->limit = reply->ratelimit_limit;
	budget->reset = reply->ratelimit_reset;

	/* go by the API's clock where ours is off */
	if (reply->date >= 0 &&
		(reply->date > epoch_ms / 1000 + CLOCK_TOLERANCE_S || reply->date < epoch_ms / 1000 - CLOCK_TOLERANCE_S))
		epoch_ms = reply->date * 1000;
	pause = reply->ratelimit_reset >= 0 ? reply->ratelimit_reset - epoch_ms / 1000 : 0;
	if (pause > OMF_HOLD_MAX_MS / 1000)
		pause = OMF_HOLD_MAX_MS;
	else if (pause > 0)
		pause = reply->ratelimit_reset * 1000 - epoch_ms;
	budget->resets_at = now + (pause > 0 ? min(pause + RESET_MARGIN_MS, OMF_HOLD_MAX_MS) : 0);
}

void
omf_budget_hold(OmfBudget *budget, int64_t now, int64_t pause_ms)
{
	int64_t until = now + min(pause_ms, OMF_HOLD_MAX_MS);

	if (until > budget->held_until)
		budget->held_until = until;

	/* and then one by one, until an answer says how many */
	if (!budget->known)
		budget->limit = -1;
	budget->known = true;
	budget->remaining = 0;
	budget->deaf_to = budget->issued;
	budget->probe = 0;
	budget->resets_at = budget->held_until;
}
