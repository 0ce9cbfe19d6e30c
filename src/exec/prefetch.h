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
 * A CustomScan of it has one child plan; custom_exprs are the values of
 * omf_keys_split(), and custom_private is a list of these.
 */
enum OmfPrefetchPrivate
{
	OMF_PREFETCH_SHAPE,   /* of omf_keys_split() */
	OMF_PREFETCH_NUMBERS, /* Oid list: enum OmfPrefetchNumber */
	OMF_PREFETCH_RESOURCE /* String: its name */
};

enum OmfPrefetchNumber
{
	OMF_PREFETCH_SERVER,  /* that is asked */
	OMF_PREFETCH_USER,    /* as whom, or InvalidOid: the current user */
	OMF_PREFETCH_KEY_TYPE /* of the key column */
};

/* To be called once from _PG_init(). */
extern void omf_prefetch_init(void);

extern const CustomScanMethods *omf_prefetch_scan_methods(void);

#endif /* OMF_PREFETCH_H */
