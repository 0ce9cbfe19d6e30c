/*-------------------------------------------------------------------------
 *
 * disguise.h
 *	  Errors of the API whose HTTP status says success.
 *
 * A gateway may pass on an error with a status of its own.  What has the shape
 * of the API's errors, {"id", "message"}, is one, whatever the status says.
 * https://docs.digitalocean.com/reference/api/intro/#errors
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_DISGUISE_H
#define OMF_DISGUISE_H

#include "client/reply.h"

/*
 * The HTTP status that the error in the body of an answer of success would
 * have had, by the API's word for it, 500 where nobody knows the word; or 0:
 * the answer is none of success, or its body no error.
 */
extern int omf_disguised_status(const OmfReply *reply);

#endif /* OMF_DISGUISE_H */
