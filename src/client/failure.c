/*-------------------------------------------------------------------------
 *
 * failure.c
 *	  What it means that an exchange failed.
 *
 * libcurl's codes and words, and what it tells of an exchange; nothing here
 * acts on a handle.
 *
 *-------------------------------------------------------------------------
 */
#include "client/failure.h"

#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "compat.h"

/* ----- noted while it is under way ----- */

/* Does the text that libcurl tells of an exchange have that word? */
static bool
says(const char *data, size_t length, const char *word)
{
	return memmem(data, length, word, strlen(word)) != NULL;
}

/*
 * A server that goes away names the last stream that it may have looked at.
 * (What the client sends of that kind is told in other words.)
 */
static bool
says_none_processed(const char *data, size_t length)
{
	static const char none[] = "last_stream=0";
	const char *found = memmem(data, length, none, sizeof(none) - 1);
	size_t left;

	if (found == NULL || !(says(data, length, "recveived GOAWAY") ||
						   says(data, length, "received GOAWAY")))
		return false;
	left = length - (size_t) (found - data) - (sizeof(none) - 1);
	return left == 0 || strchr(", \r\n", found[sizeof(none) - 1]) != NULL;
}

/*
 * libcurl says why it sends something again only here, in the same words since
 * 7.81: an unknown word is no refused stream.
 */
void
omf_failure_note_told(OmfExchange *exchange, const char *data, size_t length)
{
	exchange->refused |= says(data, length, "REFUSED_STREAM") ||
						 says_none_processed(data, length);
	exchange->http1_wanted |= says(data, length, "HTTP_1_1_REQUIRED") ||
							  says(data, length, "GOAWAY, error=13");
}

/*
 * libcurl is about to send the request again by itself.  It must not: what is
 * sent again, how often, when, and whether the budget allows it is decided
 * above.  A kept connection has ended under the request, or the server has
 * refused its stream, which is the one case in which surely nobody has looked
 * at it; who is not traced finds out which with the next try.
 */
void
omf_failure_note_second_sending(OmfExchange *exchange)
{
	OmfReply *reply = &exchange->reply;

	exchange->http1_wanted |=
		strstr(reply->words, "HTTP_1_1_REQUIRED") != NULL;

	/*
	 * On a fresh connection libcurl has no other reason, and on the one that
	 * it opened after a refusal hardly.  What a start may do is told by the
	 * trace alone.
	 */
	exchange->refused |= (exchange->fresh || exchange->refused_before) &&
						 !exchange->http1_wanted &&
						 exchange->method == OMF_GET;
	exchange->stale = !exchange->refused && !exchange->http1_wanted;
	reply->outcome = exchange->refused ? OMF_REFUSED : OMF_LOST;
	if (!exchange->refused)
		exchange->problem = exchange->http1_wanted
								? "The server requires HTTP/1.1."
								: "The connection ended before there was an answer.";
}

/* ----- what became of it ----- */

/*
 * libcurl caps a header line of HTTP/1.x itself, and before 8.6 calls that out
 * of memory.
 */
static bool
is_oversized_header(const OmfExchange *exchange, int code)
{
	return !exchange->reply.headers_ended &&
		   (code == OMF_CURLE_TOO_LARGE ||
			(code == CURLE_OUT_OF_MEMORY && exchange->http1));
}

/*
 * Likewise a line of the trailer, which follows a body in chunks: before 8.6
 * it has these words for it, and for nothing else.
 */
static bool
is_oversized_trailer(const OmfExchange *exchange, int code)
{
	return exchange->reply.headers_ended &&
		   (code == OMF_CURLE_TOO_LARGE ||
			(code == CURLE_RECV_ERROR &&
			 strcmp(exchange->reply.words,
					"Out of memory in chunked-encoding") == 0));
}

/*
 * libcurl has been given a URL that it could take apart: it is without one only
 * where there is no memory to put it together.
 */
