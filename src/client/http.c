/*-------------------------------------------------------------------------
 *
 * http.c
 *	  HTTP exchanges over libcurl's multi interface.
 *
 * The only includer of curl.h.
 *
 * libcurl is driven by curl_multi_socket_action() over a pollset.  (Its
 * curl_multi_poll() in 7.88 at times sleeps through an answer when many streams
 * share a connection.)  Nothing here throws; callbacks only note things down.
 *
 * The options and their meaning: https://curl.se/libcurl/c/
 *
 *-------------------------------------------------------------------------
 */
#include "client/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <curl/curl.h>

#include "compat.h"
#include "client/pollset.h"
#include "client/sockets.h"

/*
 * Streams that share one HTTP/2 connection: what servers commonly allow, and
 * what libcurl assumes.  Connections are capped accordingly, for libcurl
 * opens one for every request that waits for a stream.
 */
#define STREAMS_PER_CONNECTION 100

/*
 * libcurl's receive buffer of one handle, in bytes.  More than OMF_HEADERS_MAX:
 * over HTTP/2, libcurl 7.88 leaves what does not fit until a timer reminds it.
 * What is not received into costs no memory.
 */
#define RECEIVE_BUFFER 102400

/* Ready sockets handled in one call; what is left over stays ready. */
#define EVENTS_MAX 64

/* Two address families are tried at once for an exchange, and some are kept. */
#define SOCKETS_PER_EXCHANGE 3

struct OmfHttp
{
	const OmfHttpConfig *config;        /* the owner's */
	bool encrypted;                     /* https? */
	bool multiplexed;                   /* no HTTP/1.x answer over TLS yet */
	CURLM *multi;                       /* libcurl's */
	OmfPollset *pollset;                /* all sockets and the timer */
	int own_fds;                        /* descriptors counted for the pollset */
	struct curl_slist *headers;         /* of requests without a body */
	struct curl_slist *body_headers;    /* of requests with one */
	CURL **spare;                       /* handles for reuse */
	int nspare;                         /* how many */
	OmfSockets *sockets;                /* libcurl's */
	int nflying;                        /* exchanges in flight */
	bool unswept;                       /* some may have been closed behind our back */
	bool one_gone;                      /* a socket that libcurl watched, since the timer ran */
	int64_t timer;                      /* when libcurl wants a call, or -1 */
	char date_text[OMF_HTTP_DATE_SIZE]; /* the last Date of an answer */
	int64_t date;                       /* the same in epoch seconds, or -1 */
};

/* ----- libcurl's callbacks: note things down, never throw ----- */

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	OmfExchange *exchange = arg;
	size_t length = size * count;

	return omf_reply_add_body(&exchange->reply, data, length) ? length : CURL_WRITEFUNC_ERROR;
}

static size_t
on_header(char *data, size_t size, size_t count, void *arg)
{
	OmfExchange *exchange = arg;
	size_t length = size * count;

	return omf_reply_add_header(&exchange->reply, data, length) ? length : CURL_WRITEFUNC_ERROR;
}

/*
 * What libcurl tells of a start.  It says why it sends something again only
 * here, in the same words since 7.81: an unknown word is no refused stream.
 */
static int
on_trace(CURL *handle, curl_infotype type, char *data, size_t length, void *arg)
{
	static const char word[] = "REFUSED_STREAM";
	OmfExchange *exchange = arg;

	(void) handle;
	if (type == CURLINFO_TEXT && memmem(data, length, word, sizeof(word) - 1) != NULL)
		exchange->refused = true;
	return 0;
}

/* The connection stands, and the request is about to be sent over it. */
static int
on_sending(void *arg, char *remote_ip, char *local_ip, int remote_port,
		   int local_port)
{
	OmfExchange *exchange = arg;

	(void) remote_ip, (void) local_ip, (void) remote_port, (void) local_port;

	/*
	 * libcurl sends a request again by itself in some cases; a start, not this
	 * way.  It is tried again where libcurl has said that its stream was
	 * refused: that is the one case in which nobody has looked at it.
	 */
	if (exchange->sendings++ > 0 && exchange->method == OMF_PUT)
	{
		if (!exchange->refused)
			exchange->reply.outcome = OMF_LOST;
		return CURL_PREREQFUNC_ABORT;
	}
	if (exchange->sendings > 1)
		exchange->reply.earlier_unknown = true;

	exchange->reply.sent_at = (int64_t) time(NULL);
	exchange->on_sending(exchange);
	return CURL_PREREQFUNC_OK;
}

