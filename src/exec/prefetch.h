/*-------------------------------------------------------------------------
 *
 * prefetch.h
 *	  The node that asks for the keys of the rows that it passes on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_PREFETCH_H
#define OMF_PREFETCH_H

#include "nodes/extensible.h"

#define OMF_PREFETCH_NAME "OnlineMigrationsPrefetch"

/*
 * A CustomScan of it has one child plan.  custom_private is a list of what it
 * asks about, its targets, each of them a list of these; custom_exprs are the
 * expressions of all targets, for each its values and then its conditions.
 */
enum OmfPrefetchTarget
{
	OMF_PREFETCH_SHAPE,   /* of omf_keys_split() */
	OMF_PREFETCH_OIDS,    /* Oid list: enum OmfPrefetchOid */
	OMF_PREFETCH_NUMBERS, /* integer list: enum OmfPrefetchNumber */
	OMF_PREFETCH_RESOURCE /* String: its name */
};

enum OmfPrefetchOid
{
	OMF_PREFETCH_SERVER,   /* that is asked */
	OMF_PREFETCH_USER,     /* as whom, or InvalidOid: the current user */
	OMF_PREFETCH_TABLE,    /* the foreign table */
	OMF_PREFETCH_KEY_TYPE, /* of its key column */
};

enum OmfPrefetchNumber
{
	OMF_PREFETCH_NVALUES,     /* values of omf_keys_split() */
	OMF_PREFETCH_NCONDITIONS, /* what has to hold for a row that asks */
	OMF_PREFETCH_AFTER,       /* the target whose answer is awaited, or -1 */
	OMF_PREFETCH_IF_FOUND,    /* only if that is found, or else if it is not */
	OMF_PREFETCH_CAN_FAIL     /* evaluating its expressions */
};

/* To be called once from _PG_init(). */
extern void omf_prefetch_init(void);

extern const CustomScanMethods *omf_prefetch_scan_methods(void);

#endif /* OMF_PREFETCH_H */
