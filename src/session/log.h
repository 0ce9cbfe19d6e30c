/*-------------------------------------------------------------------------
 *
 * log.h
 *	  What the server's log is told of requests, starts and stops.
 *
 * A path names clusters and migrations, and a tag at most; the token and the
 * source of a migration are in none of the lines.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_LOG_H
#define OMF_LOG_H

#include "client/engine.h"

/* To be called once from _PG_init(): defines the settings log_*. */
extern void omf_log_init(void);

/*
 * A request is over: a LOG line if it took at least
 * online_migrations_fdw.log_min_duration, else a line at DEBUG1.
 */
extern void omf_log_request(const OmfRequest *request);

/*
 * A start (PUT) or a stop (DELETE) has been accepted by the API, or `unknown`
 * has become of it.  Tells the log at once, unless the setting
 * online_migrations_fdw.log_lifecycle is off: neither ROLLBACK nor a lost
 * client takes it back.  The path names the cluster, and for a stop the
 * migration; `migration_id` is that of a start, NULL where it isn't known.
 */
extern void omf_log_lifecycle(OmfMethod method, const char *path, bool unknown,
							  const char *migration_id, const char *server,
							  const char *role);

#endif /* OMF_LOG_H */
