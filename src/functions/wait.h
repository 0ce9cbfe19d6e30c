/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  What waits for one migration and for many have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_WAIT_H
#define OMF_WAIT_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "functions/call.h"
#include "functions/wait_state.h"

/* A wait that can't commit would hold back vacuum for days. */
extern void omf_wait_refuse_atomic(FunctionCallInfo fcinfo);

/*
 * The arguments "until", "poll_interval" and "timeout"; the last as when the
 * time is over.
 */
extern void omf_wait_read_until(ArrayType *array, OmfWait *wait);
extern int64 omf_wait_read_interval(const Interval *interval);
extern int64 omf_wait_read_timeout(const Interval *interval);

/*
 * What messages call a cluster: "name" (UUID), or the UUID alone as long as no
 * listing of the session has told the name, or without a session; palloc'd.
 */
extern char *omf_wait_cluster_words(const OmfSession *session,
									const unsigned char *uuid);

/*
 * What follows "online migration": its id, when it was created (NULL: not
 * known, or not of interest), and the cluster; palloc'd.
 */
extern char *omf_wait_migration_words(const char *id, const char *cluster,
									  const char *created_at);

/* What has been seen of it, as part of a sentence; palloc'd. */
extern char *omf_wait_seen_words(const OmfWait *wait);

/* Whole seconds, as an interval is shown; palloc'd. */
extern char *omf_wait_duration(int64 milliseconds);

/* The migration is not there yet, or has a status that nobody knows. */
extern void omf_wait_tell_absent(const OmfWait *wait, const char *cluster,
								 const OmfPoll *poll);
extern void omf_wait_tell_strange(const char *cluster, const OmfPoll *poll);

/* What came of the call.  Its strings live as long as the call's. */
extern void omf_wait_read_poll(const OmfCall *call, OmfPoll *poll);

/* Wait on the latch alone. */
extern void omf_wait_pause(int64 milliseconds);

/* For how long the rate limit allows no request of that session, or 0. */
extern int64 omf_wait_held_ms(const OmfSession *session);

/* The hint that there was no last look, if that was so. */
extern int omf_wait_hint_held(int64 held_ms);

/* The hint of a failure at the deadline. */
#define OMF_WAIT_OVER_HINT "The time to wait is over."

/*
 * When a look that begins now is called off, or 0: never.  The last one begins
 * at the deadline.
 */
extern int64 omf_wait_look_deadline(int64 deadline, bool is_last);

#endif /* OMF_WAIT_H */
