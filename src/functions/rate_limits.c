/*-------------------------------------------------------------------------
 *
 * rate_limits.c
 *	  The function below the view online_migrations_fdw_rate_limits.
 *
 * A row for every server that the current user can ask, of whose token's rate
 * limit something is known.  Nothing is sent for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_foreign_server.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "functions/arguments.h"
#include "compat.h"
#include "session/options.h"
#include "client/pollset.h"
#include "session/session.h"

PG_FUNCTION_INFO_V1(omf_rate_limits);

/* Columns of the view, in its order. */
enum
{
	COLUMN_SERVER,
	COLUMN_LIMIT,
	COLUMN_REMAINING,
	COLUMN_RESETS_AT,
	COLUMN_OBSERVED_AT,
	COLUMN_HELD_UNTIL,
	NCOLUMNS
};

/* What is known of the user's token for that server; false: no token. */
static bool
look_at_budget(Oid serverid, OmfBudget *budget)
{
	OmfUserOptions user = omf_options_of_user(GetUserId(), serverid);
	OmfSession *session;

	if (user.token == NULL && user.token_file == NULL)
		return false;
	session = omf_session_acquire(serverid, GetUserId());
	*budget = omf_session_budget(session);
	omf_session_release(session);
	return true;
}

static void
put_row(ReturnSetInfo *result, const char *server, const OmfBudget *budget)
{
	Datum values[NCOLUMNS] = {0};
	bool nulls[NCOLUMNS];

	memset(nulls, true, sizeof(nulls));
	values[COLUMN_SERVER] = CStringGetTextDatum(server);
	nulls[COLUMN_SERVER] = false;
	if (budget->observed_at > 0)
	{
		values[COLUMN_LIMIT] = Int64GetDatum(budget->limit);
		nulls[COLUMN_LIMIT] = budget->limit < 0;
		values[COLUMN_REMAINING] = Int64GetDatum(omf_budget_left(budget));
		values[COLUMN_RESETS_AT] = omf_calendar_time(budget->resets_at);
		values[COLUMN_OBSERVED_AT] = omf_calendar_time(budget->observed_at);
		nulls[COLUMN_REMAINING] = nulls[COLUMN_RESETS_AT] = nulls[COLUMN_OBSERVED_AT] = false;
	}
	if (budget->held_until > omf_pollset_now())
	{
		values[COLUMN_HELD_UNTIL] = omf_calendar_time(budget->held_until);
		nulls[COLUMN_HELD_UNTIL] = false;
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
omf_rate_limits(PG_FUNCTION_ARGS)
{
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach (cell, omf_own_servers())
	{
		const char *name = lfirst(cell);
		Oid serverid = GetForeignServerByName(name, false)->serverid;
		OmfBudget budget;

		if (omf_server_aclcheck(serverid, GetUserId()) == ACLCHECK_OK && look_at_budget(serverid, &budget) &&
			(budget.observed_at > 0 || budget.held_until > omf_pollset_now()))
			put_row((ReturnSetInfo *) fcinfo->resultinfo, name, &budget);
	}
	return (Datum) 0;
}
