/*-------------------------------------------------------------------------
 *
 * log.c
 *	  What the server's log is told of requests, starts and stops.
 *
 * Each line hides its statement, which may hold the password of a source, and
 * its context, which may quote the statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "session/log.h"

static int log_min_duration = -1;
static bool log_lifecycle = true;

void
omf_log_init(void)
{
	DefineCustomIntVariable("online_migrations_fdw.log_min_duration",
							"Sets the minimum time in which a request to the API is logged.",
							"All tries and pauses of the request count.  0 logs all requests, -1 none.",
							&log_min_duration, -1, -1, INT_MAX, PGC_SUSET,
							GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomBoolVariable("online_migrations_fdw.log_lifecycle",
							 "Logs each start and stop of an online migration.",
							 "Those that the API has accepted, and those whose outcome is unknown.",
							 &log_lifecycle, true, PGC_SUSET, 0, NULL, NULL,
							 NULL);
}

/* How the request ended: the HTTP status, or in a word why there is none. */
static const char *
ending(const OmfReply *reply)
{
	switch (reply->outcome)
	{
		case OMF_ANSWERED:
			return psprintf("%d", reply->http_status);
		case OMF_UNREACHABLE:
			return "unreachable";
		case OMF_REFUSED:
			return "refused";
		case OMF_LOST:
			return "lost";
		case OMF_TIMED_OUT:
			return "timed out";
		case OMF_TOO_LARGE:
			return "too large";
		case OMF_HELD_BACK:
			return "held back";
		case OMF_NO_MEMORY:
			break;
	}
	return "out of memory";
}

void
omf_log_request(const OmfRequest *request)
{
	const OmfReply *reply = omf_request_reply(request);
	int level;

	if (log_min_duration >= 0 && reply->took_ms >= log_min_duration)
		level = LOG;
	else if (message_level_is_interesting(DEBUG1))
		level = DEBUG1;
	else
		return;
	ereport(level,
			(errmsg("duration: %lld ms  request: %s %s  status: %s  tries: %d",
					(long long) reply->took_ms,
					omf_method_name(omf_request_method(request)),
					omf_request_path(request), ending(reply), reply->tries),
			 errhidestmt(true),
			 errhidecontext(true)));
}

/* The primary message of an event. */
static const char *
lifecycle_message(OmfMethod method, bool unknown)
{
	if (method == OMF_PUT)
		return unknown ? "online migration may have been started"
					   : "online migration has been started";
	return unknown ? "online migration may have been stopped"
				   : "online migration has been stopped";
}

void
omf_log_lifecycle(OmfMethod method, const char *path, bool unknown,
				  const char *migration_id, const char *server,
				  const char *role)
{
	if (!log_lifecycle)
		return;
	ereport(LOG,
			(errmsg_internal("%s", lifecycle_message(method, unknown)),
			 errdetail("%s %s, migration \"%s\", server \"%s\", role \"%s\".",
					   omf_method_name(method), path,
					   migration_id != NULL ? migration_id : "unknown",
					   server, role != NULL ? role : "unknown"),
			 errhidestmt(true),
			 errhidecontext(true)));
}