static bool
is_url_lost(const OmfReply *reply, int code)
{
	static const char none[] = "No URL set";

	return code == CURLE_URL_MALFORMAT &&
		   strncmp(reply->words, none, sizeof(none) - 1) == 0;
}

/*
 * A server that wants a client's certificate, or another version of TLS, says
 * so in an alert, which over TLS 1.3 comes when the handshake is over for the
 * client, and the request sent.  The server has not looked at it: for the
 * server, the handshake fails.
 */
static bool
is_handshake_alert(const OmfReply *reply, int code)
{
	static const char *const reasons[] = {"certificate", "unknown ca",
										  "access denied", "handshake failure",
										  "decrypt error", "fatal alert",
										  "protocol version"};

	if ((code != CURLE_RECV_ERROR && code != CURLE_SEND_ERROR &&
		 code != CURLE_SSL_CONNECT_ERROR) ||
		reply->header_bytes > 0 || strcasestr(reply->words, "alert") == NULL)
		return false;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcasestr(reply->words, reasons[i]) != NULL)
			return true;
	return false;
}

OmfOutcome
omf_failure_outcome(const OmfExchange *exchange, int code)
{
	/* a callback has noted a reason of its own */
	if (exchange->reply.outcome != OMF_ANSWERED)
		return exchange->reply.outcome;
	/* libcurl is content with headers that end with the connection */
	if (code == CURLE_OK)
		return exchange->reply.headers_ended ? OMF_ANSWERED : OMF_LOST;
	if (is_oversized_header(exchange, code) ||
		is_oversized_trailer(exchange, code))
		return OMF_TOO_LARGE;
	if (code == CURLE_OUT_OF_MEMORY || is_url_lost(&exchange->reply, code))
		return OMF_NO_MEMORY;
	if (exchange->sendings == 0 || is_handshake_alert(&exchange->reply, code))
		return OMF_UNREACHABLE;
	return exchange->refused && exchange->reply.header_bytes == 0 ? OMF_REFUSED
																  : OMF_LOST;
}

/*
 * Has the connection's end been taken for the answer's, as HTTP/1.x without a
 * length means it, and as libcurl 7.88 does with an error of HTTP/2 after the
 * header?  An empty answer over HTTP/2 is whole if its connection is well: then
 * the stream has ended.  Of a stop the status says it all.
 */
bool
omf_failure_is_cut_off(const OmfExchange *exchange, bool kept)
{
	const OmfReply *reply = &exchange->reply;

	if (exchange->method == OMF_DELETE || !omf_reply_ends_early(reply))
		return false;
	return exchange->http1 || !omf_reply_is_blank(reply) || !kept;
}

/* ----- is another try of use? ----- */

/*
 * Does what answers the handshake speak something else, such as plain HTTP, or
 * none of what we do?  These are OpenSSL's words since 1.1.1, and GnuTLS's.
 */
static bool
is_no_handshake(const OmfReply *reply, int code)
{
	static const char *const reasons[] = {
		"wrong version number", "packet length too long", "unknown protocol",
		"unsupported protocol", "unrecognized name", "no application protocol",
		"unexpected TLS packet"};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (code == CURLE_SSL_CONNECT_ERROR &&
			strcasestr(reply->words, reasons[i]) != NULL)
			return true;
	return false;
}

bool
omf_failure_is_final(const OmfReply *reply, int code)
{
	switch (code)
	{
		case CURLE_URL_MALFORMAT:
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CIPHER:
		case CURLE_SSL_ENGINE_NOTFOUND:
		case CURLE_SSL_ENGINE_SETFAILED:
		case CURLE_SSL_CRL_BADFILE:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_INVALIDCERTSTATUS:
		case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
			return true;
		default:
			return is_handshake_alert(reply, code) ||
				   is_no_handshake(reply, code);
	}
}

