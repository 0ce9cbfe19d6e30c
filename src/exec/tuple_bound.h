/*-------------------------------------------------------------------------
 *
 * tuple_bound.h
 *	  How many rows of a plan node are likely to be wanted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_TUPLE_BOUND_H
#define OMF_TUPLE_BOUND_H

#include "nodes/execnodes.h"

/* To be called once from _PG_init(). */
extern void omf_tuple_bound_init(void);

/*
 * How many rows of the node the plan above it is going to want for now, as
 * far as a LIMIT or the client's FETCH says so; 0 when it is going to want all
 * of them, or nothing is known.  Filters on the way can make it want more.
 */
extern int omf_tuple_bound(const PlanState *node);

/* Does the node, once it has begun to read the child, read all of it? */
extern bool omf_exhausts(PlanState *node, const PlanState *child);

/*
 * Is the node that is being read going to be read to its end, unless the
 * statement fails?  False if that is not known.
 */
extern bool omf_reads_all(const PlanState *node);

#endif /* OMF_TUPLE_BOUND_H */
