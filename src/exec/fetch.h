/*-------------------------------------------------------------------------
 *
 * fetch.h
 *	  What one plan node asks the API for, and its answers in their order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_FETCH_H
#define OMF_FETCH_H

#include "exec/listing.h"
#include "exec/lookup.h"

typedef struct OmfFetch OmfFetch;

/* One cluster that is wanted. */
typedef struct OmfKey
{
	unsigned char uuid[OMF_UUID_SIZE];
} OmfKey;

/* One answer: a cluster, and what the API knows of it, for the statement. */
typedef struct OmfAnswer
{
	const unsigned char *uuid; /* of the cluster */
	const OmfRecord *record;   /* what is known of it, or NULL */
	const OmfError *error;     /* what it failed with, or NULL */
	TimestampTz fetched_at;    /* when the API said so, or 0 */
} OmfAnswer;

/* A fetch of these fields of that resource over that channel. */
extern OmfFetch *omf_fetch_create(OmfChannel *channel,
								  const OmfResource *resource,
								  const List *fields);

/* Answers may be so old. */
extern void omf_fetch_limit_age(OmfFetch *fetch, OmfCacheTerms terms);

/*
 * Answer with what failed for good, where that concerns a cluster and not all
 * of them, instead of throwing it.
 */
extern void omf_fetch_report_errors(OmfFetch *fetch);

/* Have EXPLAIN (ANALYZE) told of its requests; NULL: no. */
extern void omf_fetch_instrument(OmfFetch *fetch, OmfInstrument *instrument);

/*
 * Of the clusters of a listing, want only those that pass: `passes` is called
 * once for each, before it is asked about, and may throw.
 */
typedef bool (*OmfFetchFilter)(void *arg, const unsigned char *uuid);

extern void omf_fetch_set_filter(OmfFetch *fetch, OmfFetchFilter passes,
								 void *arg);

/*
 * Want these keys now, and nothing of what was wanted before.  The keys must
 * be distinct, and stay where they are until the next call.
 */
extern void omf_fetch_set_keys(OmfFetch *fetch, OmfKey *keys, int nkeys);

/*
 * The same, but list the clusters of the account first, or with a tag those
 * that have it, and want only keys that are listed, in the keys' order.  The
 * array is shortened to these.  If the listing can't be had, all keys are
 * wanted.
 */
extern void omf_fetch_set_listed_keys(OmfFetch *fetch, OmfKey *keys, int nkeys,
									  const char *tag);

/*
 * The query does not name these keys itself: as in a listing, a cluster that
 * can't have what is asked about has no row, and is no error.
 */
extern void omf_fetch_pass_unsupported(OmfFetch *fetch, bool pass);

/* How many of these keys nothing in the statement has asked for yet. */
extern int omf_fetch_count_unasked(const OmfFetch *fetch, const OmfKey *keys,
								   int nkeys);

/* Want all clusters of the account, or with a tag those that have it. */
extern void omf_fetch_set_all(OmfFetch *fetch, const char *tag);

/* Want the same again, from the first one on. */
extern void omf_fetch_rewind(OmfFetch *fetch);

/*
 * Ask for that many clusters at first, and for more only when the answers are
 * used up, then for as many again as were used; 0: for as many at once as the
 * server's options allow.  To be called when omf_fetch_needs_window() says so.
 */
extern void omf_fetch_set_window(OmfFetch *fetch, int window);
extern bool omf_fetch_needs_window(const OmfFetch *fetch);

/*
 * The next answer, in the order of the keys or of the listing, waiting for it
 * if need be.  Clusters that the API does not know are passed over.  False at
 * the end.  Throws when one has failed.
 */
extern bool omf_fetch_next(OmfFetch *fetch, OmfAnswer *answer);

typedef enum OmfFetchStep
{
	OMF_FETCH_ANSWER, /* *answer is set */
	OMF_FETCH_END,    /* there are no more */
	OMF_FETCH_BLOCKED /* nothing yet */
} OmfFetchStep;

/* The same without waiting. */
extern OmfFetchStep omf_fetch_step(OmfFetch *fetch, OmfAnswer *answer);

/* Would omf_fetch_step() get on without anything being driven before? */
extern bool omf_fetch_is_ready(OmfFetch *fetch);

extern OmfChannel *omf_fetch_channel(const OmfFetch *fetch);

/* Has it a listing, of the clusters with the tag alone? */
extern bool omf_fetch_is_filtered(const OmfFetch *fetch);

/*
 * What this fetch has caused so far; pages of a listing that several fetches
 * share count for the first of them.
 */
extern const OmfCounts *omf_fetch_counts(const OmfFetch *fetch);

#endif /* OMF_FETCH_H */
