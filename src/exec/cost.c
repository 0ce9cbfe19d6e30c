/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  What asking costs.
 *
 * One model for all ways to ask: by key, by listing, and ahead of a join.  The
 * planner prices paths by it, and a scan goes by it where the number of its
 * keys is known only then.
 *
 * Costs are on the planner's scale, where a page read in sequence is 1.  They
 * compare the ways to ask, and leave out how slow asking is: true costs would
 * have every query compiled by JIT.  Two things are paid for:
 *
 * - a round trip, once for all requests that are in flight together.  How many
 *   that are is the server's option; its default is near enough.
 * - a request, be it for a cluster or for a page.  It takes one from a budget
 *   of 250 a minute, and so weighs enough that of two plans the one with fewer
 *   requests wins, save for a handful.
 *
 * A listing's first page tells how many there are, so the others are a second
 * round trip, and what is asked about its clusters is a third.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "exec/cost.h"
#include "session/options.h"

#define ROUND_TRIP_COST 50.0
#define REQUEST_COST 5.0

/*
 * A prefetch over one outer row can't ask for less than a plain loop does, and
 * is to be taken where the planner has it for one row and there are more.
 */
#define PREFETCH_DISCOUNT 0.99

/* The answer is there, or on its way: the requests are the prefetch's. */
#define ANSWERED_COST 0.01

/*
 * Fewer keys than that are asked for one by one, however small the account:
 * they are there after one round trip, and a page brings what nobody wants.
 */
#define LISTING_KEYS_MIN 20

/* Requests that don't wait for one another's answers. */
static Cost
cost_requests(double n)
{
	return ceil(n / OMF_DEFAULT_CONCURRENCY) * ROUND_TRIP_COST +
		   n * REQUEST_COST;
}

OmfCost
omf_cost_keys(double nkeys)
{
	OmfCost cost;

	cost.startup = ROUND_TRIP_COST;
	cost.total = Max(cost.startup, cost_requests(nkeys));
	return cost;
}

OmfCost
omf_cost_listing(const OmfResource *resource, double nclusters,
				 double nlookups)
{
	double npages = ceil(Max(nclusters, 1) / OMF_PAGE_SIZE);
	OmfCost cost;

	if (resource->in_listing)
		nlookups = 0;
	cost.startup = (nlookups > 0 ? 2 : 1) * ROUND_TRIP_COST;
	cost.total = cost_requests(1) + cost_requests(npages - 1) +
				 cost_requests(nlookups);
	return cost;
}

OmfCost
omf_cost_prefetch(double nkeys)
{
	OmfCost cost;

	cost.startup = ROUND_TRIP_COST * PREFETCH_DISCOUNT;
	cost.total = cost_requests(nkeys) * PREFETCH_DISCOUNT;
	return cost;
}

OmfCost
omf_cost_answered(void)
{
	OmfCost cost = {0, ANSWERED_COST};

	return cost;
}

bool
omf_cost_prefers_listing(const OmfResource *resource, double nkeys,
						 double nclusters)
{
	return nclusters >= 0 && nkeys >= LISTING_KEYS_MIN &&
		   omf_cost_listing(resource, nclusters, Min(nkeys, nclusters)).total <
			   omf_cost_keys(nkeys).total;
}
