/*-------------------------------------------------------------------------
 *
 * source_server.h
 *	  The source of a migration, from a foreign server of another wrapper.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SOURCE_SERVER_H
#define OMF_SOURCE_SERVER_H

#include "fmgr.h"

#include "functions/source.h"

/*
 * Fill in what `source` leaves open from the foreign server of that name and
 * the current user's mapping for it, as palloc'd strings; what it has stays.
 * disable_ssl is what the API will be told.  Throws, and then nothing of the
 * mapping is left in memory, if not all of it can be carried over.
 */
extern void omf_source_server_fill(OmfSource *source, const char *name,
								   bool disable_ssl);

/*
 * Where to copy from, by the arguments "source" (jsonb) and "source_server"
 * (text), whose positions are given: what the first has goes before the
 * second's options.  Throws 22023 when both are NULL.
 */
extern OmfSource omf_source_argument(FunctionCallInfo fcinfo, int source,
									 int source_server, bool disable_ssl);

#endif /* OMF_SOURCE_SERVER_H */
