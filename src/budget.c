/*-------------------------------------------------------------------------
 *
 * budget.c
 *	  How many requests a token may still send, as far as is known.
 *
 * See budget.h for what this rests on, and what it may and must not do.
 *
 *-------------------------------------------------------------------------
 */
#include "budget.h"

/* Clocks that differ by no more are taken to show the same time. */
#define CLOCK_TOLERANCE_S 2

static int64_t
min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t
omf_budget_left(const OmfBudget *budget)
{
	int64_t sent_since = (int64_t) (budget->issued - budget->observed);

	return sent_since < budget->remaining ? budget->remaining - sent_since : 0;
}

static OmfPermit
grant(OmfBudget *budget)
{
	OmfPermit permit = {true, ++budget->issued, 0, 0};

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
	int64_t lost_at = budget->probed_at + OMF_PROBE_PATIENCE_MS;

	if (budget->held_until > now)
		return refuse(budget->held_until, budget->held_until);
	if (!budget->known || omf_budget_left(budget) > reserve)
		return grant(budget);
	if (budget->limit >= 0 && reserve >= budget->limit)
		return refuse(INT64_MAX, INT64_MAX);
	if (budget->resets_at > now)
		return refuse(budget->resets_at, budget->resets_at);

	/* the window has moved on: one request finds out how far */
	if (budget->probe > budget->observed && lost_at > now)
		return refuse(min(now + OMF_PROBE_POLL_MS, lost_at), now);
	budget->probed_at = now;
	budget->probe = budget->issued + 1;
	return grant(budget);
}

void
omf_budget_hear(OmfBudget *budget, uint64_t permit, const OmfReply *reply,
				int64_t now, int64_t epoch_ms)
{
	int64_t pause;

	/* an answer that another one has overtaken, or none of the API's own */
	if (permit <= budget->observed || reply->outcome != OMF_ANSWERED ||
		(reply->ratelimit_remaining < 0 && reply->http_status >= 500))
		return;
	budget->observed = permit;
	budget->known = reply->ratelimit_limit >= 0 && reply->ratelimit_remaining >= 0;
	if (!budget->known)
		return;
	budget->limit = reply->ratelimit_limit;
	budget->remaining = reply->ratelimit_remaining;
	budget->observed_at = now;

	/* go by the API's clock where ours is off */
	if (reply->date >= 0 &&
		(reply->date > epoch_ms / 1000 + CLOCK_TOLERANCE_S || reply->date < epoch_ms / 1000 - CLOCK_TOLERANCE_S))
		epoch_ms = reply->date * 1000;
	pause = reply->ratelimit_reset >= 0 ? reply->ratelimit_reset - epoch_ms / 1000 : 0;
	if (pause > OMF_HOLD_MAX_MS / 1000)
		pause = OMF_HOLD_MAX_MS;
	else if (pause > 0)
		pause = reply->ratelimit_reset * 1000 - epoch_ms;
	budget->resets_at = now + (pause > 0 ? pause : 0);
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
	budget->observed = budget->issued;
	budget->resets_at = budget->held_until;
}
