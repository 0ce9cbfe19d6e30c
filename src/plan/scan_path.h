/*-------------------------------------------------------------------------
 *
 * scan_path.h
 *	  Planning a scan: the planner callbacks, and how many keys and rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SCAN_PATH_H
#define OMF_SCAN_PATH_H

#include "foreign/fdwapi.h"

#include "exec/scan_plan.h"
#include "plan/barrier.h"

extern void omf_get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern void omf_get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern ForeignScan *omf_get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid,
								 ForeignPath *path, List *tlist,
								 List *scan_clauses, Plan *outer_plan);
extern bool omf_is_async_capable(ForeignPath *path);

/* Is it a foreign table of this wrapper? */
extern bool omf_is_own_rel(const RelOptInfo *rel);

/* What a security barrier means for a relation; nothing if it is not ours. */
extern OmfBarrier omf_plan_barrier(const RelOptInfo *rel);

/*
 * Is a table of ours among those of the relation that has only such paths as
 * wait for the tables of an EXISTS or IN (see omf_barrier_apply())?
 */
extern bool omf_plan_waits(PlannerInfo *root, const RelOptInfo *rel);

/* The foreign table that a base relation is; only while planning it. */
extern Oid omf_plan_relid(const RelOptInfo *rel);

/*
 * Those of the restrictions on a foreign table of ours that are keys, without
 * their RestrictInfos, and the key column that they speak of.
 */
extern List *omf_plan_key_clauses(PlannerInfo *root, RelOptInfo *rel,
								  List *restrictions, OmfKeyColumn *column);

/*
 * Those of the restrictions that are key filters: no keys, but about the key
 * alone, so that they choose among keys before anything is asked.
 */
extern List *omf_plan_filters(PlannerInfo *root, RelOptInfo *rel,
							  List *restrictions);

/* The resource that a base relation is; only while planning it. */
extern const OmfResource *omf_plan_rel_resource(const RelOptInfo *rel);

#endif /* OMF_SCAN_PATH_H */
