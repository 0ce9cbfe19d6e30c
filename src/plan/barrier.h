/*-------------------------------------------------------------------------
 *
 * barrier.h
 *	  What a view with a security barrier hides is not asked for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_BARRIER_H
#define OMF_BARRIER_H

#include "foreign/fdwapi.h"

/* What a barrier means for a table below it. */
typedef struct OmfBarrier
{
	Relids joined; /* those that it refers to laterally because of it */
	Relids unique; /* those of an EXISTS or IN, without a row of which nothing
					* is asked: parameters of each of its paths, besides */
	bool complete; /* is that all that can leave rows of it out? */
	bool below;    /* is the table below one at all? */
} OmfBarrier;

/*
 * Where the table is below a security barrier, have the planner scan it only
 * for rows that the other tables of its query have already.  To be called
 * when the planner asks for the table's size, before there is any path.
 */
extern OmfBarrier omf_barrier_apply(PlannerInfo *root, RelOptInfo *rel);

#endif /* OMF_BARRIER_H */
