/*-------------------------------------------------------------------------
 *
 * api.h
 *	  The calls of the managed databases API that the simulator knows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_API_H
#define SIMULATOR_API_H

#include "exchange.h"

/* Fill in the reply to a request, after counting and logging it. */
extern void api_answer(Exchange *exchange);

/* Answer with the API's own error body. */
extern void api_error(Exchange *exchange, int status, const char *id, const char *message);

/* The API's id for an HTTP status. */
extern const char *api_error_id(int status);

#endif /* SIMULATOR_API_H */
