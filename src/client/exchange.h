/*-------------------------------------------------------------------------
 *
 * exchange.h
 *	  One request sent once, and its reply.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_EXCHANGE_H
#define OMF_EXCHANGE_H

#include <stdbool.h>
#include <sys/queue.h>

#include "client/reply.h"

typedef struct OmfExchange OmfExchange;

struct OmfExchange
{
	/* to be set before omf_http_start() */
	OmfMethod method;   /* GET, PUT or DELETE */
	const char *target; /* the path with its query, sent as it is */
	const char *body;   /* application/json in UTF-8, or NULL */
	bool urgent;        /* must not wait for those that are not */
	bool again;         /* an earlier try of the same request failed */

	/* called, from within libcurl, when the request is about to be sent */
	void (*on_sending)(OmfExchange *exchange);

	/* what came back; reply.body_max is to be set before, too */
	OmfReply reply; /* the owner calls omf_reply_free() */
	bool stale;     /* it broke on a connection from an earlier request */
	bool timed_out; /* libcurl's connect timeout ended it */

	/* http.c's and failure.c's own */
	const char *problem; /* what is wrong with the answer, or NULL */
	TAILQ_ENTRY(OmfExchange)
	link;                /* in the list of those in flight */
	void *multi;         /* that it is in flight over */
	void *handle;        /* libcurl's CURL, while in flight */
	int sendings;        /* how often libcurl has come to send it */
	bool fresh;          /* first over a connection of its own? */
	bool traced;         /* does libcurl tell what it does? */
	bool refused_before; /* so was the try before */
	bool refused;        /* it has told that its stream was refused */
	bool http1_wanted;   /* the server has said that HTTP/1.1 is required */
	bool no_descriptor;  /* there was none for its connection */
	bool http1;          /* its answer is one of HTTP/1.x */
};

#endif /* OMF_EXCHANGE_H */
