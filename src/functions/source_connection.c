/*-------------------------------------------------------------------------
 *
 * source_connection.c
 *	  A connection to a PostgreSQL server that is to be a source.
 *
 * The only file that includes libpq's header.  libpq's own waits are never
 * used: they would not see a cancel.
 * https://www.postgresql.org/docs/current/libpq-async.html
 *
 *-------------------------------------------------------------------------
 */
#include "functions/source_connection.h"

#include <libpq-fe.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "storage/latch.h"

#include "client/api.h"
#include "client/resolver.h"
#include "functions/call.h"
#include "functions/source_wait.h"

/* A file that can't be there: libpq falls back to nothing. */
#define NO_FILE "/dev/null/none"

struct OmfConnection
{
	OmfConnectionPlan plan;
	OmfSourceWay way;
	PGconn *conn;             /* or NULL */
	PGresult *result;         /* of the last query, or NULL */
	OmfConnectionStage stage; /* how far it has come */
	char *problem;            /* why it came no further, or NULL */
};

OmfConnection *
omf_connection_new(const OmfConnectionPlan *plan)
{
	OmfConnection *connection = palloc0(sizeof(OmfConnection));

	connection->plan = *plan;
	return connection;
}

/* ----- what failed ----- */

static void
note_problem(OmfConnection *connection, const char *words)
{
	connection->problem =
		omf_source_words(words, connection->plan.source->password);
}

static void
note_libpq_problem(OmfConnection *connection)
{
	note_problem(connection, PQerrorMessage(connection->conn));
}

char *
omf_connection_problem(const OmfConnection *connection)
{
	return pstrdup(connection->problem != NULL ? connection->problem : "");
}

/* ----- connecting ----- */

/* The value so often, with commas: libpq wants as many hosts as addresses. */
static char *
repeated(const char *value, int times)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < times; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? "," : "", value);
	return list.data;
}

static char *
joined_addresses(char (*addresses)[OMF_ADDRESS_SIZE], int naddresses)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < naddresses; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? "," : "", addresses[i]);
	return list.data;
}

/* The name has been looked up, so libpq does not. */
static void
begin_connecting(OmfConnection *connection, const char *dbname)
{
	const OmfSource *source = connection->plan.source;
	char(*addresses)[OMF_ADDRESS_SIZE];
	const char *problem;
	int naddresses = omf_resolver_addresses(connection->way.lookup,
											&addresses,
											&problem);
	char port[12];
	const char *const parameters[][2] = {
		{"host", repeated(source->host, naddresses)},
		{"hostaddr", joined_addresses(addresses, naddresses)},
		{"port", port},
		{"dbname", dbname},
		{"user", source->username},
		{"password", source->password},
		{"sslmode", connection->plan.disable_ssl ? "disable" : "require"},
		{"gssencmode", "disable"},
		{"passfile", NO_FILE},
		{"sslcert", NO_FILE},
		{"sslkey", NO_FILE},
		{"sslrootcert", NO_FILE},
		{"target_session_attrs", "any"},
		{"client_encoding", GetDatabaseEncodingName()},
		{"application_name", "online_migrations_fdw"},
	};
	const char *keywords[lengthof(parameters) + 1] = {NULL};
	const char *values[lengthof(parameters) + 1] = {NULL};

	snprintf(port, sizeof(port), "%d", source->port);
	for (int i = 0; i < (int) lengthof(parameters); i++)
	{
		keywords[i] = parameters[i][0];
		values[i] = parameters[i][1];
	}
	omf_source_count_descriptor(&connection->way);
	connection->conn = PQconnectStartParams(keywords, values, false);
}

static void
ignore_notice(void *arg, const PGresult *result)
{
	(void) arg;
	(void) result;
}

/* How far libpq has come. */
static void
note_stage(OmfConnection *connection)
{
	switch (PQstatus(connection->conn))
	{
		case CONNECTION_STARTED:
		case CONNECTION_NEEDED:
			connection->stage = OMF_STAGE_REACH;
			break;
		case CONNECTION_MADE:
		case CONNECTION_SSL_STARTUP:
			if (!connection->plan.disable_ssl)
			{
				connection->stage = OMF_STAGE_TLS;
				break;
			}
			/* FALLTHROUGH */
		case CONNECTION_AWAITING_RESPONSE:
		case CONNECTION_AUTH_OK:
			connection->stage = OMF_STAGE_LOGIN;
			break;
		default:
			break;
	}
}

/* Drive libpq until it is connected, or has failed, or it is late. */
static void
connect_with_libpq(OmfConnection *connection, int64 deadline)
{
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;

	while (want == PGRES_POLLING_READING || want == PGRES_POLLING_WRITING)
	{
		note_stage(connection);
		if (!omf_source_wait(PQsocket(connection->conn),
							 want == PGRES_POLLING_READING
								 ? WL_SOCKET_READABLE
								 : WL_SOCKET_WRITEABLE,
							 deadline))
		{
			note_problem(connection, "no answer within connect_timeout");
			return;
		}
		want = PQconnectPoll(connection->conn);
	}
	if (want == PGRES_POLLING_OK)
		connection->stage = OMF_STAGE_CONNECTED;
	else
		note_libpq_problem(connection);
}

