/*-------------------------------------------------------------------------
 *
 * barrier.c
 *	  What a view with a security barrier hides is not asked for.
 *
 * A join in such a view may hide clusters, and a request for one that it
 * hides would give it away.  A cost is no prohibition: so the planner is told
 * that the table refers to the others laterally, as a LATERAL subquery does.
 * It then has no path that scans the table before those have rows, and joins
 * them in an order that allows for it.
 *
 * It would not join a table that refers to them laterally with those of an
 * EXISTS or IN.  For these the table merely has no path but such as need a row
 * of theirs, and the joins that the planner leaves out because of that are
 * added.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "parser/parsetree.h"

#include "plan/barrier.h"
#include "session/options.h"

/* ----- is there one? ----- */

/*
 * Is the query what planning has made of that range table entry's?  Planning
 * works on a copy, and only appends to its range table.  Of a join that the
 * planner has removed there is no entry, from PostgreSQL 17 on.
 */
static bool
is_query_of(const Query *query, const RangeTblEntry *rte)
{
	ListCell *cell;
	ListCell *original;

	if (rte == NULL || rte->subquery == NULL ||
		list_length(rte->subquery->rtable) > list_length(query->rtable))
		return false;
	forboth(original, rte->subquery->rtable, cell, query->rtable)
	{
		const RangeTblEntry *before = lfirst(original);
		const RangeTblEntry *after = lfirst(cell);

		if (before->relid != after->relid || !equal(before->eref, after->eref))
			return false;
	}
	return true;
}

/*
 * Is the range table entry a view with a barrier, or an arm of its UNION ALL?
 */
static bool
has_barrier(PlannerInfo *root, Index rti)
{
	while (!planner_rt_fetch(rti, root)->security_barrier)
	{
		if (root->append_rel_array == NULL ||
			root->append_rel_array[rti] == NULL)
			return false;
		rti = root->append_rel_array[rti]->parent_relid;
	}
	return true;
}

/* Is the query that of a view with a barrier, or within one? */
static bool
is_below_barrier(PlannerInfo *root)
{
	PlannerInfo *parent;

	for (; (parent = root->parent_root) != NULL; root = parent)
		for (int rti = 1; rti < parent->simple_rel_array_size; rti++)
			if (is_query_of(root->parse, planner_rt_fetch(rti, parent)) &&
				has_barrier(parent, (Index) rti))
				return true;
	return false;
}

/* ----- what goes first ----- */

/* The base relation that the relation is, or is a child of. */
static Index
base_of(const RelOptInfo *rel)
{
	return rel->top_parent_relids != NULL
			   ? (Index) bms_singleton_member(rel->top_parent_relids)
			   : rel->relid;
}

/*
 * Of two tables of ours only one can wait for the other: statuses wait for
 * listings, which show more of what a view goes by.  0: none of ours.
 */
static int
rank(PlannerInfo *root, const RelOptInfo *own, Index base)
{
	int highest = 0;

	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		RelOptInfo *rel = root->simple_rel_array[i];

		if (rel != NULL && base_of(rel) == base && rel->fdwroutine != NULL &&
			rel->fdwroutine->GetForeignPaths ==
				own->fdwroutine->GetForeignPaths)
			highest =
				Max(highest,
					omf_options_resource(planner_rt_fetch(i, root)->relid)
							->in_listing
						? 1
						: 2);
	}
	return highest;
}

/* Add the base relations below a node of the join tree. */
static Relids
add_tables(Relids tables, Node *node)
{
	ListCell *cell;

	if (IsA(node, RangeTblRef))
		return bms_add_member(tables, ((RangeTblRef *) node)->rtindex);
	if (IsA(node, JoinExpr))
		return add_tables(add_tables(tables, ((JoinExpr *) node)->larg),
						  ((JoinExpr *) node)->rarg);
	foreach (cell, ((FromExpr *) node)->fromlist)
		tables = add_tables(tables, lfirst(cell));
	return tables;
}

/*
 * Can the right side of a semi-join be read first, made unique?  Of a join
 * that PostgreSQL has made an inner one there is nothing in the list.
 */
