/*-------------------------------------------------------------------------
 *
 * faults.h
 *	  Ways to misbehave, set by a control call or picked by a cluster's UUID.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_FAULTS_H
#define SIMULATOR_FAULTS_H

#include "exchange.h"
#include "stats.h"

typedef struct Fault Fault;

/* The fault that this request meets, or NULL; counts it as met. */
extern Fault *fault_find(const Exchange *exchange, Kind kind, const char *uuid);

/* Is the request served, besides what the fault makes of the answer? */
extern bool fault_serves(const Fault *fault, Kind kind);

/* Make of the reply what the fault wants. */
extern void fault_apply(const Fault *fault, Exchange *exchange);

/* Add a fault by its description; NULL if good, else what is wrong with it. */
extern const char *fault_add(json_object *description);

extern void faults_reset(void);

/* The table of faults: number, name, what it does. */
extern json_object *faults_list(void);

#endif /* SIMULATOR_FAULTS_H */
