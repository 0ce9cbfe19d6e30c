/*-------------------------------------------------------------------------
 *
 * instrument.h
 *	  What EXPLAIN (ANALYZE) tells of a plan node's requests.
 *
 * Where nobody has asked for it there is no OmfInstrument but NULL, which all
 * functions here take, and nothing is counted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_INSTRUMENT_H
#define OMF_INSTRUMENT_H

#include "commands/explain.h"
#include "nodes/execnodes.h"

#include "client/engine.h"
#include "compat.h"
#include "session/cache.h"

typedef struct OmfInstrument OmfInstrument;

/* What a plan node has caused. */
typedef struct OmfCounts
{
	int64 requests;            /* sent, or queued; pages of listings too */
	int64 hits;                /* answers of the cache (cache.h) */
	int64 oldest;              /* how old these were at most, in ms */
	OmfInstrument *instrument; /* what EXPLAIN (ANALYZE) asks for, or NULL */
} OmfCounts;

/* How a request has ended, in the terms of the scan. */
typedef enum OmfAnswerKind
{
	OMF_ANSWER_PAGE,      /* of a listing */
	OMF_ANSWER_FOUND,     /* the cluster has what was asked for */
	OMF_ANSWER_NOT_FOUND, /* it has not */
	OMF_ANSWER_FAILED,
	OMF_NANSWER_KINDS
} OmfAnswerKind;

/* For the plan node, in the memory of its query; NULL without ANALYZE. */
extern OmfInstrument *omf_instrument_create(const PlanState *node);

/* The node has caused a request. */
extern void omf_instrument_request(OmfInstrument *instrument);

/* It is over: what it took, and then what it came to. */
extern void omf_instrument_reply(OmfInstrument *instrument,
								 const OmfReply *reply);
extern void omf_instrument_answer(OmfInstrument *instrument,
								  OmfAnswerKind kind);

/* The node has waited so many milliseconds for that. */
extern void omf_instrument_wait(OmfInstrument *instrument, OmfEngineWait what,
								double milliseconds);

/* The terms are those on which the node shows answers of the cache. */
extern void omf_instrument_explain(const OmfCounts *counts, Oid serverid,
								   const OmfCacheTerms *terms,
								   ExplainState *es);

#endif /* OMF_INSTRUMENT_H */
