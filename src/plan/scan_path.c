/*-------------------------------------------------------------------------
 *
 * scan_path.c
 *	  Planning a scan: the planner callbacks, and how many keys and rows.
 *
 * See https://www.postgresql.org/docs/current/fdw-planning.html
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "session/options.h"
#include "plan/scan_path.h"
#include "exec/cost.h"
#include "exec/row.h"
#include "session/session.h"

/* Clusters of an account of which nothing is known. */
#define DEFAULT_CLUSTERS 50.0

/* RelOptInfo.fdw_private: what planning has found out about the table. */
typedef struct RelInfo
{
	Oid relid;                   /* of the foreign table */
	const OmfResource *resource; /* that the table is */
	OmfKeyColumn key;            /* its key column */
	List *fields;                /* see omf_row_fields() */
	bool reports;                /* do rows show errors? */
	AttrNumber tags;             /* the column of the clusters' tags, or 0 */
	const char *tag;             /* that all clusters wanted have, or NULL */
	double nclusters;            /* of the account */
	bool counted;                /* is that known, and no guess? */
	OmfBarrier barrier;          /* that the table is below */
	bool whole;                  /* only the whole listing may be read */
} RelInfo;

/* ----- what the table is ----- */

/* The attribute that shows the key, which must be of a fitting type. */
static void
find_key_column(RelInfo *info, Relation relation, Index varno)
{
	TupleDesc descriptor = RelationGetDescr(relation);
	AttrNumber attno = 0;
	ListCell *cell;

	info->key.varno = varno;
	info->key.attno = 0;
	info->key.type = InvalidOid;
	foreach (cell, info->fields)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, attno);

		attno++;
		if (lfirst_int(cell) != info->resource->key)
			continue;
		info->key.type = getBaseType(attribute->atttypid);
		if (!omf_is_key_type(info->key.type))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
					 errmsg("key column of a foreign table has a type that can't be looked up"),
					 errdetail("Column \"%s\" of foreign table \"%s\" is of type %s.",
							   NameStr(attribute->attname),
							   RelationGetRelationName(relation),
							   format_type_be(attribute->atttypid)),
					 errhint("Declare it as uuid, text or varchar.")));
		info->key.attno = attno;
		return;
	}
}

/* The column of the clusters' tags, as an SQL array of text; 0 if none. */
static AttrNumber
find_tags_column(const RelInfo *info, Relation relation)
{
	AttrNumber attno = 0;
	ListCell *cell;

	foreach (cell, info->fields)
	{
		attno++;
		if (info->resource->tags >= 0 &&
			lfirst_int(cell) == info->resource->tags &&
			TupleDescAttr(RelationGetDescr(relation), attno - 1)->atttypid ==
				TEXTARRAYOID)
			return attno;
	}
	return 0;
}

/* The tag in a clause "tags @> ARRAY['x']", or NULL if it is another one. */
static const char *
tag_of_clause(Node *clause, const RelInfo *info, Index varno)
{
	OpExpr *operation = (OpExpr *) clause;
	Var *var;
	Const *array;
	Datum *tags;
	bool *nulls;
	int ntags;
	char *tag;

	if (!IsA(clause, OpExpr) || operation->opno != OID_ARRAY_CONTAINS_OP)
		return NULL;

	/* by such a collation tags may be equal that the API tells apart */
	if (OidIsValid(operation->inputcollid) &&
		!get_collation_isdeterministic(operation->inputcollid))
		return NULL;
	var = linitial(operation->args);
	array = lsecond(operation->args);
	if (!IsA(var, Var) || var->varno != (int) varno ||
		var->varattno != info->tags || !IsA(array, Const) ||
		array->constisnull || array->consttype != TEXTARRAYOID)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(array->constvalue), TEXTOID, -1,
					  false, TYPALIGN_INT, &tags, &nulls, &ntags);
	if (ntags != 1 || nulls[0])
		return NULL;
	tag = TextDatumGetCString(tags[0]);
	tag = pg_server_to_any(tag, (int) strlen(tag), PG_UTF8);
	return tag[0] != '\0' && strlen(tag) <= OMF_TAG_MAX ? tag : NULL;
}

/* The tag that all rows must have, as far as one clause says so. */
static const char *
find_tag(RelOptInfo *rel, const RelInfo *info)
{
	ListCell *cell;

	if (info->tags == 0)
		return NULL;
	foreach (cell, rel->baserestrictinfo)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		const char *tag = tag_of_clause((Node *) restriction->clause, info,
										rel->relid);

		if (tag != NULL &&
			restriction_is_securely_promotable(restriction, rel))
			return tag;
	}
	return NULL;
}

