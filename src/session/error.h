/*-------------------------------------------------------------------------
 *
 * error.h
 *	  Failures of the API as errors of PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_ERROR_H
#define OMF_ERROR_H

#include "client/api.h"
#include "compat.h"

/* What was being done when a call failed. */
typedef enum OmfAction
{
	OMF_ACTION_READ,  /* one cluster */
	OMF_ACTION_LIST,  /* a page of the listing */
	OMF_ACTION_GUARD, /* whether a migration is under way, before a start */
	OMF_ACTION_START, /* a migration */
	OMF_ACTION_STOP,  /* a migration */
	OMF_ACTION_WAIT,  /* for a migration, and the wait goes no further */
	OMF_ACTION_FIND   /* the migration to wait for, for too long */
} OmfAction;

/*
 * The API's words, which are UTF-8, in this database's encoding; palloc'd.  An
 * error must not fail on its way out, so what is not text, or what the
 * encoding does not have, becomes question marks.
 */
extern char *omf_error_words(const char *text);

/* What came back, in whose words: a value of the column "error"; palloc'd. */
extern char *omf_error_text(const OmfError *error);

/* The hint that it is raised with, or NULL; palloc'd or not. */
extern const char *omf_error_hint(OmfAction action, const OmfError *error);

/* The hint where this process may have no more descriptors. */
extern const char omf_error_hint_descriptors[];

/* The SQLSTATE that the failure is raised with. */
extern int omf_error_sqlstate(const OmfError *error);

/*
 * Warn of a failure that does not end what is being done, which the hint is
 * about; NULL for the error stands for "out of memory".
 */
extern void omf_warn(OmfAction action, const OmfError *error,
					 const char *hint);

/*
 * Raise the error; it and its strings are not used after that.  NULL stands
 * for "out of memory".
 */
omf_noreturn extern void omf_raise(OmfAction action, const OmfError *error);

/* Likewise, with a sentence about what the call was for in the DETAIL. */
omf_noreturn extern void omf_raise_about(OmfAction action,
										 const OmfError *error,
										 const char *about);

#endif /* OMF_ERROR_H */
