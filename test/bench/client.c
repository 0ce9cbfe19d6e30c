/*-------------------------------------------------------------------------
 *
 * client.c
 *	  What the foreign table is measured against: a minimal C program that
 *	  looks clusters up, with libcurl's multi interface and json-c.
 *
 * It runs for as long as its standard input lasts, and keeps its connections
 * and handles.  Each line there is a round, "fan SEED COUNT" (COUNT clusters
 * with up to CONCURRENCY requests in flight) or "each SEED COUNT" (one after
 * the other), and is answered by the number of migrations found.
 *
 * No error handling beyond giving up, no caps, no retries: the floor.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/epoll.h>

#include <curl/curl.h>
#include <json-c/json.h>

#define MAX_EVENTS 64
#define BODY_ROOM 4096
#define STREAMS_PER_CONNECTION 100

/* One request at a time, over a handle that is used again and again. */
typedef struct Transfer
{
	CURL *handle;
	char url[256];
	char body[BODY_ROOM];
	size_t length; /* of the body */
	struct Transfer *next;
} Transfer;

/* A migration, as the foreign table's row has it. */
typedef struct Row
{
	char *id;
	char *created_at;
	char *status;
} Row;

static const char *base_url;
static int concurrency;
static struct curl_slist *headers;
static CURLM *multi;
static int epoll_fd;
static long long timer = -1; /* when libcurl wants a call, in ms, or -1 */
static Transfer *idle;       /* a list */
static struct json_tokener *tokener;
static Row *rows;
static int nrows;

static void
give_up(const char *what)
{
	fprintf(stderr, "client: %s\n", what);
	exit(1);
}

static long long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ----- libcurl's callbacks ----- */

static int
on_socket(CURL *handle, curl_socket_t fd, int what, void *arg, void *known)
{
	struct epoll_event event = {0};

	(void) handle, (void) arg;
	event.data.fd = fd;
	event.events = ((what & CURL_POLL_IN) ? EPOLLIN : 0) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0);
	if (what == CURL_POLL_REMOVE)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, &event);
	else if (epoll_ctl(epoll_fd, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
		give_up("epoll_ctl failed");
	if (known == NULL)
		curl_multi_assign(multi, fd, multi);
	return 0;
}

static int
on_timer(CURLM *of, long timeout_ms, void *arg)
{
	(void) of, (void) arg;
	timer = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	return 0;
}

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	Transfer *transfer = arg;
	size_t length = size * count;

	if (length > BODY_ROOM - transfer->length)
		give_up("an answer is too long");
	memcpy(transfer->body + transfer->length, data, length);
	transfer->length += length;
	return length;
}

/* ----- one request ----- */

