/*-------------------------------------------------------------------------
 *
 * prefetch.c
 *	  The node that asks for the keys of the rows that it passes on.
 *
 * See batch_join.c for what it is for.
 *
 * Rows are read ahead as long as their requests would be sent at once, and as
 * work_mem holds them.  With a LIMIT or a FETCH, no more of them than are
 * likely to be wanted, in portions if need be, and twice as many when all of
 * these are used up: until then nothing more is asked, for nobody may want to
 * know.  A key that can't
 * be asked for is left to the inner scan, which raises the error if its row is
 * wanted at all.
 *
 * An expression that can fail does so when its row is wanted: it is evaluated
 * ahead only where all rows are read in any case.  Where the rows themselves
 * can fail, no more of them are read than are wanted for sure.
 *
 * What the other side only reads once it has found a row elsewhere is asked as
 * soon as that is answered: what it would not have asked, nobody asks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"
#include "exec/explain.h"
#include "exec/fetch.h"
#include "exec/harmless.h"
#include "exec/keys.h"
#include "exec/prefetch.h"
#include "exec/tuple_bound.h"

/* Rows that there is room for at first. */
#define FIRST_ROOM 64

/* A scan whose keys are asked for. */
typedef struct Target
{
	OmfTopic *topic;       /* what is asked about */
	OmfKeySource *keys;    /* of a row */
	ExprState *conditions; /* that a row has to pass, or NULL */
	int after;             /* the target whose answer is awaited, or -1 */
	bool if_found;         /* only if that is found, or if it is not */
	OmfLookup *lookup;     /* of the present row, if it has a single key */
} Target;

typedef struct PrefetchState
{
	CustomScanState css;       /* must be first */
	bool passing_through;      /* a recheck after a concurrent update */
	Target *targets;           /* NULL: nothing is asked */
	int ntargets;              /* how many */
	bool can_fail;             /* evaluating what they ask by */
	bool is_exact;             /* rows that nobody wants are not read */
	TupleTableSlot *input;     /* a row being read, as the expressions see it */
	MemoryContext key_context; /* of one row's keys */
	MinimalTuple *rows;        /* ring of rows read ahead */
	int room;                  /* its length */
	Size bytes;                /* what the rows in it take */
	int first;                 /* the oldest row */
	int nrows;                 /* how many */
	int window;                /* rows to read ahead now, or 0: as many as is useful */
	int left;                  /* how many of them are not read yet */
	bool at_end;               /* the child has no more */
	OmfCounts counts;          /* of what it has caused */
	int64 driven;              /* requests that are known to be on the way */
	int64 batches;             /* times that some were sent */
} PrefetchState;

static Node *create_state(CustomScan *plan);
static void begin(CustomScanState *css, EState *estate, int eflags);
static TupleTableSlot *next_row(CustomScanState *css);
static void end(CustomScanState *css);
static void rescan(CustomScanState *css);
static void explain(CustomScanState *css, List *ancestors, ExplainState *es);

static const CustomScanMethods scan_methods = {
	.CustomName = OMF_PREFETCH_NAME,
	.CreateCustomScanState = create_state,
};

static const CustomExecMethods exec_methods = {
	.CustomName = OMF_PREFETCH_NAME,
	.BeginCustomScan = begin,
	.ExecCustomScan = next_row,
	.EndCustomScan = end,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = explain,
};

void
omf_prefetch_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
}

const CustomScanMethods *
omf_prefetch_scan_methods(void)
{
	return &scan_methods;
}

static Node *
create_state(CustomScan *plan)
{
	PrefetchState *state = palloc0(sizeof(PrefetchState));

	(void) plan;
	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &exec_methods;
	return (Node *) state;
}

static Oid
target_oid(const List *target, int which)
{
	return list_nth_oid(list_nth(target, OMF_PREFETCH_OIDS), which);
}

static int
target_number(const List *target, int which)
{
	return list_nth_int(list_nth(target, OMF_PREFETCH_NUMBERS), which);
}

/*
 * A join's prefetch has its child among its own plans, a sub-select's has it
 * where any node has.
 */
