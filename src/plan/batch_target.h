/*-------------------------------------------------------------------------
 *
 * batch_target.h
 *	  The scans whose keys can be asked for ahead.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_BATCH_TARGET_H
#define OMF_BATCH_TARGET_H

#include "nodes/pathnodes.h"

#include "client/api.h"

/* A scan by key whose keys the rows of another side say. */
typedef struct OmfBatchTarget
{
	Oid serverid;                /* that is asked */
	Oid userid;                  /* as whom, or InvalidOid */
	Oid table;                   /* the foreign table */
	Oid key_type;                /* of its key column */
	const OmfResource *resource; /* that it is */
	List *values;                /* of omf_keys_split(), as the rows have it */
	List *shape;                 /* likewise */
	List *compared;              /* the values as clauses have them */
	List *conditions;            /* that a row has to pass */
	int after;                   /* the target that goes before, or -1 */
	bool if_found;               /* only if that has a row, or has none */
	bool can_fail;               /* evaluating these for a row */
	PlannerInfo *root;           /* a path's: the query that it is in */
	List *columns;               /* columns that are known to equal ... */
	List *equals;                /* ... these expressions of that query */
	Cost cost;                   /* of the scan, where nothing goes ahead */
} OmfBatchTarget;

/*
 * What an inner path asks by that rows of the relations `outer` say, in the
 * order in which it asks; `whole`: it is read to its end for each such row.
 */
extern List *omf_batch_targets(PlannerInfo *root, Path *inner, Relids outer,
							   bool whole);

/* What a plan says of them (prefetch.h), and their expressions. */
extern List *omf_batch_describe(const List *targets);
extern List *omf_batch_expressions(const List *targets);

#endif /* OMF_BATCH_TARGET_H */