static int
on_socket(CURL *handle, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	OmfHttp *http = arg;
	unsigned int wanted = 0;

	(void) handle;
	if (what == CURL_POLL_REMOVE)
	{
		http->one_gone = true;
		omf_pollset_forget(http->pollset, fd);
		return 0;
	}
	if (what & CURL_POLL_IN)
		wanted |= OMF_POLL_READ;
	if (what & CURL_POLL_OUT)
		wanted |= OMF_POLL_WRITE;
	if (!omf_pollset_watch(http->pollset, fd, wanted, socket_arg != NULL))
		return -1;
	if (socket_arg == NULL)
		curl_multi_assign(http->multi, fd, http);
	return 0;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	OmfHttp *http = arg;

	(void) multi;
	http->timer = timeout_ms < 0 ? -1 : omf_pollset_now() + timeout_ms;
	return 0;
}

static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	OmfHttp *http = arg;
	int fd = omf_sockets_open(http->sockets, address->family, address->socktype, address->protocol);

	(void) purpose;
	return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

static int
on_close_socket(void *arg, curl_socket_t fd)
{
	OmfHttp *http = arg;

	omf_pollset_forget(http->pollset, fd);
	return omf_sockets_close(http->sockets, fd);
}

/* ----- libcurl's handles ----- */

/* Every setting is checked: one that is not honoured must not go unnoticed. */
#define SET(handle, option, value) \
	(curl_easy_setopt(handle, option, value) == CURLE_OK)

static bool
set_security(OmfHttp *http, CURL *handle)
{
	const OmfHttpConfig *config = http->config;

	if (!OMF_SET_PROTOCOLS(handle, http->encrypted) ||
		!SET(handle, CURLOPT_SSL_VERIFYPEER, 1L) ||
		!SET(handle, CURLOPT_SSL_VERIFYHOST, 2L) ||
		!SET(handle, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2) ||
		!SET(handle, CURLOPT_FOLLOWLOCATION, 0L) ||
		!SET(handle, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) ||
		!SET(handle, CURLOPT_PATH_AS_IS, 1L))
		return false;
	if (config->ca_file != NULL && !SET(handle, CURLOPT_CAINFO, config->ca_file))
		return false;

	/* a token in clear text never leaves the host, so no proxy */
	return http->encrypted || SET(handle, CURLOPT_PROXY, "");
}

static bool
set_transport(OmfHttp *http, CURL *handle)
{
	const OmfHttpConfig *config = http->config;

	/*
	 * Waiting for a multiplexed connection pays over TLS only; on plain HTTP
	 * one answer that hangs would hold up all others.
	 */
	return SET(handle, CURLOPT_HTTP_VERSION,
			   (long) (http->encrypted ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1)) &&
		   SET(handle, CURLOPT_PIPEWAIT, http->encrypted ? 1L : 0L) &&
		   SET(handle, CURLOPT_NOSIGNAL, 1L) &&
		   OMF_SET_QUICK_EXIT(handle) &&
		   SET(handle, CURLOPT_CONNECTTIMEOUT_MS, (long) config->connect_timeout_ms) &&
		   SET(handle, CURLOPT_TCP_KEEPALIVE, 1L) &&
		   SET(handle, CURLOPT_BUFFERSIZE, (long) RECEIVE_BUFFER) &&
		   SET(handle, CURLOPT_HTTP_CONTENT_DECODING, 0L) &&
		   SET(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
		   SET(handle, CURLOPT_USERAGENT, config->user_agent);
}

static bool
set_callbacks(OmfHttp *http, CURL *handle)
{
	return SET(handle, CURLOPT_WRITEFUNCTION, on_body) &&
		   SET(handle, CURLOPT_HEADERFUNCTION, on_header) &&
		   SET(handle, CURLOPT_PREREQFUNCTION, on_sending) &&
		   SET(handle, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) &&
		   SET(handle, CURLOPT_OPENSOCKETDATA, http) &&
		   SET(handle, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket) &&
		   SET(handle, CURLOPT_CLOSESOCKETDATA, http);
}

/* What is the same for every GET. */
static bool
set_get(OmfHttp *http, CURL *handle)
{
	return SET(handle, CURLOPT_HTTPGET, 1L) && SET(handle, CURLOPT_HTTPHEADER, http->headers);
}

static bool
set_other(OmfHttp *http, const OmfExchange *exchange, CURL *handle)
{
	bool once = exchange->method == OMF_PUT;

	if (!SET(handle, CURLOPT_CUSTOMREQUEST, omf_method_name(exchange->method)) ||
		(once && (!SET(handle, CURLOPT_FRESH_CONNECT, 1L) || !SET(handle, CURLOPT_VERBOSE, 1L) ||
				  !SET(handle, CURLOPT_DEBUGFUNCTION, on_trace) || !SET(handle, CURLOPT_DEBUGDATA, exchange))))
		return false;
	return exchange->body == NULL ||
		   (SET(handle, CURLOPT_HTTPHEADER, http->body_headers) &&
			SET(handle, CURLOPT_POST, 1L) &&
			SET(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) strlen(exchange->body)) &&
			SET(handle, CURLOPT_POSTFIELDS, exchange->body));
}