static Transfer *
make_transfer(const char *ca_file)
{
	Transfer *transfer = calloc(1, sizeof(Transfer));
	CURL *handle = curl_easy_init();
	bool encrypted = strncmp(base_url, "https:", 6) == 0;

	curl_easy_setopt(handle, CURLOPT_HTTP_VERSION,
					 (long) (encrypted ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	curl_easy_setopt(handle, CURLOPT_PIPEWAIT, encrypted ? 1L : 0L);
	curl_easy_setopt(handle, CURLOPT_CAINFO, ca_file);
	curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(handle, CURLOPT_USERAGENT, "bench/1");
	curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(handle, CURLOPT_PRIVATE, transfer);
	transfer->handle = handle;
	return transfer;
}

static void
make_transfers(const char *ca_file)
{
	for (int i = 0; i < concurrency; i++)
	{
		Transfer *transfer = make_transfer(ca_file);

		transfer->next = idle;
		idle = transfer;
	}
}

static void
start(unsigned int seed, int cluster)
{
	Transfer *transfer = idle;

	idle = transfer->next;
	transfer->length = 0;
	snprintf(transfer->url, sizeof(transfer->url),
			 "%s/v2/databases/%08x-0000-4000-8000-%012x/online-migration",
			 base_url, seed, (unsigned int) cluster);
	curl_easy_setopt(transfer->handle, CURLOPT_URL, transfer->url);
	if (curl_multi_add_handle(multi, transfer->handle) != CURLM_OK)
		give_up("a request could not be started");
}

static char *
text_of(struct json_object *object, const char *name)
{
	struct json_object *member;

	if (!json_object_object_get_ex(object, name, &member) || member == NULL)
		return NULL;
	return strdup(json_object_get_string(member));
}

/* Parse the answer and keep what it says. */
static void
take_answer(const Transfer *transfer)
{
	struct json_object *object;
	long status = 0;

	curl_easy_getinfo(transfer->handle, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		give_up("an answer is not a 200");
	json_tokener_reset(tokener);
	object = json_tokener_parse_ex(tokener, transfer->body, (int) transfer->length);
	if (object == NULL)
		give_up("an answer is not JSON");
	rows[nrows].id = text_of(object, "id");
	rows[nrows].created_at = text_of(object, "created_at");
	rows[nrows].status = text_of(object, "status");
	nrows++;
	json_object_put(object);
}

/* ----- rounds ----- */

/* Wait for something to happen, and let libcurl act on it. */
static void
turn(void)
{
	struct epoll_event events[MAX_EVENTS];
	int running;
	int nevents;
	long long wait = -1;

	if (timer >= 0)
	{
		wait = timer - now_ms();
		wait = wait > 0 ? wait : 0;
	}
	nevents = wait == 0 ? 0 : epoll_wait(epoll_fd, events, MAX_EVENTS, (int) wait);
	for (int i = 0; i < nevents; i++)
		curl_multi_socket_action(multi, events[i].data.fd,
								 ((events[i].events & EPOLLIN) ? CURL_CSELECT_IN : 0) |
									 ((events[i].events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
									 ((events[i].events & (EPOLLERR | EPOLLHUP)) ? CURL_CSELECT_ERR : 0),
								 &running);
	if (timer >= 0 && timer <= now_ms())
	{
		timer = -1;
		curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
}

/* How many requests have ended; their answers are taken. */
static int
take_finished(void)
{
	CURLMsg *message;
	int nfinished = 0;
	int left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		Transfer *transfer;

		if (message->data.result != CURLE_OK)
			give_up(curl_easy_strerror(message->data.result));
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &transfer);
		take_answer(transfer);
		curl_multi_remove_handle(multi, transfer->handle);
		transfer->next = idle;
		idle = transfer;
		nfinished++;
	}
	return nfinished;
}

static void
look_up(unsigned int seed, int first, int count)
{
	int started = 0;
	int finished = 0;

	while (finished < count)
	{
		while (started < count && started - finished < concurrency)
			start(seed, first + started++);
		turn();
		finished += take_finished();
	}
}

static void
play_round(const char *kind, unsigned int seed, int count)
{
	rows = malloc(sizeof(Row) * (size_t) count);
	nrows = 0;
	if (strcmp(kind, "fan") == 0)
		look_up(seed, 1, count);
	else
		for (int i = 1; i <= count; i++)
			look_up(seed, i, 1);
	printf("%d\n", nrows);
	fflush(stdout);
	for (int i = 0; i < nrows; i++)
	{
		free(rows[i].id);
		free(rows[i].created_at);
		free(rows[i].status);
	}
	free(rows);
}

static void
make_multi(void)
{
	bool encrypted = strncmp(base_url, "https:", 6) == 0;

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	multi = curl_multi_init();
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) concurrency);
	curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
					  (long) (encrypted ? (concurrency + STREAMS_PER_CONNECTION - 1) / STREAMS_PER_CONNECTION : concurrency));
}

int
main(int argc, char **argv)
{
	char kind[8];
	unsigned int seed;
	int count;

	if (argc != 4)
		give_up("usage: client BASE_URL CA_FILE CONCURRENCY");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	base_url = argv[1];
	concurrency = atoi(argv[3]);
	headers = curl_slist_append(headers, "Authorization: Bearer dop_v1_simulator");
	headers = curl_slist_append(headers, "Accept: application/json");
	tokener = json_tokener_new();
	make_multi();
	make_transfers(argv[2]);
	while (scanf("%7s %u %d", kind, &seed, &count) == 3)
		play_round(kind, seed, count);
	return 0;
}
