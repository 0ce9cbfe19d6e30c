/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Executing a scan: the executor callbacks.
 *
 * See https://www.postgresql.org/docs/current/fdw-callbacks.html
 *
 * The keys are evaluated when the first row is asked for, and again when a
 * parameter has changed.  Nothing has to be freed at the end: the fetch goes
 * with the query's memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "session/options.h"
#include "exec/cost.h"
#include "exec/scan_plan.h"
#include "exec/row.h"
#include "exec/scan.h"
#include "exec/tuple_bound.h"

/* ForeignScanState.fdw_state */
typedef struct OmfScanState
{
	Oid user;                  /* whose token is used */
	OmfKeySource *keys;        /* the key clauses */
	MemoryContext key_context; /* of their values */
	bool evaluated;            /* does the fetch have the present keys? */
	bool lists;                /* does it list the clusters? */
	bool blocked;              /* was there nothing yet, when last asked? */
	OmfFetch *fetch;           /* the answers */
	void *waiting;             /* async.c's, or NULL */
	OmfRowReader *reader;      /* makes rows of them */
	ExprState *filters;        /* the key filters, or NULL: there are none */
	OmfRowReader *key_reader;  /* makes rows for them, of the key alone */
	TupleTableSlot *key_slot;  /* such a row */
} OmfScanState;

/* Does the cluster pass the key filters? */
static bool
passes_filters(void *arg, const unsigned char *uuid)
{
	ForeignScanState *node = arg;
	OmfScanState *state = node->fdw_state;
	ExprContext *econtext = node->ss.ps.ps_ExprContext;
	OmfAnswer cluster = {.uuid = uuid};
	MemoryContext old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);

	omf_row_store(state->key_reader, &cluster, state->key_slot);
	MemoryContextSwitchTo(old);
	econtext->ecxt_scantuple = state->key_slot;
	return ExecQual(state->filters, econtext);
}

/* Make the key filters ready, if there are some. */
static void
init_filters(ForeignScanState *node)
{
	OmfScanState *state = node->fdw_state;
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	const OmfResource *resource = omf_plan_resource(plan);
	Relation relation = node->ss.ss_currentRelation;
	List *filters = omf_plan_key_filters(plan);
	List *fields = NIL;
	ListCell *cell;

	if (filters == NIL)
		return;
	foreach (cell, omf_plan_fields(plan))
		fields = lappend_int(fields, lfirst_int(cell) == resource->key
										 ? resource->key
										 : -1);
	state->filters = ExecInitQual(filters, &node->ss.ps);
	state->key_reader = omf_row_init(relation, resource, fields);
	state->key_slot = ExecInitExtraTupleSlot(node->ss.ps.state,
											 RelationGetDescr(relation),
											 &TTSOpsVirtual);
	omf_fetch_set_filter(state->fetch, passes_filters, node);
}

void
omf_begin_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	EState *estate = node->ss.ps.state;
	OmfKeyColumn key = omf_plan_key_column(plan);
	const OmfResource *resource = omf_plan_resource(plan);
	Oid relid = RelationGetRelid(node->ss.ss_currentRelation);
	OmfScanState *state;

	/* EXPLAIN alone needs no token, and no key either */
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;

	/* the token is that of a view's owner where the view reads the table */
	state = palloc0(sizeof(OmfScanState));
	state->user = omf_check_as_user(plan, estate);
	if (!OidIsValid(state->user))
		state->user = GetUserId();
	state->keys = omf_keys_init(&node->ss.ps, omf_plan_keys(plan), &key);
	state->key_context = AllocSetContextCreate(estate->es_query_cxt,
											   "online_migrations_fdw keys",
											   ALLOCSET_SMALL_SIZES);
	state->fetch = omf_fetch_create(omf_channel_get(estate, plan->fs_server,
													state->user),
									resource, omf_plan_fields(plan));
	omf_fetch_limit_age(state->fetch, omf_options_cache(relid));
	if (omf_plan_reports_errors(plan))
		omf_fetch_report_errors(state->fetch);
	omf_fetch_instrument(state->fetch, omf_instrument_create(&node->ss.ps));
	omf_channel_begin_scan(omf_fetch_channel(state->fetch));
	state->reader = omf_row_init(node->ss.ss_currentRelation, resource,
								 omf_plan_fields(plan));
	node->fdw_state = state;
	init_filters(node);
}

/* Keep the keys that pass the key filters. */
static int
filter_keys(ForeignScanState *node, OmfKey *keys, int nkeys)
{
	OmfScanState *state = node->fdw_state;
	int kept = 0;

	if (state->filters == NULL)
		return nkeys;
	for (int i = 0; i < nkeys; i++)
		if (passes_filters(node, keys[i].uuid))
			keys[kept++] = keys[i];
	return kept;
}

/*
 * Are the keys so many that it is cheaper to list the clusters, and to ask for
 * those that are listed?  Not if the plan above is going to want a few rows.
 */
