/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  Whether a request is tried again, and when.
 *
 *-------------------------------------------------------------------------
 */
#include "client/retry.h"

/*
 * Statuses that say "later", and nothing about the request itself.  Proxies
 * have 5xx of their own, such as Cloudflare's 520 to 527 and 530.
 */
static bool
is_passing_status(int http_status)
{
	switch (http_status)
	{
		case 429: /* Too Many Requests */
			return true;
		case 501: /* Not Implemented */
		case 505: /* HTTP Version Not Supported */
			return false;
		default:
			return http_status >= 500;
	}
}

bool
omf_retry_maybe_done(const OmfReply *reply)
{
	switch (reply->outcome)
	{
		case OMF_UNREACHABLE:
		case OMF_REFUSED:
		case OMF_HELD_BACK:
			return false;
		case OMF_ANSWERED:
			/* of a gateway that gave up waiting: 408, and 499 by nginx */
			return reply->http_status < 300 || reply->http_status >= 500 ||
				   reply->http_status == 408 || reply->http_status == 499;
		default:
			return true;
	}
}

bool
omf_retry_could_help(const OmfReply *reply)
{
	switch (reply->outcome)
	{
		case OMF_ANSWERED:
			return is_passing_status(omf_reply_status(reply));
		case OMF_UNREACHABLE:
			return !reply->hopeless;
		case OMF_REFUSED:
		case OMF_LOST:
		case OMF_TIMED_OUT:
			return true;
		default:
			return false;
	}
}

/*
 * Is the limit that was met the one that the header's fields tell of?  They may
 * tell of the hour alone, of which something is left, where it is the minute's
 * that is used up.
 */
static bool
is_limit_told(const OmfReply *reply)
{
	return omf_reply_status(reply) == 429 && reply->ratelimit_remaining <= 0;
}

/*
 * An exhausted hourly limit may come without Retry-After; ratelimit-reset then
 * says when the next request is allowed.  One that is over already says
 * nothing: the limit was met all the same.
 */
int64_t
omf_retry_asked_pause(const OmfReply *reply)
{
	if (reply->outcome != OMF_ANSWERED)
		return -1;
	if (reply->pause_ms >= 0)
		return reply->pause_ms;
	return is_limit_told(reply) && reply->resets_in_ms > 0
			   ? reply->resets_in_ms
			   : -1;
}

static int64_t
doubled(int64_t first, int retries, int64_t last)
{
	int64_t bound = first;

	for (int i = 0; i < retries && bound < last; i++)
		bound *= 2;
	return bound < last ? bound : last;
}

static int64_t
share_of(int64_t bound, double share)
{
	return (int64_t) (share * (double) bound);
}

/* "Full jitter": anything from nothing to the exponential bound. */
static int64_t
backoff(const OmfRetryQuestion *question)
{
	int64_t bound = doubled(OMF_BACKOFF_FIRST_MS, question->retries,
							OMF_BACKOFF_LAST_MS);

	if (bound > question->max_wait_ms)
		bound = question->max_wait_ms;
	return share_of(bound, question->random);
}

/* The limit is the token's: who waits too briefly only adds to it. */
static int64_t
limit_pause(const OmfRetryQuestion *question)
{
	int64_t bound = doubled(OMF_LIMIT_PAUSE_FIRST_MS, question->retries,
							OMF_LIMIT_PAUSE_LAST_MS);

	bound += share_of(bound / 4, question->random);
	return bound < question->max_wait_ms ? bound : question->max_wait_ms;
}

/* The pause before another try; "at once" is none. */
static int64_t
pause_before(const OmfRetryQuestion *question, bool limited)
{
	int64_t pause = omf_retry_asked_pause(question->reply);

	if (pause < 0 && limited)
		pause = limit_pause(question);
	else if (pause <= 0)
		pause = backoff(question);
	return pause > OMF_PAUSE_LEAST_MS ? pause : OMF_PAUSE_LEAST_MS;
}

OmfRetryAnswer
omf_retry_decide(const OmfRetryQuestion *question)
{
	const OmfReply *reply = question->reply;
	OmfRetryAnswer answer = {false, true, false, 0, -1};
	bool limited =
		reply->outcome == OMF_ANSWERED && omf_reply_status(reply) == 429;

	if (!omf_retry_could_help(reply))
		return answer;

	/* a start must never be sent twice: only what surely was not done */
	if (question->method == OMF_PUT && omf_retry_maybe_done(reply))
		return answer;

	if (question->stale && question->stale_retries < OMF_STALE_RETRIES)
	{
		answer.counts = question->stale_retries > 0;
		answer.again = !answer.counts ||
					   question->retries < question->max_retries;
		answer.at_once = true;
		return answer;
	}

	answer.delay_ms = pause_before(question, limited);
	if (limited)
		answer.hold_ms = answer.delay_ms;
	answer.again = answer.delay_ms <= question->max_wait_ms &&
				   question->retries < question->max_retries;
	return answer;
}
