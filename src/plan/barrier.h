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

/*
 * Where the table is below a security barrier, have the planner scan it only
 * for rows that the other tables of its query have already.  To be called
 * when the planner asks for the table's size, before there is any path.
 * Those that are returned besides have to be parameters of each of its paths.
 */
extern Relids omf_barrier_apply(PlannerInfo *root, RelOptInfo *rel);

#endif /* OMF_BARRIER_H */
