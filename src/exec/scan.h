/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Executing a scan: the executor callbacks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SCAN_H
#define OMF_SCAN_H

#include "foreign/fdwapi.h"

#include "exec/fetch.h"

extern void omf_begin_scan(ForeignScanState *node, int eflags);
extern TupleTableSlot *omf_iterate_scan(ForeignScanState *node);
extern void omf_rescan(ForeignScanState *node);
extern void omf_end_scan(ForeignScanState *node);

/* Did the last call return nothing only because there is nothing yet? */
extern bool omf_scan_is_blocked(ForeignScanState *node);

/* The scan's fetch. */
extern OmfFetch *omf_scan_fetch(ForeignScanState *node);

/* What an asynchronous scan waits on, for async.c to keep; NULL at first. */
extern void **omf_scan_waiting(ForeignScanState *node);

/* Does it list the clusters, or is it expected to? */
extern bool omf_scan_lists(ForeignScanState *node);

/* By which tag, or NULL: of all clusters, as is expected or was done. */
extern const char *omf_scan_tag(ForeignScanState *node);

/* What the scan has caused; NULL before it has begun. */
extern const OmfCounts *omf_scan_counts(ForeignScanState *node);

#endif /* OMF_SCAN_H */
