/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  What EXPLAIN shows of a scan.
 *
 * May call: plan.c (what a plan says), scan.c (what was done).  Must never:
 * send anything, or show a secret.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_EXPLAIN_H
#define OMF_EXPLAIN_H

#include "foreign/fdwapi.h"

struct ExplainState;

extern void omf_explain_scan(ForeignScanState *node, struct ExplainState *es);

#endif /* OMF_EXPLAIN_H */
