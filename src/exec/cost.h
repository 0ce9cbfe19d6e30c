/*-------------------------------------------------------------------------
 *
 * cost.h
 *	  What asking costs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_COST_H
#define OMF_COST_H

#include "nodes/nodes.h"

#include "client/api.h"

/* What a way to ask costs before its first answer, and in all. */
typedef struct OmfCost
{
	Cost startup;
	Cost total;
} OmfCost;

/* Asking for so many keys. */
extern OmfCost omf_cost_keys(double nkeys);

/*
 * Listing an account of so many clusters, and asking for so many of them
 * where the listing does not say itself what the resource is about.
 */
extern OmfCost omf_cost_listing(const OmfResource *resource, double nclusters,
								double nlookups);

/* Asking for so many keys of outer rows ahead of the scan by key. */
extern OmfCost omf_cost_prefetch(double nkeys);

/* A scan by a key that such a prefetch has asked for. */
extern OmfCost omf_cost_answered(void);

/*
 * Is it cheaper to list an account of so many clusters than to ask for so
 * many keys?  Not if its size is unknown, which is less than 0.
 */
extern bool omf_cost_prefers_listing(const OmfResource *resource, double nkeys,
									 double nclusters);

#endif /* OMF_COST_H */
