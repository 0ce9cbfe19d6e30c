/*-------------------------------------------------------------------------
 *
 * control.h
 *	  Calls below /_simulator/, by which tests say what they want.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_CONTROL_H
#define SIMULATOR_CONTROL_H

#include "exchange.h"

extern bool control_owns(const char *path);
extern void control_answer(Exchange *exchange);

#endif /* SIMULATOR_CONTROL_H */
