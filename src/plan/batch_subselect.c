/*-------------------------------------------------------------------------
 *
 * batch_subselect.c
 *	  Sub-selects that look up the keys of many rows at once.
 *
 * A correlated sub-select that stays one runs once for each row, and pays a
 * round trip each time.  The prefetch of batched joins (prefetch.c) goes below
 * what evaluates it, and asks for the keys of rows ahead: the sub-select then
 * finds its answers among what the statement has asked.  It is evaluated as
 * before, so what it returns can't differ.  Keys are asked for ahead only
 * where the sub-select is evaluated for each row in any case, and only values
 * that can be had without an error.
 *
 * This is done to a copy of the finished plan when its execution starts, not
 * in planner_hook: planning a session's first statement is what loads this
 * library, and by then that hook has been passed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "compat.h"
#include "exec/harmless.h"
#include "exec/prefetch.h"
#include "exec/scan_plan.h"
#include "plan/batch_subselect.h"
#include "plan/batch_target.h"
#include "plan/scan_path.h"

/* The work on one statement. */
typedef struct Work
{
	PlannedStmt *statement;
	List *targets;   /* of OmfBatchTarget: of the expressions looked at last */
	List *known;     /* likewise: what the node's rows are asked for by now */
	bool in_input;   /* look at what aggregates do with each of their rows */
	int last_number; /* of the plan nodes */
	bool changed;
} Work;

/*
 * What only a node itself can evaluate, its Vars and aggregates, which turns
 * into Vars above it: the number of each is its column's, from 1 on.  Without
 * any, those of its input keep their numbers.
 */
typedef struct Leaves
{
	List *exprs;
} Leaves;

static bool enable_batched_subselect = true;
static ExecutorStart_hook_type previous_hook = NULL;

/* ----- what a sub-select asks for, whatever else it finds ----- */

static bool
is_own_scan(const ForeignScan *scan)
{
	return scan->scan.scanrelid > 0 && OidIsValid(scan->fs_server) &&
		   GetFdwRoutineByServerId(scan->fs_server)->GetForeignPaths ==
			   omf_get_paths;
}

static bool
reads_a_row(const Limit *limit)
{
	const Const *count = (const Const *) limit->limitCount;

	return count == NULL || (IsA(count, Const) && !count->constisnull &&
							 DatumGetInt64(count->constvalue) > 0);
}

/* A scan of a sub-select, and where it is. */
typedef struct Found
{
	ForeignScan *scan;
	List *nests; /* the joins whose inner side it is on, of Nest */
	Node *value; /* that its key equals, in terms of the row, or NULL */
	int number;  /* of its target, or -1 */
} Found;

/* A join that runs its inner side for rows of a scan. */
typedef struct Nest
{
	NestLoop *join;
	Found *outer;
} Nest;

/* What a prefetch is over, a join's or one of ours; another node as it is. */
static Plan *
below_prefetch(Plan *plan)
{
	if (!IsA(plan, CustomScan) ||
		((CustomScan *) plan)->methods != omf_prefetch_scan_methods())
		return plan;
	return plan->lefttree != NULL
			   ? plan->lefttree
			   : linitial(((CustomScan *) plan)->custom_plans);
}

static bool
is_filtered(Plan *plan)
{
	return plan->qual != NIL || below_prefetch(plan)->qual != NIL;
}

/* The column of a table that a plan's column is, or NULL. */
static const Var *
column_of(const Plan *plan, int number)
{
	const Var *var;

	if (number < 1 || number > list_length(plan->targetlist))
		return NULL;
	var = (const Var *) list_nth_node(TargetEntry, plan->targetlist,
									  number - 1)
			  ->expr;
	if (IsA(var, Var) && var->varno == INDEX_VAR && IsA(plan, CustomScan))
		var = (const Var *) list_nth_node(TargetEntry,
										  ((const CustomScan *) plan)
											  ->custom_scan_tlist,
										  var->varattno - 1)
				  ->expr;
	return IsA(var, Var) ? var : NULL;
}

static void find_scans(Plan *plan, List *nests, bool all, List **found);