/*
 * How many clusters the account has: what a listing has shown in this
 * backend, else what ANALYZE has seen.
 */
static void
estimate_clusters(RelInfo *info, const RelOptInfo *rel)
{
	Oid user = OidIsValid(rel->userid) ? rel->userid : GetUserId();

	info->nclusters = omf_session_clusters(rel->serverid, user);
	if (info->nclusters < 0 && rel->tuples > 0)
		info->nclusters = rel->tuples;
	info->counted = info->nclusters >= 0;
	if (!info->counted)
		info->nclusters = DEFAULT_CLUSTERS;
}

/* Keep only the fields of columns that the query looks at. */
static List *
needed_fields(RelOptInfo *rel, List *fields)
{
	Bitmapset *used = NULL;
	List *needed = NIL;
	AttrNumber attno = 0;
	ListCell *cell;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &used);
	foreach (cell, rel->baserestrictinfo)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, cell)->clause,
					   rel->relid, &used);
	if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used))
		return fields; /* the row as a whole */
	foreach (cell, fields)
	{
		attno++;
		if (bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, used))
			needed = lappend_int(needed, lfirst_int(cell));
		else
			needed = lappend_int(needed, -1);
	}
	return needed;
}

static RelInfo *
make_rel_info(RelOptInfo *rel, Oid relid)
{
	RelInfo *info = palloc0(sizeof(RelInfo));
	Relation relation = table_open(relid, NoLock);

	info->relid = relid;
	info->resource = omf_options_resource(relid);
	info->fields = omf_row_fields(relation, info->resource);
	find_key_column(info, relation, rel->relid);
	info->tags = find_tags_column(info, relation);
	info->tag = find_tag(rel, info);
	estimate_clusters(info, rel);
	info->reports = omf_row_reports_errors(relid, info->resource,
										   info->fields);
	info->fields = needed_fields(rel, info->fields);
	table_close(relation, NoLock);
	return info;
}

/* ----- keys and costs ----- */

/*
 * Does the clause narrow what is asked for?  A request tells the API about a
 * cluster, so behind a security barrier a clause counts only where PostgreSQL
 * itself would evaluate it before the barrier's own; and where what the barrier
 * goes by cannot be read before, none does: a listing names no cluster.
 */
static bool
is_key_restriction(PlannerInfo *root, RelOptInfo *rel,
				   RestrictInfo *restriction)
{
	RelInfo *info = rel->fdw_private;

	return !info->whole && !restriction->pseudoconstant &&
		   restriction_is_securely_promotable(restriction, rel) &&
		   omf_is_key_clause(root, (Node *) restriction->clause, &info->key);
}

/* The number of keys that pass all of the clauses, or -1 if none is a key. */
static double
count_keys(PlannerInfo *root, RelOptInfo *rel, List *restrictions)
{
	RelInfo *info = rel->fdw_private;
	double nkeys = -1;
	ListCell *cell;

	foreach (cell, restrictions)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		double n;

		if (!is_key_restriction(root, rel, restriction))
			continue;
		n = omf_estimate_keys(root, (Node *) restriction->clause, &info->key);
		if (nkeys < 0 || n < nkeys)
			nkeys = n;
	}
	return nkeys;
}

/* Does it read a foreign table each time that it is evaluated? */
static bool
reads_foreign_table(Node *node, void *context)
{
	PlannerInfo *root = context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
		return ((RangeTblEntry *) node)->relkind == RELKIND_FOREIGN_TABLE;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, reads_foreign_table, context,
								 QTW_EXAMINE_RTES_BEFORE);
	if (IsA(node, SubPlan) && !((SubPlan *) node)->useHashTable)
	{
		PlannerInfo *subroot = list_nth(root->glob->subroots,
										((SubPlan *) node)->plan_id - 1);

		if (reads_foreign_table((Node *) subroot->parse, context))
			return true;
	}
	return expression_tree_walker(node, reads_foreign_table, context);
}

/*
 * Does the clause say something of the key alone, so that it can be applied to
 * a cluster before that is asked about?  As with keys, only where PostgreSQL
 * itself would evaluate it that early.  What asks another server, or this one,
 * is not cheap, and comes after what is.
 */
