/*-------------------------------------------------------------------------
 *
 * source_server.h
 *	  The source of a migration, from a foreign server of another wrapper.
 *
 * May call: PostgreSQL's catalogs, arguments.c, source.c.  Must never: connect
 * to the source, use a mapping that pg_user_mappings would not show to the
 * role, drop an option silently that says where or how to connect, or show
 * the value of an option.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SOURCE_SERVER_H
#define OMF_SOURCE_SERVER_H

#include "source.h"

/*
 * Fill in what `source` leaves open from the foreign server of that name and
 * the current user's mapping for it, as palloc'd strings; what it has stays.
 * disable_ssl is what the API will be told.  Throws, and then nothing of the
 * mapping is left in memory, if not all of it can be carried over.
 */
extern void omf_source_server_fill(OmfSource *source, const char *name, bool disable_ssl);

#endif /* OMF_SOURCE_SERVER_H */
