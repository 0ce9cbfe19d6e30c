/*-------------------------------------------------------------------------
 *
 * name.h
 *	  Does a host name exist?
 *
 * libcurl says that a name could not be resolved, but not whether there is no
 * such name or nobody who could say so.  The first stays, the second passes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_NAME_H
#define OMF_NAME_H

#include <stdbool.h>

/* How long the answer is waited for: it has just been given to libcurl. */
#define OMF_NAME_PATIENCE_MS 200

/*
 * Is it sure that the host of the URL does not exist?  To be called with all
 * signals blocked, since a thread of its own asks.
 */
extern bool omf_name_is_unknown(const char *url);

/* Is the host of the URL an address, which is not looked up? */
extern bool omf_name_is_address(const char *url);

#endif /* OMF_NAME_H */