/* A handle that has all but what differs between one GET and the next, or NULL. */
static CURL *
make_handle(OmfHttp *http)
{
	CURL *handle = curl_easy_init();

	if (handle != NULL && set_security(http, handle) && set_transport(http, handle) &&
		set_callbacks(http, handle) && set_get(http, handle))
		return handle;
	curl_easy_cleanup(handle);
	return NULL;
}

/* GETs are many and alike, so their handles are kept; the others' are not. */
static CURL *
get_handle(OmfHttp *http, OmfMethod method)
{
	if (method == OMF_GET && http->nspare > 0)
		return http->spare[--http->nspare];
	return make_handle(http);
}

/* The handle is not in the multi any more. */
static void
put_handle(OmfHttp *http, OmfMethod method, CURL *handle)
{
	/* the next user's address may differ: leave no pointer behind */
	(void) SET(handle, CURLOPT_ERRORBUFFER, NULL);
	if (method == OMF_GET && http->nspare < http->config->max_concurrency)
		http->spare[http->nspare++] = handle;
	else
		curl_easy_cleanup(handle);
}

static bool
set_request(OmfHttp *http, OmfExchange *exchange, CURL *handle)
{
	return SET(handle, CURLOPT_URL, exchange->url) &&
		   SET(handle, CURLOPT_PRIVATE, exchange) &&
		   SET(handle, CURLOPT_WRITEDATA, exchange) &&
		   SET(handle, CURLOPT_HEADERDATA, exchange) &&
		   SET(handle, CURLOPT_PREREQDATA, exchange) &&
		   SET(handle, CURLOPT_ERRORBUFFER, exchange->reply.words) &&
		   (exchange->method == OMF_GET || set_other(http, exchange, handle));
}

/* ----- one exchange ----- */

bool
omf_http_start(OmfHttp *http, OmfExchange *exchange)
{
	CURL *handle = get_handle(http, exchange->method);

	if (http->unswept)
		omf_sockets_sweep(http->sockets);
	http->unswept = false;
	omf_reply_reset(&exchange->reply);
	exchange->sendings = 0;
	exchange->refused = false;
	exchange->stale = exchange->timed_out = false;
	if (handle == NULL)
		return false;
	if (!set_request(http, exchange, handle) ||
		curl_multi_add_handle(http->multi, handle) != CURLM_OK)
	{
		put_handle(http, exchange->method, handle);
		return false;
	}
	exchange->http = http;
	exchange->handle = handle;
	http->nflying++;
	return true;
}

void
omf_http_stop(OmfExchange *exchange)
{
	if (exchange->handle == NULL)
		return;
	curl_multi_remove_handle(exchange->http->multi, exchange->handle);
	exchange->http->nflying--;
	exchange->http->unswept |= exchange->sendings == 0;
	put_handle(exchange->http, exchange->method, exchange->handle);
	exchange->handle = NULL;
}

/* libcurl caps a header line itself, and before 8.6 calls that out of memory. */
static bool
is_oversized_header(const OmfExchange *exchange, CURLcode code)
{
	return (int) code == OMF_CURLE_TOO_LARGE ||
		   (code == CURLE_OUT_OF_MEMORY && exchange->sendings > 0 && !exchange->reply.headers_ended);
}