/* All but the addresses. */
static void
disconnect(OmfConnection *connection)
{
	PQclear(connection->result);
	connection->result = NULL;
	if (connection->conn == NULL)
		return;
	PQfinish(connection->conn);
	connection->conn = NULL;
	omf_source_uncount_descriptor(&connection->way);
}

OmfConnectionStage
omf_connection_open(OmfConnection *connection, const char *dbname)
{
	int64 deadline = omf_clock() + connection->plan.connect_timeout_ms;
	const char *problem;

	disconnect(connection);
	connection->stage = OMF_STAGE_NAME;
	problem = omf_source_look_up(&connection->way,
								 connection->plan.source->host, deadline);
	if (problem != NULL)
	{
		note_problem(connection, problem);
		return connection->stage;
	}
	connection->stage = OMF_STAGE_REACH;
	begin_connecting(connection, dbname);
	if (connection->conn == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (PQstatus(connection->conn) == CONNECTION_BAD)
		note_libpq_problem(connection);
	else
	{
		PQsetNoticeReceiver(connection->conn, ignore_notice, NULL);
		connect_with_libpq(connection, deadline);
	}
	return connection->stage;
}

bool
omf_connection_used_password(const OmfConnection *connection)
{
	return PQconnectionUsedPassword(connection->conn) != 0;
}

const char *
omf_connection_address(const OmfConnection *connection)
{
	const char *address = connection->conn != NULL
							  ? PQhostaddr(connection->conn)
							  : NULL;

	return address != NULL && address[0] != '\0' ? address : NULL;
}

/* ----- queries ----- */

/* Send all that libpq holds back: false when it failed, or is late. */
static bool
flush(OmfConnection *connection, int64 deadline)
{
	int left;

	while ((left = PQflush(connection->conn)) > 0)
		if (!omf_source_wait(PQsocket(connection->conn),
							 WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE,
							 deadline) ||
			!PQconsumeInput(connection->conn))
			return false;
	return left == 0;
}

/* The next result, which may be NULL: there is none; false as above. */
static bool
next_result(OmfConnection *connection, int64 deadline, PGresult **result)
{
	while (PQisBusy(connection->conn))
		if (!omf_source_wait(PQsocket(connection->conn), WL_SOCKET_READABLE,
							 deadline) ||
			!PQconsumeInput(connection->conn))
			return false;
	*result = PQgetResult(connection->conn);
	return true;
}

/* A connection on which an answer is due can't be asked again. */
static bool
give_up(OmfConnection *connection, int64 deadline)
{
	if (omf_clock() >= deadline)
		note_problem(connection, "no answer within request_timeout");
	else
		note_libpq_problem(connection);
	disconnect(connection);
	return false;
}

bool
omf_connection_query(OmfConnection *connection, const char *sql)
{
	int64 deadline = omf_clock() + connection->plan.query_timeout_ms;
	bool good = true;

	PQclear(connection->result);
	connection->result = NULL;
	if (PQsetnonblocking(connection->conn, 1) != 0 ||
		!PQsendQuery(connection->conn, sql) || !flush(connection, deadline))
		return give_up(connection, deadline);
	for (;;)
	{
		PGresult *result = NULL;

		if (!next_result(connection, deadline, &result))
			return give_up(connection, deadline);
		if (result == NULL)
			break;
		PQclear(connection->result);
		connection->result = result;
		if (PQresultStatus(result) == PGRES_TUPLES_OK ||
			PQresultStatus(result) == PGRES_COMMAND_OK)
			continue;
		good = false;
		note_problem(connection, PQresultErrorMessage(result));

		/* a COPY would never end */
		if (PQresultStatus(result) != PGRES_FATAL_ERROR)
		{
			disconnect(connection);
			return false;
		}
	}
	return good && PQstatus(connection->conn) == CONNECTION_OK;
}

int
omf_connection_rows(const OmfConnection *connection)
{
	return connection->result != NULL ? PQntuples(connection->result) : 0;
}

char *
omf_connection_value(const OmfConnection *connection, int row, int column)
{
	if (column >= PQnfields(connection->result) ||
		PQgetisnull(connection->result, row, column))
		return NULL;
	return omf_source_presentable(PQgetvalue(connection->result, row, column),
								  connection->plan.source->password);
}

bool
omf_connection_is_open(const OmfConnection *connection)
{
	return connection->conn != NULL &&
		   PQstatus(connection->conn) == CONNECTION_OK;
}

void
omf_connection_close(OmfConnection *connection)
{
	disconnect(connection);
	omf_source_way_close(&connection->way);
}
