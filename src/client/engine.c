/*-------------------------------------------------------------------------
 *
 * engine.c
 *	  Requests: queued, sent a few at a time, tried again, handed over.
 *
 *-------------------------------------------------------------------------
 */
#include "client/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/api_time.h"
#include "client/disguise.h"
#include "client/pollset.h"
#include "client/retry.h"

/*
 * libcurl's clock always runs, ours only while somebody cares: a connect
 * timeout that came after less than this share of it on ours is no true one.
 */
#define IDLE_TIMEOUT_SHARE 0.9

typedef enum RequestState
{
	REQUEST_QUEUED,  /* may start at once */
	REQUEST_DELAYED, /* waits for not_before */
	REQUEST_ACTIVE,  /* http.c has it */
	REQUEST_ENDED,   /* its try is over; what next is being decided */
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
	char *target;         /* the path of base_url, and path */
	const char *path;     /* the path in it */
	char *body;           /* of the request, or NULL */
	OmfExchange exchange; /* the present or last try */
	int64_t started;      /* the engine's clock at the try's start */
	int64_t begun;        /* the monotonic clock at the first try's, or 0 */
	int64_t deadline;     /* on it: when request_timeout ends, once sent */
	int64_t not_before;   /* while delayed, on the monotonic clock */
	int retries;          /* that count against max_retries */
	int stale_retries;    /* at once, as retry.h has it */
	uint64_t permit;      /* of the present try, or 0 */
	bool changes;         /* something, or is there for that */
};

struct OmfEngine
{
	OmfEngineConfig config;   /* the strings are our own copies */
	const char *path_prefix;  /* the path in base_url, or "" */
	OmfHttp *http;            /* the connections */
	OmfRequestList queued;    /* REQUEST_QUEUED, oldest first */
	OmfRequestList delayed;   /* REQUEST_DELAYED */
	OmfRequestList active;    /* REQUEST_ACTIVE */
	int nactive;              /* length of active, without the urgent ones */
	int most_active;          /* as far as there are descriptors for them */
	int nwaiting;             /* that of queued and delayed, likewise */
	OmfPlace place;           /* among those that wait for the budget */
	OmfPlace urgent_place;    /* likewise, of the urgent ones */
	int64_t ask_at;           /* when the queue is to ask for permits again */
	int64_t clock;            /* milliseconds spent waiting or driving */
	int64_t clock_read_at;    /* up to when they count, or -1: it stands */
	int64_t next_deadline;    /* no request's deadline is before this */
	const char *protocol;     /* of the last answer, or NULL */
	int64_t idle_since;       /* when the last request was over */
	unsigned short jitter[3]; /* state of erand48() */
};

static OmfRequest *
request_of(OmfExchange *exchange)
{
	return (OmfRequest *) (void *) ((char *) exchange -
									offsetof(OmfRequest, exchange));
}

