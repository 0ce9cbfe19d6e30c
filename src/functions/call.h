/*-------------------------------------------------------------------------
 *
 * call.h
 *	  One call of the API from an SQL function.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_CALL_H
#define OMF_CALL_H

#include "session/error.h"
#include "session/session.h"

/* What comes of it lies in the memory context that it was made in. */
typedef struct OmfCall
{
	OmfSession *session;         /* held */
	OmfSecrets secrets;          /* that no message may show */
	const OmfResource *resource; /* of the call; NULL: the online migration */
	bool wants_status;           /* an answer without it is an error */
	bool before_start;           /* is a GET that a start waits for */
	OmfMethod method;            /* GET, PUT or DELETE */
	const char *path;            /* of the call */
	const char *body;            /* or NULL */
	int64 deadline;              /* on omf_clock(), or 0: none */
	OmfInbox inbox;              /* where the answer arrives */
	OmfRequest *request;         /* while it is under way */
	const char *server;          /* of a start or stop: the server's name */
	const char *role;            /* likewise, who makes it; or NULL */
	uint64 asked;                /* when, by omf_cache_moment() */
	bool maybe_done;             /* it may have been carried out even so */
	bool late;                   /* the deadline has passed: no result */
	OmfResult result;            /* what came of it */
	const char **values;         /* then, in UTF-8, by field, or NULL */
	OmfError *error;             /* or NULL */
	bool wordless;               /* the answer had no body */
	int64 date;                  /* of the answer, epoch seconds, or -1 */
	int64 clock_ahead_ms;        /* what the API's clock is ahead of ours */
	bool earlier_unknown;        /* an earlier try may have been carried out */
} OmfCall;

/* Milliseconds that pass steadily, whatever is done to the system's clock. */
extern int64 omf_clock(void);

/*
 * Make the call over call->session and wait for its end; call->result says
 * what came of it.  With a deadline it may be call->late instead, and has
 * been called off.  Such calls may use what rate_limit_reserve leaves to
 * others.
 */
extern void omf_call_make(OmfCall *call, OmfMethod method, const char *path,
						  const char *body);

/*
 * GET what call->path of each says, all at once over the session of the first
 * one; call->late is set for those without an answer by the deadline.
 */
extern void omf_calls_get(OmfCall **calls, int ncalls, int64 deadline);

/*
 * May a start or a stop have been carried out?  Of one that has ended with a
 * failure, its failure says so.
 */
extern bool omf_call_maybe_done(const OmfCall *call);

/* Raise what the call failed with. */
omf_noreturn extern void omf_call_raise(const OmfCall *call, OmfAction action);

/*
 * A copy of a field in the server's encoding, or NULL.  What that does not
 * have is a question mark: the call has been made, and must not seem to fail.
 */
extern char *omf_call_field(const OmfCall *call, int field);

/*
 * The migration's status as the API says it, or NULL if it does not: a word of
 * no letters is none.
 */
extern char *omf_call_status(const OmfCall *call);

/*
 * When the migration was created, as the session shows times; palloc'd, or
 * NULL.
 */
extern char *omf_call_created_at(const OmfCall *call);

#endif /* OMF_CALL_H */
