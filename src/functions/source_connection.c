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
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "client/api.h"
#include "client/resolver.h"
#include "compat.h"
#include "functions/call.h"

/* The longest text of libpq's or the source's in a message, in bytes. */
#define WORDS_MAX 500

/* A file that can't be there: libpq falls back to nothing. */
#define NO_FILE "/dev/null/none"

struct OmfConnection
{
	OmfConnectionPlan plan;
	OmfNameLookup *lookup;    /* kept, for its addresses, or NULL */
	PGconn *conn;             /* or NULL */
	PGresult *result;         /* of the last query, or NULL */
	int nfds;                 /* descriptors that PostgreSQL has been told of */
	OmfConnectionStage stage; /* how far it has come */
	char problem[WORDS_MAX];  /* why it came no further */
};

static uint32 wait_event = 0;

OmfConnection *
omf_connection_new(const OmfConnectionPlan *plan)
{
	OmfConnection *connection = palloc0(sizeof(OmfConnection));

	connection->plan = *plan;
	if (wait_event == 0)
		wait_event = omf_new_wait_event("OnlineMigrationsSource");
	return connection;
}

/* ----- what failed ----- */

/* One line, clipped between characters. */
static void
note_problem(OmfConnection *connection, const char *words)
{
	int length = (int) strlen(words);

	if (length >= WORDS_MAX)
		length = pg_mbcliplen(words, length, WORDS_MAX - 1);
	while (length > 0 && isspace((unsigned char) words[length - 1]))
		length--;
	memcpy(connection->problem, words, length);
	connection->problem[length] = '\0';
	for (char *next = connection->problem; *next != '\0'; next++)
		if ((unsigned char) *next < 0x20 || *next == 0x7F)
			*next = ' ';
}

/*
 * Who answers may not be who it should be: its words can be in any encoding,
 * and hold what it was sent.
 */
static char *
presentable(const OmfConnection *connection, const char *text)
{
	char *copy = pstrdup(text);

	if (connection->plan.source->password != NULL)
		omf_api_mask(copy, connection->plan.source->password);
	if (!pg_verify_mbstr(GetDatabaseEncoding(), copy, (int) strlen(copy), true))
		for (char *next = copy; *next != '\0'; next++)
			if (IS_HIGHBIT_SET(*next))
				*next = '?';
	return copy;
}

static void
note_libpq_problem(OmfConnection *connection)
{
	note_problem(connection,
				 presentable(connection, PQerrorMessage(connection->conn)));
}

char *
omf_connection_problem(const OmfConnection *connection)
{
	return pstrdup(connection->problem);
}

/* ----- waiting ----- */

/* Wait for the descriptor: false when the deadline has passed. */
static bool
wait_for(int fd, int events, int64 deadline)
{
	for (;;)
	{
		int64 left = deadline - omf_clock();
		int occurred;

		CHECK_FOR_INTERRUPTS();
		if (left <= 0)
			return false;
		occurred = WaitLatchOrSocket(MyLatch,
									 events | WL_LATCH_SET | WL_TIMEOUT |
										 WL_EXIT_ON_PM_DEATH,
									 fd, (long) left, wait_event);
		if (occurred & WL_LATCH_SET)
			ResetLatch(MyLatch);
		if (occurred & events)
			return true;
	}
}

/* PostgreSQL counts what others open. */
static void
count_descriptor(OmfConnection *connection)
{
	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("could not connect to the source"),
				 errdetail("There are too many open files on this server."),
				 errhint("Raise the server's max_files_per_process and ulimit -n.")));
	connection->nfds++;
}

/* ----- connecting ----- */

/* The host's addresses: true when there are any. */
static bool
look_up_host(OmfConnection *connection, int64 deadline)
{
	char(*addresses)[OMF_ADDRESS_SIZE];
	const char *problem;

	if (connection->lookup == NULL)
	{
		count_descriptor(connection);
		connection->lookup = omf_resolver_begin(connection->plan.source->host);
		if (connection->lookup == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory")));
	}
	if (!wait_for(omf_resolver_fd(connection->lookup), WL_SOCKET_READABLE,
				  deadline))
	{
		note_problem(connection, "its name was not looked up within connect_timeout");
		return false;
	}
	if (omf_resolver_addresses(connection->lookup, &addresses, &problem) > 0)
		return true;
	note_problem(connection, presentable(connection, problem));
	return false;
}

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
	int naddresses = omf_resolver_addresses(connection->lookup, &addresses,
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
	count_descriptor(connection);
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
		if (!wait_for(PQsocket(connection->conn),
					  want == PGRES_POLLING_READING ? WL_SOCKET_READABLE
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
	ReleaseExternalFD();
	connection->nfds--;
}

OmfConnectionStage
omf_connection_open(OmfConnection *connection, const char *dbname)
{
	int64 deadline = omf_clock() + connection->plan.connect_timeout_ms;

	disconnect(connection);
	connection->stage = OMF_STAGE_NAME;
	if (!look_up_host(connection, deadline))
		return connection->stage;
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
		if (!wait_for(PQsocket(connection->conn),
					  WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE, deadline) ||
			!PQconsumeInput(connection->conn))
			return false;
	return left == 0;
}

/* The next result, which may be NULL: there is none; false as above. */
static bool
next_result(OmfConnection *connection, int64 deadline, PGresult **result)
{
	while (PQisBusy(connection->conn))
		if (!wait_for(PQsocket(connection->conn), WL_SOCKET_READABLE,
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
		note_problem(connection,
					 presentable(connection, PQresultErrorMessage(result)));

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
	return presentable(connection,
					   PQgetvalue(connection->result, row, column));
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
	omf_resolver_free(connection->lookup);
	connection->lookup = NULL;
	for (; connection->nfds > 0; connection->nfds--)
		ReleaseExternalFD();
}
