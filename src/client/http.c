/*-------------------------------------------------------------------------
 *
 * http.c
 *	  HTTP exchanges over libcurl's multi interface.
 *
 * The only includer of curl.h, but for failure.c, which tells what libcurl's
 * codes mean.
 *
 * libcurl is driven by curl_multi_socket_action() over a pollset.  (Its
 * curl_multi_poll() in 7.88 at times sleeps through an answer when many
 * streams share a connection.)  Nothing here throws; callbacks only note
 * things down.
 *
 * The options and their meaning: https://curl.se/libcurl/c/
 *
 *-------------------------------------------------------------------------
 */
#include "client/http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "compat.h"
#include "client/drive_limit.h"
#include "client/failure.h"
#include "client/name.h"
#include "client/pollset.h"
#include "client/proxy.h"
#include "client/signals.h"
#include "client/sockets.h"

/*
 * Streams that share one HTTP/2 connection: what servers commonly allow, and
 * what libcurl assumes.  Connections are capped accordingly, for libcurl
 * opens one for every request that waits for a stream.
 */
#define STREAMS_PER_CONNECTION 100

/*
 * libcurl's receive buffer of one handle, in bytes.  More than
 * OMF_HEADERS_MAX: over HTTP/2, libcurl 7.88 leaves what does not fit until a
 * timer reminds it.  What is not received into costs no memory.
 */
#define RECEIVE_BUFFER 102400

/* How long it is taken for known whether the server's name exists. */
#define NAME_KNOWN_MS 1000

/*
 * Ready sockets handled in one call, and milliseconds that it takes before the
 * next one is left for another call: what is left over stays ready.
 */
#define EVENTS_MAX 64
#define COLLECT_MS 20

/* Two address families are tried at once, and some are kept. */
#define SOCKETS_PER_EXCHANGE 3

/* Descriptors that libcurl opens for a multi handle: to wake up who waits. */
#define WAKEUP_FDS 2

/* What TLS says at the end of a connection is not longer, in bytes. */
#define TLS_ALERT_MAX 64

/*
 * So long after the last exchange was sent, one that is still waiting to be
 * sent shows that its connection carries one exchange at a time.
 */
#define SINGLE_STREAM_MS 50

/*
 * libcurl's multi handle with its connections.  What is urgent has one of its
 * own, so that nothing else takes up its connections.
 */
typedef struct Multi
{
	OmfHttp *http;    /* whose it is */
	CURLM *handle;    /* libcurl's, or NULL: not needed yet */
	int wakeup_fds;   /* descriptors of its own, counted */
	int64_t timer;    /* when libcurl wants a call, or -1 */
	bool failed;      /* libcurl has given up on it */
	bool one_gone;    /* a socket that it watched, since the timer ran */
	long connections; /* that it may have to the server, or 0: any number */
	int nsent;        /* exchanges that are in flight and sent */
	int nwaiting;     /* those that are not sent yet */
	int64_t moved_at; /* when either of these changed last */
	TAILQ_HEAD(, OmfExchange)
	active; /* all of them */
} Multi;

const char omf_http_no_memory[] = "Out of memory.";
const char omf_http_no_descriptors[] = "Out of file descriptors.";

struct OmfHttp
{
	const OmfHttpConfig *config;        /* the owner's */
	bool encrypted;                     /* https? */
	bool multiplexed;                   /* several exchanges a connection? */
	bool http1_wanted;                  /* the server requires HTTP/1.1 */
	bool broken;                        /* see renew() */
	OmfProxy proxy;                     /* that https goes through */
	CURLU *url;                         /* the base URL, taken apart */
	Multi many;                         /* for what may wait for others */
	Multi urgent;                       /* for what may not */
	OmfPollset *pollset;                /* all sockets and the timer */
	int own_fds;                        /* counted for the pollset */
	struct curl_slist *headers;         /* of requests without a body */
	struct curl_slist *body_headers;    /* of requests with one */
	CURL **spare;                       /* handles for reuse */
	int nspare;                         /* how many */
	OmfSockets *sockets;                /* libcurl's */
	sigset_t mask;                      /* of signals, before the drive */
	bool unswept;                       /* closed behind our back? */
	int64_t name_asked;                 /* when its name was looked up, or 0 */
	bool name_unknown;                  /* and there was none */
	char date_text[OMF_HTTP_DATE_SIZE]; /* the last Date of an answer */
	int64_t date;                       /* the same in epoch seconds, or -1 */
};

/* ----- libcurl's callbacks: note things down, never throw ----- */

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	OmfExchange *exchange = arg;
	size_t length = size * count;

	omf_drive_limit_progress();
	return omf_reply_add_body(&exchange->reply, data, length)
			   ? length
			   : CURL_WRITEFUNC_ERROR;
}

static size_t
on_header(char *data, size_t size, size_t count, void *arg)
{
	OmfExchange *exchange = arg;
	size_t length = size * count;

	omf_drive_limit_progress();
	if (length > 6 && memcmp(data, "HTTP/1", 6) == 0)
		exchange->http1 = true;
	if (omf_reply_add_header(&exchange->reply, data, length))
		return length;
	if (exchange->reply.content_length == OMF_AT_ODDS)
		exchange->problem = "The answer's Content-Length is no number, or several that differ.";
	return CURL_WRITEFUNC_ERROR;
}

static int
on_trace(CURL *handle, curl_infotype type, char *data, size_t length,
		 void *arg)
{
	(void) handle;
	if (type == CURLINFO_TEXT)
		omf_failure_note_told(arg, data, length);
	return 0;
}