static PlanState *
child_of(CustomScanState *css)
{
	return css->custom_ps != NIL ? linitial(css->custom_ps)
								 : outerPlanState(css);
}

/* Make a target ready; `exprs` are its own and those of what follows. */
static void
begin_target(PrefetchState *state, Target *target, const List *plan,
			 const List *exprs)
{
	PlanState *ps = &state->css.ss.ps;
	Oid user = target_oid(plan, OMF_PREFETCH_USER);
	int nvalues = target_number(plan, OMF_PREFETCH_NVALUES);
	int nconditions = target_number(plan, OMF_PREFETCH_NCONDITIONS);
	List *conditions;
	OmfChannel *channel =
		omf_channel_get(ps->state, target_oid(plan, OMF_PREFETCH_SERVER),
						OidIsValid(user) ? user : GetUserId());

	target->topic =
		omf_topic_get(channel,
					  omf_api_resource(strVal(list_nth(plan, OMF_PREFETCH_RESOURCE))));
	target->keys = omf_keys_init_split(ps, list_copy_head(exprs, nvalues),
									   list_nth(plan, OMF_PREFETCH_SHAPE),
									   target_oid(plan,
												  OMF_PREFETCH_KEY_TYPE));
	conditions = list_copy_tail(list_copy_head(exprs, nvalues + nconditions),
								nvalues);
	target->conditions = ExecInitQual(conditions, ps);
	target->after = target_number(plan, OMF_PREFETCH_AFTER);
	target->if_found = target_number(plan, OMF_PREFETCH_IF_FOUND) != 0;
	if (target_number(plan, OMF_PREFETCH_CAN_FAIL) != 0)
		state->can_fail = true;
}

static void
begin_targets(PrefetchState *state, const CustomScan *plan)
{
	List *exprs = plan->custom_exprs;
	ListCell *cell;

	state->targets = palloc0(sizeof(Target) *
							 list_length(plan->custom_private));
	foreach (cell, plan->custom_private)
	{
		const List *target = lfirst(cell);

		begin_target(state, &state->targets[state->ntargets++], target, exprs);
		exprs =
			list_copy_tail(exprs,
						   target_number(target, OMF_PREFETCH_NVALUES) +
							   target_number(target,
											 OMF_PREFETCH_NCONDITIONS));
	}
}

static void
begin(CustomScanState *css, EState *estate, int eflags)
{
	PrefetchState *state = (PrefetchState *) css;
	CustomScan *plan = (CustomScan *) css->ss.ps.plan;

	if (plan->custom_plans != NIL)
		css->custom_ps = list_make1(
			ExecInitNode(linitial(plan->custom_plans), estate, eflags));
	else
		outerPlanState(css) = ExecInitNode(outerPlan(plan), estate, eflags);
	state->passing_through = estate->es_epq_active != NULL;
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) || state->passing_through)
		return;

	begin_targets(state, plan);
	state->is_exact = !omf_reads_harmlessly(child_of(css));
	state->key_context = AllocSetContextCreate(estate->es_query_cxt, "online_migrations_fdw prefetch",
											   ALLOCSET_SMALL_SIZES);
	state->input =
		ExecInitExtraTupleSlot(estate,
							   css->ss.ss_ScanTupleSlot->tts_tupleDescriptor,
							   &TTSOpsVirtual);
	state->counts.instrument = omf_instrument_create(&css->ss.ps);
	state->room = FIRST_ROOM;
	state->rows = palloc(sizeof(MinimalTuple) * state->room);
}

/* Ask for the keys that a target has in the row in `input`. */
static void
ask_target(PrefetchState *state, Target *target, ExprContext *econtext)
{
	OmfKey *keys;
	int nkeys;

	target->lookup = NULL;
	if (!ExecQual(target->conditions, econtext))
		return;
	nkeys = omf_keys_evaluate(target->keys, econtext, &keys);
	for (int i = 0; i < nkeys; i++)
	{
		OmfLookup *lookup = omf_lookup_get(target->topic, keys[i].uuid);

		if (target->after < 0)
			omf_lookup_ask(lookup, &state->counts);
		else if (state->targets[target->after].lookup != NULL)
			omf_lookup_follow(state->targets[target->after].lookup,
							  target->if_found, lookup, &state->counts);
		if (nkeys == 1)
			target->lookup = lookup;
	}
}

