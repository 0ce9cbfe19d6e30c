/*-------------------------------------------------------------------------
 *
 * source_server.h
 *	  The source of a migration, from a foreign server of another wrapper.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SOURCE_SERVER_H
#define OMF_SOURCE_SERVER_H

#include "functions/source.h"

/*
 * Fill in what `source` leaves open from the foreign server of that name and
 * the current user's mapping for it, as palloc'd strings; what it has stays.
 * disable_ssl is what the API will be told.  Throws, and then nothing of the
 * mapping is left in memory, if not all of it can be carried over.
 */
extern void omf_source_server_fill(OmfSource *source, const char *name, bool disable_ssl);

#endif /* OMF_SOURCE_SERVER_H */
