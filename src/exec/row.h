/*-------------------------------------------------------------------------
 *
 * row.h
 *	  From an answer to the columns of a row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_ROW_H
#define OMF_ROW_H

#include "executor/tuptable.h"
#include "utils/rel.h"

#include "exec/fetch.h"

/*
 * The field of the resource that each column of the table shows, as an
 * integer list in the columns' order; -1 for a dropped column.  Throws HV005
 * for a column that the resource does not have.
 */
extern List *omf_row_fields(Relation relation, const OmfResource *resource);

/*
 * Do the rows of the table, which has these fields, show what a cluster failed
 * with?  Throws as omf_options_reports_errors() does.
 */
extern bool omf_row_reports_errors(Oid relid, const OmfResource *resource,
								   const List *fields);

typedef struct OmfRowReader OmfRowReader;

/*
 * Make ready to read rows of the table, in the current memory context.
 * `fields` is what omf_row_fields() gave, with -1 also for columns that the
 * query does not look at.
 */
extern OmfRowReader *omf_row_init(Relation relation,
								  const OmfResource *resource, List *fields);

/*
 * Store an answer into the slot, which is cleared first.  The values are
 * allocated in the current memory context.  A value that does not fit its
 * column throws what the column's type throws, with a CONTEXT.
 */
extern void omf_row_store(OmfRowReader *reader, const OmfAnswer *answer,
						  TupleTableSlot *slot);

#endif /* OMF_ROW_H */