/* The same of a join's inner side, which runs for each row that a scan has. */
static void
find_inner_scans(NestLoop *join, List *nests, bool all, List **found)
{
	Plan *outer = join->join.plan.lefttree;
	Nest *nest = palloc(sizeof(Nest));

	if (*found == NIL || is_filtered(outer) ||
		((Found *) llast(*found))->scan !=
			(ForeignScan *) below_prefetch(outer))
		return;
	nest->join = join;
	nest->outer = llast(*found);
	find_scans(join->join.plan.righttree, lappend(list_copy(nests), nest),
			   all && !join->join.inner_unique &&
				   join->join.jointype != JOIN_SEMI &&
				   join->join.jointype != JOIN_ANTI,
			   found);
}

/*
 * Append to *found the scans that such a plan runs each time it runs, those
 * first that it begins with; with `all` it is read to its end, else its first
 * row will do.
 */
static void
find_scans(Plan *plan, List *nests, bool all, List **found)
{
	ListCell *cell;

	if (plan == NULL)
		return;
	switch (nodeTag(plan))
	{
		case T_ForeignScan:
			if (is_own_scan((ForeignScan *) plan))
			{
				Found *scan = palloc0(sizeof(Found));

				scan->scan = (ForeignScan *) plan;
				scan->nests = nests;
				scan->number = -1;
				*found = lappend(*found, scan);
			}
			return;
		case T_Limit:
			if (reads_a_row((Limit *) plan))
				find_scans(plan->lefttree, nests, false, found);
			return;
		case T_Result:
			if (((Result *) plan)->resconstantqual == NULL)
				find_scans(plan->lefttree, nests, all, found);
			return;
		case T_SubqueryScan:
			find_scans(((SubqueryScan *) plan)->subplan, nests, all, found);
			return;
		case T_Append:
			if (omf_append_prunes((Append *) plan))
				return;
			foreach (cell, ((Append *) plan)->appendplans)
			{
				Plan *child = lfirst(cell);

				/* it starts those that are asynchronous all at once */
				if (all || child->async_capable ||
					foreach_current_index(cell) == 0)
					find_scans(child, nests, all, found);
			}
			return;
		case T_NestLoop:
			find_scans(plan->lefttree, nests, all, found);

			find_inner_scans((NestLoop *) plan, nests, all, found);
			return;
		case T_CustomScan:
			if (below_prefetch(plan) != plan)
				find_scans(below_prefetch(plan), nests, all, found);
			return;
		case T_Agg:
		case T_Group:
		case T_Sort:
		case T_WindowAgg:
			find_scans(plan->lefttree, nests, true, found);
			return;
		case T_Material:
		case T_Memoize:
		case T_ProjectSet:
		case T_Unique:
			find_scans(plan->lefttree, nests, all, found);
			return;
		default:
			return;
	}
}

/* Those of a sub-select: a test for rows ends with the first that decides. */
static List *
scans_of(Work *work, const SubPlan *subplan)
{
	List *found = NIL;

	find_scans(list_nth(work->statement->subplans, subplan->plan_id - 1), NIL,
			   subplan->subLinkType == EXPR_SUBLINK ||
				   subplan->subLinkType == ROWCOMPARE_SUBLINK ||
				   subplan->subLinkType == MULTIEXPR_SUBLINK ||
				   subplan->subLinkType == ARRAY_SUBLINK,
			   &found);
	return found;
}

/* Where the parameters of a scan come from. */
typedef struct Source
{
	const SubPlan *subplan;
	const Found *found;
} Source;

/* What the outer side of a join hands to its inner side, if it is the key. */
static Node *
known_of_outer(const Nest *nest, const Var *var)
{
	const ForeignScan *scan = nest->outer->scan;
	const Var *column;

	if (nest->outer->value == NULL || !IsA(var, Var) ||
		var->varno != OUTER_VAR)
		return NULL;
	column = column_of(nest->join->join.plan.lefttree, var->varattno);
	return column != NULL && column->varno == (int) scan->scan.scanrelid &&
				   column->varattno == omf_plan_key_column(scan).attno &&
				   column->vartype == exprType(nest->outer->value)
			   ? nest->outer->value
			   : NULL;
}

