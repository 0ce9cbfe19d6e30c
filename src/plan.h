/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  Planning a scan: the planner callbacks, and what a plan holds.
 *
 * May call: PostgreSQL's planner, keys.c, options.c, row.c.  Must never: send
 * anything, or need a token: EXPLAIN works without one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_PLAN_H
#define OMF_PLAN_H

#include "foreign/fdwapi.h"

#include "keys.h"

/*
 * ForeignScan.fdw_private is a list of these, in this order.  fdw_exprs is
 * the list of the key clauses, whole; they are also among the plan's quals,
 * where a recheck after a concurrent update finds them.
 */
enum OmfPlanPrivate
{
	OMF_PLAN_RESOURCE,   /* String: name of the resource */
	OMF_PLAN_KEY_COLUMN, /* Integer: its attribute number, or 0 */
	OMF_PLAN_KEY_TYPE,   /* Oid as Integer: its base type */
	OMF_PLAN_FIELDS,     /* integer list: see omf_row_init() */
	OMF_PLAN_TAG,        /* String: what all clusters have, or empty */
	OMF_PLAN_REPORTS     /* Boolean as Integer: do rows show errors? */
};

extern void omf_get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern void omf_get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern ForeignScan *omf_get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid,
								 ForeignPath *path, List *tlist,
								 List *scan_clauses, Plan *outer_plan);

/* The foreign table that a base relation is; only while planning it. */
extern Oid omf_plan_relid(const RelOptInfo *rel);

/*
 * Those of the restrictions on a foreign table of ours that are keys, without
 * their RestrictInfos, and the key column that they speak of.
 */
extern List *omf_plan_key_clauses(PlannerInfo *root, RelOptInfo *rel, List *restrictions,
								  OmfKeyColumn *column);

/* The resource that a base relation is; only while planning it. */
extern const OmfResource *omf_plan_rel_resource(const RelOptInfo *rel);

/*
 * Costs, on the planner's scale where a page read in sequence is 1.  They
 * compare the ways to ask, and leave out how slow asking is: true costs would
 * have every query compiled by JIT.  A request takes one from a budget of 250
 * a minute, and so weighs enough that of two plans the one with fewer
 * requests wins, save for a handful.
 */
#define OMF_ROUND_TRIP_COST 50.0
#define OMF_REQUEST_COST 5.0

/* What a plan says; varno is the scan's own. */
extern const OmfResource *omf_plan_resource(const ForeignScan *plan);
extern OmfKeyColumn omf_plan_key_column(const ForeignScan *plan);
extern List *omf_plan_fields(const ForeignScan *plan);
extern const char *omf_plan_tag(const ForeignScan *plan);
extern bool omf_plan_reports_errors(const ForeignScan *plan);

#endif /* OMF_PLAN_H */