bool
omf_failure_is_proxys(const OmfReply *reply, int status)
{
	static const char unsupported[] = "Unsupported proxy";

	return (status >= 400 && status < 500 && status != 408 && status != 425 &&
			status != 429) ||
		   strncmp(reply->words, unsupported,
				   sizeof(unsupported) - 1) == 0;
}

bool
omf_failure_broke_connection(int code)
{
	return code == CURLE_HTTP2 || code == CURLE_PARTIAL_FILE ||
		   code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR ||
		   code == CURLE_RECV_ERROR || code == CURLE_HTTP2_STREAM;
}

/*
 * libcurl 7.88 takes it for nothing; who closes the connection without a word
 * has another code.  nghttp2 misses the frame that comes first.
 */
bool
omf_failure_is_no_http2(const OmfReply *reply, int code)
{
	return reply->header_bytes == 0 &&
		   (code == CURLE_GOT_NOTHING ||
			strstr(reply->words, "expected SETTINGS frame") != NULL);
}

bool
omf_failure_may_be_disorder(int code)
{
	switch (code)
	{
		case CURLE_OK:
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
		case CURLE_COULDNT_CONNECT:
		case CURLE_OPERATION_TIMEDOUT:
			return false;
		default:
			return true;
	}
}

/*
 * Does the failure come from within OpenSSL?  Where memory runs out while 3.0
 * makes what it keeps for the life of the process, that stays unmade: no
 * handshake succeeds any more, whatever is made anew here.  What servers cause
 * is told by its SSL routines or an alert, what a file does by those for
 * certificates.
 */
bool
omf_failure_is_tls_disorder(const OmfReply *reply)
{
	static const char *const signs[] = {"digital envelope routines",
										"DECODER routines", "malloc failure",
										"internal error"};

	if (reply->outcome != OMF_UNREACHABLE ||
		strstr(reply->words, "alert") != NULL)
		return false;
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strstr(reply->words, signs[i]) != NULL)
			return true;
	return false;
}

/* ----- words ----- */

/* What there is to say where libcurl says nothing of use; NULL: it does. */
static const char *
words_of(const OmfExchange *exchange, int code)
{
	const OmfReply *reply = &exchange->reply;

	if (is_oversized_header(exchange, code))
		return "A line of the header is longer than libcurl takes.";
	if (is_oversized_trailer(exchange, code))
		return "A line of the trailer is longer than libcurl takes.";
	if (reply->outcome == OMF_NO_MEMORY)
		return "Out of memory.";
	if (reply->outcome == OMF_REFUSED)
		return "The server refused the stream.";
	if (code == CURLE_OK && reply->outcome == OMF_LOST)
		return "The connection ended within the header.";
	return code != CURLE_OK && reply->words[0] == '\0' &&
				   reply->outcome != OMF_TOO_LARGE
			   ? curl_easy_strerror((CURLcode) code)
			   : NULL;
}

/* Which cap of ours the answer is over. */
static void
set_words_of_cap(OmfReply *reply)
{
	if (reply->header_bytes > OMF_HEADERS_MAX)
		snprintf(reply->words, OMF_WORDS_SIZE,
				 "The header is longer than %d bytes.", OMF_HEADERS_MAX);
	else if (reply->body_pieces > OMF_PIECES_MAX)
		snprintf(reply->words, OMF_WORDS_SIZE,
				 "The body comes in more than %d pieces.", OMF_PIECES_MAX);
	else
		snprintf(reply->words, OMF_WORDS_SIZE,
				 "The body is longer than %zu bytes.", reply->body_max);
}

void
omf_failure_set_words(OmfExchange *exchange, int code)
{
	OmfReply *reply = &exchange->reply;
	const char *words = exchange->problem;

	if (words == NULL)
		words = words_of(exchange, code);
	if (words != NULL)
		snprintf(reply->words, OMF_WORDS_SIZE, "%s", words);
	else if (reply->outcome == OMF_TOO_LARGE)
		set_words_of_cap(reply);
}
