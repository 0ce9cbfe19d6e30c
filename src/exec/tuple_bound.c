/*-------------------------------------------------------------------------
 *
 * tuple_bound.c
 *	  How many rows of a plan node are likely to be wanted.
 *
 * Previews send SELECT * with LIMIT 1, or FETCH a few rows: asking about a
 * hundred clusters would spend the rate limit on what nobody looks at.  But a
 * sort, an aggregate or a hash table reads all of its input, and one that is
 * fed by ever larger portions waits for one round trip after the other.  The
 * planner can't tell these apart: its tuple fraction holds above a sort and
 * below it, and it does not know what a cursor's FETCH is going to say.  So
 * this looks, while the query runs, at what stands between its top and the
 * node, and at how many rows the top was asked for.  An EXISTS wants one row,
 * whatever the query wants, and an ANY or ALL ends with the row that decides.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"

#include "compat.h"
#include "session/cache.h"
#include "exec/tuple_bound.h"

/* The query that is running, and how many rows it is to return, 0 for all. */
typedef struct Run
{
	const EState *estate;
	PlanState *top;
	uint64 count;
} Run;

static Run current_run;
static ExecutorRun_hook_type previous_hook = NULL;
static ExecutorFinish_hook_type previous_finish_hook = NULL;

/* The nodes from the top of a plan to one in it. */
typedef struct Search
{
	const PlanState *target;
	List *way; /* of PlanState, the target's parent first */
} Search;

/* The query runs now; returns what ran before, to be put back. */
static Run
begin_run(const QueryDesc *query, uint64 count)
{
	Run outer_run = current_run;

	current_run.estate = query->estate;
	current_run.top = query->planstate;
	current_run.count = count;
	return outer_run;
}

/* ExecutorRun_hook */
static void
note_run(OMF_EXECUTOR_RUN_PARAMS)
{
	Run outer_run = begin_run(query, count);

	PG_TRY();
	{
		if (previous_hook != NULL)
			previous_hook(OMF_EXECUTOR_RUN_ARGS);
		else
			standard_ExecutorRun(OMF_EXECUTOR_RUN_ARGS);
	}
	PG_FINALLY();
	{
		/* whoever handles an error may be a function of the outer query */
		current_run = outer_run;
	}
	PG_END_TRY();

	/* what an Append was last said to wait for is a cursor's, which rests */
	omf_cache_attend(0);
}

/* ExecutorFinish_hook: the rest of a WITH that changes data is run to its end */
static void
note_finish(QueryDesc *query)
{
	Run outer_run = begin_run(query, 0);

	PG_TRY();
	{
		if (previous_finish_hook != NULL)
			previous_finish_hook(query);
		else
			standard_ExecutorFinish(query);
	}
	PG_FINALLY();
	{
		current_run = outer_run;
	}
	PG_END_TRY();
}

void
omf_tuple_bound_init(void)
{
	previous_hook = ExecutorRun_hook;
	ExecutorRun_hook = note_run;
	previous_finish_hook = ExecutorFinish_hook;
	ExecutorFinish_hook = note_finish;
}

static bool
find_way(PlanState *node, void *arg)
{
	Search *search = arg;

	if (node == search->target)
		return true;
	if (!planstate_tree_walker(node, find_way, search))
		return false;
	search->way = lappend(search->way, node);
	return true;
}

/*
 * The query that the node belongs to, if it is the one that is running, or a
 * recheck of a row of it, which has nodes of its own; else without a top.
 */
static Run
run_of(const PlanState *node)
{
	const EState *estate = node->state;
	Run run = {estate, NULL, 0};

	if (estate->es_epq_active != NULL)
		run.top = estate->es_epq_active->recheckplanstate;
	else if (estate == current_run.estate)
		run = current_run;
	return run;
}

/* Find the way from the top of the run. */
static bool
find_way_from_top(const Run *run, Search *search)
{
	return run->top != NULL &&
		   (run->top == search->target || find_way(run->top, search));
}

/* The sub-select of the node that has the child as its plan, or NULL. */
static const SubPlan *
sub_select_of(const PlanState *node, const PlanState *child)
{
	ListCell *cell;

	foreach (cell, node->initPlan)
		if (lfirst_node(SubPlanState, cell)->planstate == child)
			return lfirst_node(SubPlanState, cell)->subplan;
	foreach (cell, node->subPlan)
		if (lfirst_node(SubPlanState, cell)->planstate == child)
			return lfirst_node(SubPlanState, cell)->subplan;
	return NULL;
}

/*
 * How many of its rows can be enough to know what it says?  0 for all, though
 * an expression fails with the second.
 */
static int64
bound_of_sub_select(const SubPlan *sub_select)
{
	switch (sub_select->subLinkType)
	{
		case EXISTS_SUBLINK:
			return 1;
		case ANY_SUBLINK:
		case ALL_SUBLINK:
			return sub_select->useHashTable ? 0 : 1;
		default:
			return 0;
	}
}

/*
 * What a LIMIT, its clauses evaluated, still wants of its input; 0 for all.  Its
 * position counts what it has skipped, too.
 */
static int64
bound_below_limit(const LimitState *limit, int64 bound)
{
	int64 skipped = Min(limit->position, limit->offset);
	int64 rows = bound;

	if (!limit->noCount)
	{
		if (limit->count <= 0)
			return 0;
		rows = Max(limit->count - (limit->position - skipped), 1);
		if (bound > 0)
			rows = Min(rows, bound);
	}
	rows = Min(rows, PG_INT32_MAX);
	return rows > 0 ? rows + Min(limit->offset - skipped, PG_INT32_MAX) : 0;
}

