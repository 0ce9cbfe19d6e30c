/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  What one SQL statement has asked the API, and what it was answered.
 *
 * Within one statement a cluster is asked about once, whichever plan node
 * asks and however often it is rescanned: a statement sees one status per
 * cluster.  A Fetch is one node's view of it: the keys that the node wants
 * now, and their answers in the order in which they arrive.
 *
 * All of it lives in the query's memory context and goes with that, requests
 * in flight included, however the statement ends.
 *
 * May call: session.c, api.c, error.c.  Must never: know of plans or slots.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_STATEMENT_H
#define OMF_STATEMENT_H

#include "nodes/execnodes.h"

#include "api.h"

typedef struct OmfFetch OmfFetch;

/* One cluster that is wanted. */
typedef struct OmfKey
{
	unsigned char uuid[OMF_UUID_SIZE];
	const char *text; /* as it was written, where the column is text; else NULL */
} OmfKey;

/* One answer: the key that was asked for, and what the API knows of it. */
typedef struct OmfAnswer
{
	const OmfKey *key;
	const OmfRecord *record; /* lives as long as the statement */
} OmfAnswer;

/*
 * A fetch of `resource` as that user from that server, in the statement that
 * `estate` executes.  Throws when the user has no token.
 */
extern OmfFetch *omf_fetch_create(EState *estate, const OmfResource *resource,
								  Oid serverid, Oid userid);

/*
 * Want these keys now, and nothing of what was wanted before.  The keys must
 * be distinct, and stay where they are until the next call.
 */
extern void omf_fetch_set_keys(OmfFetch *fetch, const OmfKey *keys, int nkeys);

/* Want the same keys again, from the first one on. */
extern void omf_fetch_rewind(OmfFetch *fetch);

/*
 * The next answer, waiting for it if need be.  Clusters that the API does not
 * know are passed over.  False at the end.  Throws when one has failed.
 */
extern bool omf_fetch_next(OmfFetch *fetch, OmfAnswer *answer);

/* How many requests this fetch has caused so far. */
extern int64 omf_fetch_requests(const OmfFetch *fetch);

#endif /* OMF_STATEMENT_H */