/* The connection stands, and the request is about to be sent over it. */
static int
on_sending(void *arg, char *remote_ip, char *local_ip, int remote_port,
		   int local_port)
{
	OmfExchange *exchange = arg;
	Multi *multi = exchange->multi;
	long new_connections = 0;

	(void) remote_ip, (void) local_ip, (void) remote_port, (void) local_port;

	omf_drive_limit_progress();
	if (exchange->sendings++ > 0)
	{
		omf_failure_note_second_sending(exchange);
		return CURL_PREREQFUNC_ABORT;
	}
	curl_easy_getinfo(exchange->handle, CURLINFO_NUM_CONNECTS,
					  &new_connections);
	exchange->fresh = new_connections > 0;
	multi->nwaiting--;
	multi->nsent++;
	multi->moved_at = omf_pollset_now();
	exchange->reply.sent_at = (int64_t) time(NULL);
	exchange->on_sending(exchange);
	return CURL_PREREQFUNC_OK;
}

/* Has the handle's exchange been answered over HTTP/1.x? */
static bool
is_http1(CURL *handle)
{
	char *private = NULL;

	return curl_easy_getinfo(handle, CURLINFO_PRIVATE, &private) == CURLE_OK &&
		   private != NULL && ((OmfExchange *) (void *) private)->http1;
}

/*
 * A socket that libcurl keeps over HTTP/1.x stays watched: the server has
 * nothing to say there, so what comes ends it (omf_http_collect()).  Over
 * HTTP/2 it may say this and that at any time.
 */
static int
on_socket(CURL *handle, curl_socket_t fd, int what, void *arg,
		  void *socket_arg)
{
	Multi *multi = arg;
	OmfHttp *http = multi->http;
	OmfSocket *socket = omf_sockets_find(http->sockets, fd);
	bool kept = what == CURL_POLL_REMOVE && socket != NULL && is_http1(handle);
	unsigned int wanted = kept ? OMF_POLL_READ : 0;

	(void) socket_arg;
	multi->one_gone |= what == CURL_POLL_REMOVE;
	if (what != CURL_POLL_REMOVE && (what & CURL_POLL_IN))
		wanted |= OMF_POLL_READ;
	if (what != CURL_POLL_REMOVE && (what & CURL_POLL_OUT))
		wanted |= OMF_POLL_WRITE;
	if (socket != NULL)
		socket->kept = kept;
	else if (what != CURL_POLL_REMOVE)
		(void) fcntl(fd, F_SETFD, FD_CLOEXEC); /* its resolver's */

	if (what == CURL_POLL_REMOVE && !kept)
		omf_pollset_forget(http->pollset, fd);
	else if ((socket == NULL || socket->watched != wanted) &&
			 !omf_pollset_watch(http->pollset, fd, wanted,
								socket != NULL && socket->watched != 0))
		return -1;
	if (socket != NULL)
		socket->watched = wanted;
	return 0;
}

static int
on_timer(CURLM *handle, long timeout_ms, void *arg)
{
	Multi *multi = arg;

	(void) handle;
	multi->timer = timeout_ms < 0 ? -1 : omf_pollset_now() + timeout_ms;
	return 0;
}

static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	OmfExchange *exchange = arg;
	Multi *multi = exchange->multi;
	OmfHttp *http = multi->http;
	int fd = omf_sockets_open(http->sockets, address->family,
							  address->socktype, address->protocol,
							  multi == &http->urgent);

	(void) purpose;
	exchange->no_descriptor = fd < 0 && errno == EMFILE;
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

/* Did the last setting that failed do so because libcurl does not have it? */
static bool setting_is_lacking;

static bool
is_set(CURLcode code)
{
	if (code != CURLE_OK)
		setting_is_lacking = code != CURLE_OUT_OF_MEMORY;
	return code == CURLE_OK;
}

/* Every setting is checked: one that is not honoured must not go unnoticed. */
#define SET(handle, option, value) \
	is_set(curl_easy_setopt(handle, option, value))

/* A CA file replaces what the system trusts. */
static bool
set_trust(OmfHttp *http, CURL *handle)
{
	const char *ca_file = http->config->ca_file;

	return ca_file == NULL || (SET(handle, CURLOPT_CAINFO, ca_file) &&
							   SET(handle, CURLOPT_CAPATH, NULL));
}

static bool
set_security(OmfHttp *http, CURL *handle)
{
	return is_set(OMF_SET_PROTOCOLS(handle, http->encrypted)) &&
		   SET(handle, CURLOPT_SSL_VERIFYPEER, 1L) &&
		   SET(handle, CURLOPT_SSL_VERIFYHOST, 2L) &&
		   SET(handle, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2) &&
		   SET(handle, CURLOPT_FOLLOWLOCATION, 0L) &&
		   set_trust(http, handle);
}

/* A token in clear text never leaves the host, so it goes through no proxy. */
static bool
set_proxy(OmfHttp *http, CURL *handle)
{
	const OmfProxy *proxy = &http->proxy;

	if (!http->encrypted)
		return SET(handle, CURLOPT_PROXY, "") &&
			   SET(handle, CURLOPT_NOPROXY, "");
	return SET(handle, CURLOPT_PROXY, proxy->url) &&
		   SET(handle, CURLOPT_NOPROXY, proxy->except) &&
		   (proxy->user == NULL ||
			(SET(handle, CURLOPT_PROXYUSERNAME, proxy->user) &&
			 SET(handle, CURLOPT_PROXYPASSWORD, proxy->password)));
}

/*
 * What libcurl was built with, as omf_http_init() has found: asking for it
 * takes a look into each library that libcurl is built on.
 */
