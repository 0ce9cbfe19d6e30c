/*-------------------------------------------------------------------------
 *
 * http.h
 *	  HTTP exchanges over libcurl's multi interface.
 *
 * An OmfHttp holds the connections to one endpoint.  An exchange is one
 * request sent once, and its reply.  What is sent when, and what is sent
 * again, is decided above (engine.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_HTTP_H
#define OMF_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/exchange.h"

typedef struct OmfHttp OmfHttp;

typedef enum OmfHttpVersion
{
	OMF_HTTP_AUTO, /* over TLS as the server likes, else HTTP/1.1 */
	OMF_HTTP_1_1,
	OMF_HTTP_2
} OmfHttpVersion;

typedef struct OmfHttpConfig
{
	const char *base_url;   /* scheme, host, port and path prefix */
	const char *ca_file;    /* PEM file, or NULL for libcurl's own */
	const char *token;      /* bearer token; wiped when done with */
	const char *user_agent; /* of the User-Agent header */
	OmfHttpVersion version; /* of HTTP */
	int connect_timeout_ms; /* for name look-up, TCP and TLS together */
	int max_concurrency;    /* exchanges in flight at once */

	/*
	 * May one more descriptor be opened?  `others` is how many connections
	 * there are that what is to go over it could wait for instead.
	 */
	bool (*acquire_fd)(int others);
	void (*release_fd)(void); /* one was closed */
} OmfHttpConfig;

/*
 * What libcurl is here: its version, and whether it has what is wanted of it.
 */
typedef struct OmfHttpLibrary
{
	const char *version;     /* of libcurl */
	const char *tls;         /* the library that does TLS for it, or NULL */
	bool http2;              /* HTTP/2 */
	bool asynchronous_names; /* look-ups of names that don't block */
} OmfHttpLibrary;

extern OmfHttpLibrary omf_http_library(void);

/*
 * `config` must outlive the result.  NULL when a descriptor or memory can't
 * be had, or libcurl lacks what is asked of it, with *reason set to a
 * constant sentence.
 */
extern OmfHttp *omf_http_create(const OmfHttpConfig *config,
								const char **reason);

/* The reasons when it is for want of a descriptor, or of memory. */
extern const char omf_http_no_descriptors[];
extern const char omf_http_no_memory[];

/* Close all connections.  No exchange may be in flight. */
extern void omf_http_destroy(OmfHttp *http);

/* What libcurl was built without, and is missed: a bit mask. */
#define OMF_LACKS_HTTP2 0x01          /* HTTP/1.1 does as well, if slower */
#define OMF_LACKS_ASYNC_RESOLVER 0x02 /* a name look-up can't be called off */

/* To be called once, before anything else; returns what is missed. */
extern unsigned int omf_http_init(void);

/* The descriptor that is readable while there is something to do. */
extern int omf_http_fd(const OmfHttp *http);

/* When omf_http_run_timer() is to be called in any case, or -1 for never. */
extern int64_t omf_http_timer(const OmfHttp *http);

/* Make omf_http_fd() readable in `ms` milliseconds; -1: never by time. */
extern void omf_http_arm(OmfHttp *http, int64_t ms);

/* Begin an exchange; false when that failed, as reply.outcome says. */
extern bool omf_http_start(OmfHttp *http, OmfExchange *exchange);

/* Call an exchange off; harmless when it is not in flight. */
extern void omf_http_stop(OmfExchange *exchange);

/*
 * Call it off for want of an answer: its connection is not used for others,
 * who might wait for theirs in vain, too.
 */
extern void omf_http_give_up(OmfExchange *exchange);

/*
 * What comes next is driving it, until omf_http_end_drive(): signals are held
 * off, and libcurl may not keep control for long (drive_limit.h).
 */
extern void omf_http_begin_drive(OmfHttp *http);
extern void omf_http_end_drive(OmfHttp *http);

/* Look at ready sockets, without waiting. */
extern void omf_http_collect(OmfHttp *http);

/* Run libcurl's timers that are due. */
extern void omf_http_run_timer(OmfHttp *http);

/* How many connections are open. */
extern int omf_http_connections(OmfHttp *http);

/* The next exchange that ended, not in flight any more, or NULL. */
extern OmfExchange *omf_http_next_finished(OmfHttp *http);

#endif /* OMF_HTTP_H */