/* Put what the row has in the place of a scan's parameters. */
static Node *
in_row(Node *node, void *context)
{
	const Source *source = context;
	ListCell *number;
	ListCell *arg;
	ListCell *cell;

	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
	{
		int id = ((Param *) node)->paramid;

		forboth(number, source->subplan->parParam, arg, source->subplan->args)
		{
			if (lfirst_int(number) == id)
				return copyObject(lfirst(arg));
		}
		foreach (cell, source->found->nests)
		{
			const Nest *nest = lfirst(cell);
			ListCell *param;

			foreach (param, nest->join->nestParams)
			{
				const NestLoopParam *handed = lfirst(param);
				Node *value = handed->paramno == id
								  ? known_of_outer(nest, handed->paramval)
								  : NULL;

				if (value != NULL)
					return copyObject(value);
			}
		}
	}
	return expression_tree_mutator(node, in_row, context);
}

/* A sub-select without FROM. */
typedef struct Rowless
{
	const SubPlan *subplan;
	const Plan *plan;
} Rowless;

/*
 * Put what the row has in the place of the parameters of a sub-select without
 * FROM, and what they are for in that of its initial plans.
 */
static Node *
as_evaluated(Node *node, void *context)
{
	const Rowless *rowless = context;
	Found nothing = {NULL};
	Source source = {rowless->subplan, &nothing};
	ListCell *cell;

	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
	{
		foreach (cell, rowless->plan->initPlan)
		{
			SubPlan *initial = lfirst_node(SubPlan, cell);

			if (!list_member_int(initial->setParam, ((Param *) node)->paramid))
				continue;
			initial = copyObject(initial);
			initial->parParam = rowless->subplan->parParam;
			initial->args = rowless->subplan->args;
			return (Node *) initial;
		}
		return in_row(node, &source);
	}
	return expression_tree_mutator(node, as_evaluated, context);
}

/* What a sub-select without FROM evaluates; NULL of another one. */
static Node *
evaluated_by(Work *work, const SubPlan *subplan)
{
	const Plan *plan = list_nth(work->statement->subplans,
								subplan->plan_id - 1);
	Rowless rowless = {subplan, plan};

	if (!IsA(plan, Result) || plan->lefttree != NULL ||
		((const Result *) plan)->resconstantqual != NULL)
		return NULL;
	return as_evaluated((Node *) plan->targetlist, &rowless);
}

static bool
has_var(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, Var) || expression_tree_walker(node, has_var, context);
}

/* The place of such a target in the list, or -1. */
static int
find_target(const List *targets, const OmfBatchTarget *target)
{
	ListCell *cell;

	foreach (cell, targets)
	{
		const OmfBatchTarget *other = lfirst(cell);

		if (other->table == target->table &&
			other->userid == target->userid &&
			equal(other->values, target->values) &&
			equal(other->shape, target->shape))
			return foreach_current_index(cell);
	}
	return -1;
}

static void
add_target(Work *work, SubPlan *subplan, Found *found)
{
	Source source = {subplan, found};
	ForeignScan *scan = found->scan;
	const Nest *nest = found->nests != NIL ? llast(found->nests) : NULL;
	OmfBatchTarget *target = palloc0(sizeof(OmfBatchTarget));
	OmfKeyColumn key;

	/* clusters that a filter on the key leaves out are not asked about */
	if (omf_plan_keys(scan) == NIL || omf_plan_key_filters(scan) != NIL ||
		(nest != NULL && nest->outer->number < 0))
		return;
	key = omf_plan_key_column(scan);
	omf_keys_split(omf_plan_keys(scan), &key, &target->values, &target->shape);
	target->values = (List *) in_row((Node *) target->values, &source);
	if (omf_keys_is_equality(target->shape))
		found->value = copyObject(linitial(target->values));
	omf_keys_strip_casts(target->values, target->shape);
	if (!omf_is_harmless(target->values) ||
		omf_has_param((Node *) target->values, PARAM_EXEC) ||
		!has_var((Node *) target->values, NULL))
		return;
	target->serverid = scan->fs_server;
	target->userid =
		omf_plan_check_as_user(scan, work->statement->rtable);
	target->table = rt_fetch(scan->scan.scanrelid,
							 work->statement->rtable)
						->relid;
	target->key_type = key.type;
	target->resource = omf_plan_resource(scan);
	target->after = nest != NULL ? nest->outer->number : -1;
	target->if_found = nest != NULL;
	found->number = find_target(work->targets, target);
	if (found->number >= 0 || find_target(work->known, target) >= 0)
		return;
	found->number = list_length(work->targets);
	work->targets = lappend(work->targets, target);
}