static void
ask_for_row(PrefetchState *state)
{
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;
	MemoryContext old = MemoryContextSwitchTo(state->key_context);

	econtext->ecxt_scantuple = state->input;
	for (int i = 0; i < state->ntargets; i++)
		ask_target(state, &state->targets[i], econtext);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->key_context);
}

/* Would requests for one more row be sent at once, whoever is asked? */
static bool
has_room(const PrefetchState *state)
{
	for (int i = 0; i < state->ntargets; i++)
		if (omf_engine_room(omf_topic_channel(state->targets[i].topic)->engine) <= 0)
			return false;
	return true;
}

/* Get what has been asked on its way. */
static void
drive(PrefetchState *state)
{
	if (state->counts.requests == state->driven)
		return;
	for (int i = 0; i < state->ntargets; i++)
	{
		OmfChannel *channel = omf_topic_channel(state->targets[i].topic);
		int other = 0;

		while (omf_topic_channel(state->targets[other].topic) != channel)
			other++;
		if (other == i)
			omf_channel_drive(channel);
	}
	state->driven = state->counts.requests;
}

/*
 * Are more rows to be read now?  While the window is small, not before all of
 * it has been read and is used up; then it doubles, or is what is wanted by
 * now.
 */
static bool
wants_rows(PrefetchState *state)
{
	int bound;

	if (state->left > 0)
		return true;
	if (state->nrows > 0)
		return state->window == 0;
	if (state->can_fail && !omf_reads_all(&state->css.ss.ps))
	{
		state->window = state->left = 1;
		return true;
	}
	bound = omf_tuple_bound(&state->css.ss.ps);
	if (bound > 0 && state->is_exact)
		state->window = bound;
	else
		state->window = bound > 0 && state->window <= PG_INT32_MAX / 2
							? Max(bound, state->window * 2)
							: 0;
	state->left = state->window;
	return true;
}

/* Keep the row in `input`. */
static void
keep_row(PrefetchState *state)
{
	MinimalTuple row = ExecCopySlotMinimalTuple(state->input);

	if (state->nrows == state->room)
	{
		/* unroll the ring: its oldest row goes first */
		MinimalTuple *rows = palloc_extended(sizeof(MinimalTuple) *
												 state->room * 2,
											 MCXT_ALLOC_HUGE);

		for (int i = 0; i < state->nrows; i++)
			rows[i] = state->rows[(state->first + i) % state->room];
		pfree(state->rows);
		state->rows = rows;
		state->first = 0;
		state->room *= 2;
	}
	state->rows[(state->first + state->nrows) % state->room] = row;
	state->nrows++;
	state->bytes += row->t_len;
}

/* Forget the oldest row, which is returned. */
static MinimalTuple
drop_row(PrefetchState *state)
{
	MinimalTuple row = state->rows[state->first];

	state->first = (state->first + 1) % state->room;
	state->nrows--;
	state->bytes -= row->t_len;
	return row;
}

/* Read rows ahead, and get their requests on the way. */
static void
read_ahead(PrefetchState *state)
{
	PlanState *child = child_of(&state->css);
	int64 requests = state->counts.requests;

	if (!wants_rows(state))
	{
		drive(state);
		return;
	}
	while (!state->at_end &&
		   (state->window == 0 || state->left > 0) &&
		   (state->nrows == 0 ||
			(has_room(state) && state->bytes < (Size) work_mem * 1024)))
	{
		TupleTableSlot *slot = ExecProcNode(child);

		if (TupIsNull(slot))
		{
			state->at_end = true;
			break;
		}
		ExecCopySlot(state->input, slot);
		keep_row(state);
		if (state->left > 0)
			state->left--;
		ask_for_row(state);
	}
	if (state->counts.requests > requests)
		state->batches++;
	drive(state);
}

