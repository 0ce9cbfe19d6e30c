/*-------------------------------------------------------------------------
 *
 * harmless.h
 *	  Expressions that can be evaluated before their time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_HARMLESS_H
#define OMF_HARMLESS_H

#include "nodes/execnodes.h"

/*
 * Can the expressions, or targets, be evaluated before their time, since they
 * do not fail for any row and have no effect?
 */
extern bool omf_is_harmless(List *expressions);

/*
 * Can one more row of the plan be read before its time?  What is read as a
 * whole in any case, such as the input of a sort, does not matter.
 */
extern bool omf_reads_harmlessly(PlanState *state);

#endif /* OMF_HARMLESS_H */
