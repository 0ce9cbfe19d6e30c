/*-------------------------------------------------------------------------
 *
 * scan_plan.h
 *	  What the plan of a scan holds, and how it is read.
 *
 * A plan may be cached, copied and sent to another process: it holds no
 * pointer, and names the resource instead of pointing to it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SCAN_PLAN_H
#define OMF_SCAN_PLAN_H

#include "nodes/plannodes.h"

#include "exec/keys.h"

/*
 * ForeignScan.fdw_private is a list of these, in this order.  fdw_exprs is
 * the list of the key clauses, whole, and behind them of the key filters:
 * other clauses on the key alone, which are applied to a cluster before it is
 * asked about.  A recheck after a concurrent update finds all of them among
 * the plan's quals or its fdw_recheck_quals.
 */
enum OmfPlanPrivate
{
	OMF_PLAN_RESOURCE,   /* String: name of the resource */
	OMF_PLAN_KEY_COLUMN, /* Integer: its attribute number, or 0 */
	OMF_PLAN_KEY_TYPE,   /* Oid as Integer: its base type */
	OMF_PLAN_FIELDS,     /* integer list: see omf_row_init() */
	OMF_PLAN_TAG,        /* String: what all clusters have, or empty */
	OMF_PLAN_REPORTS,    /* Boolean as Integer: do rows show errors? */
	OMF_PLAN_NKEYS,      /* Integer: how many of fdw_exprs are key clauses */
	OMF_PLAN_CLUSTERS,   /* Integer: of the account, or -1: unknown */
	OMF_PLAN_LISTS       /* Boolean as Integer: is it expected to list? */
};

/* What a plan says; varno is the scan's own. */
extern const OmfResource *omf_plan_resource(const ForeignScan *plan);
extern OmfKeyColumn omf_plan_key_column(const ForeignScan *plan);
extern List *omf_plan_fields(const ForeignScan *plan);
extern const char *omf_plan_tag(const ForeignScan *plan);
extern bool omf_plan_reports_errors(const ForeignScan *plan);
extern List *omf_plan_keys(const ForeignScan *plan);
extern List *omf_plan_key_filters(const ForeignScan *plan);
extern double omf_plan_clusters(const ForeignScan *plan);
extern bool omf_plan_lists(const ForeignScan *plan);

#endif /* OMF_SCAN_PLAN_H */