static bool
is_key_filter(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *restriction)
{
	const RelInfo *info = rel->fdw_private;
	Bitmapset *used = NULL;
	int column;

	if (info->key.attno == 0 || restriction->pseudoconstant ||
		!restriction_is_securely_promotable(restriction, rel) ||
		contain_volatile_functions((Node *) restriction->clause) ||
		reads_foreign_table((Node *) restriction->clause, root))
		return false;
	pull_varattnos((Node *) restriction->clause, rel->relid, &used);
	return bms_get_singleton_member(used, &column) &&
		   column == info->key.attno - FirstLowInvalidHeapAttributeNumber;
}

/* What part of the clusters that a listing shows passes the key filters. */
static double
filter_selectivity(PlannerInfo *root, RelOptInfo *rel)
{
	List *filters = NIL;
	ListCell *cell;

	foreach (cell, rel->baserestrictinfo)
		if (is_key_filter(root, rel, lfirst_node(RestrictInfo, cell)))
			filters = lappend(filters, lfirst(cell));
	return clauselist_selectivity(root, filters, (int) rel->relid, JOIN_INNER,
								  NULL);
}

/*
 * How many of these keys to leave out of the price: PostgreSQL takes an array
 * of unknown length for one of ten elements.  Most have fewer, and a generic
 * plan that is priced by ten would lose against one made anew each time.
 */
static double
count_unknown(PlannerInfo *root, RelOptInfo *rel, List *restrictions,
			  double nkeys)
{
	RelInfo *info = rel->fdw_private;
	ListCell *cell;

	foreach (cell, restrictions)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);

		if (is_key_restriction(root, rel, restriction) &&
			omf_has_unknown_array((Node *) restriction->clause, &info->key))
			return Max(nkeys - 1, 0);
	}
	return 0;
}

/* The part of the clauses that does not choose keys lets so many rows pass. */
static double
rest_selectivity(PlannerInfo *root, RelOptInfo *rel, List *restrictions)
{
	List *rest = NIL;
	ListCell *cell;

	foreach (cell, restrictions)
		if (!is_key_restriction(root, rel, lfirst_node(RestrictInfo, cell)))
			rest = lappend(rest, lfirst(cell));
	return clauselist_selectivity(root, rest, (int) rel->relid, JOIN_INNER,
								  NULL);
}

/* Will a scan by so many keys list the clusters instead (see scan.c)? */
static bool
lists_for_keys(const RelInfo *info, double nkeys)
{
	return omf_cost_prefers_listing(info->resource, nkeys,
									info->counted ? info->nclusters : -1);
}

/*
 * What it costs to ask for so many keys; or for all clusters, if less than 0.
 */
static OmfCost
cost_scan(PlannerInfo *root, RelOptInfo *rel, List *restrictions, double nkeys)
{
	const RelInfo *info = rel->fdw_private;

	if (nkeys < 0)
		return omf_cost_listing(info->resource, info->nclusters,
								ceil(info->nclusters *
									 filter_selectivity(root, rel)));
	nkeys -= count_unknown(root, rel, restrictions, nkeys);
	if (lists_for_keys(info, nkeys))
		return omf_cost_listing(info->resource, info->nclusters,
								Min(nkeys, info->nclusters));
	return omf_cost_keys(nkeys);
}

/*
 * Add the path that asks for the keys of the table's clauses, and with rows
 * of the tables `outer` for those of the joins with them; or that asks for
 * all clusters if none of them is a key.
 */
static void
add_scan_path(PlannerInfo *root, RelOptInfo *rel, Relids outer)
{
	List *restrictions = rel->baserestrictinfo;
	double nkeys;
	double rows = rel->rows;
	OmfCost cost;

	if (!bms_is_empty(outer))
		restrictions =
			list_concat_copy(get_baserel_parampathinfo(root, rel, outer)
								 ->ppi_clauses,
							 restrictions);
	nkeys = count_keys(root, rel, restrictions);
	if (nkeys >= 0 && !bms_is_empty(outer))
		rows = clamp_row_est(nkeys *
							 rest_selectivity(root, rel, restrictions));
	cost = cost_scan(root, rel, restrictions, nkeys);
	cost.total += rows * cpu_tuple_cost + rel->baserestrictcost.startup +
				  rel->baserestrictcost.per_tuple * Max(nkeys, rows);
	add_path(rel, (Path *) omf_create_foreignscan_path(root, rel, rows,
													   cost.startup,
													   cost.total, outer));
}