/* How many rows the run is to return yet; 0 for all. */
static int64
bound_of_run(const Run *run)
{
	return run->count == 0 ? 0
						   : (int64) Min(Max(run->count,
											 run->estate->es_processed + 1) -
											 run->estate->es_processed,
										 PG_INT32_MAX);
}

/* What a node wants of a child when so many of its own rows are wanted. */
static int64
bound_below(PlanState *node, const PlanState *child, int64 bound)
{
	const SubPlan *sub_select = sub_select_of(node, child);

	if (sub_select != NULL)
		return bound_of_sub_select(sub_select);
	switch (nodeTag(node))
	{
		case T_LimitState:
			return child == outerPlanState(node)
					   ? bound_below_limit((LimitState *) node, bound)
					   : 0;
		case T_ResultState:
		case T_ProjectSetState:
		case T_LockRowsState:
		case T_MaterialState:
		case T_HashJoinState:
		case T_IncrementalSortState:
			/* of a join only the side that it streams */
			return child == outerPlanState(node) ? bound : 0;
		case T_NestLoopState:
			if (child == outerPlanState(node))
				return bound;
			/* an EXISTS that has become a join ends with the first match */
			return ((NestLoopState *) node)->js.jointype == JOIN_SEMI ||
						   ((NestLoopState *) node)->js.jointype == JOIN_ANTI
					   ? 1
					   : 0;
		case T_CustomScanState:
			if (child == outerPlanState(node) ||
				list_member_ptr(((CustomScanState *) node)->custom_ps,
								child))
				return bound;
			return 0;
		case T_AppendState:
		case T_MergeAppendState:
		case T_SubqueryScanState:
			return bound;
		default:
			return 0;
	}
}

int
omf_tuple_bound(const PlanState *node)
{
	Search search = {node, NIL};
	Run run = run_of(node);
	int64 bound;
	int i;

	if (!find_way_from_top(&run, &search))
		return 0;
	bound = bound_of_run(&run);
	for (i = list_length(search.way) - 1; i >= 0; i--)
		bound = bound_below(list_nth(search.way, i),
							i > 0 ? list_nth(search.way, i - 1) : node, bound);
	list_free(search.way);
	return (int) Min(bound, PG_INT32_MAX);
}

bool
omf_exhausts(PlanState *node, const PlanState *child)
{
	switch (nodeTag(node))
	{
		case T_SortState:
		case T_HashState:
			return true;
		case T_AggState:
			return child == outerPlanState(node) &&
				   ((Agg *) node->plan)->aggstrategy != AGG_SORTED;
		default:
			return false;
	}
}

static bool
is_one_of(PlanState **plans, int nplans, const PlanState *child)
{
	for (int i = 0; i < nplans; i++)
		if (plans[i] == child)
			return true;
	return false;
}

/* Of others nothing is known. */
static bool
is_same_custom_scan(const PlanState *node, const PlanState *other)
{
	return IsA(other, CustomScanState) &&
		   ((const CustomScanState *) node)->methods ==
			   ((const CustomScanState *) other)->methods;
}

/*
 * Does it, if it is itself read to its end?  A custom scan does if it is one
 * like the target, which is below.
 */
static bool
passes_on(PlanState *node, const PlanState *child, const PlanState *target)
{
	switch (nodeTag(node))
	{
		case T_ResultState:
		case T_ProjectSetState:
		case T_ModifyTableState:
		case T_LockRowsState:
		case T_MaterialState:
		case T_UniqueState:
		case T_GroupState:
		case T_AggState:
		case T_IncrementalSortState:
			return child == outerPlanState(node);
		case T_HashJoinState:
			/* an empty table would end it */
			return child == outerPlanState(node) &&
				   ((HashJoinState *) node)->hj_HashTable != NULL;
		case T_NestLoopState:
			return child == outerPlanState(node) ||
				   (child == innerPlanState(node) &&
					!((NestLoopState *) node)->js.single_match &&
					((NestLoopState *) node)->js.jointype != JOIN_ANTI);
		case T_WindowAggState:
			return child == outerPlanState(node) &&
				   ((WindowAgg *) node->plan)->runCondition == NIL;
		case T_CustomScanState:
			return is_same_custom_scan(node, target) &&
				   (child == outerPlanState(node) ||
					list_member_ptr(((CustomScanState *) node)->custom_ps,
									child));
		case T_AppendState:
			return is_one_of(((AppendState *) node)->appendplans,
							 ((AppendState *) node)->as_nplans, child);
		case T_MergeAppendState:
			return is_one_of(((MergeAppendState *) node)->mergeplans,
							 ((MergeAppendState *) node)->ms_nplans, child);
		case T_SubqueryScanState:
			return child == ((SubqueryScanState *) node)->subplan;
		default:
			return false;
	}
}

bool
omf_reads_all(const PlanState *node)
{
	Search search = {node, NIL};
	const PlanState *child = node;
	Run run = run_of(node);
	bool all = run.count == 0;
	bool known = false;
	ListCell *cell;

	if (!find_way_from_top(&run, &search))
		return false;
	foreach (cell, search.way)
	{
		PlanState *parent = lfirst(cell);
		const SubPlan *sub_select = sub_select_of(parent, child);

		if (!known && sub_select != NULL)
		{
			known = true;
			all = sub_select->subLinkType != CTE_SUBLINK &&
				  bound_of_sub_select(sub_select) == 0;
		}
		if (!known && omf_exhausts(parent, child))
			known = all = true;
		if (!known && !passes_on(parent, child, node))
		{
			known = true;
			all = false;
		}
		child = parent;
	}
	list_free(search.way);
	return all;
}