static void
add_targets(Work *work, SubPlan *subplan)
{
	ListCell *cell;

	if (!subplan->useHashTable)
		foreach (cell, scans_of(work, subplan))
			add_target(work, subplan, lfirst(cell));
}

/*
 * Collect what the sub-selects ask for that evaluating the expression is sure
 * to evaluate.  Of nodes that are not known here that can't be said.
 */
static bool
collect_targets(Node *node, void *context)
{
	Work *work = context;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_SubPlan:
			if (work->in_input)
				return false;
			add_targets(work, (SubPlan *) node);
			return collect_targets(evaluated_by(work, (SubPlan *) node),
								   context);

			/* these evaluate all that they have */
		case T_List:
		case T_TargetEntry:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_FuncExpr:
		case T_MinMaxExpr:
		case T_ArrayExpr:
		case T_RowExpr:
		case T_FieldSelect:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_CoerceToDomain:
		case T_NullTest:
		case T_BooleanTest:
			return expression_tree_walker(node, collect_targets, context);

			/* and these what comes first */
		case T_BoolExpr:
			return collect_targets(linitial(((BoolExpr *) node)->args),
								   context);
		case T_CoalesceExpr:
			return collect_targets(linitial(((CoalesceExpr *) node)->args),
								   context);
		case T_CaseExpr:
		{
			const CaseExpr *expr = (CaseExpr *) node;
			const CaseWhen *first = linitial(expr->args);

			return collect_targets((Node *) expr->arg, context) ||
				   collect_targets((Node *) first->expr, context);
		}

		case T_Aggref:
			if (work->in_input && ((Aggref *) node)->aggfilter == NULL)
			{
				work->in_input = false;
				(void) collect_targets((Node *) ((Aggref *) node)->args,
									   context);
				work->in_input = true;
			}
			return false;
		default:
			return false;
	}
}

/* The new ones of that expression. */
static List *
targets_of(Node *node, bool in_input, Work *work)
{
	work->targets = NIL;
	work->in_input = in_input;
	(void) collect_targets(node, work);
	work->known = list_concat(work->known, work->targets);
	return work->targets;
}

/* ----- nodes in the plan ----- */

static bool
collect_leaves(Node *node, void *context)
{
	Leaves *leaves = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var) || IsA(node, Aggref) || IsA(node, GroupingFunc) ||
		IsA(node, WindowFunc))
	{
		leaves->exprs = list_append_unique(leaves->exprs, node);
		return false;
	}
	return expression_tree_walker(node, collect_leaves, context);
}

static Node *
above_leaves(Node *node, void *context)
{
	const Leaves *leaves = context;
	int number = 0;
	ListCell *cell;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && leaves->exprs == NIL)
		return (Node *) makeVar(INDEX_VAR, ((Var *) node)->varattno,
								exprType(node), exprTypmod(node),
								exprCollation(node), 0);
	foreach (cell, leaves->exprs)
	{
		number++;
		if (equal(node, lfirst(cell)))
			return (Node *) makeVar(INDEX_VAR, (AttrNumber) number,
									exprType(node), exprTypmod(node),
									exprCollation(node), 0);
	}
	return expression_tree_mutator(node, above_leaves, context);
}

/* The columns of a child as Vars of that number, named and marked as there. */
static List *
pass_on(const List *targetlist, int varno)
{
	List *passed = NIL;
	ListCell *cell;

	foreach (cell, targetlist)
	{
		TargetEntry *entry =
			flatCopyTargetEntry(lfirst_node(TargetEntry, cell));

		entry->expr = (Expr *) makeVarFromTargetEntry(varno, entry);
		passed = lappend(passed, entry);
	}
	return passed;
}

