/*-------------------------------------------------------------------------
 *
 * api.h
 *	  The managed databases API: which request means what, and its answer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_API_H
#define SIMULATOR_API_H

#include "state.h"
#include "stats.h"

/* What a request's method and path mean. */
typedef struct Route
{
	Kind kind;			/* what is asked for */
	bool known_path;	/* of KIND_OTHER: is only the method wrong? */
	char uuid[40];		/* the cluster's, in lower case, or empty */
	char *migration_id; /* or NULL */
	char *query;		/* behind the question mark, or NULL */
} Route;

extern void api_answer(Exchange *exchange);
extern void api_error(Exchange *exchange, int status, const char *message);

/* Answer without any fault. */
extern void api_answer_plainly(Exchange *exchange, const Route *route, Token *token);

#endif /* SIMULATOR_API_H */
