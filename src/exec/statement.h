/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  What one SQL statement has under way with the API.
 *
 * A Channel is a statement's use of one session: its requests, where their
 * answers arrive, and what they are answers to.  All of it lives in the
 * query's memory context and goes with that, requests in flight included,
 * however the statement ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_STATEMENT_H
#define OMF_STATEMENT_H

#include "lib/ilist.h"
#include "nodes/execnodes.h"

#include "client/api.h"
#include "exec/instrument.h"
#include "session/cache.h"
#include "session/session.h"

typedef struct OmfChannel OmfChannel;

/*
 * The first member of whatever has asked.  settle() is called when the request
 * is over; it may throw, and has to keep its hands off the request afterwards.
 * A function, and no tag: what asks is above this, and not known here.
 */
typedef struct OmfAsker OmfAsker;

struct OmfAsker
{
	void (*settle)(OmfAsker *asker, OmfRequest *request);
	OmfCounts *counts; /* whom the request counts for */
};

/*
 * What waits for an answer that another backend has asked for (cache.h):
 * again() asks once more, and may put it into the list again.
 */
typedef struct OmfCacheWait
{
	slist_node node; /* in the channel's waits */
	OmfQuestion question;
	void (*again)(struct OmfCacheWait *wait);
} OmfCacheWait;

struct OmfChannel
{
	MemoryContext context; /* the query's */
	MemoryContext answers; /* below it: lookups, records and errors */
	OmfSession *session;   /* held */
	OmfEngine *engine;     /* the session's */
	OmfSecrets secrets;    /* that no message may show: the token */
	slist_head topics;     /* lookup.c's: one for every resource */
	slist_head listings;   /* listing.c's: one for every tag */
	OmfError *refused;     /* what any request would fail with, or NULL */
	int reported;          /* clusters whose failure was shown in a row */

	/* statement.c's own */
	slist_node node;            /* in the statement's channels */
	uint64 number;              /* see omf_cache_attend() */
	OmfInbox inbox;             /* where its requests arrive */
	const char *token;          /* what secrets points to */
	slist_head waits;           /* of OmfCacheWait */
	int64 hits[OMF_OPERATIONS]; /* of the cache, not in the statistics yet */
	int nscans;                 /* scans over it that have not ended */
};

/*
 * The channel of that user to that server, in the statement that `estate`
 * executes.  Throws when the user has no token.
 */
extern OmfChannel *omf_channel_get(EState *estate, Oid serverid, Oid userid);

/* A scan over the channel begins. */
extern void omf_channel_begin_scan(OmfChannel *channel);

/*
 * A scan over the channel has ended, which the query's memory outlives.  The
 * last one warns of the failures that were shown in rows.
 */
extern void omf_channel_end_scan(OmfChannel *channel);

/*
 * Move what has been decoded into the statement's memory, where it lives until
 * the end; NULL when there is not enough, or nothing to move.
 */
extern OmfRecord *omf_channel_keep_record(OmfChannel *channel,
										  OmfRecord *record);
extern OmfError *omf_channel_keep_error(OmfChannel *channel, OmfError *error);

/* The same of what is packed: see omf_json_unpack(). */
extern OmfRecord *omf_channel_unpack_record(OmfChannel *channel,
											const char **bytes,
											const char *end);

/*
 * What to do about the question: as omf_cache_ask() says, and in the channel's
 * waits if it is to wait.  A hit is counted.
 */
extern OmfCacheStep omf_channel_ask_cache(OmfChannel *channel,
										  OmfCacheWait *wait,
										  OmfOperation operation,
										  OmfCounts *counts,
										  OmfCached *answer);

/* An answer of the cache does instead of that operation. */
extern void omf_channel_count_hit(OmfChannel *channel, OmfOperation operation,
								  OmfCounts *counts, const OmfCached *answer);

/* Queue a GET for `asker`, and count it.  Throws when out of memory. */
extern void omf_channel_ask(OmfChannel *channel, const char *path,
							size_t body_max, OmfAsker *asker,
							OmfCounts *counts);

/*
 * Wait until something happens, and settle what is answered; `for_room` also
 * ends the wait when a request could be sent at once.  A pause counts for
 * `counts`.  To be called in a loop.
 * Throws on cancel, statement_timeout and termination.
 */
extern void omf_channel_wait(OmfChannel *channel, bool for_room,
							 const OmfCounts *counts);

/*
 * Before an Append waits for the channels of the statement: settle what other
 * statements of the session have brought, and ask again for what other
 * backends were asking for. Milliseconds until that is to be done again,
 * though nobody has set the latch; -1: none of it is waited for.
 */
extern int64 omf_channel_prepare_wait(OmfChannel *channel);

/* After that wait, before the channel is driven. */
extern void omf_channel_end_wait(OmfChannel *channel);

/* Do what can be done without waiting, and settle what is answered. */
extern void omf_channel_drive(OmfChannel *channel);

#endif /* OMF_STATEMENT_H */