/* The oldest row that was read, or the child's next one. */
static TupleTableSlot *
take_row(PrefetchState *state)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;
	MemoryContext old;

	if (state->passing_through)
	{
		TupleTableSlot *row = ExecProcNode(child_of(&state->css));

		return TupIsNull(row) ? ExecClearTuple(slot) : ExecCopySlot(slot, row);
	}
	old = MemoryContextSwitchTo(state->css.ss.ps.state->es_query_cxt);
	read_ahead(state);
	MemoryContextSwitchTo(old);
	if (state->nrows == 0)
		return ExecClearTuple(slot);

	/* frees the tuple after copying it */
	ExecForceStoreMinimalTuple(drop_row(state), slot, true);
	return slot;
}

/* ExecCustomScan */
static TupleTableSlot *
next_row(CustomScanState *css)
{
	PrefetchState *state = (PrefetchState *) css;
	ExprContext *econtext = css->ss.ps.ps_ExprContext;
	TupleTableSlot *slot;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		ResetExprContext(econtext);
		slot = take_row(state);
		if (TupIsNull(slot))
			return NULL;
		econtext->ecxt_scantuple = slot;
		if (ExecQual(css->ss.ps.qual, econtext))
			break;
		InstrCountFiltered1(css, 1);
	}
	return css->ss.ps.ps_ProjInfo != NULL ? ExecProject(css->ss.ps.ps_ProjInfo)
										  : slot;
}

static void
end(CustomScanState *css)
{
	ExecEndNode(child_of(css));
}

static void
rescan(CustomScanState *css)
{
	PrefetchState *state = (PrefetchState *) css;
	PlanState *child = child_of(css);

	while (state->nrows > 0)
		pfree(drop_row(state));
	state->at_end = false;
	state->window = 0;
	state->left = 0;
	if (css->ss.ps.chgParam != NULL)
		UpdateChangedParamSet(child, css->ss.ps.chgParam);
	if (child->chgParam == NULL)
		ExecReScan(child);
}

/* The tables that are asked about, where there are several. */
static void
explain_tables(const CustomScan *plan, ExplainState *es)
{
	List *tables = NIL;
	ListCell *cell;

	foreach (cell, plan->custom_private)
	{
		Oid table = target_oid(lfirst(cell), OMF_PREFETCH_TABLE);
		char *schema = get_namespace_name(get_rel_namespace(table));

		tables = lappend(tables,
						 quote_qualified_identifier(schema,
													get_rel_name(table)));
	}
	if (list_length(tables) > 1)
		ExplainPropertyList("Batch Targets", tables, es);
}

static void
explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	PrefetchState *state = (PrefetchState *) css;
	CustomScan *plan = (CustomScan *) css->ss.ps.plan;
	List *exprs = plan->custom_exprs;
	List *keys = NIL;
	ListCell *target;
	ListCell *cell;

	foreach (target, plan->custom_private)
	{
		int nvalues = target_number(lfirst(target), OMF_PREFETCH_NVALUES);
		List *values =
			omf_keys_with_casts(list_copy_head(exprs, nvalues),
								list_nth(lfirst(target), OMF_PREFETCH_SHAPE));

		/* of several that ask by the same it is shown once */
		foreach (cell, values)
			if (!list_member(keys, lfirst(cell)))
				keys = lappend(keys, lfirst(cell));
		exprs = list_copy_tail(exprs,
							   nvalues +
								   target_number(lfirst(target),
												 OMF_PREFETCH_NCONDITIONS));
	}
	explain_tables(plan, es);
	ExplainPropertyList("Batch Keys",
						omf_explain_expressions(es, (Plan *) plan, ancestors,
												keys, true),
						es);
	if (es->analyze && state->targets != NULL)
	{
		OmfCacheTerms terms = omf_topic_terms(state->targets[0].topic);

		ExplainPropertyInteger("Batches", NULL, state->batches, es);
		omf_instrument_explain(&state->counts,
							   target_oid(linitial(plan->custom_private),
										  OMF_PREFETCH_SERVER),
							   &terms, es);
	}
}
