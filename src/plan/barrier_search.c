/*-------------------------------------------------------------------------
 *
 * barrier_search.c
 *	  An order to join in that asks for nothing a barrier hides.
 *
 * Below a security barrier our tables wait for others (barrier.c), which
 * leaves fewer orders to join in than PostgreSQL expects:
 *
 * - It plans many tables in groups (from_collapse_limit, join_collapse_limit),
 *   and a group whose table waits for one of another group cannot be planned
 *   before that.  So groups are put off here until all tables are at hand.
 * - It takes every two tables that may be joined to have a path.  Here a join
 *   without one is left out.
 * - Of very many tables (geqo_threshold) it tries orders at random.  Of these,
 *   and of tables that are more than a group, here the smallest join goes
 *   first, among those that can be made.
 * - The partitions of a table must all have a path for the same others, and
 *   only those of ours wait.  Here their siblings wait as well.
 *
 * FULL JOIN is left alone: its order is fixed, and nothing in it waits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "optimizer/geqo.h"
#include "optimizer/joininfo.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "utils/rel.h"

#include "compat.h"
#include "plan/barrier_search.h"
#include "plan/scan_path.h"

/*
 * So many tables are searched for all orders, where going by the smallest join
 * finds none, however small the settings are.
 */
#define MOST_SEARCHED 10

static join_search_hook_type previous_search_hook = NULL;
static set_rel_pathlist_hook_type previous_pathlist_hook = NULL;

/* ----- groups ----- */

/* The base relations in a list of relations. */
static Relids
relids_of(PlannerInfo *root, List *rels)
{
	Relids relids = NULL;
	ListCell *cell;

	foreach (cell, rels)
		relids = bms_add_members(relids, ((RelOptInfo *) lfirst(cell))->relids);
	return bms_int_members(relids, root->all_baserels);
}

/* Is it a group of the tables in a FULL JOIN? */
static bool
is_in_full_join(PlannerInfo *root, Relids relids)
{
	ListCell *cell;

	foreach (cell, root->join_info_list)
	{
		SpecialJoinInfo *join = lfirst_node(SpecialJoinInfo, cell);

		if (join->jointype == JOIN_FULL &&
			bms_is_subset(relids, bms_union(join->syn_lefthand,
											join->syn_righthand)))
			return true;
	}
	return false;
}

/*
 * What stands for a group until all tables are at hand.  Nobody but this file
 * sees it; root->join_search_private is the list of those there are.
 */
static RelOptInfo *
put_off(PlannerInfo *root, Relids relids, List *rels)
{
	RelOptInfo *group = makeNode(RelOptInfo);

	group->reloptkind = RELOPT_JOINREL;
	group->relids = relids;
	group->fdw_private = rels;
	root->join_search_private = lappend(root->join_search_private, group);
	return group;
}

/* The relations, with those of groups that were put off in their place. */
static List *
with_groups(PlannerInfo *root, List *rels)
{
	List *result = NIL;
	ListCell *cell;

	foreach (cell, rels)
	{
		RelOptInfo *rel = lfirst(cell);

		if (list_member_ptr(root->join_search_private, rel))
			result = list_concat(result, with_groups(root, rel->fdw_private));
		else
			result = lappend(result, rel);
	}
	return result;
}

/* ----- the search ----- */

/* All that the relation waits for below a barrier. */
static Relids
awaited_by(const RelOptInfo *rel)
{
	OmfBarrier barrier = omf_plan_barrier(rel);

	return bms_union(barrier.joined, barrier.unique);
}

/*
 * Is there a table in the join that has some of the tables it waits for there,
 * and some not?  What those leave out by a clause between them is then asked
 * about, unless the ones there wait for the others as well.
 */
static bool
waits_in_part(PlannerInfo *root, Relids joined)
{
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		RelOptInfo *rel = root->simple_rel_array[i];
		Relids awaited;
		Relids missing;
		int j = -1;

		if (rel == NULL || !bms_overlap(rel->top_parent_relids != NULL
											? rel->top_parent_relids
											: rel->relids,
										joined))
			continue;
		awaited = awaited_by(rel);
		missing = bms_difference(awaited, joined);
		if (bms_is_empty(missing))
			continue;
		awaited = bms_int_members(awaited, joined);
		while ((j = bms_next_member(awaited, j)) >= 0)
			if (!bms_is_subset(missing, awaited_by(root->simple_rel_array[j])))
				return true;
	}
	return false;
}

/*
 * Add to a join what standard_join_search() adds to it once all pairs of its
 * level have been tried.  False if it is none to go on with.
 */
static bool
finish_join(PlannerInfo *root, RelOptInfo *joinrel, bool strict)
{
	if (joinrel->pathlist == NIL ||
		(strict && waits_in_part(root, joinrel->relids)))
		return false;
	generate_partitionwise_join_paths(root, joinrel);
	if (!bms_equal(joinrel->relids, omf_all_query_rels(root)))
		generate_useful_gather_paths(root, joinrel, false);
	set_cheapest(joinrel);
	omf_finish_grouped_rel(root, joinrel);
	return true;
}

