/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  What EXPLAIN shows of a scan, and of any node's expressions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_EXPLAIN_H
#define OMF_EXPLAIN_H

#include "foreign/fdwapi.h"

struct ExplainState;
struct Plan;

/* Texts of expressions of a node; the nearest of its ancestors is first. */
extern List *omf_explain_expressions(struct ExplainState *es,
									 struct Plan *node, List *ancestors,
									 List *expressions, bool prefixed);

extern void omf_explain_scan(ForeignScanState *node, struct ExplainState *es);

#endif /* OMF_EXPLAIN_H */
