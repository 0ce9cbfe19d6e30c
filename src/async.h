/*-------------------------------------------------------------------------
 *
 * async.h
 *	  Asynchronous execution of scans below an Append.
 *
 * May call: scan.c, fetch.c, pollset.c.  Must never: wait, or complete a
 * request while the Append is configuring its wait.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_ASYNC_H
#define OMF_ASYNC_H

#include "foreign/fdwapi.h"

extern bool omf_is_async_capable(ForeignPath *path);
extern void omf_async_request(AsyncRequest *areq);
extern void omf_async_configure_wait(AsyncRequest *areq);
extern void omf_async_notify(AsyncRequest *areq);

#endif /* OMF_ASYNC_H */