/* As standard_join_search() does, but joins without a path are left out. */
static RelOptInfo *
search_all(PlannerInfo *root, List *rels, bool strict)
{
	int levels = list_length(rels);
	List *last;

	root->join_rel_level = palloc0((levels + 1) * sizeof(List *));
	root->join_rel_level[1] = rels;
	for (int level = 2; level <= levels; level++)
	{
		ListCell *cell;

		CHECK_FOR_INTERRUPTS();
		join_search_one_level(root, level);
		foreach (cell, root->join_rel_level[level])
			if (!finish_join(root, lfirst(cell), strict))
				root->join_rel_level[level] =
					foreach_delete_current(root->join_rel_level[level], cell);
	}
	last = root->join_rel_level[levels];
	root->join_rel_level = NULL;
	return last != NIL ? linitial(last) : NULL;
}

/* Without rows of these it can't be read. */
static Relids
needed_by(const RelOptInfo *rel)
{
	return PATH_REQ_OUTER(rel->cheapest_total_path);
}

/* Two relations that can be joined. */
typedef struct Pair
{
	RelOptInfo *one;
	RelOptInfo *other;
	RelOptInfo *joinrel;
	bool needless; /* no clause and no outer join wants them joined */
} Pair;

/* Add the pairs of that relation and each of those. */
static List *
add_pairs(PlannerInfo *root, List *pairs, RelOptInfo *one, List *rels,
		  bool strict)
{
	ListCell *cell;

	foreach (cell, rels)
	{
		RelOptInfo *other = lfirst(cell);
		RelOptInfo *joinrel;
		Pair *pair;

		CHECK_FOR_INTERRUPTS();
		joinrel = make_join_rel(root, one, other);
		if (joinrel == NULL || !finish_join(root, joinrel, strict))
			continue;
		pair = palloc(sizeof(Pair));
		pair->one = one;
		pair->other = other;
		pair->joinrel = joinrel;
		pair->needless = !have_relevant_joinclause(root, one, other) &&
						 !have_join_order_restriction(root, one, other);
		pairs = lappend(pairs, pair);
	}
	return pairs;
}

/*
 * Would what is joined wait for something that waits for it?  Those with which
 * it is to be joined still are in the list.
 */
static bool
waits_for_itself(const Pair *pair, List *joined)
{
	Relids own = pair->joinrel->relids;
	Relids awaited = bms_copy(needed_by(pair->joinrel));
	bool more;

	do
	{
		ListCell *cell;

		more = false;
		foreach (cell, joined)
		{
			RelOptInfo *rel = lfirst(cell);

			if (rel == pair->one || rel == pair->other ||
				!bms_overlap(rel->relids, awaited) ||
				bms_is_subset(needed_by(rel), awaited))
				continue;
			awaited = bms_add_members(awaited, needed_by(rel));
			more = true;
		}
	} while (more);
	return bms_overlap(awaited, own);
}

/* Is the one to be joined before the other? */
static bool
goes_before(const Pair *pair, const Pair *other)
{
	const Path *path = pair->joinrel->cheapest_total_path;
	const Path *otherpath = other->joinrel->cheapest_total_path;

	if ((path->param_info == NULL) != (otherpath->param_info == NULL))
		return path->param_info == NULL;
	if (pair->needless != other->needless)
		return other->needless;
	if (path->rows != otherpath->rows)
		return path->rows < otherpath->rows;
	return path->total_cost < otherpath->total_cost;
}

/* NULL if that leads to joins that cannot be joined with each other. */
static RelOptInfo *
search_smallest_first(PlannerInfo *root, List *rels, bool strict)
{
	List *joined = NIL;
	List *pairs = NIL;
	ListCell *cell;

	foreach (cell, rels)
	{
		pairs = add_pairs(root, pairs, lfirst(cell), joined, strict);
		joined = lappend(joined, lfirst(cell));
	}
	while (list_length(joined) > 1)
	{
		Pair *next = NULL;

		foreach (cell, pairs)
			if ((next == NULL || goes_before(lfirst(cell), next)) &&
				!waits_for_itself(lfirst(cell), joined))
				next = lfirst(cell);
		if (next == NULL)
			return NULL;
		joined = list_delete_ptr(joined, next->one);
		joined = list_delete_ptr(joined, next->other);
		foreach (cell, pairs)
		{
			Pair *pair = lfirst(cell);

			if (pair->one == next->one || pair->one == next->other ||
				pair->other == next->one || pair->other == next->other)
				pairs = foreach_delete_current(pairs, cell);
		}
		pairs = add_pairs(root, pairs, next->joinrel, joined, strict);
		joined = lappend(joined, next->joinrel);
	}
	return linitial(joined);
}

static void
forget_joins(PlannerInfo *root, int keep)
{
	root->join_rel_list = list_truncate(root->join_rel_list, keep);
	root->join_rel_hash = NULL;
}

