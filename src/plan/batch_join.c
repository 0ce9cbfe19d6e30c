/*-------------------------------------------------------------------------
 *
 * batch_join.c
 *	  Planning joins that look up the keys of many outer rows at once.
 *
 * A nested loop whose inner side is a scan by key pays a round trip for every
 * outer row.  Here a node of ours stands over the outer side ("prefetch"): it
 * reads rows ahead, asks for their keys, and passes the rows on.  The inner
 * scan then finds its answer on the way or there, among what the statement
 * has asked.  The loop itself is PostgreSQL's, with all its kinds of joins.
 * The inner side may be more than a scan: what of it is asked for ahead, says
 * batch_target.c.
 *
 * See https://www.postgresql.org/docs/current/custom-scan.html
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "foreign/fdwapi.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "rewrite/rewriteManip.h"
#include "utils/guc.h"
#include "utils/selfuncs.h"

#include "plan/batch_join.h"
#include "plan/batch_order.h"
#include "plan/batch_target.h"
#include "compat.h"
#include "plan/scan_path.h"
#include "exec/cost.h"
#include "exec/prefetch.h"

static bool enable_batched_join = true;
static set_join_pathlist_hook_type previous_hook = NULL;

static Plan *plan_prefetch(PlannerInfo *root, RelOptInfo *rel,
						   CustomPath *path, List *tlist, List *clauses,
						   List *custom_plans);

static const CustomPathMethods path_methods = {
	.CustomName = OMF_PREFETCH_NAME,
	.PlanCustomPath = plan_prefetch,
};

/* How many different values the rows of an outer path have there. */
static double
count_values(PlannerInfo *root, const Path *outer, List *values)
{
	return estimate_num_groups(root, values, outer->rows, NULL, NULL);
}

/* Is it one of the class, whatever outer joins may have made of it? */
static bool
has_member(PlannerInfo *root, const EquivalenceClass *class, Node *value)
{
	ListCell *cell;

	foreach (cell, class->ec_members)
		if (equal(omf_below_outer_joins(
					  root,
					  (Node *) lfirst_node(EquivalenceMember, cell)->em_expr),
				  value))
			return true;
	return false;
}

/*
 * What is known to equal a value in the rows of an outer path and is the
 * fewest: rows that have passed `c.id = d.k` have no more of the one than of
 * the other, whichever a clause names.
 */
static Node *
fewest_values(PlannerInfo *root, const Path *outer, Node *value)
{
	Node *below = omf_below_outer_joins(root, value);
	Node *fewest = value;
	double nvalues = count_values(root, outer, list_make1(value));
	ListCell *class;
	ListCell *cell;

	foreach (class, root->eq_classes)
	{
		EquivalenceClass *equals = lfirst_node(EquivalenceClass, class);

		if (!has_member(root, equals, below))
			continue;
		foreach (cell, equals->ec_members)
		{
			EquivalenceMember *member = lfirst_node(EquivalenceMember, cell);
			double n;

			if (!bms_is_subset(member->em_relids, outer->parent->relids))
				continue;
			n = count_values(root, outer, list_make1(member->em_expr));
			if (n >= nvalues)
				continue;
			fewest = (Node *) member->em_expr;
			nvalues = n;
		}
	}
	return fewest;
}

/* How many clusters the rows of an outer path ask about: rows share keys. */
static double
count_outer_keys(PlannerInfo *root, const Path *outer, List *targets)
{
	double nkeys = 0;
	ListCell *target;
	ListCell *cell;

	foreach (target, targets)
	{
		List *values = NIL;

		if (outer->rows <= 1)
		{
			nkeys += outer->rows;
			continue;
		}
		foreach (cell, ((OmfBatchTarget *) lfirst(target))->compared)
			values = lappend(values, fewest_values(root, outer, lfirst(cell)));
		nkeys += count_values(root, outer, values);
	}
	return nkeys;
}

/* The prefetch over an outer path, for what an inner path asks by. */
static CustomPath *
make_prefetch_path(PlannerInfo *root, Path *outer, List *targets)
{
	CustomPath *path = makeNode(CustomPath);
	OmfCost cost = omf_cost_prefetch(count_outer_keys(root, outer, targets));

	path->path.pathtype = T_CustomScan;
	path->path.parent = outer->parent;
	path->path.pathtarget = outer->pathtarget;
	path->path.param_info = outer->param_info;
	path->path.rows = outer->rows;
	path->path.pathkeys = outer->pathkeys;
	path->path.startup_cost = outer->startup_cost + cost.startup;
	path->path.total_cost = outer->total_cost + cost.total +
							outer->rows * cpu_operator_cost;
	omf_copy_disabled_nodes(&path->path, outer);
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_paths = list_make1(outer);
	path->custom_private = list_make2(omf_batch_expressions(targets),
									  omf_batch_describe(targets));
	path->methods = &path_methods;
	return path;
}

