/*-------------------------------------------------------------------------
 *
 * scan_plan.c
 *	  What the plan of a scan holds, and how it is read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "exec/scan_plan.h"

const OmfResource *
omf_plan_resource(const ForeignScan *plan)
{
	return omf_api_resource(
		strVal(list_nth(plan->fdw_private, OMF_PLAN_RESOURCE)));
}

OmfKeyColumn
omf_plan_key_column(const ForeignScan *plan)
{
	OmfKeyColumn key;

	key.varno = plan->scan.scanrelid;
	key.attno =
		(AttrNumber) intVal(list_nth(plan->fdw_private, OMF_PLAN_KEY_COLUMN));
	key.type = (Oid) intVal(list_nth(plan->fdw_private, OMF_PLAN_KEY_TYPE));
	return key;
}

List *
omf_plan_fields(const ForeignScan *plan)
{
	return list_nth(plan->fdw_private, OMF_PLAN_FIELDS);
}

bool
omf_plan_reports_errors(const ForeignScan *plan)
{
	return intVal(list_nth(plan->fdw_private, OMF_PLAN_REPORTS)) != 0;
}

const char *
omf_plan_tag(const ForeignScan *plan)
{
	const char *tag = strVal(list_nth(plan->fdw_private, OMF_PLAN_TAG));

	return tag[0] != '\0' ? tag : NULL;
}

List *
omf_plan_keys(const ForeignScan *plan)
{
	return list_copy_head(plan->fdw_exprs,
						  intVal(list_nth(plan->fdw_private, OMF_PLAN_NKEYS)));
}

List *
omf_plan_key_filters(const ForeignScan *plan)
{
	return list_copy_tail(plan->fdw_exprs,
						  intVal(list_nth(plan->fdw_private, OMF_PLAN_NKEYS)));
}

double
omf_plan_clusters(const ForeignScan *plan)
{
	return intVal(list_nth(plan->fdw_private, OMF_PLAN_CLUSTERS));
}

bool
omf_plan_lists(const ForeignScan *plan)
{
	return intVal(list_nth(plan->fdw_private, OMF_PLAN_LISTS)) != 0;
}