void
omf_get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	RelInfo *info = make_rel_info(rel, relid);
	double nkeys;

	rel->fdw_private = info;
	info->barrier = omf_barrier_apply(root, rel);
	info->whole = info->resource->in_listing && !info->barrier.complete;
	nkeys = count_keys(root, rel, rel->baserestrictinfo);
	rel->tuples = info->nclusters;
	if (nkeys >= 0)
		rel->rows = clamp_row_est(
			nkeys * rest_selectivity(root, rel, rel->baserestrictinfo));
	else
		rel->rows = clamp_row_est(info->nclusters *
								  clauselist_selectivity(root,
														 rel->baserestrictinfo,
														 0, JOIN_INNER, NULL));
	rel->reltarget->width = get_relation_data_width(relid, rel->attr_widths -
															   rel->min_attr);
}

/* ----- paths ----- */

/* Is that member of an equivalence class the key? */
static bool
is_key_member(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *class,
			  EquivalenceMember *member, void *arg)
{
	(void) root;
	(void) class;
	(void) arg;
	return omf_is_key_expression((Node *) member->em_expr,
								 &((RelInfo *) rel->fdw_private)->key);
}

/* Clauses that join the key with something of other tables. */
static List *
key_join_clauses(PlannerInfo *root, RelOptInfo *rel)
{
	List *clauses = NIL;
	ListCell *cell;

	if (rel->has_eclass_joins)
		clauses =
			generate_implied_equalities_for_column(root, rel, is_key_member,
												   NULL,
												   rel->lateral_referencers);
	foreach (cell, rel->joininfo)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);

		if (join_clause_is_movable_to(restriction, rel))
			clauses = lappend(clauses, restriction);
	}
	return clauses;
}

/* list_member() does without: before PostgreSQL 16 a Bitmapset is no Node. */
static bool
has_relids(List *list, Relids relids)
{
	ListCell *cell;

	foreach (cell, list)
		if (bms_equal(lfirst(cell), relids))
			return true;
	return false;
}

void
omf_get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	RelInfo *info = rel->fdw_private;
	Relids always = bms_union(rel->lateral_relids, info->barrier.unique);
	List *outers = list_make1(bms_is_empty(always) ? NULL : always);
	ListCell *cell;

	(void) relid;
	foreach (cell, key_join_clauses(root, rel))
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		Relids outer;

		if (!is_key_restriction(root, rel, restriction))
			continue;
		outer = bms_union(restriction->clause_relids, always);
		outer = bms_del_member(outer, (int) rel->relid);
		if (!bms_is_empty(outer) && !has_relids(outers, outer))
			outers = lappend(outers, outer);
	}
	foreach (cell, outers)
		add_scan_path(root, rel, lfirst(cell));
}

/* ----- the plan ----- */

/* Do the clauses give so many keys that the scan is expected to list? */
static bool
plans_listing(PlannerInfo *root, RelOptInfo *rel, List *restrictions)
{
	double nkeys = count_keys(root, rel, restrictions);

	if (nkeys < 0)
		return true;
	nkeys -= count_unknown(root, rel, restrictions, nkeys);
	return lists_for_keys(rel->fdw_private, nkeys);
}

/*
 * What else of the tables that it waits for the key has to equal.  PostgreSQL
 * has a scan compare it with one of the values that are all to be equal, and
 * leaves it to joins to compare these, which may be after the scan.
 */
static List *
awaited_clauses(PlannerInfo *root, RelOptInfo *rel, Relids outer)
{
	const OmfBarrier *barrier = &((RelInfo *) rel->fdw_private)->barrier;
	Relids awaited = bms_union(barrier->joined, barrier->unique);
	List *clauses = NIL;
	int i = -1;

	awaited = bms_int_members(awaited, outer);
	while ((i = bms_next_member(awaited, i)) >= 0)
	{
		Relids other = bms_make_singleton(i);
		Relids both = bms_union(rel->relids, other);

		clauses = list_concat(clauses,
							  omf_implied_equalities(root, both, other, rel));
	}
	return clauses;
}