/*
 * Search as the number of tables allows: very many are too many for all orders
 * (`many`).  Each search makes joins of its own, as after geqo().
 */
static RelOptInfo *
search(PlannerInfo *root, List *rels, bool many, bool strict)
{
	int njoinrels = list_length(root->join_rel_list);
	RelOptInfo *joinrel = NULL;

	if (many)
		joinrel = search_smallest_first(root, rels, strict);
	if (joinrel == NULL && (!many || list_length(rels) <= MOST_SEARCHED))
	{
		forget_joins(root, njoinrels);
		joinrel = search_all(root, rels, strict);
	}
	if (joinrel == NULL)
		forget_joins(root, njoinrels);
	return joinrel;
}

/* Does any table of the query wait for others? */
static bool
has_waiting(PlannerInfo *root)
{
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		RelOptInfo *rel = root->simple_rel_array[i];

		if (rel != NULL && !bms_is_empty(awaited_by(rel)))
			return true;
	}
	return false;
}

/* join_search_hook */
static RelOptInfo *
search_joins(PlannerInfo *root, int levels, List *rels)
{
	Relids relids = relids_of(root, rels);
	RelOptInfo *joinrel;
	bool many;

	if (!has_waiting(root) || is_in_full_join(root, relids))
	{
		if (previous_search_hook != NULL)
			return previous_search_hook(root, levels, rels);
		if (enable_geqo && levels >= geqo_threshold)
			return geqo(root, levels, rels);
		return standard_join_search(root, levels, rels);
	}
	if (!bms_equal(relids, root->all_baserels))
		return put_off(root, relids, rels);
	rels = with_groups(root, rels);
	many = list_length(rels) > levels ||
		   (enable_geqo && list_length(rels) >= geqo_threshold);
	joinrel = search(root, rels, many, true);
	if (joinrel == NULL)
		joinrel = search(root, rels, many, false);
	root->join_search_private = NULL;
	if (joinrel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("could not plan a query below a security barrier"),
				 errdetail("In no order can its tables be joined so that no cluster is asked about that the view hides."),
				 errhint("Write fewer foreign tables into one view, or read some of them in a sub-select WITH ... AS MATERIALIZED.")));
	return joinrel;
}

/* ----- partitions ----- */

/*
 * What partitions of ours wait for, where the relation is another partition,
 * or a child, of the same table.
 */
static Relids
awaited_by_siblings(PlannerInfo *root, const RelOptInfo *rel)
{
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		RelOptInfo *other = root->simple_rel_array[i];

		if (other != NULL && other->top_parent_relids != NULL &&
			bms_equal(other->top_parent_relids, rel->top_parent_relids) &&
			omf_plan_barrier(other).unique != NULL)
			return omf_plan_barrier(other).unique;
	}
	return NULL;
}

/*
 * The path, for rows of these other tables; NULL if it is of a kind that
 * cannot be.  A path for nothing else is a scan, whose node may be copied.
 */
static Path *
with_outer(PlannerInfo *root, RelOptInfo *rel, Path *path, Relids outer)
{
	Path *result = reparameterize_path(root, path, outer, 1.0);

	if (result != NULL)
		return result;
	switch (nodeTag(path))
	{
		case T_Path:
			result = palloc(sizeof(Path));
			memcpy(result, path, sizeof(Path));
			break;
		case T_ForeignPath:
			result = palloc(sizeof(ForeignPath));
			memcpy(result, path, sizeof(ForeignPath));
			break;
		default:
			return NULL;
	}
	result->param_info = get_baserel_parampathinfo(root, rel, outer);
	return result;
}

/* set_rel_pathlist_hook */
static void
have_siblings_wait(PlannerInfo *root, RelOptInfo *rel, Index rti,
				   RangeTblEntry *rte)
{
	List *paths;
	Relids awaited;
	ListCell *cell;

	if (previous_pathlist_hook != NULL)
		previous_pathlist_hook(root, rel, rti, rte);
	if (rel->reloptkind != RELOPT_OTHER_MEMBER_REL || IS_DUMMY_REL(rel) ||
		omf_is_own_rel(rel))
		return;
	awaited = awaited_by_siblings(root, rel);
	if (awaited == NULL)
		return;
	paths = rel->pathlist;
	rel->pathlist = NIL;
	rel->partial_pathlist = NIL;
	foreach (cell, paths)
	{
		Path *path = lfirst(cell);
		Relids outer = bms_union(PATH_REQ_OUTER(path), awaited);

		outer = bms_add_members(outer, rel->lateral_relids);
		if (bms_is_subset(outer, PATH_REQ_OUTER(path)))
			add_path(rel, path);
		else if ((path = with_outer(root, rel, path, outer)) != NULL)
			add_path(rel, path);
	}
}

void
omf_barrier_search_init(void)
{
	previous_search_hook = join_search_hook;
	join_search_hook = search_joins;
	previous_pathlist_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = have_siblings_wait;
}
