/*-------------------------------------------------------------------------
 *
 * batch_order.h
 *	  The outer side of a batched join in the order that a LIMIT is about.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_BATCH_ORDER_H
#define OMF_BATCH_ORDER_H

#include "nodes/pathnodes.h"

/* The cheapest path of the relation, sorted; NULL if nothing is gained. */
extern Path *omf_batch_sorted_path(PlannerInfo *root, RelOptInfo *rel);

#endif /* OMF_BATCH_ORDER_H */
