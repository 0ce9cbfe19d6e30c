/*-------------------------------------------------------------------------
 *
 * connections.c
 *	  What this backend keeps open towards the API, seen and closed from SQL.
 *
 * In the manner of postgres_fdw_get_connections() and
 * postgres_fdw_disconnect(): https://www.postgresql.org/docs/current/postgres-
 * fdw.html#POSTGRES-FDW-FUNCTIONS
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "client/pollset.h"
#include "compat.h"
#include "functions/arguments.h"
#include "session/session.h"

PG_FUNCTION_INFO_V1(omf_connections);
PG_FUNCTION_INFO_V1(omf_disconnect);
PG_FUNCTION_INFO_V1(omf_disconnect_all);

/* Columns of the view, in its order. */
enum
{
	COLUMN_SERVER,
	COLUMN_ROLE,
	COLUMN_PROTOCOL,
	COLUMN_CONNECTIONS,
	COLUMN_IN_FLIGHT,
	COLUMN_IDLE_SINCE,
	COLUMN_USED_IN_XACT,
	COLUMN_VALID,
	NCOLUMNS
};

static void
put_row(ReturnSetInfo *result, const OmfSessionState *state)
{
	ForeignServer *server = GetForeignServerExtended(state->serverid,
													 FSV_MISSING_OK);
	const char *role = OidIsValid(state->user)
						   ? GetUserNameFromId(state->user, true)
						   : "public";
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS] = {false};

	nulls[COLUMN_SERVER] = server == NULL;
	if (server != NULL)
		values[COLUMN_SERVER] = CStringGetTextDatum(server->servername);
	nulls[COLUMN_ROLE] = role == NULL;
	if (role != NULL)
		values[COLUMN_ROLE] = CStringGetTextDatum(role);
	nulls[COLUMN_PROTOCOL] = state->now.protocol == NULL;
	if (state->now.protocol != NULL)
		values[COLUMN_PROTOCOL] = CStringGetTextDatum(state->now.protocol);
	values[COLUMN_CONNECTIONS] = Int32GetDatum(state->now.connections);
	values[COLUMN_IN_FLIGHT] = Int32GetDatum(state->now.in_flight);
	nulls[COLUMN_IDLE_SINCE] = state->now.idle_since < 0;
	if (state->now.idle_since >= 0)
		values[COLUMN_IDLE_SINCE] = omf_calendar_time(state->now.idle_since);
	values[COLUMN_USED_IN_XACT] = BoolGetDatum(state->used);
	values[COLUMN_VALID] = BoolGetDatum(state->valid);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* online_migrations_fdw_connections() */
Datum
omf_connections(PG_FUNCTION_ARGS)
{
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach (cell, omf_session_states())
		put_row((ReturnSetInfo *) fcinfo->resultinfo, lfirst(cell));
	return (Datum) 0;
}

/* Close what can be; true when that was something. */
static bool
disconnect(Oid serverid)
{
	bool held;
	int closed = omf_session_disconnect(serverid, &held);

	if (held)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("could not close all connections to the API"),
				 errdetail("A statement or a cursor still uses them.")));
	return closed > 0;
}

/* online_migrations_fdw_disconnect(server) */
Datum
omf_disconnect(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_BOOL(disconnect(GetForeignServerByName(name, false)->serverid));
}

/* online_migrations_fdw_disconnect_all() */
Datum
omf_disconnect_all(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	PG_RETURN_BOOL(disconnect(InvalidOid));
}
