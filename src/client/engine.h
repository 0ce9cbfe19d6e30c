/*-------------------------------------------------------------------------
 *
 * engine.h
 *	  Requests: queued, sent a few at a time, tried again, handed over.
 *
 * An OmfEngine belongs to one endpoint and one token.  Requests are submitted
 * to it, wait in its queue, are sent with at most max_concurrency in flight,
 * tried again where that is safe (retry.h), and end up in the OmfInbox that
 * they were submitted with.
 *
 * The engine never waits.  Its owner asks it how long there is nothing to do
 * (omf_engine_prepare_wait), waits that long or until the engine's descriptor
 * is readable, and then drives it (omf_engine_drive).
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_ENGINE_H
#define OMF_ENGINE_H

#include <sys/queue.h>

#include "client/budget.h"
#include "client/http.h"

typedef struct OmfEngine OmfEngine;
typedef struct OmfRequest OmfRequest;

/*
 * Where the token's budget is kept, which others may share: lock() hands it
 * over until unlock().  Neither may throw, and both are called with signals
 * held off.
 */
typedef struct OmfGate
{
	OmfBudget *(*lock)(void *arg);
	void (*unlock)(void *arg);
	void *arg;
} OmfGate;

typedef struct OmfEngineConfig
{
	OmfHttpConfig http;        /* of the connections */
	OmfGate gate;              /* to the token's budget */
	int reserve;               /* requests of it that are left to others */
	int request_timeout_ms;    /* from sending to the last byte, one try */
	int max_retries;           /* tries after the first */
	int64_t max_retry_wait_ms; /* the longest pause before a retry */
} OmfEngineConfig;

/*
 * Where finished requests arrive.  It lives in its owner's memory, starts as
 * OMF_INBOX_INITIALIZER, and must be cleared before that memory goes.
 */
typedef TAILQ_HEAD(OmfRequestList, OmfRequest) OmfRequestList;

typedef struct OmfInbox
{
	OmfRequestList pending; /* submitted, not finished */
	OmfRequestList done;    /* finished, oldest first */
} OmfInbox;

extern void omf_inbox_init(OmfInbox *inbox);

/* The oldest finished request, now the caller's to free, or NULL. */
extern OmfRequest *omf_inbox_take(OmfInbox *inbox);

/* Call off and free everything that was submitted with this inbox. */
extern void omf_inbox_clear(OmfInbox *inbox);

/*
 * Make an engine; the strings of `config` are copied.  NULL when a descriptor
 * or memory can't be had, or libcurl lacks what is asked of it, with *reason
 * set to a constant sentence.
 */
extern OmfEngine *omf_engine_create(const OmfEngineConfig *config,
									const char **reason);

/* Close all connections.  Every inbox must have been cleared before. */
extern void omf_engine_destroy(OmfEngine *engine);

/*
 * Queue a request.  `path` begins with a slash and is sent as it is; `body`
 * (NULL for none) is sent as application/json.  Both are copied; the copy of
 * the body is wiped before it is freed.  An answer with a body of more than
 * `body_max` bytes fails as OMF_TOO_LARGE.  `owner` is handed back by
 * omf_request_owner().  NULL when out of memory.
 */
extern OmfRequest *omf_engine_submit(OmfEngine *engine, OmfInbox *inbox,
									 OmfMethod method, const char *path,
									 const char *body, size_t body_max,
									 void *owner);

/*
 * The request, which was just submitted, waits for no other: it is sent before
 * them, beyond max_concurrency, and over connections of its own.  It may also
 * use what the option rate_limit_reserve leaves to others.  One that changes
 * something goes before those of other engines, too, until it is freed, and so
 * does a GET for the sake of a change, which keeps its place for that.
 */
extern void omf_request_make_urgent(OmfRequest *request, bool changes);

/* Nobody uses the engine for now: it keeps no place before others. */
extern void omf_engine_rest(OmfEngine *engine);

/* The most requests in flight at once. */
extern int omf_engine_concurrency(const OmfEngine *engine);

/* How many requests can be submitted that would be sent at once; 0 or more. */
extern int omf_engine_room(const OmfEngine *engine);

/* The descriptor that is readable while the engine wants to be driven. */
extern int omf_engine_fd(const OmfEngine *engine);

/*
 * To be called before waiting: milliseconds after which the engine wants to
 * be driven in any case, -1 for never.  With `arm` the descriptor becomes
 * readable then, so that no timeout of the waiter's own is needed.
 * Only time that is spent on the engine, waiting for it or driving it, counts
 * against the timeouts.
 */
extern int64_t omf_engine_prepare_wait(OmfEngine *engine, bool arm);

/* The wait is over, whatever ended it: time that passes now does not count. */
extern void omf_engine_end_wait(OmfEngine *engine);

/* What an engine waits for. */
typedef enum OmfEngineWait
{
	OMF_WAITS_HTTP,      /* an answer, or a connection */
	OMF_WAITS_RETRY,     /* the time to try again */
	OMF_WAITS_RATE_LIMIT /* the time at which the rate limit allows more */
} OmfEngineWait;

extern OmfEngineWait omf_engine_waits_for(const OmfEngine *engine);

/*
 * How long nothing is sent, for a retry's pause or the rate limit, in
 * milliseconds; 0 while something is in flight, or nothing is there to send.
 */
extern int64_t omf_engine_pause(OmfEngine *engine);

/* Do all that can be done without waiting. */
extern void omf_engine_drive(OmfEngine *engine);

/* What an engine has and does at present. */
typedef struct OmfEngineState
{
	const char *protocol; /* of its last answer, or NULL: there was none */
	int connections;      /* open */
	int in_flight;        /* requests sent, or being sent */
	int64_t idle_since;   /* on the engines' clock, or -1: it is not idle */
} OmfEngineState;

extern OmfEngineState omf_engine_state(const OmfEngine *engine);

/* Its base URL, for comparison with what the API calls its own. */
extern const char *omf_engine_base_url(const OmfEngine *engine);

/* The engine's token, for masking. */
extern const char *omf_engine_token(const OmfEngine *engine);

extern void *omf_request_owner(const OmfRequest *request);
extern OmfMethod omf_request_method(const OmfRequest *request);
extern const char *omf_request_path(const OmfRequest *request);

/* The reply of a finished request; it lives as long as the request. */
extern const OmfReply *omf_request_reply(const OmfRequest *request);

/* Overwrite the body of its reply. */
extern void omf_request_wipe_reply(OmfRequest *request);

/* Free a request in whatever state it is; one in flight is called off. */
extern void omf_request_free(OmfRequest *request);

#endif /* OMF_ENGINE_H */
