/*-------------------------------------------------------------------------
 *
 * batch_target.c
 *	  The scans whose keys can be asked for ahead.
 *
 * The inner side of a nested loop is a scan by key, or has some in it: below
 * an Append of several tables, in a join, in a LATERAL subquery.  Those that
 * take their keys from the outer side alone are its targets.
 *
 * What is asked ahead is what the loop is going to ask, and no more:
 *
 * - Of a join, the inner side is read only once the outer side has a row.  So
 *   it is asked for when that one's answer is there, and says so.
 * - Of an Append below a LIMIT or an EXISTS, a branch is read only where none
 *   of those before it has a row.  Unless all of them are read at once.
 * - A partition is not read that the row's values exclude.
 * - A scan is not read that a one-time filter or a key filter excludes for the
 *   row, nor one that waits for other tables because of a security barrier.
 *   A key filter that could fail is not looked at ahead: then more is asked,
 *   but below a barrier nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/fmgroids.h"
#include "utils/partcache.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "exec/harmless.h"
#include "exec/prefetch.h"
#include "plan/batch_target.h"
#include "plan/scan_path.h"

/* No target, where the number of one is said. */
#define NONE (-1)

/* Where a path stands. */
typedef struct Place
{
	const struct Place *up; /* around the subquery, or NULL */
	PlannerInfo *root;      /* the query that the path is in */
	Relids outer;           /* relations of that query whose rows ask */
	List *params;           /* a subquery's: what it takes from around it */
	List *conditions;       /* on which it is read at all */
	bool whole;             /* is it read to its end? */
	int after;              /* the target whose answer decides ... */
	bool if_found;          /* ... whether it is read, and by which answer */
} Place;

static int find(const Place *place, Path *path, List **targets);

/* ----- expressions ----- */

/* What is known in a query of the columns of these targets. */
typedef struct Known
{
	PlannerInfo *root;
	const List *targets;
	int used; /* the last target that was made use of */
} Known;

/* The expression that a target's column is known to equal, or NULL. */
static Node *
known_value(const OmfBatchTarget *target, const Var *var)
{
	ListCell *column;
	ListCell *equal;

	forboth(column, target->columns, equal, target->equals)
	{
		const Var *known = lfirst_node(Var, column);

		if (known->varno == var->varno && known->varattno == var->varattno)
			return lfirst(equal);
	}
	return NULL;
}

/* Put what is known in the place of columns. */
static Node *
as_known(Node *node, void *context)
{
	Known *known = context;
	ListCell *cell;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
		foreach (cell, known->targets)
		{
			const OmfBatchTarget *target = lfirst(cell);
			Node *value = target->root == known->root
							  ? known_value(target, (Var *) node)
							  : NULL;

			if (value == NULL)
				continue;
			known->used = Max(known->used, foreach_current_index(cell));
			return copyObject(value);
		}
	return expression_tree_mutator(node, as_known, context);
}