static Size
path_size(const Path *path)
{
	switch (nodeTag(path))
	{
		case T_ForeignPath:
			return sizeof(ForeignPath);
		case T_SubqueryScanPath:
			return sizeof(SubqueryScanPath);
		case T_AppendPath:
			return sizeof(AppendPath);
		case T_MergeAppendPath:
			return sizeof(MergeAppendPath);
		case T_NestPath:
			return sizeof(NestPath);
		case T_HashPath:
			return sizeof(HashPath);
		case T_MergePath:
			return sizeof(MergePath);
		case T_ProjectionPath:
			return sizeof(ProjectionPath);
		default:
			return 0;
	}
}

/*
 * The inner path as it is once its keys have been asked for: without what the
 * targets cost.  NULL if it is none that has targets.
 */
static Path *
make_answered_path(const Path *path, List *targets)
{
	Size size = path_size(path);
	OmfCost cost = omf_cost_answered();
	Path *answered;
	ListCell *cell;

	if (size == 0)
		return NULL;
	answered = palloc(size);
	memcpy(answered, path, size);
	foreach (cell, targets)
		answered->total_cost -= ((OmfBatchTarget *) lfirst(cell))->cost;
	answered->total_cost = Max(answered->total_cost, cost.total);
	answered->startup_cost = Min(answered->startup_cost, cost.startup);
	return answered;
}

/* ----- paths ----- */

/*
 * Does the outer side have columns that identify rows of the target of an
 * UPDATE, DELETE or MERGE with children?
 */
static bool
has_row_identity(const PathTarget *target)
{
	ListCell *cell;

	foreach (cell, target->exprs)
		if (IsA(lfirst(cell), Var) &&
			lfirst_node(Var, cell)->varno == ROWID_VAR)
			return true;
	return false;
}

/*
 * Only PostgreSQL's own nodes may have such columns.  An Append of a single
 * path matches it by position, and is left out of the plan in the end.
 */
static Path *
hide_row_identity(PlannerInfo *root, Path *path)
{
	if (!has_row_identity(path->pathtarget))
		return path;
	return (Path *) omf_create_append_path(root, path->parent, path);
}

/* What stands for such a column below that Append: the column of a child. */
static Node *
show_row_identity(Node *node, void *context)
{
	PlannerInfo *root = context;
	Var *var = (Var *) node;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && var->varno == ROWID_VAR)
	{
		RowIdentityVarInfo *info = list_nth(root->row_identity_vars,
											var->varattno - 1);

		var = copyObject(info->rowidvar);
		var->varno = bms_next_member(info->rowidrels, -1);
		return (Node *) var;
	}
	return expression_tree_mutator(node, show_row_identity, context);
}

/* Add the nested loop of that outer and that inner path, with a prefetch. */
static void
add_batched_path(PlannerInfo *root, RelOptInfo *joinrel, Path *inner,
				 List *targets, Path *outer, JoinType jointype,
				 JoinPathExtraData *extra)
{
	Path *prefetch = (Path *) make_prefetch_path(root, outer, targets);
	Path *answered = make_answered_path(inner, targets);
	JoinCostWorkspace workspace;

	if (answered == NULL)
		return;
	prefetch = hide_row_identity(root, prefetch);
	omf_initial_cost_nestloop(root, &workspace, jointype, prefetch, answered, extra);
	add_path(joinrel, (Path *) create_nestloop_path(root, joinrel, jointype, &workspace, extra,
													prefetch, answered, extra->restrictlist,
													build_join_pathkeys(root, joinrel, jointype, outer->pathkeys),
													NULL));
}

/*
 * Where the values that an EXISTS or IN compares are all known to equal
 * constants, any one of its rows will do; newer minor versions of PostgreSQL
 * make no rows unique then, so they have no join that begins with them.
 */
