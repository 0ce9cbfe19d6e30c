/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  What EXPLAIN shows of a scan.
 *
 * See explain.h for what this may and must not call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "utils/ruleutils.h"

#include "compat.h"
#include "explain.h"
#include "plan.h"
#include "scan.h"

void
omf_explain_scan(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	const OmfResource *resource = omf_plan_resource(plan);
	bool prefixed = es->verbose || list_length(es->rtable) > 1;
	List *keys = NIL;
	List *context;
	ListCell *cell;

	ExplainPropertyText("Remote Request",
						psprintf("%s %s", omf_method_name(OMF_GET), resource->path_template), es);

	context = set_deparse_context_plan(es->deparse_cxt, (Plan *) plan, NIL);
	foreach (cell, plan->fdw_exprs)
		keys = lappend(keys, deparse_expression(lfirst(cell), context, prefixed, false));
	if (keys != NIL)
		ExplainPropertyList("Remote Keys", keys, es);
	if (es->analyze && omf_scan_requests(node) >= 0)
		ExplainPropertyInteger("Remote Requests", NULL, omf_scan_requests(node), es);
}