/* What libcurl's code for an exchange that ended means. */
static OmfOutcome
classify(const OmfExchange *exchange, CURLcode code)
{
	/* a callback has noted a reason of its own */
	if (exchange->reply.outcome != OMF_ANSWERED)
		return exchange->reply.outcome;
	/* libcurl is content with headers that end with the connection */
	if (code == CURLE_OK)
		return exchange->reply.headers_ended ? OMF_ANSWERED : OMF_LOST;
	if (is_oversized_header(exchange, code))
		return OMF_TOO_LARGE;
	if (code == CURLE_OUT_OF_MEMORY)
		return OMF_NO_MEMORY;
	if (exchange->sendings == 0)
		return OMF_UNREACHABLE;
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return OMF_REFUSED;
	return OMF_LOST;
}

/* Does the code say that the connection ended under the request? */
static bool
is_broken_connection(CURLcode code)
{
	return code == CURLE_HTTP2 || code == CURLE_PARTIAL_FILE || code == CURLE_GOT_NOTHING ||
		   code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_HTTP2_STREAM;
}

/*
 * A server that speaks only HTTP/1.x over TLS answers one request at a time
 * on a connection: allow as many as are in flight.
 */
static void
note_http_version(OmfHttp *http, CURL *handle)
{
	long version = 0;

	if (!http->encrypted || !http->multiplexed ||
		curl_easy_getinfo(handle, CURLINFO_HTTP_VERSION, &version) != CURLE_OK ||
		(version != CURL_HTTP_VERSION_1_1 && version != CURL_HTTP_VERSION_1_0))
		return;
	http->multiplexed = false;
	curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
					  (long) http->config->max_concurrency);
}

/*
 * The answer's time, and its Retry-After, which may be an HTTP date, too (RFC
 * 9110, section 10.2.3).  Answers of the same second have the same Date.
 */
static void
settle_dates(OmfHttp *http, OmfReply *reply)
{
	time_t date;

	if (strcmp(reply->date_text, http->date_text) != 0)
	{
		strcpy(http->date_text, reply->date_text);
		http->date = (int64_t) curl_getdate(http->date_text, NULL);
	}
	reply->date = http->date;
	if (reply->retry_after >= 0 || reply->retry_after_text[0] == '\0')
		return;
	date = curl_getdate(reply->retry_after_text, NULL);
	if (date != (time_t) -1)
		reply->retry_after = date > time(NULL) ? (int64_t) (date - time(NULL)) : 0;
}

static void
finish(OmfExchange *exchange, CURLcode code)
{
	OmfReply *reply = &exchange->reply;
	CURL *handle = exchange->handle;
	long http_status = 0;
	long new_connections = 0;

	reply->outcome = classify(exchange, code);
	curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &http_status);
	curl_easy_getinfo(handle, CURLINFO_NUM_CONNECTS, &new_connections);
	reply->http_status = (int) http_status;
	settle_dates(exchange->http, reply);
	note_http_version(exchange->http, handle);
	if (code != CURLE_OK && reply->words[0] == '\0')
		snprintf(reply->words, OMF_WORDS_SIZE, "%s", curl_easy_strerror(code));
	exchange->stale = new_connections == 0 && reply->outcome == OMF_LOST &&
					  is_broken_connection(code);
	exchange->timed_out = code == CURLE_OPERATION_TIMEDOUT;
	omf_http_stop(exchange);
}

OmfExchange *
omf_http_next_finished(OmfHttp *http)
{
	CURLMsg *message;
	char *private;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL)
	{
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		finish((OmfExchange *) (void *) private, code);
		return (OmfExchange *) (void *) private;
	}
	return NULL;
}

/* ----- sockets and time ----- */

int
omf_http_fd(const OmfHttp *http)
{
	return omf_pollset_fd(http->pollset);
}

int64_t
omf_http_timer(const OmfHttp *http)
{
	return http->timer;
}

void
omf_http_arm(OmfHttp *http, int64_t ms)
{
	(void) omf_pollset_set_timer(http->pollset, ms);
}

void
omf_http_run_timer(OmfHttp *http)
{
	int running;

	if (http->timer < 0 || omf_pollset_now() < http->timer)
		return;
	http->timer = -1;
	http->one_gone = false;
	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);

	/*
	 * libcurl 7.88 gives up on an address that does not answer, and then waits
	 * for an event before it connects to the next one: there will be none.
	 */
	if (http->one_gone && http->nflying > 0)
	{
		CURL_IGNORE_DEPRECATION(curl_multi_socket_all(http->multi, &running);)
	}
}