static void
add_any_row_path(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *waiting,
				 RelOptInfo *others, JoinPathExtraData *extra)
{
	Node *one = (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
								   Int64GetDatum(1), false, FLOAT8PASSBYVAL);
	Path *inner = waiting->cheapest_total_path;
	Path *outer = others->cheapest_total_path;
	JoinCostWorkspace workspace;

	if (bms_overlap(PATH_REQ_OUTER(outer), waiting->relids))
		return;
	outer = (Path *) create_limit_path(root, others, outer, NULL, one,
									   LIMIT_OPTION_COUNT, 0, 1);
	omf_initial_cost_nestloop(root, &workspace, JOIN_INNER, outer, inner, extra);
	add_path(joinrel,
			 (Path *) create_nestloop_path(root, joinrel, JOIN_INNER, &workspace, extra, outer, inner,
										   NIL, NIL,
										   calc_nestloop_required_outer(others->relids, PATH_REQ_OUTER(outer),
																		waiting->relids, PATH_REQ_OUTER(inner))));
}

/*
 * PostgreSQL does not try joins whose outer side is to wait for other tables
 * still.  Where a barrier leaves no other path, this is the one.
 */
static void
add_waiting_path(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
				 RelOptInfo *innerrel, JoinType jointype,
				 JoinPathExtraData *extra)
{
	Path *outer = outerrel->cheapest_total_path;
	Path *inner = innerrel->cheapest_total_path;
	JoinCostWorkspace workspace;

	if (joinrel->pathlist != NIL || !omf_plan_waits(root, joinrel))
		return;
	if (jointype == JOIN_SEMI && extra->restrictlist == NIL &&
		bms_overlap(PATH_REQ_OUTER(outer), innerrel->relids))
	{
		add_any_row_path(root, joinrel, outerrel, innerrel, extra);
		return;
	}
	if (bms_overlap(PATH_REQ_OUTER(outer), innerrel->relids) ||
		(jointype != JOIN_INNER && jointype != JOIN_LEFT &&
		 jointype != JOIN_SEMI && jointype != JOIN_ANTI))
		return;
	omf_initial_cost_nestloop(root, &workspace, jointype, outer, inner, extra);
	add_path(joinrel,
			 (Path *) create_nestloop_path(root, joinrel, jointype, &workspace, extra, outer, inner,
										   extra->restrictlist, NIL,
										   calc_nestloop_required_outer(outerrel->relids, PATH_REQ_OUTER(outer),
																		innerrel->relids, PATH_REQ_OUTER(inner))));
}

/*
 * Where what an EXISTS or IN compares is constant, PostgreSQL 18 does not make
 * its side unique, which is to be read before what waits for it: then one row
 * of it says all there is to say.
 */
static void
add_one_row_path(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *waiting,
				 RelOptInfo *first, JoinType jointype,
				 JoinPathExtraData *extra)
{
	Path *outer = first->cheapest_total_path;
	Path *inner = waiting->cheapest_total_path;
	Node *one = (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
								   Int64GetDatum(1), false, FLOAT8PASSBYVAL);
	JoinCostWorkspace workspace;

	if (jointype != JOIN_SEMI || joinrel->pathlist != NIL ||
		extra->restrictlist != NIL || !omf_plan_waits(root, waiting) ||
		outer->param_info != NULL ||
		!bms_overlap(PATH_REQ_OUTER(inner), first->relids))
		return;
	outer = (Path *) create_limit_path(root, first, outer, NULL, one,
									   LIMIT_OPTION_COUNT, 0, 1);
	omf_initial_cost_nestloop(root, &workspace, JOIN_INNER, outer, inner, extra);
	add_path(joinrel,
			 (Path *) create_nestloop_path(root, joinrel, JOIN_INNER, &workspace, extra, outer, inner,
										   NIL, NIL,
										   calc_nestloop_required_outer(first->relids, NULL, waiting->relids,
																		PATH_REQ_OUTER(inner))));
}

/*
 * The outer paths of such a join, and a sorted one where that helps.  Of an IN
 * whose keys are read first, each of them once, that is a single one.
 */
static List *
outer_paths(PlannerInfo *root, RelOptInfo *outerrel, JoinType jointype,
			JoinPathExtraData *extra)
{
	Path *path;

	if (jointype == JOIN_UNIQUE_OUTER)
	{
		path = omf_unique_outer_path(root, outerrel, extra->sjinfo);
		return path != NULL ? list_make1(path) : NIL;
	}
	path = omf_batch_sorted_path(root, outerrel);
	return path != NULL ? lappend(list_copy(outerrel->pathlist), path)
						: outerrel->pathlist;
}