static bool
prefers_listing(ForeignScanState *node, const OmfKey *keys, int nkeys)
{
	OmfScanState *state = node->fdw_state;
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	const OmfResource *resource = omf_plan_resource(plan);
	double nclusters;
	int bound;

	/* not even if there were none?  A few keys are the rule below joins. */
	if (!omf_cost_prefers_listing(resource, nkeys, 0))
		return false;
	bound = omf_tuple_bound(&node->ss.ps);
	if (bound > 0 && !omf_cost_prefers_listing(resource, Min(bound, nkeys), 0))
		return false;
	nclusters = omf_session_clusters(plan->fs_server, state->user);
	if (nclusters < 0)
		nclusters = omf_plan_clusters(plan);
	return omf_cost_prefers_listing(resource,
									omf_fetch_count_unasked(state->fetch, keys,
															nkeys),
									nclusters);
}

/*
 * Does the query itself name the clusters that it asks about?  Not where rows
 * or a sub-select do, nor where they may be looked for in the listing: what
 * plan it is then must not matter.
 */
static bool
names_keys(ForeignScanState *node, int nkeys)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;

	return !omf_has_param((Node *) omf_plan_keys(plan), PARAM_EXEC) &&
		   !omf_cost_prefers_listing(omf_plan_resource(plan), nkeys, 0);
}

/* Evaluate the key clauses and want what they say; without any, want all. */
static void
evaluate_keys(ForeignScanState *node)
{
	OmfScanState *state = node->fdw_state;
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	MemoryContext old;
	OmfKey *keys;
	int nkeys;

	state->evaluated = true;
	state->lists = true;
	if (omf_plan_keys(plan) == NIL)
	{
		omf_fetch_set_all(state->fetch, omf_plan_tag(plan));
		return;
	}
	MemoryContextReset(state->key_context);
	old = MemoryContextSwitchTo(state->key_context);
	nkeys = omf_keys_evaluate(state->keys, node->ss.ps.ps_ExprContext, &keys);
	MemoryContextSwitchTo(old);
	omf_fetch_pass_unsupported(state->fetch, !names_keys(node, nkeys));
	nkeys = filter_keys(node, keys, nkeys);
	state->lists = prefers_listing(node, keys, nkeys);
	if (state->lists)
		omf_fetch_set_listed_keys(state->fetch, keys, nkeys,
								  omf_plan_tag(plan));
	else
		omf_fetch_set_keys(state->fetch, keys, nkeys);
}

TupleTableSlot *
omf_iterate_scan(ForeignScanState *node)
{
	OmfScanState *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	OmfAnswer answer;
	OmfFetchStep step;

	if (!state->evaluated)
		evaluate_keys(node);

	if (omf_fetch_needs_window(state->fetch))
		omf_fetch_set_window(state->fetch, omf_tuple_bound(&node->ss.ps));

	/* below an Append that waits for several scans, don't wait here */
	step = omf_fetch_step(state->fetch, &answer);
	if (step == OMF_FETCH_BLOCKED &&
		(!node->ss.ps.async_capable ||
		 node->ss.ps.state->es_epq_active != NULL))
		step = omf_fetch_next(state->fetch, &answer) ? OMF_FETCH_ANSWER
													 : OMF_FETCH_END;
	state->blocked = (step == OMF_FETCH_BLOCKED);
	if (step == OMF_FETCH_ANSWER)
		omf_row_store(state->reader, &answer, slot);
	else
		ExecClearTuple(slot);
	return slot;
}

void
omf_rescan(ForeignScanState *node)
{
	OmfScanState *state = node->fdw_state;

	if (state == NULL)
		return;
	if (node->ss.ps.chgParam != NULL)
		state->evaluated = false;
	else if (state->evaluated)
		omf_fetch_rewind(state->fetch);
}

void
omf_end_scan(ForeignScanState *node)
{
	OmfScanState *state = node->fdw_state;

	if (state != NULL)
		omf_channel_end_scan(omf_fetch_channel(state->fetch));
}

bool
omf_scan_is_blocked(ForeignScanState *node)
{
	return ((OmfScanState *) node->fdw_state)->blocked;
}

OmfFetch *
omf_scan_fetch(ForeignScanState *node)
{
	return ((OmfScanState *) node->fdw_state)->fetch;
}

void **
omf_scan_waiting(ForeignScanState *node)
{
	return &((OmfScanState *) node->fdw_state)->waiting;
}

bool
omf_scan_lists(ForeignScanState *node)
{
	OmfScanState *state = node->fdw_state;

	return state != NULL && state->evaluated
			   ? state->lists
			   : omf_plan_lists((ForeignScan *) node->ss.ps.plan);
}

const char *
omf_scan_tag(ForeignScanState *node)
{
	OmfScanState *state = node->fdw_state;
	const char *tag = omf_plan_tag((ForeignScan *) node->ss.ps.plan);

	return state != NULL && state->evaluated &&
				   !omf_fetch_is_filtered(state->fetch)
			   ? NULL
			   : tag;
}

const OmfCounts *
omf_scan_counts(ForeignScanState *node)
{
	OmfScanState *state = node->fdw_state;

	return state != NULL ? omf_fetch_counts(state->fetch) : NULL;
}