/* malloc'd copy that is wiped before it is freed */
static void
free_secret(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

/* ----- the clock of the timeouts: runs while somebody cares ----- */

static void
advance_clock(OmfEngine *engine)
{
	int64_t now = omf_pollset_now();

	if (engine->clock_read_at >= 0)
		engine->clock += now - engine->clock_read_at;
	engine->clock_read_at = now;
}

void
omf_engine_end_wait(OmfEngine *engine)
{
	if (engine->clock_read_at >= 0)
		advance_clock(engine);
	engine->clock_read_at = -1;
}

/* ----- the token's budget ----- */

static OmfBudget *
lock_budget(OmfEngine *engine)
{
	return engine->config.gate.lock(engine->config.gate.arg);
}

static void
unlock_budget(OmfEngine *engine)
{
	engine->config.gate.unlock(engine->config.gate.arg);
}

/*
 * A change keeps its place until it is over: a GET for its sake has it after
 * it, and its connection is yet to be made, while those of others are there.
 */
static void
set_urgent_place(OmfPlace *place, const OmfRequest *request)
{
	const OmfRequest *next = TAILQ_NEXT(request, link);

	place->rank = request->changes ? OMF_RANK_CHANGE : OMF_RANK_LITTLE;
	place->more = request->changes || (next != NULL && next->exchange.urgent);
}

static OmfPermit
ask_permit(OmfRequest *request, int64_t now)
{
	OmfEngine *engine = request->engine;
	bool urgent = request->exchange.urgent;
	OmfPlace *place = urgent ? &engine->urgent_place : &engine->place;
	OmfPermit permit;

	if (urgent)
		set_urgent_place(place, request);
	else
	{
		place->rank = engine->nwaiting + engine->nactive <= OMF_LITTLE
						  ? OMF_RANK_LITTLE
						  : OMF_RANK_MUCH;
		place->more = place->rank == OMF_RANK_MUCH || engine->nwaiting > 1;
	}
	permit = omf_budget_ask(lock_budget(engine), now,
							urgent ? 0 : engine->config.reserve, place);
	unlock_budget(engine);
	return permit;
}

static void
leave(OmfEngine *engine, OmfPlace *place)
{
	if (place->turn == 0)
		return;
	omf_budget_leave(lock_budget(engine), place);
	unlock_budget(engine);
}

/* Who wants nothing any more is in nobody's way. */
static void
leave_place(OmfEngine *engine)
{
	if (engine->nwaiting == 0 && engine->nactive == 0)
		leave(engine, &engine->place);
}

void
omf_engine_rest(OmfEngine *engine)
{
	leave(engine, &engine->urgent_place);
}

/* The request is called off, or starts over. */
static void
end_permit(OmfRequest *request)
{
	if (request->permit == 0)
		return;
	omf_budget_end(lock_budget(request->engine), request->permit,
				   omf_pollset_now());
	unlock_budget(request->engine);
	request->permit = 0;
}

/*
 * The try is over: take what the answer says of the budget, and end the permit
 * at one go, or somebody could be granted one in between.
 */
static void
hear_budget(OmfRequest *request)
{
	int64_t now = omf_pollset_now();
	OmfBudget *budget = lock_budget(request->engine);

	omf_budget_hear(budget, request->permit, &request->exchange.reply, now);
	omf_budget_end(budget, request->permit, now);
	unlock_budget(request->engine);
	request->permit = 0;
}

static void
hold_budget(OmfEngine *engine, int64_t pause_ms)
{
	int64_t now = omf_pollset_now();

	omf_budget_hold(lock_budget(engine), now, pause_ms);
	unlock_budget(engine);
}

/* ----- the states of a request: queued or delayed, active, done ----- */

static OmfRequestList *
state_list(OmfRequest *request)
{
	OmfEngine *engine = request->engine;

	switch (request->state)
	{
		case REQUEST_QUEUED:
			return &engine->queued;
		case REQUEST_DELAYED:
			return &engine->delayed;
		case REQUEST_ACTIVE:
			return &engine->active;
		default:
			return NULL;
	}
}

/* What is urgent takes nobody's room. */
static void
count(const OmfRequest *request, int change)
{
	OmfEngine *engine = request->engine;

	if (request->exchange.urgent)
		return;
	if (request->state == REQUEST_ACTIVE)
		engine->nactive += change;
	else
		engine->nwaiting += change;
}

/* Take the request out of the list that it is in, and call its try off. */
static void
leave_state(OmfRequest *request)
{
	OmfRequestList *list = state_list(request);

	if (list == NULL)
		return;
	TAILQ_REMOVE(list, request, link);
	count(request, -1);
	omf_http_stop(&request->exchange);
}

static void
enter_state(OmfRequest *request, RequestState state)
{
	OmfRequestList *list;

	request->state = state;
	if (state == REQUEST_DONE)
	{
		if (request->begun != 0)
			request->exchange.reply.took_ms =
				omf_pollset_now() - request->begun;
		TAILQ_REMOVE(&request->inbox->pending, request, inbox_link);
		TAILQ_INSERT_TAIL(&request->inbox->done, request, inbox_link);
		return;
	}
	list = state_list(request);
	if (request->exchange.urgent)
		TAILQ_INSERT_HEAD(list, request, link);
	else
		TAILQ_INSERT_TAIL(list, request, link);
	count(request, 1);
}

/*
 * Back to where it was in the queue: before those that have been tried as
 * often, or less.  What is urgent stays before all.
 */
static void
queue_again(OmfRequest *request)
{
	OmfRequestList *queued = &request->engine->queued;
	OmfRequest *next;

	enter_state(request, REQUEST_QUEUED);
	if (request->exchange.urgent)
		return;
	TAILQ_REMOVE(queued, request, link);
	next = TAILQ_FIRST(queued);
	while (next != NULL &&
		   (next->exchange.urgent || next->retries > request->retries))
		next = TAILQ_NEXT(next, link);
	if (next != NULL)
		TAILQ_INSERT_BEFORE(next, request, link);
	else
		TAILQ_INSERT_TAIL(queued, request, link);
}

/*
 * The try is over with what reply.outcome says: try again, or hand it over.
 */
static void
finish_try(OmfRequest *request)
{
	OmfEngine *engine = request->engine;
	OmfReply *reply = &request->exchange.reply;
	OmfRetryQuestion question;
	OmfRetryAnswer answer;
	struct timespec calendar;

	leave_state(request);
	if (reply->outcome == OMF_ANSWERED)
		engine->protocol = request->exchange.http1 ? "HTTP/1.1" : "HTTP/2";
	engine->idle_since = omf_pollset_now();
	reply->disguised_status = omf_disguised_status(reply);
	omf_reply_count(reply);
	reply->latency_us = reply->outcome == OMF_ANSWERED && reply->sent_us > 0
							? omf_pollset_now_us() - reply->sent_us
							: -1;
	clock_gettime(CLOCK_REALTIME, &calendar);
	omf_api_time_settle(reply, (int64_t) calendar.tv_sec * 1000 +
								   calendar.tv_nsec / 1000000);
	hear_budget(request);

	question.method = request->exchange.method;
	question.reply = reply;
	question.stale = request->exchange.stale;
	question.retries = request->retries;
	question.stale_retries = request->stale_retries;
	question.max_retries = engine->config.max_retries;
	question.max_wait_ms = engine->config.max_retry_wait_ms;
	question.random = erand48(engine->jitter);
	answer = omf_retry_decide(&question);

	if (answer.hold_ms >= 0)
		hold_budget(engine, answer.hold_ms);
	if (!answer.again)
	{
		enter_state(request, REQUEST_DONE);
		return;
	}
	if (answer.counts)
		request->retries++;
	if (answer.at_once)
		request->stale_retries++;
	if (omf_retry_maybe_done(reply))
		reply->earlier_unknown = true;
	request->exchange.again = true;
	request->not_before = omf_pollset_now() + answer.delay_ms;
	if (answer.hold_ms >= 0)
		queue_again(request);
	else
		enter_state(request, REQUEST_DELAYED);
}

static void
on_sending(OmfExchange *exchange)
{
	OmfRequest *request = request_of(exchange);
	OmfEngine *engine = request->engine;

	advance_clock(engine);
	exchange->reply.sent_us = omf_pollset_now_us();
	request->deadline = engine->clock + engine->config.request_timeout_ms;
	if (request->deadline < engine->next_deadline)
		engine->next_deadline = request->deadline;
}

static void
start_try(OmfRequest *request)
{
	OmfEngine *engine = request->engine;

	leave_state(request);
	enter_state(request, REQUEST_ACTIVE);
	request->started = engine->clock;
	if (request->begun == 0)
		request->begun = omf_pollset_now();
	request->deadline = INT64_MAX;
	if (!omf_http_start(engine->http, &request->exchange))
		finish_try(request);
}

/* ----- driving ----- */

/*
 * libcurl's connect timeout also runs while nobody drives us, as when a cursor
 * rests between two FETCHes; then it says nothing, and the request starts
 * over: as often as one does that met a closed connection, for nobody else may
 * bound it.
 */
static bool
is_idle_timeout(const OmfRequest *request)
{
	const OmfEngine *engine = request->engine;

	return request->exchange.timed_out &&
		   request->exchange.reply.outcome == OMF_UNREACHABLE &&
		   engine->clock - request->started <
			   engine->config.http.connect_timeout_ms * IDLE_TIMEOUT_SHARE;
}

/*
 * Requests of HTTP/1.1 for which there was no descriptor wait until one of
 * those is done that have one, as if max_concurrency were that much lower.
 */
static void
queue_unconnected(OmfEngine *engine, OmfRequestList *ended)
{
	OmfRequest *request = TAILQ_LAST(ended, OmfRequestList);

	while (request != NULL && engine->nactive > 0)
	{
		OmfRequest *previous = TAILQ_PREV(request, OmfRequestList, link);

		if (request->exchange.reply.no_descriptors &&
			!request->exchange.urgent)
		{
			TAILQ_REMOVE(ended, request, link);
			hear_budget(request);
			queue_again(request);
			engine->most_active = engine->nactive;
		}
		request = previous;
	}
}

/*
 * Take all finished exchanges from libcurl first, and only then start
 * retries: a request added in between upsets its queue of messages.
 */
static void
end_requests(OmfEngine *engine)
{
	OmfRequestList ended = TAILQ_HEAD_INITIALIZER(ended);
	OmfExchange *exchange;
	OmfRequest *request;

	while ((exchange = omf_http_next_finished(engine->http)) != NULL)
	{
		request = request_of(exchange);
		leave_state(request);
		request->state = REQUEST_ENDED;
		TAILQ_INSERT_TAIL(&ended, request, link);
	}
	queue_unconnected(engine, &ended);
	while ((request = TAILQ_FIRST(&ended)) != NULL)
	{
		TAILQ_REMOVE(&ended, request, link);
		request->exchange.stale |= is_idle_timeout(request);
		finish_try(request);
	}
}

/* Give up on requests that were sent longer than request_timeout ago. */
static void
expire_requests(OmfEngine *engine)
{
	OmfRequest *request = TAILQ_FIRST(&engine->active);

	if (engine->clock < engine->next_deadline)
		return;
	engine->next_deadline = INT64_MAX;
	while (request != NULL)
	{
		OmfRequest *next = TAILQ_NEXT(request, link);

		if (engine->clock >= request->deadline)
		{
			request->exchange.reply.outcome = OMF_TIMED_OUT;
			snprintf(request->exchange.reply.words, OMF_WORDS_SIZE,
					 "No complete answer within %d ms.",
					 engine->config.request_timeout_ms);
			omf_http_give_up(&request->exchange);
			finish_try(request);
		}
		else if (request->deadline < engine->next_deadline)
			engine->next_deadline = request->deadline;
		request = next;
	}
}

/* Queue the requests whose time to be tried again has come. */
static void
queue_delayed(OmfEngine *engine, int64_t now)
{
	OmfRequest *next;

	for (OmfRequest *request = TAILQ_FIRST(&engine->delayed); request != NULL;
		 request = next)
	{
		next = TAILQ_NEXT(request, link);
		if (request->not_before <= now)
		{
			leave_state(request);
			enter_state(request, REQUEST_QUEUED);
		}
	}
}

/* The rate limit allows the request too late: it fails without being sent. */
static void
hold_back(OmfRequest *request, int64_t allowed_at, int64_t now)
{
	OmfReply *reply = &request->exchange.reply;

	leave_state(request);
	reply->outcome = OMF_HELD_BACK;
	reply->http_status = 0;
	reply->pause_ms = allowed_at == INT64_MAX ? -1 : allowed_at - now;
	snprintf(
		reply->words, OMF_WORDS_SIZE, "%s",
		allowed_at == INT64_MAX
			? "The server option \"rate_limit_reserve\" leaves nothing of the API's rate limit."
			: "The API's rate limit is used up.");
	enter_state(request, REQUEST_DONE);
}

/* May the request be sent, as far as max_concurrency and descriptors go? */
static bool
has_room(const OmfRequest *request)
{
	const OmfEngine *engine = request->engine;

	return request->exchange.urgent ||
		   engine->nactive < engine->most_active;
}

/* Send queued requests as far as max_concurrency and the rate limit allow. */
static bool
start_requests(OmfEngine *engine)
{
	int64_t now = omf_pollset_now();
	bool started = false;
	bool refused = false;
	OmfRequest *next;

	queue_delayed(engine, now);
	if (engine->nactive == 0)
		engine->most_active = engine->config.http.max_concurrency;
	engine->ask_at = INT64_MAX;
	/* the urgent ones come first */
	for (OmfRequest *request = TAILQ_FIRST(&engine->queued);
		 request != NULL && has_room(request) &&
		 (!refused || request->exchange.urgent);
		 request = next)
	{
		OmfPermit permit;

		next = TAILQ_NEXT(request, link);
		permit = ask_permit(request, now);
		if (permit.granted)
		{
			request->permit = permit.number;
			start_try(request);
			started = true;
		}
		else if (permit.allowed_at - now > engine->config.max_retry_wait_ms)
			hold_back(request, permit.allowed_at, now);
		else
		{
			refused = true;
			if (permit.ask_at < engine->ask_at)
				engine->ask_at = permit.ask_at;
		}
	}
	return started;
}

void
omf_engine_drive(OmfEngine *engine)
{
	omf_http_begin_drive(engine->http);
	advance_clock(engine);
	omf_http_collect(engine->http);
	do
	{
		omf_http_run_timer(engine->http);
		advance_clock(engine);
		end_requests(engine);
		expire_requests(engine);
	} while (start_requests(engine));
	leave_place(engine);
	omf_engine_end_wait(engine);
	omf_http_end_drive(engine->http);
}

int64_t
omf_engine_prepare_wait(OmfEngine *engine, bool arm)
{
	int64_t now = omf_pollset_now();
	int64_t timer = omf_http_timer(engine->http);
	int64_t wake = timer >= 0 ? timer : INT64_MAX;
	int64_t timeout;
	const OmfRequest *request;

	TAILQ_FOREACH(request, &engine->delayed, link)
	if (request->not_before < wake)
		wake = request->not_before;
	if (engine->next_deadline != INT64_MAX &&
		now + (engine->next_deadline - engine->clock) < wake)
		wake = now + (engine->next_deadline - engine->clock);
	request = TAILQ_FIRST(&engine->queued);
	if (request != NULL && has_room(request) && engine->ask_at < wake)
		wake = engine->ask_at;

	if (wake == INT64_MAX)
		timeout = -1;
	else
		timeout = wake > now ? wake - now : 0;
	if (arm)
		omf_http_arm(engine->http, timeout);
	engine->clock_read_at = now;
	return timeout;
}

OmfEngineState
omf_engine_state(const OmfEngine *engine)
{
	OmfEngineState state = {engine->protocol,
							omf_http_connections(engine->http), 0,
							engine->idle_since};
	const OmfRequest *request;

	TAILQ_FOREACH(request, &engine->active, link)
	state.in_flight++;
	if (state.in_flight > 0)
		state.idle_since = -1;
	return state;
}

OmfEngineWait
omf_engine_waits_for(const OmfEngine *engine)
{
	if (!TAILQ_EMPTY(&engine->active))
		return OMF_WAITS_HTTP;
	if (!TAILQ_EMPTY(&engine->queued))
		return OMF_WAITS_RATE_LIMIT;
	return TAILQ_EMPTY(&engine->delayed) ? OMF_WAITS_HTTP : OMF_WAITS_RETRY;
}

int64_t
omf_engine_pause(OmfEngine *engine)
{
	int64_t now = omf_pollset_now();
	int64_t held_until;
	int64_t sends_at = INT64_MAX;
	const OmfRequest *request;

	if (!TAILQ_EMPTY(&engine->active))
		return 0;

	/* a retry whose time comes while the token is held waits on */
	held_until = lock_budget(engine)->held_until;
	unlock_budget(engine);
	TAILQ_FOREACH(request, &engine->delayed, link)
	if (request->not_before < sends_at)
		sends_at = request->not_before;
	if (sends_at < held_until)
		sends_at = held_until;
	if (!TAILQ_EMPTY(&engine->queued) && engine->ask_at < sends_at)
		sends_at = engine->ask_at;
	return sends_at > now && sends_at != INT64_MAX ? sends_at - now : 0;
}

int
omf_engine_fd(const OmfEngine *engine)
{
	return omf_http_fd(engine->http);
}

int
omf_engine_concurrency(const OmfEngine *engine)
{
	return engine->config.http.max_concurrency;
}

int
omf_engine_room(const OmfEngine *engine)
{
	int room = engine->most_active - engine->nactive - engine->nwaiting;

	return room > 0 ? room : 0;
}

const char *
omf_engine_base_url(const OmfEngine *engine)
{
	return engine->config.http.base_url;
}

const char *
omf_engine_token(const OmfEngine *engine)
{
	return engine->config.http.token;
}

/* ----- requests ----- */

/* Nothing but what a path may be made of is ever sent. */
static bool
is_path(const char *path)
{
	return path[0] == '/' &&
		   path[strspn(path, "0123456789abcdefghijklmnopqrstuvwxyz"
							 "ABCDEFGHIJKLMNOPQRSTUVWXYZ-._~%/?&=+:,")] ==
			   '\0';
}

OmfRequest *
omf_engine_submit(OmfEngine *engine, OmfInbox *inbox, OmfMethod method,
				  const char *path, const char *body, size_t body_max,
				  void *owner)
{
	const char *prefix = engine->path_prefix;
	size_t prefix_length = strlen(prefix);
	OmfRequest *request = is_path(path) ? calloc(1, sizeof(OmfRequest)) : NULL;

	if (request == NULL)
		return NULL;
	request->target = malloc(prefix_length + strlen(path) + 1);
	request->body = body != NULL ? strdup(body) : NULL;
	if (request->target == NULL || (body != NULL && request->body == NULL))
	{
		free_secret(request->body);
		free(request->target);
		free(request);
		return NULL;
	}
	memcpy(request->target, prefix, prefix_length);
	strcpy(request->target + prefix_length, path);
	request->path = request->target + prefix_length;
	request->engine = engine;
	request->inbox = inbox;
	request->owner = owner;
	request->exchange.method = method;
	request->exchange.target = request->target;
	request->exchange.body = request->body;
	request->exchange.reply.body_max = body_max;
	request->exchange.on_sending = on_sending;
	TAILQ_INSERT_TAIL(&inbox->pending, request, inbox_link);
	enter_state(request, REQUEST_QUEUED);
	engine->ask_at = 0;
	return request;
}

void
omf_request_make_urgent(OmfRequest *request, bool changes)
{
	leave_state(request);
	request->exchange.urgent = true;
	request->changes = changes;
	enter_state(request, REQUEST_QUEUED);
}

void
omf_request_free(OmfRequest *request)
{
	OmfInbox *inbox;

	if (request == NULL)
		return;
	inbox = request->inbox;
	if (inbox != NULL)
		TAILQ_REMOVE(request->state == REQUEST_DONE ? &inbox->done
													: &inbox->pending,
					 request, inbox_link);
	leave_state(request);
	end_permit(request);
	leave_place(request->engine);
	if (request->changes && request->exchange.method != OMF_GET)
		omf_engine_rest(request->engine);
	omf_reply_free(&request->exchange.reply);
	free_secret(request->body);
	free(request->target);
	free(request);
}

void *
omf_request_owner(const OmfRequest *request)
{
	return request->owner;
}

OmfMethod
omf_request_method(const OmfRequest *request)
{
	return request->exchange.method;
}

const char *
omf_request_path(const OmfRequest *request)
{
	return request->path;
}

const OmfReply *
omf_request_reply(const OmfRequest *request)
{
	return &request->exchange.reply;
}

void
omf_request_wipe_reply(OmfRequest *request)
{
	omf_reply_wipe(&request->exchange.reply);
}

void
omf_inbox_init(OmfInbox *inbox)
{
	TAILQ_INIT(&inbox->pending);
	TAILQ_INIT(&inbox->done);
}

OmfRequest *
omf_inbox_take(OmfInbox *inbox)
{
	OmfRequest *request = TAILQ_FIRST(&inbox->done);

	if (request != NULL)
	{
		TAILQ_REMOVE(&inbox->done, request, inbox_link);
		request->inbox = NULL;
	}
	return request;
}

void
omf_inbox_clear(OmfInbox *inbox)
{
	OmfRequest *request;

	while ((request = TAILQ_FIRST(&inbox->pending)) != NULL ||
		   (request = TAILQ_FIRST(&inbox->done)) != NULL)
		omf_request_free(request);
}

/* ----- engines ----- */

/* Make the strings of the configuration our own; false when out of memory. */
static bool
copy_config(OmfEngine *engine, const OmfEngineConfig *config)
{
	OmfHttpConfig *http = &engine->config.http;

	engine->config = *config;
	http->base_url = strdup(config->http.base_url);
	http->token = strdup(config->http.token);
	http->user_agent = strdup(config->http.user_agent);
	if (config->http.ca_file != NULL)
		http->ca_file = strdup(config->http.ca_file);
	return http->base_url != NULL && http->token != NULL &&
		   http->user_agent != NULL &&
		   (config->http.ca_file == NULL || http->ca_file != NULL);
}

OmfEngine *
omf_engine_create(const OmfEngineConfig *config, const char **reason)
{
	OmfEngine *engine = calloc(1, sizeof(OmfEngine));
	int64_t seed = omf_pollset_now();

	*reason = omf_http_no_memory;
	if (engine == NULL)
		return NULL;
	TAILQ_INIT(&engine->queued);
	TAILQ_INIT(&engine->delayed);
	TAILQ_INIT(&engine->active);
	engine->clock_read_at = -1;
	engine->next_deadline = INT64_MAX;
	engine->idle_since = seed;
	engine->jitter[0] = (unsigned short) getpid();
	engine->jitter[1] = (unsigned short) seed;
	engine->jitter[2] = (unsigned short) (seed >> 16);
	if (copy_config(engine, config))
	{
		engine->path_prefix =
			strchr(strstr(engine->config.http.base_url, "://") + 3, '/');
		if (engine->path_prefix == NULL)
			engine->path_prefix = "";
		engine->most_active = engine->config.http.max_concurrency;
		engine->http = omf_http_create(&engine->config.http, reason);
	}
	if (engine->http != NULL)
		return engine;
	omf_engine_destroy(engine);
	return NULL;
}

void
omf_engine_destroy(OmfEngine *engine)
{
	OmfHttpConfig *http;

	if (engine == NULL)
		return;
	http = &engine->config.http;
	omf_http_destroy(engine->http);
	free((char *) (uintptr_t) http->base_url);
	free((char *) (uintptr_t) http->user_agent);
	free((char *) (uintptr_t) http->ca_file);
	free_secret((char *) (uintptr_t) http->token);
	free(engine);
}