/* Add the batched joins with that inner path. */
static void
add_paths_with_inner(PlannerInfo *root, RelOptInfo *joinrel,
					 RelOptInfo *outerrel, Path *inner, JoinType jointype,
					 JoinPathExtraData *extra)
{
	bool whole = jointype != JOIN_SEMI && jointype != JOIN_ANTI &&
				 !extra->inner_unique;
	List *targets = omf_batch_targets(root, inner, outerrel->relids, whole);
	ListCell *cell;

	if (targets == NIL)
		return;
	foreach (cell, outer_paths(root, outerrel, jointype, extra))
	{
		Path *outer = lfirst(cell);

		if (outer->param_info == NULL)
			add_batched_path(root, joinrel, inner, targets, outer,
							 jointype == JOIN_UNIQUE_OUTER ? JOIN_INNER
														   : jointype,
							 extra);
	}
}

/* set_join_pathlist_hook */
static void
add_batched_paths(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
				  RelOptInfo *innerrel, JoinType jointype,
				  JoinPathExtraData *extra)
{
	ListCell *cell;

	if (previous_hook != NULL)
		previous_hook(root, joinrel, outerrel, innerrel, jointype, extra);
	add_waiting_path(root, joinrel, outerrel, innerrel, jointype, extra);
	add_one_row_path(root, joinrel, outerrel, innerrel, jointype, extra);
	if (!enable_batched_join || !omf_may_nestloop(extra) ||
		(jointype != JOIN_INNER && jointype != JOIN_LEFT &&
		 jointype != JOIN_SEMI && jointype != JOIN_ANTI &&
		 jointype != JOIN_UNIQUE_OUTER))
		return;
	foreach (cell, innerrel->pathlist)
	{
		Path *inner = lfirst(cell);

		if (inner->param_info != NULL &&
			bms_is_subset(PATH_REQ_OUTER(inner), outerrel->relids))
			add_paths_with_inner(root, joinrel, outerrel, inner, jointype,
								 extra);
	}
}

/*
 * The values as the outer plan has them.  A parameterised path stays the same
 * at whatever outer join it is used, so its Vars may lack nulling relations
 * that those of the outer side have; PostgreSQL lets that pass for the
 * parameters of a nested loop only.
 */
static Node *
as_outer_has_it(Node *node, void *targetlist)
{
	ListCell *cell;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var) || IsA(node, PlaceHolderVar))
		foreach (cell, (List *) targetlist)
		{
			Node *other = (Node *) lfirst_node(TargetEntry, cell)->expr;

			if (nodeTag(node) != nodeTag(other))
				continue;
			if (IsA(node, Var)
					? ((Var *) node)->varno == ((Var *) other)->varno &&
						  ((Var *) node)->varattno == ((Var *) other)->varattno
					: ((PlaceHolderVar *) node)->phid ==
						  ((PlaceHolderVar *) other)->phid)
				return copyObject(other);
		}
	return expression_tree_mutator(node, as_outer_has_it, targetlist);
}

/* PlanCustomPath */
static Plan *
plan_prefetch(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
			  List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *plan = makeNode(CustomScan);
	Plan *outer = linitial(custom_plans);

	(void) rel;
	(void) clauses; /* the outer plan has applied them */
	plan->scan.plan.targetlist =
		(List *) show_row_identity((Node *) tlist, root);
	plan->scan.scanrelid = 0;
	plan->flags = path->flags;
	plan->custom_plans = custom_plans;
	plan->custom_scan_tlist =
		(List *) show_row_identity((Node *) outer->targetlist, root);
	plan->custom_exprs = (List *)
		as_outer_has_it(linitial(path->custom_private), outer->targetlist);
	plan->custom_private = copyObject(lsecond(path->custom_private));
	plan->methods = omf_prefetch_scan_methods();
	return (Plan *) plan;
}

void
omf_batch_join_init(void)
{
	omf_prefetch_init();
	DefineCustomBoolVariable("online_migrations_fdw.enable_batched_join",
							 "Enables joins that look up the keys of many rows at once.",
							 "When off, a join by key asks for one row after the other.",
							 &enable_batched_join, true, PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	previous_hook = set_join_pathlist_hook;
	set_join_pathlist_hook = add_batched_paths;
}