static bool
can_be_unique(PlannerInfo *root, Node *right, Index base)
{
	Relids tables = add_tables(NULL, right);
	ListCell *cell;

	foreach (cell, root->join_info_list)
	{
		SpecialJoinInfo *join = lfirst_node(SpecialJoinInfo, cell);

		if (join->jointype == JOIN_SEMI &&
			bms_is_member((int) base, join->syn_lefthand) &&
			bms_equal(join->syn_righthand, tables))
			return join->semi_can_btree || join->semi_can_hash;
	}
	return true;
}

/* What a table is to wait for. */
typedef struct First
{
	Relids joined; /* tables that it is joined with */
	Relids unique; /* those of an EXISTS or IN */
} First;

/*
 * Is the base relation below that node of the join tree?  Then add to *first
 * what is joined with it there, as far as that can be read before.
 */
static bool
find_first(PlannerInfo *root, Node *node, Index base, First *first)
{
	ListCell *cell;
	void *found = NULL;

	if (IsA(node, RangeTblRef))
		return ((RangeTblRef *) node)->rtindex == (int) base;
	if (IsA(node, JoinExpr))
	{
		JoinExpr *join = (JoinExpr *) node;

		if (find_first(root, join->rarg, base, first))
			first->joined = add_tables(first->joined, join->larg);
		else if (!find_first(root, join->larg, base, first))
			return false;
		else if (join->jointype == JOIN_SEMI &&
				 can_be_unique(root, join->rarg, base))
			first->unique = add_tables(first->unique, join->rarg);
		else if (join->jointype == JOIN_INNER)
			first->joined = add_tables(first->joined, join->rarg);
		if (join->jointype == JOIN_FULL)
			first->joined = first->unique = NULL; /* it reads all of both */
		return true;
	}
	foreach (cell, ((FromExpr *) node)->fromlist)
		if (find_first(root, lfirst(cell), base, first))
			found = lfirst(cell);
	foreach (cell, ((FromExpr *) node)->fromlist)
		if (found != NULL && lfirst(cell) != found)
			first->joined = add_tables(first->joined, lfirst(cell));
	return found != NULL;
}

/* Keep of these base relations those that don't have to wait themselves. */
static Relids
that_go_first(PlannerInfo *root, const RelOptInfo *rel, Relids first)
{
	Relids result = NULL;
	Index base = base_of(rel);
	int own = rank(root, rel, base);
	int i = -1;

	first = bms_intersect(first, root->all_baserels);
	while ((i = bms_next_member(first, i)) >= 0)
	{
		Relids lateral = root->simple_rel_array[i]->lateral_relids;
		int other = rank(root, rel, (Index) i);

		if (!bms_is_member((int) base, lateral) &&
			(other < own || (other == own && i < (int) base)))
			result = bms_add_members(bms_add_member(result, i), lateral);
	}
	return result;
}

/* Leave it as create_lateral_join_info() would; the sets can be shared. */
static void
refer_laterally(PlannerInfo *root, Index base, Relids first)
{
	Relids referrers = bms_make_singleton((int) base);

	referrers =
		bms_add_members(referrers,
						root->simple_rel_array[base]->lateral_referencers);
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		RelOptInfo *rel = root->simple_rel_array[i];

		if (rel == NULL)
			continue;
		if (base_of(rel) == base)
			rel->direct_lateral_relids =
				bms_union(rel->direct_lateral_relids, first);
		if (bms_is_member((int) base_of(rel), referrers))
			rel->lateral_relids = bms_union(rel->lateral_relids, first);
		if (bms_is_member((int) base_of(rel), first))
			rel->lateral_referencers = bms_union(rel->lateral_referencers,
												 referrers);
	}
	root->hasLateralRTEs = true;
}

Relids
omf_barrier_apply(PlannerInfo *root, RelOptInfo *rel)
{
	Index base = base_of(rel);
	First first = {NULL, NULL};

	if (!is_below_barrier(root))
		return NULL;
	(void) find_first(root, (Node *) root->parse->jointree, base, &first);
	first.joined = that_go_first(root, rel, first.joined);
	if (!bms_is_empty(first.joined))
		refer_laterally(root, base, first.joined);
	first.unique = that_go_first(root, rel, first.unique);
	return bms_is_empty(first.unique) ? NULL : first.unique;
}
