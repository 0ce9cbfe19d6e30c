/*-------------------------------------------------------------------------
 *
 * retry.h
 *	  Whether a request is tried again, and when.
 *
 * Rests on RFC 9110, sections 9.2.2 (idempotent methods), 10.2.3 (Retry-After)
 * and 15.5 to 15.6 (status codes), RFC 9113, section 8.7 (request
 * reliability), and on the API's rules on rate limits.  What an answer says of
 * time is told in api_time.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_RETRY_H
#define OMF_RETRY_H

#include "client/reply.h"

/* Back-off: at most 1 s before the first retry, doubling up to 30 s. */
#define OMF_BACKOFF_FIRST_MS 1000
#define OMF_BACKOFF_LAST_MS 30000

/*
 * After a 429 that does not say how long: from 4 s doubling to 32 s, and up to
 * a quarter more.  Four of these outlast a minute, which is the shorter of the
 * API's windows.
 */
#define OMF_LIMIT_PAUSE_FIRST_MS 4000
#define OMF_LIMIT_PAUSE_LAST_MS 32000

/* A shorter pause is none. */
#define OMF_PAUSE_LEAST_MS 10

/*
 * How often a request that met a connection which the server had meanwhile
 * closed is sent again at once, without a pause.  The first time is free: that
 * a connection was kept is our affair, and no reason for a request to fail.
 * One is not always enough over HTTP/2, where the connection that replaces a
 * closed one can be closing too, but that counts like any other retry.
 */
#define OMF_STALE_RETRIES 2

typedef struct OmfRetryQuestion
{
	OmfMethod method;      /* of the request */
	const OmfReply *reply; /* how the last try ended */
	bool stale;            /* it broke on a connection that was kept */
	int retries;           /* retries so far that count against max_retries */
	int stale_retries;     /* those at once, of which the first does not */
	int max_retries;       /* the server option */
	int64_t max_wait_ms;   /* the server option max_retry_wait */
	double random;         /* for the jitter, 0 <= random < 1 */
} OmfRetryQuestion;

typedef struct OmfRetryAnswer
{
	bool again;       /* try again? */
	bool counts;      /* does that count against max_retries? */
	bool at_once;     /* only for the sake of a connection that was kept */
	int64_t delay_ms; /* how long to wait before it; 0: at_once */
	int64_t hold_ms;  /* how long to send nothing at all, or -1 */
} OmfRetryAnswer;

extern OmfRetryAnswer omf_retry_decide(const OmfRetryQuestion *question);

/* Could the same request do better on another try, whenever that may be? */
extern bool omf_retry_could_help(const OmfReply *reply);

/*
 * How long the answer asks to wait before the next try, in milliseconds, or -1
 * if it does not say.
 */
extern int64_t omf_retry_asked_pause(const OmfReply *reply);

/*
 * May the try that ended so, or is on its way, have been carried out by the
 * server?
 */
extern bool omf_retry_maybe_done(const OmfReply *reply);

#endif /* OMF_RETRY_H */