/* A prefetch over the child that passes its rows on as they are. */
static Plan *
make_prefetch(Work *work, Plan *child, List *targets, Leaves *leaves)
{
	CustomScan *scan = makeNode(CustomScan);
	Plan *plan = &scan->scan.plan;

	plan->startup_cost = child->startup_cost;
	plan->total_cost = child->total_cost;
	plan->plan_rows = child->plan_rows;
	plan->plan_width = child->plan_width;
	plan->plan_node_id = ++work->last_number;
	plan->targetlist = pass_on(child->targetlist, INDEX_VAR);
	plan->extParam = bms_copy(child->extParam);
	plan->allParam = bms_copy(child->allParam);
	plan->lefttree = child;
	scan->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	scan->custom_scan_tlist = pass_on(child->targetlist, OUTER_VAR);
	scan->custom_exprs =
		(List *) above_leaves((Node *) omf_batch_expressions(targets), leaves);
	scan->custom_private = omf_batch_describe(targets);
	scan->methods = omf_prefetch_scan_methods();
	work->changed = true;
	return plan;
}

static Plan *
add_prefetch(Work *work, Plan *plan, List *targets, Leaves *leaves)
{
	return targets != NIL ? make_prefetch(work, plan, targets, leaves) : plan;
}

/* For a node that evaluates those for each row of its input. */
static void
prepare_input(Work *work, Plan *plan, List *exprs, bool in_input)
{
	List *targets;
	Leaves leaves = {NIL};

	work->known = NIL;
	targets = targets_of((Node *) exprs, in_input, work);
	plan->lefttree = add_prefetch(work, plan->lefttree, targets, &leaves);
}

/*
 * For a node that makes rows, filters and projects them: from the first filter
 * with such a sub-select on, that is done above it.  Each filter lets the rows
 * through that the next one may ask about, and all of them those of the list.
 */
static Plan *
split(Work *work, Plan *plan)
{
	List *targetlist = plan->targetlist;
	List *quals = plan->qual;
	Plan *top = plan;
	Leaves leaves = {NIL};
	List *columns = NIL;
	ListCell *cell;

	work->known = NIL;
	foreach (cell, quals)
		(void) targets_of(lfirst(cell), false, work);
	(void) targets_of((Node *) targetlist, false, work);
	if (work->known == NIL)
		return plan;

	work->known = NIL;
	(void) collect_leaves((Node *) targetlist, &leaves);
	(void) collect_leaves((Node *) quals, &leaves);
	foreach (cell, leaves.exprs)
		columns =
			lappend(columns,
					makeTargetEntry(copyObject(lfirst(cell)),
									(AttrNumber) (foreach_current_index(cell) +
												  1),
									NULL, false));
	plan->targetlist = columns;
	plan->qual = NIL;
	foreach (cell, quals)
	{
		top = add_prefetch(work, top, targets_of(lfirst(cell), false, work),
						   &leaves);
		top->qual = lappend(top->qual,
							top == plan ? lfirst(cell)
										: above_leaves(lfirst(cell), &leaves));
	}
	top = add_prefetch(work, top,
					   targets_of((Node *) targetlist, false, work),
					   &leaves);
	top->targetlist = (List *) above_leaves((Node *) targetlist, &leaves);
	top->initPlan = plan->initPlan;
	plan->initPlan = NIL;
	plan->async_capable = false; /* only an Append above it waits for it */
	return top;
}

static Plan *improve(Work *work, Plan *plan);

static void
improve_list(Work *work, List *plans)
{
	ListCell *cell;

	foreach (cell, plans)
		lfirst(cell) = improve(work, lfirst(cell));
}

/* Only another extension knows what it counts on below its nodes. */
static bool
is_foreign_node(const Plan *plan)
{
	return IsA(plan, CustomScan) &&
		   ((const CustomScan *) plan)->methods != omf_prefetch_scan_methods();
}

