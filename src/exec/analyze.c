/*-------------------------------------------------------------------------
 *
 * analyze.c
 *	  ANALYZE of a foreign table.
 *
 * Reads all clusters of the account, as a scan without a key does, and takes
 * a sample of the rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/vacuum.h"
#include "common/pg_prng.h"
#include "executor/executor.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "exec/analyze.h"
#include "session/options.h"
#include "exec/row.h"

/* A sample under way: Vitter's algorithm R over rows of unknown number. */
typedef struct Sample
{
	HeapTuple *rows;       /* the caller's array */
	int target;            /* its length */
	int nrows;             /* how many are in it */
	double seen;           /* rows so far */
	MemoryContext context; /* of the rows */
} Sample;

static void
sample_row(Sample *sample, TupleTableSlot *slot)
{
	int position = sample->nrows;
	MemoryContext old;

	sample->seen += 1;
	if (sample->nrows < sample->target)
		sample->nrows++;
	else
	{
		position = (int) (sample->seen *
						  pg_prng_double(&pg_global_prng_state));
		if (position >= sample->target)
			return;
		heap_freetuple(sample->rows[position]);
	}
	old = MemoryContextSwitchTo(sample->context);
	sample->rows[position] = ExecCopySlotHeapTuple(slot);
	MemoryContextSwitchTo(old);
}

/* AcquireSampleRowsFunc */
static int
acquire_sample_rows(Relation relation, int elevel, HeapTuple *rows, int target,
					double *total, double *dead)
{
	Oid relid = RelationGetRelid(relation);
	const OmfResource *resource = omf_options_resource(relid);
	Oid serverid = GetForeignTable(relid)->serverid;
	Sample sample = {rows, target, 0, 0, CurrentMemoryContext};
	EState *estate = CreateExecutorState();
	ExprContext *per_row = GetPerTupleExprContext(estate);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(relation),
													&TTSOpsVirtual);
	List *fields = omf_row_fields(relation, resource);
	OmfRowReader *reader = omf_row_init(relation, resource, fields);
	OmfChannel *channel = omf_channel_get(estate, serverid, GetUserId());
	OmfFetch *fetch = omf_fetch_create(channel, resource, fields);
	OmfAnswer answer;

	if (omf_row_reports_errors(relid, resource, fields))
		omf_fetch_report_errors(fetch);
	omf_channel_begin_scan(channel);
	omf_fetch_set_all(fetch, NULL);
	while (omf_fetch_next(fetch, &answer))
	{
		MemoryContext old;

		old = MemoryContextSwitchTo(per_row->ecxt_per_tuple_memory);

		omf_row_store(reader, &answer, slot);
		MemoryContextSwitchTo(old);
		sample_row(&sample, slot);
		ResetExprContext(per_row);
	}
	omf_channel_end_scan(channel);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);

	*total = sample.seen;
	*dead = 0;
	ereport(elevel,
			(errmsg("\"%s\": table contains %.0f rows; %d rows in sample",
					RelationGetRelationName(relation), sample.seen,
					sample.nrows)));
	return sample.nrows;
}

bool
omf_analyze_table(Relation relation, AcquireSampleRowsFunc *acquire,
				  BlockNumber *pages)
{
	(void) relation;
	*acquire = acquire_sample_rows;
	*pages = 1; /* there are none; 0 would say "never analyzed" */
	return true;
}
