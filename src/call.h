/*-------------------------------------------------------------------------
 *
 * call.h
 *	  One call of the API from an SQL function.
 *
 * May call: session.c, error.c, api.c.  Must never: know what is asked for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_CALL_H
#define OMF_CALL_H

#include "error.h"
#include "session.h"

typedef struct OmfCall
{
	OmfSession *session;  /* held */
	OmfSecrets secrets;   /* that no message may show */
	OmfMethod method;     /* GET, PUT or DELETE */
	const char *path;     /* of the call */
	const char *body;     /* or NULL */
	OmfInbox inbox;       /* where the answer arrives */
	OmfRequest *request;  /* while it is under way */
	OmfResult result;     /* what came of it */
	OmfRecord *record;    /* malloc'd, or NULL */
	OmfError *error;      /* malloc'd, or NULL */
	bool earlier_unknown; /* an earlier try may have been carried out */
} OmfCall;

/*
 * Make the call over call->session and wait for its end; call->result says
 * what came of it.  What the option rate_limit_reserve leaves to others is
 * for such calls, too.
 */
extern void omf_call_make(OmfCall *call, OmfMethod method, const char *path, const char *body);

/* Raise what the call failed with; frees it. */
omf_noreturn extern void omf_call_raise(const OmfCall *call, OmfAction action);

/* A copy of a field in the server's encoding, or NULL. */
extern char *omf_call_field(const OmfCall *call, int field);

#endif /* OMF_CALL_H */