ForeignScan *
omf_get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *path,
			 List *tlist, List *scan_clauses, Plan *outer_plan)
{
	RelInfo *info = rel->fdw_private;
	OmfKeyColumn key;
	List *keys;
	List *local;
	List *filters = NIL;
	List *recheck = NIL;
	List *fdw_private;
	const char *tag = info->tag != NULL ? info->tag : "";
	ListCell *cell;

	(void) relid;
	foreach (cell, awaited_clauses(root, rel, PATH_REQ_OUTER(&path->path)))
		if (!list_member(scan_clauses, lfirst(cell)) &&
			is_key_restriction(root, rel, lfirst(cell)))
			scan_clauses = lappend(scan_clauses, lfirst(cell));
	keys = omf_plan_key_clauses(root, rel, scan_clauses, &key);
	local = extract_actual_clauses(scan_clauses, false);

	/*
	 * A row passes a clause that says no more than what its key may be: only
	 * EvalPlanQual has to look again.  A long "= ANY ($1)" is a search from
	 * end to end for every row.
	 */
	foreach (cell, keys)
		if (omf_is_exact_key_clause(lfirst(cell), &key))
			recheck = lappend(recheck, lfirst(cell));
	local = list_difference_ptr(local, recheck);

	/*
	 * nor has a clause to be applied again that was before the cluster was
	 * asked
	 */
	foreach (cell, scan_clauses)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);

		if (list_member_ptr(local, restriction->clause) &&
			is_key_filter(root, rel, restriction))
			filters = lappend(filters, restriction->clause);
	}
	recheck = list_concat(recheck, filters);
	local = list_difference_ptr(local, filters);
	fdw_private = list_make5(makeString(pstrdup(info->resource->name)),
							 makeInteger((int) info->key.attno),
							 makeInteger((int) info->key.type),
							 info->fields,
							 makeString(pstrdup(tag)));
	fdw_private = lappend(fdw_private, makeInteger(info->reports));
	fdw_private = lappend(fdw_private, makeInteger(list_length(keys)));
	fdw_private = lappend(fdw_private,
						  makeInteger(info->counted ? (int) info->nclusters
													: -1));
	fdw_private = lappend(fdw_private,
						  makeInteger(plans_listing(root, rel, scan_clauses)));
	return make_foreignscan(tlist, local, rel->relid,
							list_concat_copy(keys, filters), fdw_private, NIL,
							recheck, outer_plan);
}

List *
omf_plan_key_clauses(PlannerInfo *root, RelOptInfo *rel, List *restrictions,
					 OmfKeyColumn *column)
{
	List *keys = NIL;
	ListCell *cell;

	*column = ((RelInfo *) rel->fdw_private)->key;
	foreach (cell, restrictions)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);

		if (is_key_restriction(root, rel, restriction))
			keys = lappend(keys, restriction->clause);
	}
	return keys;
}

List *
omf_plan_filters(PlannerInfo *root, RelOptInfo *rel, List *restrictions)
{
	List *filters = NIL;
	ListCell *cell;

	foreach (cell, restrictions)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);

		if (!is_key_restriction(root, rel, restriction) &&
			is_key_filter(root, rel, restriction))
			filters = lappend(filters, restriction);
	}
	return filters;
}

const OmfResource *
omf_plan_rel_resource(const RelOptInfo *rel)
{
	return ((const RelInfo *) rel->fdw_private)->resource;
}

bool
omf_is_own_rel(const RelOptInfo *rel)
{
	return IS_SIMPLE_REL(rel) && rel->fdwroutine != NULL &&
		   rel->fdwroutine->GetForeignPaths == omf_get_paths;
}

OmfBarrier
omf_plan_barrier(const RelOptInfo *rel)
{
	OmfBarrier none = {NULL, NULL, true, false};

	return omf_is_own_rel(rel) && rel->fdw_private != NULL
			   ? ((const RelInfo *) rel->fdw_private)->barrier
			   : none;
}

bool
omf_plan_waits(PlannerInfo *root, const RelOptInfo *rel)
{
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		RelOptInfo *base = root->simple_rel_array[i];

		if (base != NULL && omf_plan_barrier(base).unique != NULL &&
			bms_overlap(base->top_parent_relids != NULL
							? base->top_parent_relids
							: base->relids,
						rel->relids))
			return true;
	}
	return false;
}

Oid
omf_plan_relid(const RelOptInfo *rel)
{
	return ((const RelInfo *) rel->fdw_private)->relid;
}

bool
omf_is_async_capable(ForeignPath *path)
{
	RelOptInfo *rel = path->path.parent;
	Oid relid = omf_plan_relid(rel);

	return omf_options_async_capable(rel->serverid, relid);
}
