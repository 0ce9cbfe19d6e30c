/*-------------------------------------------------------------------------
 *
 * session.h
 *	  One engine per (server, user mapping), kept for the backend's life.
 *
 * A session is what a statement works with: the resolved options, the token,
 * and the engine with its kept connections.  ALTER SERVER and ALTER USER
 * MAPPING make the next statement begin a new one; a token file that has
 * changed does so, too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SESSION_H
#define OMF_SESSION_H

#include "nodes/pg_list.h"

#include "client/api.h"
#include "session/shared.h"
#include "session/stats.h"

typedef struct OmfSession OmfSession;

/* To be called once from _PG_init(). */
extern void omf_session_init(void);

/*
 * The session of that user on that server, held until omf_session_release().
 * Throws 28000 when the user has no token.
 */
extern OmfSession *omf_session_acquire(Oid serverid, Oid userid);

/* Let go of it; never throws, so it may be called from a reset callback. */
extern void omf_session_release(OmfSession *session);

/*
 * The number of clusters that a listing of that user's account has shown in
 * this backend, or -1: what planning goes by.
 */
extern double omf_session_clusters(Oid serverid, Oid userid);

/* Remember it. */
extern void omf_session_note_clusters(OmfSession *session, int nclusters);

/* A listing has shown the name of a cluster: for what users are told of it. */
extern void omf_session_note_name(OmfSession *session,
								  const unsigned char *uuid, const char *name);

/* The latest of these, in UTF-8, until the session ends, or NULL. */
extern const char *omf_session_cluster_name(const OmfSession *session,
											const unsigned char *uuid);

/*
 * May the session's token filter the listing by tag?  What the API allows a
 * token does not change often: one refusal counts for the session's life.
 */
extern bool omf_session_filters_by_tag(const OmfSession *session);

/* It may not. */
extern void omf_session_note_no_tags(OmfSession *session);

/* So many answers came from the cache, instead of being asked for. */
extern void omf_session_note_hits(const OmfSession *session,
								  OmfOperation operation, int64 hits);

/* What the session's endpoint and token are known by in shared memory. */
extern const uint8 *omf_session_account(const OmfSession *session);

/*
 * The same for a user of a server without a session; false where there is no
 * token, or it can't be read, which *problem then says (else NULL).
 */
extern bool omf_session_find_account(Oid serverid, Oid userid,
									 uint8 account[OMF_HASH_SIZE],
									 const char **problem);

/*
 * AcquireExternalFD() of PostgreSQL, which lends a third of its descriptors.
 * Sessions that nobody holds end for it, the one first that was used longest
 * ago, until there is one more that PostgreSQL can take when it waits itself
 * (an Append's CreateWaitEventSet() fails without).  A connection beside
 * `others` of its session is one of those that the sessions in use share
 * alike, and leaves some for what can't do without.  False: there is none
 * left.  Never throws.
 */
extern bool omf_session_acquire_fd(int others);

/* ReleaseExternalFD(). */
extern void omf_session_release_fd(void);

/* An Append has waited for several sessions, and does so no more. */
extern void omf_session_end_waits(void);

extern OmfEngine *omf_session_engine(OmfSession *session);

/* One of this backend's sessions, as users are told of it. */
typedef struct OmfSessionState
{
	Oid serverid;
	Oid user;           /* of the mapping, or InvalidOid: PUBLIC */
	bool valid;         /* can new statements use it? */
	bool used;          /* in the present transaction */
	OmfEngineState now; /* of its engine */
} OmfSessionState;

/* All of them, palloc'd pointers to OmfSessionState. */
extern List *omf_session_states(void);

/*
 * Close the sessions to that server, or to all for InvalidOid, that no
 * statement holds.  Returns how many; *held is set to whether there are
 * others.
 */
extern int omf_session_disconnect(Oid serverid, bool *held);

/* The name of its foreign server; palloc'd. */
extern const char *omf_session_server_name(const OmfSession *session);

/*
 * The engine is about to be waited for: once in a statement, an interactive
 * client is told of a long pause.
 */
extern void omf_session_tell_pause(OmfSession *session);

/*
 * Drive the engine; if that brings nothing into the inbox, wait until there
 * is something to drive it for again.  To be called in a loop: the inbox may
 * still be empty afterwards.  Ends with an error on cancel, statement_timeout
 * and termination.
 */
extern void omf_session_wait(OmfSession *session, const OmfInbox *inbox,
							 bool for_room);

/*
 * The same, and for the latch, which is set when another backend has an answer
 * (cache.h); for so many milliseconds at most.
 */
extern void omf_session_wait_for_others(OmfSession *session,
										const OmfInbox *inbox, bool for_room,
										int64 milliseconds);

/* The same for an answer, but for no longer than that; -1: however long. */
extern void omf_session_wait_at_most(OmfSession *session,
									 const OmfInbox *inbox,
									 int64 milliseconds);

/*
 * The oldest finished request of the inbox, now the caller's to free, or NULL.
 * What is to be told of it, or counted, is done here for all requests.
 */
extern OmfRequest *omf_session_take(OmfSession *session, OmfInbox *inbox);

/*
 * A request of the session has failed for good, with that error, which may be
 * NULL: for the statistics.
 */
extern void omf_session_note_failure(OmfSession *session,
									 const OmfError *error);

#endif /* OMF_SESSION_H */
