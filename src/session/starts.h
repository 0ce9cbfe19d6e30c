/*-------------------------------------------------------------------------
 *
 * starts.h
 *	  The starts of this server that the API does not show yet.
 *
 * For a while after a start the API answers 404, or shows the migration before
 * it.  A job's or a client's retry must not start another one meanwhile, so
 * what has been sent is remembered in the memory that backends share, until
 * the API shows it, and for OMF_START_KEPT_MS at most.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_STARTS_H
#define OMF_STARTS_H

#include "client/resource.h"
#include "session/shared.h"

/* How long a start is remembered, accepted or of unknown outcome. */
#define OMF_START_KEPT_MS (10 * 60 * 1000)

/*
 * What one role has of them at most: what a token can start in that time, at
 * the API's 250 requests a minute, and some.
 */
#define OMF_STARTS_OF_ROLE 2560

typedef struct OmfStart
{
	/* the start itself */
	int64 at;                          /* steady clock: it began, or ended */
	int64 sent_ms;                     /* when it began, on our calendar */
	bool ended;                        /* it is not on its way any more */
	bool accepted;                     /* the API has said so */
	char id[OMF_MIGRATION_ID_MAX + 1]; /* then the migration's, else empty */
	int64 created_ms;                  /* its created_at, or -1 */

	/* what was there before, if that was looked at */
	bool previous_known;           /* was it? */
	uint8 previous[OMF_HASH_SIZE]; /* of its id */
} OmfStart;

/* To be called once from _PG_init(), before omf_shared_init(). */
extern void omf_starts_init(void);

/*
 * What a start is known by: the account, as omf_account_hash() knows it, and
 * the cluster.
 */
extern void omf_start_key(const uint8 *account, const unsigned char *uuid,
						  uint8 key[OMF_HASH_SIZE]);

/* It begins now: not before has it been sent. */
extern void omf_start_begin(OmfStart *start);

/*
 * The id of the migration that the API has shown before it, which has ended;
 * or NULL: none, or it did not say.
 */
extern void omf_start_set_previous(OmfStart *start, const char *id);

/*
 * The API has accepted it, and says so of its migration; created_at may be
 * NULL.
 */
extern void omf_start_set_accepted(OmfStart *start, const char *id,
								   const char *created_at);

/* It has ended, and what is to be remembered of it is so from now on. */
extern void omf_start_end(OmfStart *start);

/* How long ago that was, in milliseconds. */
extern int64 omf_start_age(const OmfStart *start);

/* The remembered start of that key, if there is one. */
extern bool omf_starts_find(const uint8 *key, OmfStart *start);

/*
 * Remember a start of that role that is going to be sent, instead of any other
 * one of that key.  False when there is no room for it: what is remembered is
 * never forgotten for another's sake.
 */
extern bool omf_starts_begin(const uint8 *key, Oid userid,
							 const OmfStart *start);

/* Remember what has become of one for which that was true. */
extern void omf_starts_put(const uint8 *key, Oid userid,
						   const OmfStart *start);

extern void omf_starts_forget(const uint8 *key);

/* A migration that the API shows. */
typedef struct OmfShown
{
	const char *id;         /* or NULL */
	const char *created_at; /* or NULL */
	int64 clock_ahead_ms;   /* what the API's clock is ahead of ours */
	bool under_way;         /* its status says so */
} OmfShown;

/* Is it surely the one of that start, or a later one? */
extern bool omf_start_is_shown(const OmfStart *start, const OmfShown *shown);

#endif /* OMF_STARTS_H */
