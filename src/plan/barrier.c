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
 * added.  barrier_search.c sees to it that there is an order to join them in.
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
 * Is the base relation below that node of the join tree?  Then add to *others
 * the tables there that can leave rows of it out.
 */
static bool
find_others(Node *node, Index base, Relids *others)
{
	ListCell *cell;
	void *found = NULL;

	if (IsA(node, RangeTblRef))
		return ((RangeTblRef *) node)->rtindex == (int) base;
	if (IsA(node, JoinExpr))
	{
		JoinExpr *join = (JoinExpr *) node;

		if (find_others(join->rarg, base, others))
			*others = add_tables(*others, join->larg);
		else if (!find_others(join->larg, base, others))
			return false;
		else if (join->jointype == JOIN_SEMI || join->jointype == JOIN_INNER)
			*others = add_tables(*others, join->rarg);
		if (join->jointype == JOIN_FULL)
			*others = NULL; /* it reads all of both */
		return true;
	}
	foreach (cell, ((FromExpr *) node)->fromlist)
		if (find_others(lfirst(cell), base, others))
			found = lfirst(cell);
	foreach (cell, ((FromExpr *) node)->fromlist)
		if (found != NULL && lfirst(cell) != found)
			*others = add_tables(*others, lfirst(cell));
	return found != NULL;
}

/*
 * Can the table be read before ours?  Not if it waits for ours, or for another
 * one that does.
 */
static bool
can_go_first(PlannerInfo *root, const RelOptInfo *rel, int table)
{
	Index base = base_of(rel);
	int own = rank(root, rel, base);
	Relids all = bms_copy(root->simple_rel_array[table]->lateral_relids);
	int i = -1;

	all = bms_add_member(all, table);
	while ((i = bms_next_member(all, i)) >= 0)
	{
		int other = rank(root, rel, (Index) i);

		if (i == (int) base || other > own ||
			(other == own && i > (int) base))
			return false;
	}
	return true;
}

/*
 * The right side of an outer join, EXISTS or IN can be read, as a whole, once
 * its left side is there.  Where that has to wait for ours, only an EXISTS or
 * IN can still go first, made unique.  True if there was one to leave out or
 * to move.
 */
static bool
leave_out(PlannerInfo *root, Index base, OmfBarrier *first)
{
	bool changed = false;
	ListCell *cell;

	foreach (cell, root->join_info_list)
	{
		SpecialJoinInfo *join = lfirst_node(SpecialJoinInfo, cell);
		Relids left = bms_intersect(join->min_lefthand, root->all_baserels);
		Relids right = bms_intersect(join->syn_righthand, root->all_baserels);
		Relids all = bms_union(first->joined, first->unique);
		bool uniquely = join->jointype == JOIN_SEMI &&
						(join->semi_can_btree || join->semi_can_hash);

		if (join->jointype == JOIN_FULL ||
			bms_is_member((int) base, right) || !bms_overlap(right, all) ||
			bms_is_subset(bms_union(left, right), first->joined) ||
			bms_is_subset(bms_union(left, right), first->unique) ||
			(uniquely && bms_is_subset(right, first->unique)))
			continue;
		first->joined = bms_del_members(first->joined, right);
		if (uniquely && bms_is_subset(right, all))
			first->unique = bms_add_members(first->unique, right);
		else
			first->unique = bms_del_members(first->unique, right);
		changed = true;
	}
	return changed;
}

/*
 * Is ours in an EXISTS or IN whose left side is to wait for it?  Then it has to
 * be made unique, and what refers to others laterally cannot be.
 */
static bool
is_awaited(PlannerInfo *root, Index base, const OmfBarrier *first)
{
	ListCell *cell;

	foreach (cell, root->join_info_list)
	{
		SpecialJoinInfo *join = lfirst_node(SpecialJoinInfo, cell);
		Relids left = bms_intersect(join->min_lefthand, root->all_baserels);

		if (join->jointype == JOIN_SEMI &&
			bms_is_member((int) base, join->syn_righthand) &&
			!bms_is_subset(left, bms_union(first->joined,
										   join->syn_righthand)))
			return true;
	}
	return false;
}

/* Which of these tables can be read before ours. */
static OmfBarrier
that_go_first(PlannerInfo *root, const RelOptInfo *rel, Relids others)
{
	OmfBarrier first = {NULL, NULL, true, true};
	int i = -1;

	others = bms_intersect(others, root->all_baserels);
	while ((i = bms_next_member(others, i)) >= 0)
		if (can_go_first(root, rel, i))
			first.joined =
				bms_add_members(bms_add_member(first.joined, i),
								root->simple_rel_array[i]->lateral_relids);
	while (leave_out(root, base_of(rel), &first))
		;
	if (rank(root, rel, base_of(rel)) == 1 &&
		is_awaited(root, base_of(rel), &first))
		first.joined = first.unique = NULL;
	others = bms_del_members(others, first.joined);
	others = bms_del_members(others, first.unique);
	for (i = -1; (i = bms_next_member(others, i)) >= 0;)
		if (rank(root, rel, (Index) i) == 0)
			first.complete = false;
	return first;
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

OmfBarrier
omf_barrier_apply(PlannerInfo *root, RelOptInfo *rel)
{
	Index base = base_of(rel);
	OmfBarrier barrier = {NULL, NULL, true, false};
	Relids others = NULL;

	if (!is_below_barrier(root))
		return barrier;
	(void) find_others((Node *) root->parse->jointree, base, &others);
	barrier = that_go_first(root, rel, others);
	if (!bms_is_empty(barrier.joined))
		refer_laterally(root, base, barrier.joined);
	return barrier;
}
