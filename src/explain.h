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

#include "commands/explain.h"
#include "foreign/fdwapi.h"

extern void omf_explain_scan(ForeignScanState *node, ExplainState *es);

#endif /* OMF_EXPLAIN_H */
