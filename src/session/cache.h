/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  Answers of the API that backends share.
 *
 * Within the option cache_ttl, an answer to one backend is one to all that ask
 * the same of the same endpoint with the same token.  While one asks, others
 * that want the same wait for its answer instead of asking, too; whoever does
 * not bring it in time, or not at all, is relieved by one of those.
 *
 * What is kept are the decoded fields of answers, found or not, never failures
 * and never a password.  The memory is bounded: what was used longest ago goes
 * first, and where there is no room, the API is asked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_CACHE_H
#define OMF_CACHE_H

#include "datatype/timestamp.h"

#include "client/json.h"
#include "session/shared.h"

/*
 * How long one waits for the answer of another backend that does not wait for
 * it itself before asking oneself: that may be a cursor which nobody fetches
 * from.
 */
#define OMF_CACHE_PATIENCE_MS 5000

/*
 * Where those who were to bring the answer fail one after the other: after so
 * many of them, and so long in all, everybody asks.
 */
#define OMF_CACHE_VAIN_FLIGHTS 2
#define OMF_CACHE_PATIENCE_IN_ALL_MS (2 * OMF_CACHE_PATIENCE_MS)

/*
 * An answer that has come while one waited for it is news for so long, however
 * short the time is that it may be shown: else one would ask after the other.
 */
#define OMF_CACHE_NEWS_MS 1000

/*
 * After the API could not be had, how long the old answer is shown without
 * asking.
 */
#define OMF_CACHE_REST_MS 5000

/* The half of a channel's number that all channels of a statement share. */
#define OMF_CACHE_CHANNELS_OF_ONE UINT64CONST(0xFFFFFFFF00000000)

/* How old an answer may be. */
typedef struct OmfCacheTerms
{
	int ttl_ms;   /* 0: not from the cache at all */
	int stale_ms; /* how much older still, while another one asks or the API fails */
} OmfCacheTerms;

/* What an answer is found by. */
typedef struct OmfCacheKey
{
	uint64 place;     /* a hash of the path */
	uint64 halves[2]; /* one of account and path */
} OmfCacheKey;

/* What somebody wants to know, and their part in asking for it. */
typedef struct OmfQuestion
{
	OmfCacheKey key;
	OmfCacheTerms terms;
	uint64 channel;   /* over which it is asked, see omf_cache_attend() */
	uint64 flight;    /* number of the flight that is ours, or 0 */
	uint64 asked;     /* asked past the cache: the moment, else 0 */
	int64 waits_till; /* while another one asks: when to ask again, else 0 */
	int64 waits_from; /* when it was first asked, or 0 */
	uint64 waits_for; /* number of the flight that is waited for, or 0 */
	int vain;         /* flights that were waited for in vain */
} OmfQuestion;

/* An answer: palloc'd bytes. */
typedef struct OmfCached
{
	TimestampTz fetched_at; /* when the API said so */
	int64 age_ms;           /* how long ago that is */
	bool found;             /* the API knows it; then there are bytes */
	char *bytes;
	size_t length;
} OmfCached;

typedef enum OmfCacheStep
{
	OMF_CACHE_HIT, /* *answer is set */
	OMF_CACHE_ASK, /* ask the API */
	OMF_CACHE_WAIT /* another backend does; the latch is set when it has */
} OmfCacheStep;

/* To be called once from _PG_init(), before omf_shared_init(). */
extern void omf_cache_init(void);

/* Does the setting online_migrations_fdw.cache allow these terms? */
extern bool omf_cache_is_on(const OmfCacheTerms *terms);

/*
 * A question about what that account, as omf_account_hash() knows it, gets
 * from that path; its terms must allow for a cache.
 */
extern OmfQuestion omf_cache_question(const uint8 *account, const char *path,
									  OmfCacheTerms terms);

/*
 * This backend waits for what is asked over that channel until
 * omf_cache_look_up(), after which it is believed to come back for a moment;
 * 0: for nothing.  Channels of one statement share the upper half of their
 * numbers; a lower half of 0 stands for all of them.  That is for PostgreSQL's
 * Append, which waits itself: there, omf_cache_look_up() is for before and
 * after it.  Neither throws.
 */
extern void omf_cache_attend(uint64 channel);
extern void omf_cache_look_up(uint64 channel);

/*
 * What to do.  After OMF_CACHE_ASK one of the following three must be called.
 * With `may_wait` false it is never OMF_CACHE_WAIT, and with the setting
 * online_migrations_fdw.cache off always OMF_CACHE_ASK.
 */
extern OmfCacheStep omf_cache_ask(OmfQuestion *question, bool may_wait,
								  OmfCached *answer);

/* Would anybody have the answer? */
extern bool omf_cache_is_wanted(const OmfQuestion *question);

/* The API has answered. */
extern void omf_cache_answer(OmfQuestion *question, bool found,
							 const char *bytes, size_t length);

/*
 * It has not, or nothing that can be kept.  True where an old answer does
 * instead, which is in *answer then.
 */
extern bool omf_cache_fail(OmfQuestion *question, OmfCached *answer);

/* Nobody will ask any more.  Never throws. */
extern void omf_cache_give_up(OmfQuestion *question);

/*
 * What somebody learns who asks the API whatever the cache has: the answer for
 * all backends at once, unless others have asked later.  `asked` is what
 * omf_cache_moment() said before the request was made.
 */
extern uint64 omf_cache_moment(void);
extern void omf_cache_learn(const uint8 *account, const char *path,
							uint64 asked, bool found, const char *bytes,
							size_t length);

/*
 * What is there has changed, or may have: whatever was asked before is not
 * kept, by any account.  `bytes` is what that account is shown from now on;
 * NULL: the API is to be asked.
 */
extern void omf_cache_change(const uint8 *account, const char *path,
							 const char *bytes, size_t length);

/* Of how many answers a statement was spared, and the age of the oldest. */
typedef struct OmfCacheUse
{
	int64 hits;
	int64 oldest_ms;
} OmfCacheUse;

#endif /* OMF_CACHE_H */
