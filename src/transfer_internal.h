/*-------------------------------------------------------------------------
 *
 * transfer_internal.h
 *	  What a request and an engine are made of.
 *
 * For transfer.c and request.c only; all others go by transfer.h.
 *
 * May call: nothing.  Must never: be included by anything else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_TRANSFER_INTERNAL_H
#define OMF_TRANSFER_INTERNAL_H

#include "transfer.h"

typedef enum RequestState
{
	REQUEST_QUEUED,  /* may start at once */
	REQUEST_DELAYED, /* waits for not_before */
	REQUEST_FLYING,  /* http.c has it */
	REQUEST_LANDED,  /* its try is over; what next is being decided */
	REQUEST_DONE     /* in its inbox */
} RequestState;

struct OmfRequest
{
	TAILQ_ENTRY(OmfRequest)
	link; /* in the engine's list of its state */
	TAILQ_ENTRY(OmfRequest)
	inbox_link;           /* in the inbox's pending or done */
	OmfEngine *engine;    /* that it was submitted to */
	OmfInbox *inbox;      /* that it arrives in; NULL once taken */
	void *owner;          /* the submitter's */
	RequestState state;   /* which of the engine's lists it is in */
	char *url;            /* base_url and path */
	const char *path;     /* the path in it */
	char *body;           /* of the request, or NULL */
	OmfExchange exchange; /* the present or last try */
	int64_t started;      /* the waited clock at the try's start */
	int64_t deadline;     /* when request_timeout ends, once sent */
	int64_t not_before;   /* while delayed, on the monotonic clock */
	int retries;          /* that count against max_retries */
	int stale_retries;    /* that do not */
	uint64_t permit;      /* of the present try, or 0 */
	bool uses_reserve;    /* may it use what is left to others? */
};

struct OmfEngine
{
	OmfEngineConfig config;   /* the strings are our own copies */
	OmfHttp *http;            /* the connections */
	OmfRequestList queued;    /* REQUEST_QUEUED, oldest first */
	OmfRequestList delayed;   /* REQUEST_DELAYED */
	OmfRequestList flying;    /* REQUEST_FLYING */
	int nflying;              /* length of flying */
	int nwaiting;             /* length of queued and delayed together */
	OmfBudget budget;         /* of the token, unless there is a gate to a shared one */
	int64_t ask_at;           /* when the queue is to ask for permits again */
	int64_t waited;           /* the waited clock: milliseconds spent waiting */
	int64_t wait_started;     /* of the present wait, or -1 */
	int64_t next_deadline;    /* no request's deadline is before this */
	unsigned short jitter[3]; /* state of erand48() */
};

#endif /* OMF_TRANSFER_INTERNAL_H */
