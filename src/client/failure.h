/*-------------------------------------------------------------------------
 *
 * failure.h
 *	  What it means that an exchange failed.
 *
 * A `code` is libcurl's CURLcode for an exchange that ended, whether it failed
 * or not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_FAILURE_H
#define OMF_FAILURE_H

#include <stdbool.h>
#include <stddef.h>

#include "client/exchange.h"

/* libcurl tells of a traced exchange what it does. */
extern void omf_failure_note_told(OmfExchange *exchange, const char *data,
								  size_t length);

/* libcurl was about to send the request again, and is kept from it. */
extern void omf_failure_note_second_sending(OmfExchange *exchange);

/* What became of the exchange. */
extern OmfOutcome omf_failure_outcome(const OmfExchange *exchange, int code);

/*
 * Is an answer that libcurl is content with shorter than the server meant it?
 * `kept`: does its connection go on?
 */
extern bool omf_failure_is_cut_off(const OmfExchange *exchange, bool kept);

/*
 * Is what keeps us from the server here or there for good, so that no other
 * try could do better?
 */
extern bool omf_failure_is_final(const OmfReply *reply, int code);

/*
 * Does the proxy, or how it is written, let nothing pass?  `status` is of its
 * answer, or 0.
 */
extern bool omf_failure_is_proxys(const OmfReply *reply, int status);

/* Does the code say that the connection ended under the request? */
extern bool omf_failure_broke_connection(int code);

/* Was what came over a new connection of HTTP/2 nothing of HTTP/2? */
extern bool omf_failure_is_no_http2(const OmfReply *reply, int code);

/* Could the code stand for a library that is in disorder? */
extern bool omf_failure_may_be_disorder(int code);

/* Does the failure come from within OpenSSL? */
extern bool omf_failure_is_tls_disorder(const OmfReply *reply);

/* Put into the reply what there is to say, where libcurl has no good words. */
extern void omf_failure_set_words(OmfExchange *exchange, int code);

#endif /* OMF_FAILURE_H */
