/*-------------------------------------------------------------------------
 *
 * rate_limits.c
 *	  The functions about the rate limits of the current user's tokens.
 *
 * Below the view online_migrations_fdw_rate_limits: a row for every server
 * that the current user can ask, of whose token's rate limit something is
 * known. The other one forgets what is known.  Nothing is sent for either.
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
#include "utils/tuplestore.h"

#include "functions/arguments.h"
#include "compat.h"
#include "client/pollset.h"
#include "session/gate.h"
#include "session/session.h"

PG_FUNCTION_INFO_V1(omf_rate_limits);
PG_FUNCTION_INFO_V1(omf_rate_limits_reset);

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

/*
 * What is known of the user's token for that server; false: nothing.  A token
 * that can't be read is none of its server's alone: the others have their
 * rows.
 */
static bool
look_at_budget(Oid serverid, OmfBudget *budget)
{
	uint8 account[OMF_HASH_SIZE];
	const char *problem;

	return omf_server_aclcheck(serverid, GetUserId()) == ACLCHECK_OK &&
		   omf_session_find_account(serverid, GetUserId(), account,
									&problem) &&
		   omf_gate_look(account, budget) &&
		   (budget->observed_at > 0 || budget->held_until > omf_pollset_now());
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
		nulls[COLUMN_REMAINING] = nulls[COLUMN_RESETS_AT] =
			nulls[COLUMN_OBSERVED_AT] = false;
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
		const ForeignServer *server = lfirst(cell);
		OmfBudget budget;

		if (look_at_budget(server->serverid, &budget))
			put_row((ReturnSetInfo *) fcinfo->resultinfo, server->servername,
					&budget);
	}
	return (Datum) 0;
}

/* Of all servers that the current user can ask. */
static void
reset_all(void)
{
	ListCell *cell;

	foreach (cell, omf_own_servers())
	{
		Oid serverid = ((ForeignServer *) lfirst(cell))->serverid;
		uint8 account[OMF_HASH_SIZE];
		const char *problem;

		if (omf_server_aclcheck(serverid, GetUserId()) == ACLCHECK_OK &&
			omf_session_find_account(serverid, GetUserId(), account, &problem))
			omf_gate_reset(account);
	}
}

/* online_migrations_fdw_rate_limits_reset(server) */
Datum
omf_rate_limits_reset(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		reset_all();
	else
	{
		OmfSession *session =
			omf_session_acquire(omf_server_argument(fcinfo, 0), GetUserId());

		omf_gate_reset(omf_session_account(session));
		omf_session_release(session);
	}
	PG_RETURN_VOID();
}
