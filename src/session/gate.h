/*-------------------------------------------------------------------------
 *
 * gate.h
 *	  One budget of requests per token, for all backends of the server.
 *
 * Budgets lie in the memory that backends share (shared.h).  A backend that
 * dies holds nothing that others would miss (budget.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_GATE_H
#define OMF_GATE_H

#include "client/engine.h"
#include "session/shared.h"

typedef struct OmfGatekeeper OmfGatekeeper;

/* To be called once from _PG_init(), before omf_shared_init(). */
extern void omf_gate_init(void);

/*
 * The gate to the budget of that account, as omf_account_hash() knows it,
 * which the role `userid` uses.  It lives as long as the result, which the
 * caller frees with free().  Throws when there is no memory.
 */
extern OmfGatekeeper *omf_gate_open(const uint8 *account, Oid userid,
									OmfGate *gate);

/* What is known of the budget of that account; false: nothing. */
extern bool omf_gate_look(const uint8 *account, OmfBudget *budget);

/* Forget all that is known of it, and what holds it. */
extern void omf_gate_reset(const uint8 *account);

/*
 * What an account is known by in shared memory: the API counts per token, and
 * another endpoint is another API.
 */
extern void omf_account_hash(const char *base_url, const char *token,
							 uint8 hash[OMF_HASH_SIZE]);

#endif /* OMF_GATE_H */