void
omf_http_collect(OmfHttp *http)
{
	OmfPollEvent events[EVENTS_MAX];
	int nevents = omf_pollset_collect(http->pollset, events, EVENTS_MAX);
	int running;

	for (int i = 0; i < nevents; i++)
	{
		int mask = 0;

		mask |= events[i].what & OMF_POLL_READ ? CURL_CSELECT_IN : 0;
		mask |= events[i].what & OMF_POLL_WRITE ? CURL_CSELECT_OUT : 0;
		mask |= events[i].what & OMF_POLL_ERROR ? CURL_CSELECT_ERR : 0;
		curl_multi_socket_action(http->multi, events[i].fd, mask, &running);
	}
}

/* ----- making and unmaking ----- */

void
omf_http_init(void)
{
	/* a failure shows when a handle is made */
	(void) curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Append a header line, freeing nothing on failure. */
static bool
add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	*list = longer != NULL ? longer : *list;
	return longer != NULL;
}

static bool
make_headers(OmfHttp *http)
{
	size_t size = strlen(http->config->token) + sizeof("Authorization: Bearer ");
	char *authorization = malloc(size);
	bool made;

	if (authorization == NULL)
		return false;
	snprintf(authorization, size, "Authorization: Bearer %s", http->config->token);
	made = add_header(&http->headers, authorization) &&
		   add_header(&http->headers, "Accept: application/json") &&
		   add_header(&http->body_headers, authorization) &&
		   add_header(&http->body_headers, "Accept: application/json") &&
		   add_header(&http->body_headers, "Content-Type: application/json") &&
		   /* ask for no interim answer: it would cost a round trip */
		   add_header(&http->body_headers, "Expect:");
	explicit_bzero(authorization, size);
	free(authorization);
	return made;
}

/* The token is among the headers: wipe them. */
static void
free_headers(struct curl_slist *list)
{
	for (struct curl_slist *line = list; line != NULL; line = line->next)
		explicit_bzero(line->data, strlen(line->data));
	curl_slist_free_all(list);
}

static bool
set_multi(OmfHttp *http)
{
	long most = http->config->max_concurrency;
	long multiplexed = (most + STREAMS_PER_CONNECTION - 1) / STREAMS_PER_CONNECTION;
	CURLM *multi = http->multi;

	return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long) CURLPIPE_MULTIPLEX) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most) == CURLM_OK &&
		   curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
							 http->encrypted ? multiplexed : most) == CURLM_OK;
}

/* Two descriptors of the pollset's own, counted like any other. */
static bool
make_pollset(OmfHttp *http)
{
	while (http->own_fds < OMF_POLLSET_OWN_FDS)
	{
		if (!http->config->acquire_fd())
			return false;
		http->own_fds++;
	}
	http->pollset = omf_pollset_create();
	return http->pollset != NULL;
}

OmfHttp *
omf_http_create(const OmfHttpConfig *config, const char **reason)
{
	OmfHttp *http = calloc(1, sizeof(OmfHttp));

	*reason = "Out of memory.";
	if (http == NULL)
		return NULL;
	http->config = config;
	http->encrypted = strncasecmp(config->base_url, "https:", 6) == 0;
	http->multiplexed = true;
	http->timer = -1;
	http->spare = calloc((size_t) config->max_concurrency, sizeof(CURL *));
	http->sockets = omf_sockets_create(SOCKETS_PER_EXCHANGE * config->max_concurrency,
									   config->acquire_fd, config->release_fd);
	if (http->spare != NULL && http->sockets != NULL && make_headers(http))
	{
		*reason = "Out of file descriptors.";
		if (make_pollset(http))
		{
			*reason = "libcurl lacks a feature that is needed here, such as TLS.";
			http->multi = curl_multi_init();
			if (http->multi != NULL && set_multi(http))
				http->spare[0] = make_handle(http);
			if (http->spare[0] != NULL)
			{
				http->nspare = 1;
				return http;
			}
		}
	}
	omf_http_destroy(http);
	return NULL;
}

void
omf_http_destroy(OmfHttp *http)
{
	if (http == NULL)
		return;
	while (http->nspare > 0)
		curl_easy_cleanup(http->spare[--http->nspare]);
	if (http->multi != NULL)
		curl_multi_cleanup(http->multi);
	omf_pollset_destroy(http->pollset);
	for (; http->own_fds > 0; http->own_fds--)
		http->config->release_fd();
	free_headers(http->headers);
	free_headers(http->body_headers);
	omf_sockets_destroy(http->sockets);
	free(http->spare);
	free(http);
}
