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
#include "utils/guc.h"
#include "utils/selfuncs.h"

#include "plan/batch_join.h"
#include "plan/batch_order.h"
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

/* How many clusters the rows of an outer path ask about: rows share keys. */
static double
count_outer_keys(PlannerInfo *root, const Path *outer, List *values)
{
	return outer->rows > 1
			   ? estimate_num_groups(root, values, outer->rows, NULL, NULL)
			   : outer->rows;
}

/* The prefetch over an outer path, for what an inner path asks by. */
static CustomPath *
make_prefetch_path(PlannerInfo *root, Path *outer, RelOptInfo *inner,
				   List *values, List *shape, Oid key_type)
{
	CustomPath *path = makeNode(CustomPath);
	List *numbers = list_make3_oid(inner->serverid, inner->userid, key_type);
	OmfCost cost = omf_cost_prefetch(count_outer_keys(root, outer, values));

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
	path->custom_private =
		list_make4(values, shape, numbers,
				   makeString(pstrdup(omf_plan_rel_resource(inner)->name)));
	path->methods = &path_methods;
	return path;
}

/* The inner path as it is once its keys have been asked for. */
static Path *
make_answered_path(const Path *path)
{
	Size size = IsA(path, ForeignPath) ? sizeof(ForeignPath)
									   : sizeof(SubqueryScanPath);
	Path *answered = palloc(size);

	memcpy(answered, path, size);
	answered->startup_cost = omf_cost_answered().startup;
	answered->total_cost = omf_cost_answered().total;
	return answered;
}

/* ----- a LATERAL subquery ----- */

/* The scan by key that a subquery's rows come from one by one, or NULL. */
static RelOptInfo *
find_scan(Path *path)
{
	if (IsA(path, LimitPath))
		return find_scan(((LimitPath *) path)->subpath);
	if (IsA(path, ProjectionPath))
		return find_scan(((ProjectionPath *) path)->subpath);
	if (IsA(path, SortPath))
		return find_scan(((SortPath *) path)->subpath);
	return IsA(path, ForeignPath) && path->param_info == NULL &&
				   omf_is_own_rel(path->parent) &&
				   path->parent->lateral_relids == NULL
			   ? path->parent
			   : NULL;
}

/* What a subquery's parameters stand for in the query around it. */
static Node *
in_outer_query(Node *node, void *params)
{
	ListCell *cell;

	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		foreach (cell, (List *) params)
		{
			PlannerParamItem *param = lfirst_node(PlannerParamItem, cell);

			if (param->paramId == ((Param *) node)->paramid)
				return copyObject(param->item);
		}
	return expression_tree_mutator(node, in_outer_query, params);
}

static bool
has_exec_param(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_EXEC;
	return expression_tree_walker(node, has_exec_param, context);
}

static bool
is_pseudoconstant(const List *restrictions)
{
	ListCell *cell;

	foreach (cell, restrictions)
		if (lfirst_node(RestrictInfo, cell)->pseudoconstant)
			return true;
	return false;
}

/*
 * What the inner side asks by, in terms of the outer side's columns; false if
 * it asks by nothing of these.
 */
static bool
find_values(PlannerInfo *root, Path *inner, Relids outer, RelOptInfo **scanned,
			List **values, List **shape, OmfKeyColumn *column)
{
	RelOptInfo *rel = inner->parent;
	List *restrictions;
	PlannerInfo *asking = root;

	if (IsA(inner, ForeignPath) && omf_is_own_rel(rel))
	{
		*scanned = rel;
		restrictions = list_concat_copy(inner->param_info->ppi_clauses,
										rel->baserestrictinfo);
	}
	else if (IsA(inner, SubqueryScanPath) && rel->subroot != NULL)
	{
		*scanned = find_scan(((SubqueryScanPath *) inner)->subpath);
		asking = rel->subroot;
		if (*scanned == NULL ||
			is_pseudoconstant((*scanned)->baserestrictinfo))
			return false;
		restrictions = (*scanned)->baserestrictinfo;
	}
	else
		return false;
	restrictions =
		omf_plan_key_clauses(asking, *scanned, restrictions, column);
	if (restrictions == NIL)
		return false;
	omf_keys_split(restrictions, column, values, shape);
	if (asking == root)
		return true;
	*values = (List *) in_outer_query((Node *) *values, rel->subplan_params);
	return !has_exec_param((Node *) *values, NULL) &&
		   !bms_is_empty(pull_varnos(root, (Node *) *values)) &&
		   bms_is_subset(pull_varnos(root, (Node *) *values), outer);
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
				 Path *outer, JoinType jointype, JoinPathExtraData *extra)
{
	OmfKeyColumn column;
	RelOptInfo *scanned;
	List *values;
	List *shape;
	Path *prefetch;
	Path *answered;
	JoinCostWorkspace workspace;

	if (!find_values(root, inner, outer->parent->relids, &scanned, &values,
					 &shape, &column))
		return;
	prefetch = (Path *) make_prefetch_path(root, outer, scanned, values, shape,
										   column.type);
	prefetch = hide_row_identity(root, prefetch);
	answered = make_answered_path(inner);
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

/* set_join_pathlist_hook */
static void
add_batched_paths(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel,
				  RelOptInfo *innerrel, JoinType jointype,
				  JoinPathExtraData *extra)
{
	List *outers = outerrel->pathlist;
	Path *sorted;
	ListCell *inner_cell;
	ListCell *outer_cell;

	if (previous_hook != NULL)
		previous_hook(root, joinrel, outerrel, innerrel, jointype, extra);
	add_waiting_path(root, joinrel, outerrel, innerrel, jointype, extra);
	add_one_row_path(root, joinrel, outerrel, innerrel, jointype, extra);
	if (!enable_batched_join || !omf_may_nestloop(extra) ||
		(jointype != JOIN_INNER && jointype != JOIN_LEFT &&
		 jointype != JOIN_SEMI && jointype != JOIN_ANTI &&
		 jointype != JOIN_UNIQUE_OUTER))
		return;

	/* an IN whose keys are read first, each of them once */
	if (jointype == JOIN_UNIQUE_OUTER && !omf_is_own_rel(innerrel))
		return;
	if (jointype == JOIN_UNIQUE_OUTER)
	{
		Path *unique = omf_unique_outer_path(root, outerrel, extra->sjinfo);

		outers = unique != NULL ? list_make1(unique) : NIL;
		jointype = JOIN_INNER;
	}
	else if ((sorted = omf_batch_sorted_path(root, outerrel)) != NULL)
		outers = lappend(list_copy(outers), sorted);
	foreach (inner_cell, innerrel->pathlist)
	{
		Path *inner = lfirst(inner_cell);

		if (inner->param_info == NULL ||
			!bms_is_subset(PATH_REQ_OUTER(inner), outerrel->relids))
			continue;
		foreach (outer_cell, outers)
		{
			Path *outer = lfirst(outer_cell);

			if (outer->param_info == NULL)
				add_batched_path(root, joinrel, inner, outer, jointype, extra);
		}
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
	plan->custom_private = copyObject(list_copy_tail(path->custom_private, 1));
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
