/*-------------------------------------------------------------------------
 *
 * source_server.h
 *	  The source of a migration from a foreign server of another wrapper.
 *
 * What postgres_fdw or mysql_fdw connects with says where to copy from, so
 * that no password has to stand in the text of a statement.
 * https://www.postgresql.org/docs/current/postgres-fdw.html
 * https://github.com/EnterpriseDB/mysql_fdw
 *
 * May call: PostgreSQL's catalogs, source.c.  Must never: show the value of
 * an option, or take a password that the current user may not see.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SOURCE_SERVER_H
#define OMF_SOURCE_SERVER_H

#include "source.h"

/*
 * Fill in what `source` lacks from the foreign server of that name and the
 * current user's mapping for it.  Throws 42704 when there is no such server,
 * 42809 when it is of a wrapper that is not known, 42501 without USAGE on it
 * or the right to see the mapping, and 22023 when what it says can't be
 * carried over.
 */
extern void omf_source_from_server(OmfSource *source, const char *name, bool disable_ssl);

#endif /* OMF_SOURCE_SERVER_H */
