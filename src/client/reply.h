/*-------------------------------------------------------------------------
 *
 * reply.h
 *	  A request's method, and what came back for it.
 *
 * Filled from libcurl's callbacks, piece by piece.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_REPLY_H
#define OMF_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum OmfMethod
{
	OMF_GET,
	OMF_PUT,
	OMF_DELETE
} OmfMethod;

/* The name of a method, as HTTP writes it. */
extern const char *omf_method_name(OmfMethod method);

/* How a request ended. */
typedef enum OmfOutcome
{
	OMF_ANSWERED,    /* there is an HTTP status and a whole body */
	OMF_UNREACHABLE, /* name look-up, connection or TLS failed: never sent */
	OMF_REFUSED,     /* the server said that it did not look at it */
	OMF_LOST,        /* the connection broke after the request was sent */
	OMF_TIMED_OUT,   /* sent, and not answered within request_timeout */
	OMF_TOO_LARGE,   /* the answer is over one of the caps */
	OMF_HELD_BACK,   /* never sent: the rate limit allows none for too long */
	OMF_NO_MEMORY    /* libcurl or we ran out of memory */
} OmfOutcome;

#define OMF_WORDS_SIZE 256     /* libcurl's CURL_ERROR_SIZE */
#define OMF_REQUEST_ID_SIZE 72 /* a UUID and room for longer ones */
#define OMF_HTTP_DATE_SIZE 40  /* the longest, in an obsolete form: 33 */

/*
 * Cap of all header lines of one answer, interim answers included, in bytes.
 * The API sends less than 2 kB.
 */
#define OMF_HEADERS_MAX (64 * 1024)

/*
 * Cap of the pieces that libcurl hands over of one body: chunks of HTTP/1.1.
 * A page of 200 clusters whose every value is a chunk of its own has less.
 */
#define OMF_PIECES_MAX 100000

/* How a try ended, as it is counted. */
typedef enum OmfAnswerClass
{
	OMF_CLASS_2XX,
	OMF_CLASS_404,
	OMF_CLASS_401_403,
	OMF_CLASS_429,
	OMF_CLASS_4XX, /* any other status below 500, 3xx too */
	OMF_CLASS_5XX,
	OMF_CLASS_LOST, /* sent, and no whole answer came, or refused */
	OMF_CLASS_UNREACHABLE,
	OMF_CLASS_TIMED_OUT,
	OMF_CLASSES /* how many there are */
} OmfAnswerClass;

/* Instead of a number: it was sent more than once, and not alike. */
#define OMF_AT_ODDS (-2)

/* -1 stands for a number that was not sent. */
typedef struct OmfReply
{
	OmfOutcome outcome;     /* how it ended */
	int http_status;        /* when answered */
	int disguised_status;   /* of the error in an answer of success, or 0 */
	char *body;             /* malloc'd, with a NUL, or NULL */
	size_t body_length;     /* in bytes */
	size_t body_room;       /* bytes allocated */
	size_t body_max;        /* cap, in bytes */
	int body_pieces;        /* that it came in */
	size_t header_bytes;    /* of all header lines */
	bool interim;           /* headers of a 1xx answer */
	bool headers_ended;     /* has the line after them come? */
	bool content_encoded;   /* has a Content-Encoding */
	bool chunked;           /* comes in chunks, which show its end */
	int64_t content_length; /* Content-Length as sent */

	/* the fields of its header */
	char date_text[OMF_HTTP_DATE_SIZE];        /* Date as sent */
	int64_t date;                              /* the same in epoch seconds */
	char retry_after_text[OMF_HTTP_DATE_SIZE]; /* Retry-After as sent */
	int64_t retry_after;                       /* the same, if it is seconds */
	int64_t retry_after_date;                  /* a date, in epoch seconds */
	int64_t ratelimit_limit;                   /* requests per window */
	int64_t ratelimit_remaining;               /* requests left in it */
	int64_t ratelimit_reset;                   /* epoch seconds */
	int64_t pause_ms;                          /* Retry-After from now */
	int64_t resets_in_ms;                      /* likewise, ratelimit_reset */
	int64_t clock_ahead_ms;                    /* the API's, of ours */
	char request_id[OMF_REQUEST_ID_SIZE];      /* X-Request-Id, or empty */

	/* how it came about */
	char words[OMF_WORDS_SIZE];    /* libcurl's, on a failure */
	int64_t sent_at;               /* epoch seconds of the last try, or 0 */
	int tries;                     /* how often it was sent */
	int http_version;              /* of the last answer: 1, 2, or 0: none */
	int64_t took_ms;               /* all tries, from the first's start */
	int64_t sent_us;               /* the steady clock then, or 0 */
	int64_t latency_us;            /* from there to the end, or -1 */
	uint64_t bytes;                /* received, of all tries */
	int connections;               /* opened, by all tries */
	uint16_t classes[OMF_CLASSES]; /* how its tries ended */
	bool http1_wanted;             /* the server has said so */
	const char *proxy;             /* host of the environment's, or NULL */
	bool earlier_unknown;          /* of a try before, whether it was done */
	bool tls_disorder;             /* the TLS library fails in itself */
	bool no_descriptors;           /* this process may have no more of them */
	bool hopeless;                 /* no other try could do better */
} OmfReply;

/* The try that the reply is of has ended: count it. */
extern void omf_reply_count(OmfReply *reply);

/* Forget all but body_max and what is said of earlier tries. */
extern void omf_reply_reset(OmfReply *reply);

/*
 * Take one header line, or the status line that begins an answer.  False with
 * outcome set when the headers are over OMF_HEADERS_MAX, or do not say
 * one length of the body.
 */
extern bool omf_reply_add_header(OmfReply *reply, const char *line,
								 size_t length);

/* Take a piece of the body.  False with outcome set when over the cap. */
extern bool omf_reply_add_body(OmfReply *reply, const char *data,
							   size_t length);

/* The HTTP status that it comes to: that of the error in it, if it is one. */
extern int omf_reply_status(const OmfReply *reply);

/* The body, never NULL. */
extern const char *omf_reply_body(const OmfReply *reply);

/* Is the body empty, or nothing but white space? */
extern bool omf_reply_is_blank(const OmfReply *reply);

/*
 * Does the answer of success look as if its end were missing?  Where neither a
 * length nor chunks tell, the connection's end may have cut it off.
 */
extern bool omf_reply_ends_early(const OmfReply *reply);

/* Overwrite the body: that of a listing holds passwords. */
extern void omf_reply_wipe(OmfReply *reply);

/* Free what the reply holds. */
extern void omf_reply_free(OmfReply *reply);

#endif /* OMF_REPLY_H */
