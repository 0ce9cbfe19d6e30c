/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  What may fail without the end of the statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_ATTEMPT_H
#define OMF_ATTEMPT_H

#include "postgres.h"

/*
 * Call the function in a subtransaction, so that a failure leaves no lock or
 * pin behind.  NULL if it went well: what it has changed stays if `keep` is
 * set, and is undone otherwise.  Else the error, in the current memory
 * context; the caller rethrows what it is none of its business to keep, such
 * as a cancel.
 */
extern ErrorData *omf_attempt(void (*function)(void *), void *arg, bool keep);

#endif /* OMF_ATTEMPT_H */