/* The plan with what its sub-selects need. */
static Plan *
improve(Work *work, Plan *plan)
{
	if (plan == NULL || is_foreign_node(plan))
		return plan;

	/* what is below them is for workers */
	if (IsA(plan, Gather) || IsA(plan, GatherMerge))
		return split(work, plan);
	plan->lefttree = improve(work, plan->lefttree);

	/* PostgreSQL counts on what the inner side of a merge join can do */
	if (!IsA(plan, MergeJoin))
		plan->righttree = improve(work, plan->righttree);
	switch (nodeTag(plan))
	{
		case T_Append:
			improve_list(work, ((Append *) plan)->appendplans);
			return plan;
		case T_MergeAppend:
			improve_list(work, ((MergeAppend *) plan)->mergeplans);
			return plan;
		case T_CustomScan:
			improve_list(work, ((CustomScan *) plan)->custom_plans);
			return plan;
		case T_Result:
		case T_ProjectSet:
			if (plan->lefttree != NULL)
				prepare_input(work, plan, plan->targetlist, false);
			return plan;
		case T_Agg:
			/* an aggregate that only HAVING has is of each row, too */
			if (((Agg *) plan)->aggsplit == AGGSPLIT_SIMPLE)
				prepare_input(work, plan,
							  list_concat_copy(plan->targetlist, plan->qual),
							  true);
			return split(work, plan);
		case T_Hash:
			prepare_input(work, plan, ((Hash *) plan)->hashkeys, false);
			return plan;
		case T_HashJoin:
			prepare_input(work, plan, ((HashJoin *) plan)->hashkeys, false);
			return split(work, plan);
		case T_SubqueryScan:
			((SubqueryScan *) plan)->subplan =
				improve(work, ((SubqueryScan *) plan)->subplan);
			return split(work, plan);
		case T_ForeignScan:
			return ((ForeignScan *) plan)->operation == CMD_SELECT
					   ? split(work, plan)
					   : plan;
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidRangeScan:
		case T_FunctionScan:
		case T_TableFuncScan:
		case T_ValuesScan:
		case T_CteScan:
		case T_NamedTuplestoreScan:
		case T_WorkTableScan:
		case T_NestLoop:
		case T_MergeJoin:
		case T_Group:
		case T_WindowAgg:
			return split(work, plan);
		default:
			return plan;
	}
}

/* ----- the statement ----- */

static bool
has_scan(const PlannedStmt *statement)
{
	ListCell *cell;

	List *found = NIL;

	foreach (cell, statement->subplans)
		find_scans(lfirst(cell), NIL, true, &found);
	return found != NIL;
}

/* The same statement, or a copy with prefetches in its plans. */
static PlannedStmt *
improve_statement(QueryDesc *query)
{
	PlannedStmt *statement = query->plannedstmt;
	MemoryContext old;
	Work work = {NULL};
	ListCell *cell;

	if (!has_scan(statement))
		return statement;

	/* where it lives as long as what refers to it */
	old = MemoryContextSwitchTo(GetMemoryChunkContext(query));
	work.statement = copyObject(statement);
	work.last_number = PG_INT16_MAX; /* the planner counts from 0 on */
	work.statement->planTree = improve(&work, work.statement->planTree);
	foreach (cell, work.statement->subplans)
		lfirst(cell) = improve(&work, lfirst(cell));
	MemoryContextSwitchTo(old);
	return work.changed ? work.statement : statement;
}

/*
 * ExecutorStart_hook.  A cursor that may go backwards, or be the place of an
 * UPDATE ... WHERE CURRENT OF, is left as it is: a prefetch can do neither.
 */
static void
start_executor(QueryDesc *query, int eflags)
{
	if (enable_batched_subselect && query->plannedstmt->subplans != NIL &&
		(eflags & EXEC_FLAG_BACKWARD) == 0 && !IsParallelWorker())
		query->plannedstmt = improve_statement(query);
	if (previous_hook != NULL)
		previous_hook(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

void
omf_batch_subselect_init(void)
{
	DefineCustomBoolVariable("online_migrations_fdw.enable_batched_subselect",
							 "Enables sub-selects that look up the keys of many rows at once.",
							 "When off, a sub-select by key asks for one row after the other.",
							 &enable_batched_subselect, true, PGC_USERSET,
							 GUC_EXPLAIN, NULL, NULL, NULL);
	previous_hook = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
}
