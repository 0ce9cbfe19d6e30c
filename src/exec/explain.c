/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  What EXPLAIN shows of a scan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "nodes/nodeFuncs.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "compat.h"
#include "exec/explain.h"
#include "exec/scan_plan.h"
#include "exec/scan.h"
#include "session/options.h"

/* What is looked for in a statement's plans, and the way to it. */
typedef struct Search
{
	const PlannedStmt *statement;
	const Plan *target;
	List *ancestors; /* Plans and SubPlans, the nearest to the target first */
} Search;

static bool find_ancestors(Plan *plan, Search *search);

/* expression_tree_walker() for the sub-selects in a node's expressions */
static bool
find_in_subplans(Node *node, void *context)
{
	Search *search = context;

	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) &&
		find_ancestors(list_nth(search->statement->subplans, ((SubPlan *) node)->plan_id - 1), search))
	{
		search->ancestors = lappend(search->ancestors, node);
		return true;
	}
	return expression_tree_walker(node, find_in_subplans, context);
}

/*
 * Collect the nodes between `plan` and the target.  EXPLAIN keeps that list,
 * but does not hand it to us; it is what turns a parameter of a join or of a
 * sub-select back into the expression it stands for.
 */
static bool
find_ancestors(Plan *plan, Search *search)
{
	List *children = NIL;
	ListCell *cell;
	bool found;

	if (plan == NULL)
		return false;
	if (plan == search->target)
		return true;
	children = lappend(lappend(children, plan->lefttree), plan->righttree);
	switch (nodeTag(plan))
	{
		case T_Append:
			children = list_concat(children, ((Append *) plan)->appendplans);
			break;
		case T_MergeAppend:
			children = list_concat(children,
								   ((MergeAppend *) plan)->mergeplans);
			break;
		case T_SubqueryScan:
			children = lappend(children, ((SubqueryScan *) plan)->subplan);
			break;
		case T_CustomScan:
			children = list_concat(children,
								   ((CustomScan *) plan)->custom_plans);
			break;
		default:
			break;
	}
	found = find_in_subplans((Node *) plan->initPlan, search) ||
			find_in_subplans((Node *) plan->targetlist, search) ||
			find_in_subplans((Node *) plan->qual, search);
	foreach (cell, children)
		if (found || (found = find_ancestors(lfirst(cell), search)))
			break;
	if (found)
		search->ancestors = lappend(search->ancestors, plan);
	return found;
}

void
omf_explain_scan(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	const OmfResource *resource = omf_plan_resource(plan);
	bool prefixed = es->verbose || list_length(es->rtable) > 1;
	List *plan_keys = omf_plan_keys(plan);
	List *keys = NIL;
	List *filters = NIL;
	Search search = {node->ss.ps.state->es_plannedstmt, (Plan *) plan, NIL};
	List *context;
	ListCell *cell;

	if (omf_scan_lists(node))
		ExplainPropertyText("Remote Listing",
							psprintf("%s %s?per_page=%d%s%s", omf_method_name(OMF_GET),
									 OMF_LISTING_TEMPLATE, OMF_PAGE_SIZE,
									 omf_plan_tag(plan) != NULL ? "&tag_name=" : "",
									 omf_plan_tag(plan) != NULL ? omf_plan_tag(plan) : ""),
							es);
	if (plan_keys != NIL || !resource->in_listing)
		ExplainPropertyText("Remote Request",
							psprintf("%s %s", omf_method_name(OMF_GET), resource->path_template), es);

	(void) find_ancestors(search.statement->planTree, &search);
	context = set_deparse_context_plan(es->deparse_cxt, (Plan *) plan,
									   search.ancestors);
	foreach (cell, plan_keys)
		keys = lappend(keys, deparse_expression(lfirst(cell), context,
												prefixed, false));
	foreach (cell, omf_plan_key_filters(plan))
		filters = lappend(filters, deparse_expression(lfirst(cell), context,
													  prefixed, false));
	if (keys != NIL)
		ExplainPropertyList("Remote Keys", keys, es);
	if (filters != NIL)
		ExplainPropertyList("Remote Filter", filters, es);
	if (es->analyze && omf_scan_counts(node) != NULL)
	{
		OmfCacheTerms terms =
			omf_options_cache(RelationGetRelid(node->ss.ss_currentRelation));

		omf_instrument_explain(omf_scan_counts(node), plan->fs_server, &terms,
							   es);
	}
}
