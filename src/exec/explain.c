/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  What EXPLAIN shows of a scan, and of any node's expressions.
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

/*
 * Everything of a node in which a sub-select can be.  PostgreSQL keeps what a
 * node's sub-selects are in its state only, which is not at hand here.
 */
static List *
expressions_of(const Plan *node)
{
	List *all = list_make3(node->initPlan, node->targetlist, node->qual);

	switch (nodeTag(node))
	{
		case T_Result:
			return lappend(all, ((const Result *) node)->resconstantqual);
		case T_ModifyTable:
		{
			const ModifyTable *modify = (const ModifyTable *) node;

			all = lappend(all, modify->withCheckOptionLists);
			all = lappend(all, modify->returningLists);
			all = lappend(all, modify->onConflictSet);
			all = lappend(all, modify->onConflictWhere);
			all = lappend(all, omf_merge_join_conditions(modify));
			return lappend(all, modify->mergeActionLists);
		}
		case T_NestLoop:
			return lappend(all, ((const Join *) node)->joinqual);
		case T_MergeJoin:
			all = lappend(all, ((const Join *) node)->joinqual);
			return lappend(all, ((const MergeJoin *) node)->mergeclauses);
		case T_HashJoin:
			all = lappend(all, ((const Join *) node)->joinqual);
			return lappend(all, ((const HashJoin *) node)->hashclauses);
		case T_Limit:
			all = lappend(all, ((const Limit *) node)->limitOffset);
			return lappend(all, ((const Limit *) node)->limitCount);
		case T_WindowAgg:
			all = lappend(all, ((const WindowAgg *) node)->startOffset);
			return lappend(all, ((const WindowAgg *) node)->endOffset);
		case T_Memoize:
			return lappend(all, ((const Memoize *) node)->param_exprs);
		case T_SampleScan:
			return lappend(all, ((const SampleScan *) node)->tablesample);
		case T_IndexScan:
			all = lappend(all, ((const IndexScan *) node)->indexqualorig);
			return lappend(all, ((const IndexScan *) node)->indexorderbyorig);
		case T_IndexOnlyScan:
			all = lappend(all, ((const IndexOnlyScan *) node)->indexqual);
			return lappend(all, ((const IndexOnlyScan *) node)->indexorderby);
		case T_BitmapHeapScan:
			return lappend(all,
						   ((const BitmapHeapScan *) node)->bitmapqualorig);
		case T_TidScan:
			return lappend(all, ((const TidScan *) node)->tidquals);
		case T_TidRangeScan:
			return lappend(all, ((const TidRangeScan *) node)->tidrangequals);
		case T_FunctionScan:
			return lappend(all, ((const FunctionScan *) node)->functions);
		case T_TableFuncScan:
			return lappend(all, ((const TableFuncScan *) node)->tablefunc);
		case T_ValuesScan:
			return lappend(all, ((const ValuesScan *) node)->values_lists);
		case T_ForeignScan:
			all = lappend(all, ((const ForeignScan *) node)->fdw_exprs);
			return lappend(all, ((const ForeignScan *) node)->fdw_recheck_quals);
		case T_CustomScan:
			return lappend(all, ((const CustomScan *) node)->custom_exprs);
		default:
			return all;
	}
}

static List *
children_of(const Plan *node)
{
	List *all = list_make2(node->lefttree, node->righttree);

	switch (nodeTag(node))
	{
		case T_Append:
			return list_concat(all, ((const Append *) node)->appendplans);
		case T_MergeAppend:
			return list_concat(all, ((const MergeAppend *) node)->mergeplans);
		case T_SubqueryScan:
			return lappend(all, ((const SubqueryScan *) node)->subplan);
		case T_CustomScan:
			return list_concat(all, ((const CustomScan *) node)->custom_plans);
		default:
			return all;
	}
}

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
	ListCell *cell;
	bool found;

	if (plan == NULL)
		return false;
	if (plan == search->target)
		return true;
	found = find_in_subplans((Node *) expressions_of(plan), search);
	foreach (cell, children_of(plan))
		if (found || (found = find_ancestors(lfirst(cell), search)))
			break;
	if (found)
		search->ancestors = lappend(search->ancestors, plan);
	return found;
}

