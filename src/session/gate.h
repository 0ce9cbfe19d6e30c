/*-------------------------------------------------------------------------
 *
 * gate.h
 *	  One budget of requests per token, for all backends of the server.
 *
 * Budgets lie in shared memory: in a named DSM segment from PostgreSQL 17 on,
 * else in the main segment, if the module is in shared_preload_libraries.
 * Where neither is so, each backend has budgets of its own.
 * https://www.postgresql.org/docs/current/xfunc-c.html#XFUNC-SHARED-ADDIN
 *
 * A token is known there by a keyed hash; neither it nor a pointer is in
 * shared memory.  A backend that dies holds nothing that others would miss
 * (budget.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_GATE_H
#define OMF_GATE_H

#include "client/engine.h"

typedef struct OmfGatekeeper OmfGatekeeper;

/* To be called once from _PG_init(). */
extern void omf_gate_init(void);

/*
 * The gate to the budget of that token at that endpoint.  It lives as long as
 * `keeper`, which the caller frees with free().  Throws when there is no
 * memory.
 */
extern OmfGatekeeper *omf_gate_open(const char *base_url, const char *token, OmfGate *gate);

/* A copy of the budget as it is now. */
extern OmfBudget omf_gate_look(OmfGatekeeper *keeper);

#endif /* OMF_GATE_H */
