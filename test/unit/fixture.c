/*-------------------------------------------------------------------------
 *
 * fixture.c
 *	  An engine and a server that advance in turns, for one case each.
 *
 *-------------------------------------------------------------------------
 */
#include "fixture.h"
#include "client/pollset.h"
#include "tap.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

Server server;
OmfEngineConfig config;
OmfEngine *engine;
OmfInbox inbox;
OmfRequest *finished[FINISHED_MAX];
int nfinished;
int turns;
int fd_allowance;

static const char *case_name;
static char base_url[64];
static int descriptors_before;
static int acquired;
static bool armed;

static int
open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

static bool
acquire_fd(int others)
{
	(void) others;
	if (acquired >= fd_allowance)
		return false;
	acquired++;
	return true;
}

int
fds_acquired(void)
{
	return acquired;
}

static void
release_fd(void)
{
	acquired--;
}

/* The budget of the case, which no other engine shares. */
OmfBudget budget;

static OmfBudget *
lock_budget(void *arg)
{
	return arg;
}

static void
unlock_budget(void *arg)
{
	(void) arg;
}

void
begin_case(const char *name)
{
	case_name = name;
	note("%s", name);
	descriptors_before = open_descriptors();
	acquired = 0;
	fd_allowance = 1000;
	nfinished = 0;
	turns = 0;
	armed = !armed; /* both ways of waiting get their share */
	(void) omf_http_init();
	if (!server_open(&server))
		ok(false, "%s: the server is there", name);
	snprintf(base_url, sizeof(base_url), "http://127.0.0.1:%d", server.port);
	memset(&config, 0, sizeof(config));
	config.http.base_url = base_url;
	config.http.token = "dop_v1_token";
	config.http.user_agent = "unit/" OMF_VERSION;
	config.http.connect_timeout_ms = PATIENCE;
	config.http.max_concurrency = 4;
	config.http.acquire_fd = acquire_fd;
	config.http.release_fd = release_fd;
	memset(&budget, 0, sizeof(budget));
	config.gate = (OmfGate){lock_budget, unlock_budget, &budget};
	config.request_timeout_ms = PATIENCE;
	config.max_retries = 0;
	config.max_retry_wait_ms = 20;
	omf_inbox_init(&inbox);
}

void
make_engine(void)
{
	const char *reason;

	engine = omf_engine_create(&config, &reason);
	if (engine == NULL)
		ok(false, "%s: the engine is made: %s", case_name, reason);
}

void
end_case(void)
{
	for (int i = 0; i < nfinished; i++)
		omf_request_free(finished[i]);
	omf_inbox_clear(&inbox);
	ok(TAILQ_EMPTY(&inbox.pending) && TAILQ_EMPTY(&inbox.done), "%s: the inbox is empty",
	   case_name);
	omf_engine_destroy(engine);
	engine = NULL;
	server_close(&server);
	is_number(acquired, 0, "%s: every descriptor is given back", case_name);
	is_number(open_descriptors(), descriptors_before, "%s: none is left open", case_name);
}

OmfRequest *
submit(OmfMethod method, const char *path, const char *body)
{
	return omf_engine_submit(engine, &inbox, method, path, body, BODY_MAX, &server);
}

void
take_turn(int ms)
{
	struct pollfd polls[SERVER_CONNECTIONS + 2];
	int npolls = server_poll(&server, polls);
	int64_t timeout = omf_engine_prepare_wait(engine, armed);

	polls[npolls++] = (struct pollfd){omf_engine_fd(engine), POLLIN, 0};
	if (!armed && timeout >= 0 && timeout < ms)
		ms = (int) timeout;
	poll(polls, (nfds_t) npolls, ms);
	omf_engine_drive(engine);
	turns++;
	server_step(&server);
}

static void
take_finished(void)
{
	OmfRequest *request;

	while (nfinished < FINISHED_MAX && (request = omf_inbox_take(&inbox)) != NULL)
		finished[nfinished++] = request;
}

/* Take turns until either count is reached; -1 for one that doesn't matter. */
static bool
take_turns(int want_finished, int want_seen, int ms)
{
	int64_t end = omf_pollset_now() + ms;

	for (;;)
	{
		int64_t left = end - omf_pollset_now();

		take_finished();
		if (want_finished >= 0 && nfinished >= want_finished)
			return true;
		if (want_seen >= 0 && server.nseen >= want_seen)
			return true;
		if (left <= 0)
			return false;
		take_turn((int) left);
	}
}

bool
until_finished(int count)
{
	return take_turns(count, -1, PATIENCE);
}

bool
until_seen(int count)
{
	return take_turns(-1, count, PATIENCE);
}

void
settle(int ms)
{
	take_turns(-1, -1, ms);
}

void
rest(int ms)
{
	struct timespec time = {ms / 1000, (long) (ms % 1000) * 1000000L};

	nanosleep(&time, NULL);
}

const OmfReply *
reply_of(int number)
{
	static const OmfReply nothing = {.outcome = OMF_NO_MEMORY, .http_status = -1};

	return number < nfinished ? omf_request_reply(finished[number]) : &nothing;
}

void
answer_at_once(Server *answering, Seen *request)
{
	server_answer(answering, request, strcmp(request->method, "DELETE") == 0 ? 204 : 200, "",
				  request->path);
}
