/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  What EXPLAIN shows of a scan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_EXPLAIN_H
#define OMF_EXPLAIN_H

#include "foreign/fdwapi.h"

struct ExplainState;

extern void omf_explain_scan(ForeignScanState *node, struct ExplainState *es);

#endif /* OMF_EXPLAIN_H */