/* The same, in that query. */
static Node *
as_known_in(PlannerInfo *root, Node *node, Known *known)
{
	if (known == NULL)
		return node;
	known->root = root;
	return as_known(node, known);
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

/*
 * An expression in terms of the rows that ask, by what is known (if anything)
 * in its query and in those around it; NULL if it is about anything else.
 */
static Node *
in_rows(const Place *place, Node *node, Known *known)
{
	bool below = place->up != NULL;
	Relids used;
	int i = -1;

	for (; place->up != NULL; place = place->up)
	{
		node = as_known_in(place->root, node, known);
		if (!bms_is_empty(pull_varnos(place->root, node)))
			return NULL;
		node = in_outer_query(node, place->params);
	}
	node = as_known_in(place->root, node, known);
	if (below && omf_has_param(node, PARAM_EXEC))
		return NULL;
	used = pull_varnos(place->root, node);
	while ((i = bms_next_member(used, i)) >= 0)
		if (place->root->simple_rel_array[i] != NULL && /* no outer join */
			!bms_is_member(i, place->outer))
			return NULL;
	return node;
}

/* Note what the clauses say that columns of the target equal. */
static void
note_known(OmfBatchTarget *target, const RelOptInfo *rel,
		   const List *restrictions, Known *known)
{
	ListCell *cell;

	foreach (cell, restrictions)
	{
		const RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		OpExpr *clause = (OpExpr *) restriction->clause;
		Node *column;
		Node *other;

		if (!is_opclause(clause) || list_length(clause->args) != 2 ||
			!op_mergejoinable(clause->opno, exprType(linitial(clause->args))))
			continue;
		column = linitial(clause->args);
		other = lsecond(clause->args);
		if (!IsA(column, Var) || ((Var *) column)->varno != (int) rel->relid)
		{
			column = lsecond(clause->args);
			other = linitial(clause->args);
		}
		if (!IsA(column, Var) || ((Var *) column)->varno != (int) rel->relid ||
			exprType(column) != exprType(other) ||
			bms_is_member((int) rel->relid, pull_varnos(target->root, other)))
			continue;
		target->columns = lappend(target->columns, column);
		target->equals = lappend(target->equals,
								 as_known_in(target->root, other, known));
	}
}

/* ----- conditions ----- */

/* Can it be looked at before its time?  It must not fail then. */
static bool
is_safe_condition(Node *condition)
{
	return condition != NULL && omf_is_harmless(list_make1(condition));
}

/*
 * What has these restrictions is read only where their one-time filters say
 * so: add them to the conditions, or return false.
 */
static bool
pass_gate(Place *place, const List *restrictions)
{
	ListCell *cell;

	foreach (cell, restrictions)
	{
		const RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		Node *condition;

		if (!restriction->pseudoconstant)
			continue;
		condition = in_rows(place, (Node *) restriction->clause, NULL);
		if (!is_safe_condition(condition))
			return false;
		place->conditions = lappend(list_copy(place->conditions), condition);
	}
	return true;
}

/* What the rows of a partition have in common; NIL if it is none. */
static List *
partition_constraint(PlannerInfo *root, const RelOptInfo *rel)
{
	const AppendRelInfo *child = root->append_rel_array != NULL
									 ? root->append_rel_array[rel->relid]
									 : NULL;
	Relation relation;
	List *constraint;

	if (!enable_partition_pruning || child == NULL ||
		root->simple_rel_array[child->parent_relid]->part_scheme == NULL)
		return NIL;
	relation = table_open(omf_plan_relid(rel), NoLock);
	constraint = copyObject(RelationGetPartitionQual(relation));
	table_close(relation, NoLock);
	ChangeVarNodes((Node *) constraint, 1, (int) rel->relid, 0);
	return constraint;
}

/*
 * Does a clause compare with something else than constants what is left of a
 * constraint?
 */
static bool
may_exclude(PlannerInfo *root, const RelOptInfo *rel, Node *constraint,
			const List *restrictions)
{
	Bitmapset *constrained = NULL;
	ListCell *cell;

	pull_varattnos(constraint, rel->relid, &constrained);
	foreach (cell, restrictions)
	{
		Node *clause = (Node *) lfirst_node(RestrictInfo, cell)->clause;
		Bitmapset *used = NULL;

		pull_varattnos(clause, rel->relid, &used);
		if (bms_overlap(used, constrained) &&
			(bms_membership(pull_varnos(root, clause)) == BMS_MULTIPLE ||
			 omf_has_param(clause, PARAM_EXEC) ||
			 omf_has_param(clause, PARAM_EXTERN) ||
			 contain_mutable_functions(clause)))
			return true;
	}
	return false;
}

/* Does the clause hide rows: is it a barrier's, or a policy's? */
static bool
is_barrier(const PlannerInfo *root, const RelOptInfo *rel,
		   const RestrictInfo *restriction)
{
	return omf_plan_barrier(rel).below ||
		   restriction->security_level < root->qual_security_level;
}

/*
 * Collect the conditions on which the scan is read for a row, so far as they
 * can be had; false if it may be left out for others.  What a barrier hides is
 * not asked for ahead by anybody who does not know what it hides.
 */
static bool
add_conditions(const Place *place, OmfBatchTarget *target, RelOptInfo *rel,
			   List *restrictions, Known *known)
{
	ListCell *cell;

	foreach (cell, partition_constraint(place->root, rel))
	{
		Node *left = as_known_in(place->root, lfirst(cell), known);
		Node *condition = in_rows(place, left, known);

		if (condition != NULL)
			target->conditions = lappend(target->conditions, condition);
		else if (may_exclude(place->root, rel, left, restrictions))
			return false;
	}

	foreach (cell, omf_plan_filters(place->root, rel, restrictions))
	{
		const RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		Node *condition =
			in_rows(place, (Node *) restriction->clause, known);

		if (is_safe_condition(condition))
			target->conditions = lappend(target->conditions, condition);
		else if (is_barrier(place->root, rel, restriction))
			return false;
	}
	return true;
}

/* ----- where scans are ----- */

/* Does it wait for rows of others, because of a barrier? */
static bool
waits(const Place *place, const Path *path)
{
	return !bms_is_subset(path->parent->lateral_relids, place->outer) ||
		   (omf_plan_waits(place->root, path->parent) &&
			!bms_is_subset(PATH_REQ_OUTER(path), place->outer));
}

/* The clauses that the rows of a path pass. */
static List *
restrictions_of(const Path *path)
{
	return path->param_info != NULL
			   ? list_concat_copy(path->param_info->ppi_clauses,
								  path->parent->baserestrictinfo)
			   : path->parent->baserestrictinfo;
}

static int
find_in_scan(const Place *place, Path *path, List **targets)
{
	RelOptInfo *rel = path->parent;
	List *restrictions = restrictions_of(path);
	OmfBatchTarget *target = palloc0(sizeof(OmfBatchTarget));
	Known known = {place->root, *targets, NONE};
	Place here = *place;
	OmfKeyColumn column;
	List *keys;

	if (!omf_is_own_rel(rel) || waits(place, path) ||
		!pass_gate(&here, restrictions))
		return NONE;
	keys = omf_plan_key_clauses(place->root, rel, restrictions, &column);
	if (keys == NIL)
		return NONE;
	omf_keys_split(keys, &column, &target->values, &target->shape);
	target->values = (List *) in_rows(place, (Node *) target->values, &known);
	if (target->values == NIL ||
		!contain_vars_of_level((Node *) target->values, 0))
		return NONE;
	target->compared = list_copy(target->values);
	omf_keys_strip_casts(target->values, target->shape);
	target->serverid = rel->serverid;
	target->userid = rel->userid;
	target->table = omf_plan_relid(rel);
	target->key_type = column.type;
	target->resource = omf_plan_rel_resource(rel);
	target->cost = path->total_cost;
	target->root = place->root;
	target->conditions = list_copy(here.conditions);
	target->after = place->after;
	target->if_found = place->if_found;
	if (known.used > place->after)
	{
		target->after = known.used;
		target->if_found = true;
	}
	note_known(target, rel, restrictions, &known);
	known.targets = lappend(list_copy(*targets), target);
	if (!add_conditions(place, target, rel, restrictions, &known))
		return NONE;
	target->can_fail = !omf_is_harmless(target->values) ||
					   !omf_is_harmless(target->conditions);
	*targets = lappend(*targets, target);
	return list_length(*targets) - 1;
}

static int
find_in_subquery(const Place *place, SubqueryScanPath *path, List **targets)
{
	RelOptInfo *rel = path->path.parent;
	Place below = *place;

	if (rel->subroot == NULL ||
		!pass_gate(&below, restrictions_of(&path->path)))
		return NONE;
	below.up = place;
	below.root = rel->subroot;
	below.outer = NULL;
	below.params = rel->subplan_params;
	return find(&below, path->subpath, targets);
}

/* The target without which a join has no row. */
static int
deciding_target(JoinType jointype, int outer, int inner)
{
	switch (jointype)
	{
		case JOIN_INNER:
		case JOIN_SEMI:
			return inner != NONE ? inner : outer;
		case JOIN_LEFT:
		case JOIN_ANTI:
			return outer;
		case JOIN_RIGHT:
			return inner;
		default:
			return NONE;
	}
}

static int
find_in_join(const Place *place, JoinPath *path, List **targets)
{
	Place below = *place;
	int outer;

	if (!pass_gate(&below, path->joinrestrictinfo))
		return NONE;
	outer = find(&below, path->outerjoinpath, targets);
	if (IsA(path, NestPath))
	{
		/* it may never come to its inner side */
		if (outer == NONE)
			return NONE;
		below.after = outer;
		below.if_found = true;
		below.whole = !path->inner_unique && path->jointype != JOIN_SEMI &&
					  path->jointype != JOIN_ANTI;
	}
	return deciding_target(path->jointype, outer,
						   find(&below, path->innerjoinpath, targets));
}

/* Will an Append begin with this one when it begins? */
static bool
is_begun_at_once(const Path *append, Path *path)
{
	return enable_async_append && append->pathkeys == NIL &&
		   IsA(path, ForeignPath) && omf_is_own_rel(path->parent) &&
		   omf_is_async_capable((ForeignPath *) path);
}

static int
find_in_append(const Place *place, const Path *append, const List *paths,
			   List **targets)
{
	bool several = list_length(paths) > 1;
	Place next = *place;
	int found = NONE;
	ListCell *cell;

	foreach (cell, paths)
	{
		Path *path = lfirst(cell);
		bool begun = IsA(append, MergeAppendPath) ||
					 is_begun_at_once(append, path);

		found = find(place->whole || begun ? place : &next, path, targets);
		if (place->whole || begun)
			continue;
		if (found == NONE)
			break;
		next.after = found;
		next.if_found = false;
	}
	return several ? NONE : found;
}

/* What find() finds in a path that is read to its end or not at all. */
static int
find_whole(const Place *place, Path *path, List **targets)
{
	Place below = *place;

	below.whole = true;
	return find(&below, path, targets);
}

/*
 * EXCEPT and INTERSECT: from PostgreSQL 18 on, the right one is not read where
 * the left one has no row.
 */
static int
find_in_setop(const Place *place, const SetOpPath *path, List **targets)
{
#if PG_VERSION_NUM >= 180000
	Path *first = path->leftpath;
#else
	Path *first = path->subpath;
#endif

	(void) (path->strategy == SETOP_HASHED
				? find_whole(place, first, targets)
				: find(place, first, targets));
	return NONE;
}

/* Is it sure to read a row? */
static bool
reads_rows(const LimitPath *path)
{
	const Const *count = (const Const *) path->limitCount;

	return count == NULL || (IsA(count, Const) &&
							 (count->constisnull ||
							  DatumGetInt64(count->constvalue) > 0));
}

/*
 * Append the targets in a path to the list.  Returns the number of the one
 * without which the path has no row, or NONE.
 */
static int
find(const Place *place, Path *path, List **targets)
{
	Place below = *place;

	check_stack_depth();
	switch (nodeTag(path))
	{
		case T_ForeignPath:
			return find_in_scan(place, path, targets);
		case T_SubqueryScanPath:
			return find_in_subquery(place, (SubqueryScanPath *) path, targets);
		case T_NestPath:
		case T_HashPath:
		case T_MergePath:
			return find_in_join(place, (JoinPath *) path, targets);
		case T_AppendPath:
			return find_in_append(place, path, ((AppendPath *) path)->subpaths,
								  targets);
		case T_MergeAppendPath:
			return find_in_append(place, path,
								  ((MergeAppendPath *) path)->subpaths,
								  targets);
		case T_CustomPath:
			return strcmp(((CustomPath *) path)->methods->CustomName,
						  OMF_PREFETCH_NAME) == 0
					   ? find(place,
							  linitial(((CustomPath *) path)->custom_paths),
							  targets)
					   : NONE;
		case T_LimitPath:
			below.whole = false;
			return reads_rows((LimitPath *) path)
					   ? find(&below, ((LimitPath *) path)->subpath, targets)
					   : NONE;
		case T_SortPath:
		case T_IncrementalSortPath:
			return find_whole(place, ((SortPath *) path)->subpath, targets);
		case T_AggPath:
			(void) find_whole(place, ((AggPath *) path)->subpath, targets);
			return NONE; /* one without groups has a row in any case */
		case T_GroupingSetsPath:
			(void) find_whole(place, ((GroupingSetsPath *) path)->subpath,
							  targets);
			return NONE; /* likewise, or with an empty set */
		case T_WindowAggPath:
			return find_whole(place, ((WindowAggPath *) path)->subpath,
							  targets);
		case T_GroupPath:
			return find(place, ((GroupPath *) path)->subpath, targets);
		case OMF_T_DISTINCT_PATH:
			return find(place, ((OmfDistinctPath *) path)->subpath, targets);
		case T_SetOpPath:
			return find_in_setop(place, (SetOpPath *) path, targets);
		case T_ProjectSetPath:
			(void) find(place, ((ProjectSetPath *) path)->subpath, targets);
			return NONE; /* a row of it may have none above */
		case T_ProjectionPath:
			return find(place, ((ProjectionPath *) path)->subpath, targets);
		case T_MaterialPath:
			return find(place, ((MaterialPath *) path)->subpath, targets);
		case T_MemoizePath:
			return find(place, ((MemoizePath *) path)->subpath, targets);
		default:
			return NONE;
	}
}

List *
omf_batch_targets(PlannerInfo *root, Path *inner, Relids outer, bool whole)
{
	Place place = {NULL, root, outer, NIL, NIL, whole, NONE, true};
	List *targets = NIL;

	(void) find(&place, inner, &targets);
	return targets;
}

/* ----- what a plan says of them ----- */

List *
omf_batch_describe(const List *targets)
{
	List *described = NIL;
	ListCell *cell;

	foreach (cell, targets)
	{
		const OmfBatchTarget *target = lfirst(cell);
		List *oids = list_make4_oid(target->serverid, target->userid,
									target->table, target->key_type);
		List *numbers =
			list_make5_int(list_length(target->values),
						   list_length(target->conditions), target->after,
						   target->if_found, target->can_fail);

		described =
			lappend(described,
					list_make4(copyObject(target->shape), oids, numbers,
							   makeString(pstrdup(target->resource->name))));
	}
	return described;
}

List *
omf_batch_expressions(const List *targets)
{
	List *expressions = NIL;
	ListCell *cell;

	foreach (cell, targets)
	{
		const OmfBatchTarget *target = lfirst(cell);

		expressions = list_concat(expressions, target->values);
		expressions = list_concat(expressions, target->conditions);
	}
	return expressions;
}