#if OMF_NAMES_RESULTS
/* The sub-select that runs once, and whose result that parameter is. */
static const SubPlan *
find_init_plan(const List *nodes, int paramid)
{
	ListCell *cell;
	ListCell *plan_cell;

	foreach (cell, nodes)
	{
		if (IsA(lfirst(cell), SubPlan))
			continue;
		foreach (plan_cell, ((const Plan *) lfirst(cell))->initPlan)
			if (list_member_int(lfirst_node(SubPlan, plan_cell)->setParam,
								paramid))
				return lfirst(plan_cell);
	}
	return NULL;
}

/* Such results by the names of their sub-selects; `nodes` are those around. */
static Node *
name_results(Node *node, void *nodes)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
	{
		const SubPlan *plan = find_init_plan(nodes, ((Param *) node)->paramid);

		if (plan != NULL)
		{
			SubPlan *named = copyObject(unconstify(SubPlan *, plan));
			char *more = strstr(named->plan_name, " (");

			if (more != NULL)
				*more = '\0';
			return (Node *) named;
		}
	}
	return expression_tree_mutator(node, name_results, nodes);
}
#endif

/*
 * Before PostgreSQL 18, the parameters of a nested loop are not looked for from
 * within a sub-select that runs once for each of the loop's rows.  Those of a
 * SubPlan always are: let one stand between the loop and its inner side.
 */
static List *
add_parameters(const Plan *node, const List *ancestors)
{
	List *all = NIL;
	ListCell *cell;

	foreach (cell, ancestors)
	{
		const NestLoop *loop = lfirst(cell);

		if (IsA(loop, NestLoop) && innerPlan(loop) == node)
		{
			SubPlan *giver = makeNode(SubPlan);
			ListCell *param_cell;

			foreach (param_cell, loop->nestParams)
			{
				const NestLoopParam *param = lfirst(param_cell);

				giver->parParam = lappend_int(giver->parParam, param->paramno);
				giver->args = lappend(giver->args, param->paramval);
			}
			all = lappend(all, giver);
		}
		all = lappend(all, lfirst(cell));
		if (!IsA(loop, SubPlan))
			node = (const Plan *) loop;
	}
	return all;
}

List *
omf_explain_expressions(ExplainState *es, Plan *node, List *ancestors,
						List *expressions, bool prefixed)
{
	List *context =
		set_deparse_context_plan(es->deparse_cxt, node,
								 add_parameters(node, ancestors));
	List *texts = NIL;
	ListCell *cell;

#if OMF_NAMES_RESULTS
	expressions = (List *)
		name_results((Node *) expressions,
					 lcons(node, list_copy(ancestors)));
#endif
	foreach (cell, expressions)
		texts = lappend(texts, deparse_expression(lfirst(cell), context,
												  prefixed, false));
	return texts;
}

void
omf_explain_scan(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	const OmfResource *resource = omf_plan_resource(plan);
	bool prefixed = es->verbose || list_length(es->rtable) > 1;
	List *plan_keys = omf_plan_keys(plan);
	List *keys;
	List *filters;
	Search search = {node->ss.ps.state->es_plannedstmt, (Plan *) plan, NIL};
	const char *tag = omf_scan_tag(node);

	if (omf_scan_lists(node))
		ExplainPropertyText("Remote Listing",
							psprintf("%s %s?per_page=%d%s%s", omf_method_name(OMF_GET),
									 OMF_LISTING_TEMPLATE, OMF_PAGE_SIZE,
									 tag != NULL ? "&tag_name=" : "",
									 tag != NULL ? tag : ""),
							es);
	if (plan_keys != NIL || !resource->in_listing)
		ExplainPropertyText("Remote Request",
							psprintf("%s %s", omf_method_name(OMF_GET), resource->path_template), es);

	(void) find_ancestors(search.statement->planTree, &search);
	keys = omf_explain_expressions(es, (Plan *) plan, search.ancestors,
								   plan_keys, prefixed);
	filters = omf_explain_expressions(es, (Plan *) plan, search.ancestors,
									  omf_plan_key_filters(plan), prefixed);
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
