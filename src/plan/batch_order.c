/*-------------------------------------------------------------------------
 *
 * batch_order.c
 *	  The outer side of a batched join in the order that a LIMIT is about.
 *
 * PostgreSQL sorts above its joins.  Below a LIMIT that asks about all outer
 * rows, of which a few are shown.  Where the order is that of columns of the
 * outer side, its rows can be sorted first: a batched join keeps their order,
 * and asks about no more of them than are wanted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"

#include "plan/batch_order.h"

/*
 * Is that a column of the relation?  An expression could fail for a row that
 * no join lets pass.
 */
static bool
is_column_of(const EquivalenceClass *class, const RelOptInfo *rel)
{
	ListCell *cell;

	foreach (cell, class->ec_members)
	{
		EquivalenceMember *member = lfirst(cell);
		Node *expr = (Node *) member->em_expr;

		while (IsA(expr, RelabelType))
			expr = (Node *) ((RelabelType *) expr)->arg;
		if (IsA(expr, Var) && bms_is_subset(member->em_relids, rel->relids))
			return true;
	}
	return false;
}

/* As much of the order that is wanted as the relation has columns for. */
static List *
wanted_order(PlannerInfo *root, RelOptInfo *rel)
{
	List *order = NIL;
	ListCell *cell;

	foreach (cell, root->query_pathkeys)
	{
		EquivalenceClass *class = lfirst_node(PathKey, cell)->pk_eclass;

		if (!is_column_of(class, rel) ||
			!relation_can_be_sorted_early(root, rel, class, false))
			break;
		order = lappend(order, lfirst(cell));
	}
	return list_length(order) == list_length(root->query_pathkeys) ||
				   enable_incremental_sort
			   ? order
			   : NIL;
}

Path *
omf_batch_sorted_path(PlannerInfo *root, RelOptInfo *rel)
{
	Path *path = rel->cheapest_total_path;
	List *order;

	if (root->tuple_fraction <= 0 || path->param_info != NULL ||
		IS_OTHER_REL(rel))
		return NULL;
	order = wanted_order(root, rel);
	if (order == NIL || pathkeys_contained_in(order, path->pathkeys))
		return NULL;
	return (Path *) create_sort_path(root, rel, path, order, -1);
}
