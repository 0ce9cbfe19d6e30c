/*-------------------------------------------------------------------------
 *
 * control.h
 *	  The calls by which tests steer the simulator.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_CONTROL_H
#define SIMULATOR_CONTROL_H

#include "exchange.h"

extern bool control_owns(const char *path);
extern void control_answer(Exchange *exchange);

#endif /* SIMULATOR_CONTROL_H */