static int libcurl_features;

static bool
libcurl_has(int feature)
{
	return (libcurl_features & feature) != 0;
}

OmfHttpLibrary
omf_http_library(void)
{
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
	OmfHttpLibrary library;

	library.version = info->version;
	library.tls = info->ssl_version;
	library.http2 = libcurl_has(CURL_VERSION_HTTP2);
	library.asynchronous_names = libcurl_has(CURL_VERSION_ASYNCHDNS);
	return library;
}

/*
 * HTTP/2 and waiting for a multiplexed connection pay over TLS only: on plain
 * HTTP one answer that hangs would hold up all others.
 */
static long
version_to_ask(const OmfHttp *http)
{
	if (http->config->version == OMF_HTTP_1_1 || http->http1_wanted ||
		!libcurl_has(CURL_VERSION_HTTP2))
		return CURL_HTTP_VERSION_1_1;
	if (http->encrypted)
		return CURL_HTTP_VERSION_2TLS;
	return http->config->version == OMF_HTTP_2
			   ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
			   : CURL_HTTP_VERSION_1_1;
}

static bool
set_transport(OmfHttp *http, CURL *handle)
{
	const OmfHttpConfig *config = http->config;
	long version = version_to_ask(http);

	/* libcurl 7.88 sends nothing over one that was kept */
	if (version == CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE &&
		!SET(handle, CURLOPT_FRESH_CONNECT, 1L))
		return false;
	return SET(handle, CURLOPT_CURLU, http->url) &&
		   SET(handle, CURLOPT_HTTP_VERSION, version) &&
		   SET(handle, CURLOPT_PIPEWAIT,
			   version != CURL_HTTP_VERSION_1_1 ? 1L : 0L) &&
		   SET(handle, CURLOPT_NOSIGNAL, 1L) &&
		   is_set(OMF_SET_QUICK_EXIT(handle)) &&
		   SET(handle, CURLOPT_CONNECTTIMEOUT_MS,
			   (long) config->connect_timeout_ms) &&
		   SET(handle, CURLOPT_TCP_KEEPALIVE, 1L) &&
		   SET(handle, CURLOPT_BUFFERSIZE, (long) RECEIVE_BUFFER) &&
		   SET(handle, CURLOPT_HTTP_CONTENT_DECODING, 0L) &&
		   SET(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static bool
set_callbacks(OmfHttp *http, CURL *handle)
{
	return SET(handle, CURLOPT_WRITEFUNCTION, on_body) &&
		   SET(handle, CURLOPT_HEADERFUNCTION, on_header) &&
		   SET(handle, CURLOPT_PREREQFUNCTION, on_sending) &&
		   SET(handle, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) &&
		   SET(handle, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket) &&
		   SET(handle, CURLOPT_CLOSESOCKETDATA, http);
}

/* What is the same for every GET. */
static bool
set_get(OmfHttp *http, CURL *handle)
{
	return SET(handle, CURLOPT_HTTPGET, 1L) &&
		   SET(handle, CURLOPT_HTTPHEADER, http->headers);
}

static bool
set_other(OmfHttp *http, const OmfExchange *exchange, CURL *handle)
{
	if (!SET(handle, CURLOPT_CUSTOMREQUEST,
			 omf_method_name(exchange->method)) ||
		(exchange->method == OMF_PUT &&
		 (!SET(handle, CURLOPT_FRESH_CONNECT, 1L) ||
		  !SET(handle, CURLOPT_FORBID_REUSE, 1L))))
		return false;
	return exchange->body == NULL ||
		   (SET(handle, CURLOPT_HTTPHEADER, http->body_headers) &&
			SET(handle, CURLOPT_POST, 1L) &&
			SET(handle, CURLOPT_POSTFIELDSIZE_LARGE,
				(curl_off_t) strlen(exchange->body)) &&
			SET(handle, CURLOPT_POSTFIELDS, exchange->body));
}

/*
 * A handle that has all but what differs between two GETs.  NULL: memory has
 * run out, or the setting is lacking.
 */
static CURL *
make_handle(OmfHttp *http)
{
	CURL *handle = curl_easy_init();

	setting_is_lacking = false;
	if (handle != NULL && set_security(http, handle) &&
		set_proxy(http, handle) && set_transport(http, handle) &&
		set_callbacks(http, handle) && set_get(http, handle))
		return handle;
	curl_easy_cleanup(handle);
	return NULL;
}

/* Many GETs are alike, so their handles are kept; others are not. */
static bool
is_alike(const OmfExchange *exchange)
{
	return exchange->method == OMF_GET && !exchange->traced;
}

static CURL *
get_handle(OmfHttp *http, const OmfExchange *exchange)
{
	if (is_alike(exchange) && http->nspare > 0)
		return http->spare[--http->nspare];
	return make_handle(http);
}

static void
free_spare_handles(OmfHttp *http)
{
	while (http->nspare > 0)
		curl_easy_cleanup(http->spare[--http->nspare]);
}

/* The handle is not in the multi any more: keep it, or not. */
static void
put_handle(OmfHttp *http, CURL *handle, bool keep)
{
	/* the next user's address may differ: leave no pointer behind */
	(void) SET(handle, CURLOPT_ERRORBUFFER, NULL);
	(void) SET(handle, CURLOPT_PRIVATE, NULL);
	if (keep && !http->broken && http->nspare < http->config->max_concurrency)
		http->spare[http->nspare++] = handle;
	else
		curl_easy_cleanup(handle);
}

static bool
set_trace(OmfExchange *exchange, CURL *handle)
{
	return !exchange->traced ||
		   (SET(handle, CURLOPT_VERBOSE, 1L) &&
			SET(handle, CURLOPT_DEBUGFUNCTION, on_trace) &&
			SET(handle, CURLOPT_DEBUGDATA, exchange));
}

static bool
set_request(OmfHttp *http, OmfExchange *exchange, CURL *handle)
{
	return SET(handle, CURLOPT_REQUEST_TARGET, exchange->target) &&
		   SET(handle, CURLOPT_PRIVATE, exchange) &&
		   SET(handle, CURLOPT_WRITEDATA, exchange) &&
		   SET(handle, CURLOPT_HEADERDATA, exchange) &&
		   SET(handle, CURLOPT_PREREQDATA, exchange) &&
		   SET(handle, CURLOPT_OPENSOCKETDATA, exchange) &&
		   SET(handle, CURLOPT_ERRORBUFFER, exchange->reply.words) &&
		   set_trace(exchange, handle) &&
		   (exchange->method == OMF_GET || set_other(http, exchange, handle));
}

/* ----- libcurl's multi handles ----- */

/*
 * libcurl does not tell its descriptors of a multi handle's own: they are
 * among the next ones that are free before it is made.
 */
static void
count_wakeup_fds(Multi *multi, const int *free_fds, int nfree)
{
	const OmfHttpConfig *config = multi->http->config;
	int nused = 0;

	for (int i = 0; i < nfree; i++)
		if (fcntl(free_fds[i], F_GETFD) != -1)
		{
			(void) fcntl(free_fds[i], F_SETFD, FD_CLOEXEC);
			nused++;
		}
	for (; multi->wakeup_fds > nused; multi->wakeup_fds--)
		config->release_fd();
}

static CURLM *
make_multi_handle(Multi *multi)
{
	int free_fds[WAKEUP_FDS];
	CURLM *handle;

	for (int i = 0; i < WAKEUP_FDS; i++)
		free_fds[i] =
			fcntl(omf_pollset_fd(multi->http->pollset), F_DUPFD_CLOEXEC, 0);
	for (int i = 0; i < WAKEUP_FDS; i++)
		if (free_fds[i] >= 0)
			close(free_fds[i]);
	handle = curl_multi_init();
	if (handle != NULL)
		count_wakeup_fds(multi, free_fds, WAKEUP_FDS);
	return handle;
}

#define SET_MULTI(handle, option, value) \
	(curl_multi_setopt(handle, option, value) == CURLM_OK)

static bool
set_multi(Multi *multi)
{
	CURLM *handle = multi->handle;
	long most = multi->http->config->max_concurrency;

	return SET_MULTI(handle, CURLMOPT_SOCKETFUNCTION, on_socket) &&
		   SET_MULTI(handle, CURLMOPT_SOCKETDATA, multi) &&
		   SET_MULTI(handle, CURLMOPT_TIMERFUNCTION, on_timer) &&
		   SET_MULTI(handle, CURLMOPT_TIMERDATA, multi) &&
		   SET_MULTI(handle, CURLMOPT_PIPELINING, (long) CURLPIPE_MULTIPLEX) &&
		   SET_MULTI(handle, CURLMOPT_MAXCONNECTS, most) &&
		   SET_MULTI(handle, CURLMOPT_MAX_HOST_CONNECTIONS,
					 multi->connections);
}

static void
close_multi(Multi *multi)
{
	if (multi->handle != NULL)
		curl_multi_cleanup(multi->handle);
	multi->handle = NULL;
	multi->failed = false;
	multi->timer = -1;
	for (; multi->wakeup_fds > 0; multi->wakeup_fds--)
		multi->http->config->release_fd();
}

/* NULL if it is open now, else why not: a constant sentence. */
static const char *
open_multi(Multi *multi)
{
	if (multi->handle != NULL)
		return NULL;
	while (multi->wakeup_fds < WAKEUP_FDS)
	{
		if (!multi->http->config->acquire_fd(0))
			return omf_http_no_descriptors;
		multi->wakeup_fds++;
	}
	multi->handle = make_multi_handle(multi);
	if (multi->handle != NULL && set_multi(multi))
		return NULL;
	close_multi(multi);
	return omf_http_no_memory;
}

static void
init_multi(Multi *multi, OmfHttp *http, long connections)
{
	multi->http = http;
	multi->timer = -1;
	multi->connections = connections;
	TAILQ_INIT(&multi->active);
}

/* ----- one exchange ----- */

/*
 * Once memory has run out, or a TLS handshake has failed, what libcurl and the
 * TLS library keep may be in disorder: a set of trusted CAs, for one, that is
 * not complete.  All of it goes before the next exchange begins.
 */
static void
renew(OmfHttp *http)
{
	if (!TAILQ_EMPTY(&http->many.active) || !TAILQ_EMPTY(&http->urgent.active))
		return;
	free_spare_handles(http);
	close_multi(&http->many);
	close_multi(&http->urgent);
	http->broken = false;
}

static bool
fail_start(OmfExchange *exchange, OmfOutcome outcome, const char *words)
{
	Multi *multi = exchange->multi;

	multi->http->broken |= outcome == OMF_NO_MEMORY;
	exchange->reply.outcome = outcome;
	snprintf(exchange->reply.words, OMF_WORDS_SIZE, "%s", words);
	return false;
}

bool
omf_http_start(OmfHttp *http, OmfExchange *exchange)
{
	Multi *multi = exchange->urgent ? &http->urgent : &http->many;
	const char *problem;
	CURL *handle;

	if (http->broken)
		renew(http);
	problem = open_multi(multi);
	if (http->unswept)
		omf_sockets_sweep(http->sockets);
	http->unswept = false;
	omf_reply_reset(&exchange->reply);
	exchange->reply.proxy = http->proxy.host;
	exchange->multi = multi;
	exchange->sendings = 0;
	exchange->traced = exchange->method != OMF_GET || exchange->again;
	exchange->refused_before = exchange->again && exchange->refused;
	exchange->refused = exchange->http1_wanted = exchange->http1 = false;
	exchange->fresh = exchange->stale = exchange->timed_out = false;
	exchange->no_descriptor = false;
	exchange->problem = NULL;
	exchange->reply.no_descriptors = exchange->reply.hopeless =
		problem == omf_http_no_descriptors;
	if (problem != NULL)
		return fail_start(
			exchange, problem == omf_http_no_memory ? OMF_NO_MEMORY : OMF_UNREACHABLE,
			problem);
	handle = multi->failed ? NULL : get_handle(http, exchange);
	if (handle == NULL)
		return fail_start(exchange, OMF_NO_MEMORY, "");
	if (!set_request(http, exchange, handle) ||
		curl_multi_add_handle(multi->handle, handle) != CURLM_OK)
	{
		put_handle(http, handle, false);
		return fail_start(exchange, OMF_NO_MEMORY, "");
	}
	exchange->handle = handle;
	TAILQ_INSERT_TAIL(&multi->active, exchange, link);
	multi->nwaiting++;
	multi->moved_at = omf_pollset_now();
	return true;
}

static void
stop(OmfExchange *exchange, bool keep_handle)
{
	Multi *multi = exchange->multi;

	curl_multi_remove_handle(multi->handle, exchange->handle);
	TAILQ_REMOVE(&multi->active, exchange, link);
	if (exchange->sendings > 0)
		multi->nsent--;
	else
		multi->nwaiting--;
	multi->moved_at = omf_pollset_now();
	multi->http->unswept |= exchange->sendings == 0;
	put_handle(multi->http, exchange->handle, keep_handle);
	exchange->handle = NULL;
}

void
omf_http_give_up(OmfExchange *exchange)
{
	if (exchange->handle == NULL)
		return;
	(void) SET(exchange->handle, CURLOPT_FORBID_REUSE, 1L);
	stop(exchange, false);
}

/*
 * Over HTTP/2 the server may hear of it only with the next request over the
 * same connection; a start has that for itself.
 */
void
omf_http_stop(OmfExchange *exchange)
{
	if (exchange->urgent)
		omf_http_give_up(exchange);
	else if (exchange->handle != NULL)
		stop(exchange, is_alike(exchange));
}

/*
 * Allow the server as many connections as there are exchanges in flight, for
 * each carries one at a time.  libcurl looks again at what waits for a
 * connection only when it is added.
 */
static void
widen(Multi *multi)
{
	OmfHttp *http = multi->http;
	OmfExchange *exchange;

	http->multiplexed = false;
	multi->connections = http->config->max_concurrency;
	if (!SET_MULTI(multi->handle, CURLMOPT_MAX_HOST_CONNECTIONS,
				   multi->connections))
		return;
	TAILQ_FOREACH(exchange, &multi->active, link)
	{
		if (exchange->sendings > 0)
			continue;
		curl_multi_remove_handle(multi->handle, exchange->handle);
		(void) curl_multi_add_handle(multi->handle, exchange->handle);
	}
}

/*
 * When it will be plain that a connection carries one exchange at a time, so
 * that one without an answer holds up others; -1: it is not so, as far as is
 * known.  Over HTTP/2 all would be sent at once.
 */
static int64_t
stalls_at(const Multi *multi)
{
	if (!multi->http->multiplexed || multi->connections == 0 ||
		multi->nwaiting == 0 || multi->nsent == 0 ||
		multi->nsent > multi->connections)
		return -1;
	return multi->moved_at + SINGLE_STREAM_MS;
}

/* One answer is for all requests that are in flight together. */
static bool
is_name_unknown(OmfHttp *http)
{
	int64_t now = omf_pollset_now();

	if (http->name_asked == 0 || now - http->name_asked >= NAME_KNOWN_MS)
	{
		http->name_unknown = omf_name_is_unknown(http->config->base_url);
		http->name_asked = now;
	}
	return http->name_unknown;
}

/* Could no other try do better at what keeps us from the server? */
static bool
is_hopeless(OmfHttp *http, const OmfExchange *exchange, CURLcode code)
{
	long proxy_status = 0;

	if (code == CURLE_COULDNT_RESOLVE_HOST && is_name_unknown(http))
		return true;
	if (code == CURLE_COULDNT_RESOLVE_PROXY && http->proxy.malformed)
		return true;
	curl_easy_getinfo(exchange->handle, CURLINFO_HTTP_CONNECTCODE,
					  &proxy_status);
	return omf_failure_is_final(&exchange->reply, (int) code) ||
		   omf_failure_is_proxys(&exchange->reply, (int) proxy_status);
}

/* The socket that it was sent over, if libcurl keeps that, or NULL. */
static OmfSocket *
kept_socket(const OmfExchange *exchange)
{
	const OmfHttp *http = ((Multi *) exchange->multi)->http;
	curl_socket_t fd = CURL_SOCKET_BAD;

	curl_easy_getinfo(exchange->handle, CURLINFO_ACTIVESOCKET, &fd);
	return omf_sockets_find(http->sockets, fd);
}

/*
 * Is there more on a kept connection that carries one answer at a time than
 * was asked for?  Then an earlier answer had one behind it, which was with the
 * TLS library already, where nobody can see it; that was taken for this one's,
 * and this one's is what has not been read.  (libcurl 7.88 reads no more of an
 * answer than its length.)  Who ends a connection says so by an alert.
 */
static bool
is_anothers(const OmfExchange *exchange)
{
	OmfSocket *socket = exchange->http1 ? kept_socket(exchange) : NULL;

	if (socket == NULL || omf_socket_unread(socket) <= TLS_ALERT_MAX)
		return false;
	omf_sockets_end(socket);
	return true;
}

/*
 * A server that ends a stream in disorder often ends the connection, too, a
 * moment later: what is sent at once would meet that.  Where nothing else is
 * under way over it, it is not used again.
 */
static void
end_after_stream(OmfExchange *exchange, CURLcode code)
{
	const Multi *multi = exchange->multi;
	OmfSocket *socket;

	if (code != CURLE_HTTP2_STREAM || multi->nsent > 1)
		return;
	socket = kept_socket(exchange);
	if (socket != NULL)
		omf_sockets_end(socket);
}

/*
 * HTTP/2 was insisted on, and this answer to a read came over another one: on
 * plain http libcurl, which has begun with HTTP/2, cannot read it.
 */
static bool
is_version_refused(const OmfHttp *http, const OmfExchange *exchange,
				   CURLcode code)
{
	if (http->config->version != OMF_HTTP_2 || exchange->method != OMF_GET)
		return false;
	return exchange->http1 ||
		   (!http->encrypted && exchange->fresh &&
			omf_failure_is_no_http2(&exchange->reply, (int) code));
}

/* Handles that ask for HTTP/2 are of no use any more. */
static void
note_http1_wanted(OmfHttp *http)
{
	if (http->config->version == OMF_HTTP_AUTO && !http->http1_wanted)
	{
		http->http1_wanted = true;
		free_spare_handles(http);
	}
}

/*
 * The answer's dates: what they mean is told in api_time.c.  Answers of the
 * same second have the same Date.
 */
static void
settle_dates(OmfHttp *http, OmfReply *reply)
{
	if (strcmp(reply->date_text, http->date_text) != 0)
	{
		strcpy(http->date_text, reply->date_text);
		http->date = (int64_t) curl_getdate(http->date_text, NULL);
	}
	reply->date = http->date;
	if (reply->retry_after < 0 && reply->retry_after_text[0] != '\0')
		reply->retry_after_date =
			(int64_t) curl_getdate(reply->retry_after_text, NULL);
}

/* Is all that is held of libcurl to be made anew? */
static bool
breaks_engine(const OmfHttp *http, const OmfReply *reply, CURLcode code)
{
	return code == CURLE_OUT_OF_MEMORY || reply->outcome == OMF_NO_MEMORY ||
		   (http->encrypted && reply->outcome == OMF_UNREACHABLE &&
			omf_failure_may_be_disorder((int) code));
}

static void
finish(OmfExchange *exchange, CURLcode code)
{
	Multi *multi = exchange->multi;
	OmfHttp *http = multi->http;
	OmfReply *reply = &exchange->reply;
	CURL *handle = exchange->handle;
	long http_status = 0;
	long new_connections = 0;

	/* an address is looked up nowhere: all that it takes is memory */
	if (code == CURLE_COULDNT_RESOLVE_HOST &&
		omf_name_is_address(http->config->base_url))
		code = CURLE_OUT_OF_MEMORY;
	reply->outcome = omf_failure_outcome(exchange, (int) code);
	curl_easy_getinfo(handle, CURLINFO_NUM_CONNECTS, &new_connections);
	if (new_connections == 0 && http->encrypted &&
		reply->outcome == OMF_ANSWERED && is_anothers(exchange))
	{
		reply->outcome = OMF_LOST;
		exchange->stale = true;
		exchange->problem = "The connection had one answer more than requests.";
	}
	curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &http_status);
	reply->http_status = (int) http_status;

	if (reply->outcome == OMF_ANSWERED &&
		omf_failure_is_cut_off(exchange, kept_socket(exchange) != NULL))
	{
		reply->outcome = OMF_LOST;
		exchange->problem = "The answer ended early: neither a length nor chunks say that this was all.";
	}
	reply->no_descriptors = code == CURLE_COULDNT_CONNECT &&
							exchange->no_descriptor;
	if (reply->no_descriptors)
		exchange->problem = omf_http_no_descriptors;
	reply->hopeless = reply->no_descriptors ||
					  (reply->outcome == OMF_UNREACHABLE &&
					   is_hopeless(http, exchange, code));
	reply->connections += (int) new_connections;
	if (http_status != 0)
		reply->http_version = exchange->http1 ? 1 : 2;
	settle_dates(http, reply);
	if (exchange->problem == NULL && code == CURLE_COULDNT_RESOLVE_PROXY &&
		http->proxy.malformed)
		exchange->problem = "The environment does not write the proxy as scheme://user:password@host:port.";
	omf_failure_set_words(exchange, (int) code);
	omf_proxy_scrub(reply->words);
	reply->tls_disorder = omf_failure_is_tls_disorder(reply);
	if (is_version_refused(http, exchange, code))
	{
		reply->outcome = OMF_UNREACHABLE;
		reply->hopeless = true;
		snprintf(
			reply->words, OMF_WORDS_SIZE,
			"The server does not speak HTTP/2, as the option \"http_version\" wants it.");
	}
	exchange->http1_wanted |=
		strstr(reply->words, "HTTP_1_1_REQUIRED") != NULL;
	reply->http1_wanted = exchange->http1_wanted;
	exchange->stale |= new_connections == 0 && reply->outcome == OMF_LOST &&
					   !exchange->http1_wanted &&
					   omf_failure_broke_connection((int) code);
	exchange->timed_out = code == CURLE_OPERATION_TIMEDOUT;
	http->broken |= breaks_engine(http, reply, code);
	end_after_stream(exchange, code);
	stop(exchange, is_alike(exchange));
	if (exchange->http1_wanted)
		note_http1_wanted(http);
	if (http->multiplexed && (exchange->http1 || http->http1_wanted))
		widen(&http->many);
}

static OmfExchange *
next_finished(Multi *multi)
{
	OmfExchange *exchange = TAILQ_FIRST(&multi->active);
	CURLMsg *message;
	char *private;
	int left;

	if (multi->failed && exchange != NULL)
	{
		finish(exchange, CURLE_OUT_OF_MEMORY);
		return exchange;
	}
	while (multi->handle != NULL &&
		   (message = curl_multi_info_read(multi->handle, &left)) != NULL)
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

OmfExchange *
omf_http_next_finished(OmfHttp *http)
{
	OmfExchange *exchange = next_finished(&http->urgent);

	return exchange != NULL ? exchange : next_finished(&http->many);
}

int
omf_http_connections(OmfHttp *http)
{
	omf_sockets_sweep(http->sockets);
	return omf_sockets_count(http->sockets);
}

/* ----- sockets and time ----- */

int
omf_http_fd(const OmfHttp *http)
{
	return omf_pollset_fd(http->pollset);
}

/* The earlier of two times, of which -1 is none. */
static int64_t
earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

int64_t
omf_http_timer(const OmfHttp *http)
{
	return earlier(earlier(http->many.timer, http->urgent.timer),
				   stalls_at(&http->many));
}

void
omf_http_arm(OmfHttp *http, int64_t ms)
{
	(void) omf_pollset_set_timer(http->pollset, ms);
}

/*
 * Have libcurl act.  Where it fails as a whole, it has run out of memory, and
 * must not be asked for anything more: 7.88 would divide by the length of a
 * table that it has freed.
 */
static void
act_on(Multi *multi, curl_socket_t fd, int mask)
{
	int running;

	if (multi->failed || curl_multi_socket_action(multi->handle, fd, mask,
												  &running) == CURLM_OK)
		return;
	multi->failed = true;
	multi->http->broken = true;
}

static void
run_timer(Multi *multi)
{
	int running;

	if (multi->timer < 0 || omf_pollset_now() < multi->timer)
		return;
	multi->timer = -1;
	multi->one_gone = false;
	act_on(multi, CURL_SOCKET_TIMEOUT, 0);

	/*
	 * libcurl 7.88 gives up on an address that does not answer, and then waits
	 * for an event before it connects to the next one: there will be none.
	 */
	if (multi->one_gone && !multi->failed && multi->nwaiting > 0)
	{
		CURL_IGNORE_DEPRECATION(
			curl_multi_socket_all(multi->handle, &running);)
	}
}

void
omf_http_run_timer(OmfHttp *http)
{
	Multi *many = &http->many;
	int64_t stalls;

	run_timer(&http->urgent);
	run_timer(many);

	/* nothing is left that libcurl could still send by itself */
	stalls = stalls_at(many);
	if (stalls >= 0 && omf_pollset_now() >= stalls &&
		(many->timer < 0 || many->timer > omf_pollset_now()))
		widen(many);
}

/* libcurl's resolver thread must not take over PostgreSQL's signals. */
void
omf_http_begin_drive(OmfHttp *http)
{
	omf_signals_hold(&http->mask, omf_drive_limit_signal());
	omf_drive_limit_begin(http->sockets);
}

void
omf_http_end_drive(OmfHttp *http)
{
	omf_drive_limit_end();
	omf_signals_release(&http->mask);
}

/* Whose the socket is only libcurl knows; others ignore it. */
static void
act(OmfHttp *http, int fd, unsigned int what)
{
	Multi *const multis[] = {&http->many, &http->urgent};
	int mask = 0;

	mask |= what & OMF_POLL_READ ? CURL_CSELECT_IN : 0;
	mask |= what & OMF_POLL_WRITE ? CURL_CSELECT_OUT : 0;
	mask |= what & OMF_POLL_ERROR ? CURL_CSELECT_ERR : 0;
	for (int i = 0; i < 2; i++)
		if (!TAILQ_EMPTY(&multis[i]->active))
			act_on(multis[i], fd, mask);
}

void
omf_http_collect(OmfHttp *http)
{
	OmfPollEvent events[EVENTS_MAX];
	int nevents = omf_pollset_collect(http->pollset, events, EVENTS_MAX);
	int64_t until = omf_pollset_now() + COLLECT_MS;

	for (int i = 0; i < nevents && (i == 0 || omf_pollset_now() < until); i++)
	{
		OmfSocket *socket = omf_sockets_find(http->sockets, events[i].fd);

		if (socket == NULL || !socket->kept)
		{
			act(http, events[i].fd, events[i].what);
			continue;
		}
		omf_pollset_forget(http->pollset, socket->fd);
		socket->watched = 0;
		omf_sockets_end(socket);
	}
}

/* ----- making and unmaking ----- */

unsigned int
omf_http_init(void)
{
	unsigned int lacks = 0;

	/* a failure shows when a handle is made */
	(void) curl_global_init(CURL_GLOBAL_DEFAULT);
	libcurl_features = curl_version_info(CURLVERSION_NOW)->features;
	if (!libcurl_has(CURL_VERSION_HTTP2))
		lacks |= OMF_LACKS_HTTP2;
	if (!libcurl_has(CURL_VERSION_ASYNCHDNS))
		lacks |= OMF_LACKS_ASYNC_RESOLVER;
	return lacks;
}

/* Append a header line, freeing nothing on failure. */
static bool
add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	*list = longer != NULL ? longer : *list;
	return longer != NULL;
}

/* A line among both kinds of headers; wiped, for it may hold the token. */
static bool
add_to_all(OmfHttp *http, const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + 1;
	char *line = malloc(size);
	bool added;

	if (line == NULL)
		return false;
	snprintf(line, size, "%s%s", name, value);
	added = add_header(&http->headers, line) &&
			add_header(&http->body_headers, line);
	explicit_bzero(line, size);
	free(line);
	return added;
}

static bool
make_headers(OmfHttp *http)
{
	return add_to_all(http, "Authorization: Bearer ", http->config->token) &&
		   add_to_all(http, "Accept: ", "application/json") &&
		   add_to_all(http, "User-Agent: ", http->config->user_agent) &&
		   add_header(&http->body_headers, "Content-Type: application/json") &&
		   /* ask for no interim answer: it would cost a round trip */
		   add_header(&http->body_headers, "Expect:");
}

/* The token is among the headers: wipe them. */
static void
free_headers(struct curl_slist *list)
{
	for (struct curl_slist *line = list; line != NULL; line = line->next)
		explicit_bzero(line->data, strlen(line->data));
	curl_slist_free_all(list);
}

/*
 * The base URL is taken apart once: libcurl would do so for each exchange,
 * and put it together again.
 */
static const char *
make_url(OmfHttp *http)
{
	CURLUcode code;

	http->url = curl_url();
	if (http->url == NULL)
		return omf_http_no_memory;
	code = curl_url_set(http->url, CURLUPART_URL, http->config->base_url,
						CURLU_DISALLOW_USER);
	if (code == CURLUE_OUT_OF_MEMORY)
		return omf_http_no_memory;
	return code == CURLUE_OK ? NULL
							 : "libcurl does not take the endpoint for a URL.";
}

/*
 * Two descriptors of the pollset's own, counted like any other.  False with
 * errno set.
 */
static bool
make_pollset(OmfHttp *http)
{
	while (http->own_fds < OMF_POLLSET_OWN_FDS)
	{
		if (!http->config->acquire_fd(0))
		{
			errno = EMFILE;
			return false;
		}
		http->own_fds++;
	}
	http->pollset = omf_pollset_create();
	return http->pollset != NULL;
}

/* The parts that need nothing but memory. */
static bool
make_parts(OmfHttp *http)
{
	const OmfHttpConfig *config = http->config;

	http->spare = calloc((size_t) config->max_concurrency, sizeof(CURL *));
	http->sockets =
		omf_sockets_create(SOCKETS_PER_EXCHANGE * config->max_concurrency,
						   config->acquire_fd, config->release_fd);
	return http->spare != NULL && http->sockets != NULL &&
		   omf_proxy_from_environment(&http->proxy) && make_headers(http);
}

/* NULL if all is there, else what is missing: a constant sentence. */
static const char *
make(OmfHttp *http)
{
	const char *problem;

	if (http->config->version == OMF_HTTP_2 &&
		!libcurl_has(CURL_VERSION_HTTP2))
		return "libcurl was built without HTTP/2, which the option \"http_version\" wants.";
	if (!make_parts(http))
		return omf_http_no_memory;
	problem = make_url(http);
	if (problem != NULL)
		return problem;
	if (!make_pollset(http))
		return errno == ENOMEM ? omf_http_no_memory : omf_http_no_descriptors;
	problem = open_multi(&http->many);
	if (problem != NULL)
		return problem;
	http->spare[0] = make_handle(http);
	if (http->spare[0] == NULL)
		return setting_is_lacking
				   ? "libcurl lacks a feature that is needed here, such as TLS."
				   : omf_http_no_memory;
	http->nspare = 1;
	return NULL;
}

OmfHttp *
omf_http_create(const OmfHttpConfig *config, const char **reason)
{
	OmfHttp *http = calloc(1, sizeof(OmfHttp));
	long most = config->max_concurrency;

	*reason = omf_http_no_memory;
	if (http == NULL)
		return NULL;
	http->config = config;
	http->encrypted = strncasecmp(config->base_url, "https:", 6) == 0;
	http->date = -1;
	http->multiplexed = version_to_ask(http) != CURL_HTTP_VERSION_1_1;
	if (http->multiplexed)
		most = (most + STREAMS_PER_CONNECTION - 1) / STREAMS_PER_CONNECTION;
	init_multi(&http->many, http, most);
	init_multi(&http->urgent, http, 0);
	*reason = make(http);
	if (*reason == NULL)
		return http;
	omf_http_destroy(http);
	return NULL;
}

void
omf_http_destroy(OmfHttp *http)
{
	if (http == NULL)
		return;
	free_spare_handles(http);
	close_multi(&http->many);
	close_multi(&http->urgent);
	omf_pollset_destroy(http->pollset);
	for (; http->own_fds > 0; http->own_fds--)
		http->config->release_fd();
	free_headers(http->headers);
	free_headers(http->body_headers);
	omf_proxy_free(&http->proxy);
	curl_url_cleanup(http->url);
	omf_sockets_destroy(http->sockets);
	free(http->spare);
	free(http);
}
