/*-------------------------------------------------------------------------
 *
 * async.h
 *	  Asynchronous execution of scans below an Append.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_ASYNC_H
#define OMF_ASYNC_H

#include "foreign/fdwapi.h"

extern void omf_async_request(AsyncRequest *areq);
extern void omf_async_configure_wait(AsyncRequest *areq);
extern void omf_async_notify(AsyncRequest *areq);

#endif /* OMF_ASYNC_H */
