/*-------------------------------------------------------------------------
 *
 * check_mysql.c
 *	  What is asked of a MySQL source before it is migrated.
 *
 * mysql_fdw is what talks to it, and takes no queries but those of foreign
 * tables.  So temporary ones are made over what the source says of itself,
 * and read once, in a subtransaction that is rolled back: nothing of it
 * stays.  The checks are queries of what has been read.
 *
 *-------------------------------------------------------------------------
 */
#include "functions/check_mysql.h"

#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"

#include "functions/arguments.h"
#include "functions/attempt.h"
#include "functions/mysql_greeting.h"
#include "functions/source_wait.h"

#define AIVEN_MYSQL_MIGRATE "https://github.com/aiven-open/aiven-mysql-migrate"
#define MYSQL_LIMITS "https://docs.digitalocean.com/products/databases/mysql/details/limits/"

/* mysql_fdw's defaults. */
#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT "3306"

/* ----- what is read ----- */

/* Tables of the source's that are read, in this order; for a check, flags. */
enum
{
	DATABASES,
	TABLES,
	KEYS,
	PRIVILEGES,
	VARIABLES,
	NFACTS
};

#define READS_DATABASES (1 << DATABASES)
#define READS_TABLES (1 << TABLES)
#define READS_KEYS (1 << KEYS)
#define READS_PRIVILEGES (1 << PRIVILEGES)
#define READS_VARIABLES (1 << VARIABLES)

typedef struct Fact
{
	const char *name;    /* of our copy, in pg_temp */
	const char *columns; /* with their types */
	const char *schema;  /* at the source */
	const char *table;
} Fact;

/*
 * The first is what anybody may read who has got in.  Not every server has
 * performance_schema.global_variables: the tables tell.
 */
static const Fact facts[NFACTS] = {
	[DATABASES] = {"omf_mysql_databases", "schema_name text", "information_schema", "schemata"},
	[TABLES] = {"omf_mysql_tables",
				"table_schema text, table_name text, table_type text, engine text, data_length bigint, index_length bigint",
				"information_schema", "tables"},
	[KEYS] = {"omf_mysql_keys", "table_schema text, table_name text, index_name text",
			  "information_schema", "statistics"},
	[PRIVILEGES] = {"omf_mysql_privileges", "grantee text, privilege_type text",
					"information_schema", "user_privileges"},
	[VARIABLES] = {"omf_mysql_variables", "variable_name text, variable_value text",
				   "performance_schema", "global_variables"},
};

/* Where MariaDB has the variables. */
#define OTHER_VARIABLES_SCHEMA "information_schema"

/* ----- the checks ----- */

/* Databases that are copied: all but the server's own and $1. */
#define COPIED                                                                                      \
	"copied AS (SELECT schema_name AS name FROM pg_temp.omf_mysql_databases "                       \
	"WHERE lower(schema_name) NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') " \
	"AND schema_name <> ALL ($1)), "                                                                \
	"t AS (SELECT * FROM pg_temp.omf_mysql_tables WHERE table_schema IN (SELECT c.name FROM copied AS c)) "

/* The server's settings that checks ask for. */
#define SETTINGS                                                                                    \
	"v AS (SELECT jsonb_object_agg(lower(variable_name), variable_value) AS all_of_them "           \
	"FROM pg_temp.omf_mysql_variables), "                                                           \
	"s AS (SELECT all_of_them ->> 'version' AS version, all_of_them ->> 'gtid_mode' AS gtid_mode, " \
	"all_of_them ->> 'enforce_gtid_consistency' AS enforced, "                                      \
	"upper(all_of_them ->> 'log_bin') IN ('ON', '1') AS logged, "                                   \
	"all_of_them ->> 'binlog_format' AS format, "                                                   \
	"all_of_them ->> 'binlog_expire_logs_seconds' AS seconds, "                                     \
	"all_of_them ->> 'expire_logs_days' AS days FROM v) "

/* The row of things that are better not there; sql gives their names. */
#define FOUND(sql, things, hint)                                                          \
	"WITH " COPIED ", found(name) AS (" sql ") "                                          \
	"SELECT CASE count(*) WHEN 0 THEN 'ok' ELSE 'warning' END, "                          \
	"format('%s " things "%s.', CASE count(*) WHEN 0 THEN 'No' ELSE count(*)::text END, " \
	"coalesce(': ' || (SELECT string_agg(f.name, ', ' ORDER BY f.name) "                  \
	"FROM (SELECT name FROM found ORDER BY name LIMIT 20) AS f), '') || "                 \
	"CASE WHEN count(*) > 20 THEN ' and ' || count(*) - 20 || ' more' ELSE '' END), "     \
	"CASE WHEN count(*) > 0 THEN '" hint "' END FROM found"

/*
 * Its query gives rows (result, detail, hint) of $1, the databases that are
 * ignored, $2, the user's name, $3, the target's major version, or 0, and $4,
 * its storage in MiB, or -1.
 */
typedef struct MysqlCheck
{
	const char *name;
	const char *document;
	const char *by_hand; /* what to do where nothing can be asked */
	int reads;           /* of facts */
	const char *sql;
} MysqlCheck;

static const MysqlCheck mysql_checks[] = {
	{"source version", AIVEN_MYSQL_MIGRATE,
	 "Run there: SELECT version(); it must be 5.7 or later, and not newer than the target.",
	 READS_VARIABLES,
	 "WITH " SETTINGS ", "
	 "n AS (SELECT s.version, s.version ~* 'mariadb' AS is_mariadb, "
	 "substring(s.version FROM '^\\d+')::int AS major, substring(s.version FROM '^\\d+\\.(\\d+)')::int AS minor FROM s) "
	 "SELECT CASE WHEN n.is_mariadb THEN 'warning' WHEN $3 > 0 AND n.major > $3 THEN 'failed' "
	 "WHEN (n.major, n.minor) BETWEEN (5, 7) AND (8, 0) THEN 'ok' ELSE 'warning' END, "
	 "format('The source is %s %s, the target %s.', CASE WHEN n.is_mariadb THEN 'MariaDB' ELSE 'MySQL' END, n.version, "
	 "CASE WHEN $3 > 0 THEN 'MySQL ' || $3 ELSE 'is not known' END), "
	 "CASE WHEN n.is_mariadb THEN 'The guides are for MySQL, whose GTIDs are of another kind: what changes during the migration can not be followed.' "
	 "WHEN $3 > 0 AND n.major > $3 THEN 'A source that is newer than the target can make the migration fail.' "
	 "WHEN (n.major, n.minor) BETWEEN (5, 7) AND (8, 0) THEN NULL "
	 "ELSE 'What changes during the migration is followed from 5.7 to 8.0 only: others are copied once, with mysqldump.' END FROM n"},

	{"source GTID mode", OMF_MYSQL_GUIDE,
	 "Run there: SELECT @@gtid_mode, @@enforce_gtid_consistency; both must be ON.",
	 READS_VARIABLES,
	 "WITH " SETTINGS
	 "SELECT CASE WHEN upper(s.gtid_mode) = 'ON' AND upper(s.enforced) = 'ON' THEN 'ok' ELSE 'warning' END, "
	 "format('gtid_mode is %s, enforce_gtid_consistency is %s.', coalesce(s.gtid_mode, 'not there'), coalesce(s.enforced, 'not there')), "
	 "CASE WHEN upper(s.gtid_mode) = 'ON' AND upper(s.enforced) = 'ON' THEN NULL "
	 "ELSE 'Both must be ON. Else what is there is copied once, with mysqldump, and nothing that changes afterwards.' END FROM s"},

	{"source binary log format", AIVEN_MYSQL_MIGRATE,
	 "Run there: SELECT @@log_bin, @@binlog_format; they must be 1 and ROW.",
	 READS_VARIABLES,
	 "WITH " SETTINGS
	 "SELECT CASE WHEN s.logged AND upper(s.format) = 'ROW' THEN 'ok' ELSE 'warning' END, "
	 "format('log_bin is %s, binlog_format is %s.', CASE WHEN s.logged THEN 'ON' ELSE 'OFF' END, coalesce(s.format, 'not there')), "
	 "CASE WHEN s.logged AND upper(s.format) = 'ROW' THEN NULL "
	 "ELSE 'They must be ON and ROW. Else what is there is copied once, with mysqldump, and nothing that changes afterwards.' END FROM s"},

	{"source binary log retention", OMF_MYSQL_GUIDE,
	 "Run there: SELECT @@binlog_expire_logs_seconds; it must be 1209600 (14 days) or more, or 0.",
	 READS_VARIABLES,
	 "WITH " SETTINGS ", k AS (SELECT coalesce(nullif(s.seconds::numeric, 0), s.days::numeric * 86400, 0) AS seconds FROM s) "
	 "SELECT CASE WHEN k.seconds > 0 AND k.seconds < 14 * 86400 THEN 'warning' ELSE 'ok' END, "
	 "CASE WHEN k.seconds > 0 THEN format('Binary logs are kept for %s days.', trim_scale(round(k.seconds / 86400, 2))) "
	 "ELSE 'Binary logs are kept until they are removed by hand.' END, "
	 "CASE WHEN k.seconds > 0 AND k.seconds < 14 * 86400 "
	 "THEN 'Migrations can fail where they are kept for less than 14 days: set binlog_expire_logs_seconds to 1209600 or more.' END FROM k"},

	{"source databases", AIVEN_MYSQL_MIGRATE,
	 "Run there: SHOW DATABASES; there must be one that is neither the server's own nor in ignore_dbs.",
	 READS_DATABASES | READS_TABLES,
	 "WITH " COPIED "SELECT CASE count(*) WHEN 0 THEN 'failed' ELSE 'ok' END, "
	 "format('Copied are %s databases%s.', count(*), coalesce(': ' || string_agg(copied.name, ', ' ORDER BY copied.name), '')), "
	 "CASE count(*) WHEN 0 THEN 'All are in ignore_dbs, or the user sees none.' END FROM copied"},

	{"source table engines", MYSQL_LIMITS,
	 "Run there: SELECT table_schema, table_name, engine FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND engine <> 'InnoDB' AND table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema'); it must return no row.",
	 READS_DATABASES | READS_TABLES,
	 FOUND("SELECT format('%s.%s (%s)', table_schema, table_name, engine) FROM t "
		   "WHERE table_type = 'BASE TABLE' AND lower(engine) <> 'innodb'",
		   "tables of another engine than InnoDB",
		   "Managed MySQL has InnoDB only, and what changes in others is not followed. ALTER TABLE ... ENGINE = InnoDB, or leave their databases behind with ignore_dbs.")},

	{"source primary keys", MYSQL_LIMITS,
	 "Run there: SELECT t.table_schema, t.table_name FROM information_schema.tables AS t LEFT JOIN information_schema.statistics AS s ON s.table_schema = t.table_schema AND s.table_name = t.table_name AND s.index_name = 'PRIMARY' WHERE t.table_type = 'BASE TABLE' AND s.table_name IS NULL AND t.table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema'); it should return no row.",
	 READS_DATABASES | READS_TABLES | READS_KEYS,
	 FOUND("SELECT format('%s.%s', t.table_schema, t.table_name) FROM t "
		   "WHERE t.table_type = 'BASE TABLE' AND NOT EXISTS (SELECT FROM pg_temp.omf_mysql_keys AS k "
		   "WHERE k.table_schema = t.table_schema AND k.table_name = t.table_name AND k.index_name = 'PRIMARY')",
		   "tables without a primary key",
		   "From 5000 rows on their replication can fail, and new ones are refused by default. Give them a primary key.")},

	{"source privileges", AIVEN_MYSQL_MIGRATE,
	 "Run there: SHOW GRANTS; the user needs REPLICATION SLAVE, REPLICATION CLIENT, and SELECT on all that is copied.",
	 READS_PRIVILEGES,
	 "WITH p AS (SELECT * FROM pg_temp.omf_mysql_privileges WHERE left(grantee, length($2) + 3) = '''' || $2 || '''@') "
	 "SELECT CASE WHEN count(*) = 0 THEN 'skipped' WHEN bool_or(upper(privilege_type) = 'REPLICATION SLAVE') THEN 'ok' ELSE 'warning' END, "
	 "CASE WHEN count(*) = 0 THEN format('The source shows no privileges of \"%s\".', $2) "
	 "WHEN bool_or(upper(privilege_type) = 'REPLICATION SLAVE') THEN format('User \"%s\" may replicate.', $2) "
	 "ELSE format('User \"%s\" has no REPLICATION SLAVE.', $2) END, "
	 "CASE WHEN count(*) = 0 THEN 'Run there: SHOW GRANTS; the user needs REPLICATION SLAVE, and SELECT on all that is copied.' "
	 "WHEN NOT bool_or(upper(privilege_type) = 'REPLICATION SLAVE') THEN 'Without, what is there is copied once, with mysqldump, and nothing that changes afterwards. GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* to it.' END FROM p"},

	{"target storage", MYSQL_LIMITS,
	 "Run there: SELECT sum(data_length + index_length) / 1048576 FROM information_schema.tables; the target must have more MiB.",
	 READS_DATABASES | READS_TABLES,
	 "WITH " COPIED ", s AS (SELECT coalesce(sum(t.data_length + t.index_length) / 1048576, 0)::bigint AS mib FROM t) "
	 "SELECT CASE WHEN $4 < 0 THEN 'skipped' WHEN s.mib > $4 THEN 'failed' WHEN s.mib > $4 * 0.8 THEN 'warning' ELSE 'ok' END, "
	 "format('The databases that are copied have %s MiB, the target''s storage %s.', s.mib, "
	 "CASE WHEN $4 < 0 THEN 'is not known' ELSE $4 || ' MiB' END), "
	 "CASE WHEN $4 >= 0 AND s.mib > $4 * 0.8 THEN 'Resize the cluster: binary logs and temporary files need room besides.' END FROM s"},

	{"size", OMF_MYSQL_GUIDE, NULL, READS_DATABASES | READS_TABLES,
	 "WITH " COPIED "SELECT 'ok', format('Database \"%s\" has %s MiB.', copied.name, "
	 "coalesce(sum(t.data_length + t.index_length) / 1048576, 0)::bigint), NULL "
	 "FROM copied LEFT JOIN t ON t.table_schema = copied.name GROUP BY copied.name ORDER BY copied.name"},
};

/* ----- subtransactions ----- */

/* What is under way. */
typedef struct Asking
{
	OmfChecks *checks;
	const ForeignServer *server;
	const Fact *fact;        /* that is being read */
	const MysqlCheck *check; /* that is being made */
	char *problems[NFACTS];  /* why a fact could not be read, or NULL */
	int sqlerrcode;          /* of the last problem */
	bool in_use;             /* somebody else in here may use the connection */
} Asking;

typedef void (*Step)(Asking *asking);

/* Is it none of the source's business, and ends the statement? */
static bool
ends_all(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		   ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
			   ERRCODE_INSUFFICIENT_RESOURCES;
}

typedef struct StepAttempt
{
	Asking *asking;
	Step step;
} StepAttempt;

static void
attempt_step(void *arg)
{
	StepAttempt *attempt = arg;

	attempt->step(attempt->asking);
}

/*
 * A step in a subtransaction, which stays if it went well and `keep` is set:
 * NULL, or the error's words.
 */
static char *
try_step(Asking *asking, Step step, bool keep)
{
	StepAttempt attempt = {asking, step};
	ErrorData *error = omf_attempt(attempt_step, &attempt, keep);

	if (error == NULL)
		return NULL;
	if (ends_all(error))
		ReThrowError(error);
	asking->sqlerrcode = error->sqlerrcode;
	return omf_source_words(error->message,
							asking->checks->plan.source->password);
}

static void
connect_to_spi(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

static void
execute(const char *sql)
{
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "SPI_execute failed: %s", sql);
}

/* ----- reading ----- */

static bool
has_variables_of_mysql(void)
{
	execute("SELECT FROM pg_temp.omf_mysql_tables "
			"WHERE lower(table_schema) = 'performance_schema' AND lower(table_name) = 'global_variables'");
	return SPI_processed > 0;
}

/* A foreign table over what the source has, and our copy of it. */
static void
read_fact(Asking *asking)
{
	const Fact *fact = asking->fact;
	const char *schema = fact->schema;

	if (fact == &facts[VARIABLES] && !has_variables_of_mysql())
		schema = OTHER_VARIABLES_SCHEMA;
	execute(psprintf("CREATE FOREIGN TABLE pg_temp.%s_there (%s) SERVER %s OPTIONS (dbname '%s', table_name '%s')",
					 fact->name, fact->columns, quote_identifier(asking->server->servername), schema, fact->table));
	execute(psprintf("CREATE TEMPORARY TABLE %s AS SELECT * FROM pg_temp.%s_there",
					 fact->name, fact->name));
}

/*
 * A scan that is not at its end, of a cursor or of the statement itself, would
 * not survive that the connection is closed.  It holds a lock on its table.
 */
static bool
is_in_use(const ForeignServer *server)
{
	execute(psprintf("SELECT FROM pg_locks AS l JOIN pg_foreign_table AS t ON t.ftrelid = l.relation "
					 "WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND t.ftserver = %u",
					 server->serverid));
	return SPI_processed > 0;
}

/*
 * mysql_fdw keeps its connections for as long as the session lasts, and not
 * all of its versions have a function that closes one.  IMPORT FOREIGN SCHEMA
 * closes the one that it has used: here for nothing but that.
 */
static void
hang_up(Asking *asking)
{
	connect_to_spi();
	execute(psprintf("IMPORT FOREIGN SCHEMA information_schema LIMIT TO (omf_mysql_none) FROM SERVER %s INTO pg_temp",
					 quote_identifier(asking->server->servername)));
	SPI_finish();
}

/* ----- checking ----- */

static void
put_skipped(OmfChecks *checks, const MysqlCheck *check, const char *why)
{
	if (check->by_hand != NULL)
		omf_checks_put(checks, check->name, OMF_CHECK_SKIPPED, why,
					   check->by_hand, check->document);
}

static void
skip_all(OmfChecks *checks, const char *why)
{
	for (int i = 0; i < (int) lengthof(mysql_checks); i++)
		put_skipped(checks, &mysql_checks[i], why);
}

/* Why the check can't be made, or NULL: it can. */
static const char *
problem_of(const Asking *asking, const MysqlCheck *check)
{
	for (int i = 0; i < NFACTS; i++)
		if ((check->reads & 1 << i) != 0 && asking->problems[i] != NULL)
			return asking->problems[i];
	return NULL;
}

static char *
value_of(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						column);
}

static void
run_check(Asking *asking)
{
	OmfChecks *checks = asking->checks;
	const MysqlCheck *check = asking->check;
	const char *username = checks->plan.source->username;
	Oid types[] = {TEXTARRAYOID, TEXTOID, INT4OID, INT8OID};
	Datum values[] = {
		OidInputFunctionCall(F_ARRAY_IN, unconstify(char *, checks->ignore_dbs), TEXTOID, -1),
		CStringGetTextDatum(username != NULL ? username : ""),
		Int32GetDatum(checks->target_major),
		Int64GetDatum(checks->target_mib)};

	if (SPI_execute_with_args(check->sql, lengthof(types), types, values, NULL,
							  false, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed");
	for (uint64 row = 0; row < SPI_processed; row++)
		omf_checks_put(checks, check->name, value_of(row, 1), value_of(row, 2),
					   value_of(row, 3), check->document);
}

static void
run_checks(Asking *asking)
{
	for (int i = 0; i < (int) lengthof(mysql_checks); i++)
	{
		const char *problem = problem_of(asking, &mysql_checks[i]);

		asking->check = &mysql_checks[i];
		if (problem == NULL)
			problem = try_step(asking, run_check, true);
		if (problem != NULL)
			put_skipped(asking->checks, &mysql_checks[i],
						psprintf("The source did not say: %s", problem));
	}
}

static void
put_login(const Asking *asking)
{
	const char *name = asking->server->servername;
	bool in = asking->problems[DATABASES] == NULL;
	bool is_ours =
		!in && ERRCODE_TO_CATEGORY(asking->sqlerrcode) != ERRCODE_FDW_ERROR;

	omf_checks_put(asking->checks, "source login", in ? OMF_CHECK_OK : is_ours ? OMF_CHECK_SKIPPED
																			   : OMF_CHECK_FAILED,
				   in ? psprintf("The source lets the user of server \"%s\" in.", name)
					  : psprintf("Server \"%s\": %s", name, asking->problems[DATABASES]),
				   in || is_ours ? NULL : "Look at the server's options and the user mapping's, and at the grants of the user there.",
				   OMF_MYSQL_GUIDE);
}

/* All that is done where there is something to be rolled back. */
static void
ask(Asking *asking)
{
	connect_to_spi();

	/* goes with the subtransaction */
	set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
					  PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	asking->in_use = is_in_use(asking->server);
	for (int i = 0; i < NFACTS; i++)
	{
		asking->fact = &facts[i];
		asking->problems[i] = i == VARIABLES ? asking->problems[TABLES] : NULL;
		if (asking->problems[i] == NULL)
			asking->problems[i] = try_step(asking, read_fact, true);
		if (i == DATABASES)
			put_login(asking);
		if (asking->problems[DATABASES] != NULL)
			break;
	}
	if (asking->problems[DATABASES] != NULL)
		skip_all(asking->checks, "The source could not be asked.");
	else
		run_checks(asking);
	SPI_finish();
}

/* ----- getting there ----- */

/* NULL, or why mysql_fdw can't be asked. */
static const char *
reason_not_to_ask(Oid serverid)
{
	const ForeignServer *server;

	if (!OidIsValid(serverid))
		return "A MySQL source is asked through a foreign server of mysql_fdw, and \"source_server\" names none.";
	server = GetForeignServer(serverid);
	if (omf_wrapper_handler(server->fdwid) == NULL)
		return psprintf("The foreign data wrapper of server \"%s\" has no handler: mysql_fdw is not installed here.",
						server->servername);
	if (XactReadOnly)
		return "A MySQL source is asked through temporary foreign tables, which a read-only transaction can't have.";
	return NULL;
}

static const char *
option_of(const ForeignServer *server, const char *name, const char *otherwise)
{
	ListCell *cell;

	foreach (cell, server->options)
	{
		DefElem *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return otherwise;
}

static void
put_tls(OmfChecks *checks, const OmfMysqlGreeting *greeting)
{
	if (checks->plan.disable_ssl)
		omf_checks_put(checks, "source TLS", OMF_CHECK_WARNING, "The migration does without TLS, as disable_ssl says.",
					   "The password and all data can be read on the way.", OMF_MYSQL_GUIDE);
	else
		omf_checks_put(checks, "source TLS", greeting->takes_tls ? OMF_CHECK_OK : OMF_CHECK_FAILED,
					   greeting->takes_tls ? "The source takes TLS." : "The source does not take TLS.",
					   greeting->takes_tls ? NULL : "Give it a certificate, or do without TLS: disable_ssl => true.",
					   OMF_MYSQL_GUIDE);
}

/* Does the server greet who comes?  Else mysql_fdw could wait for ever. */
static bool
get_there(OmfChecks *checks, const ForeignServer *server)
{
	const char *host = option_of(server, "host", DEFAULT_HOST);
	int port = atoi(option_of(server, "port", DEFAULT_PORT));
	OmfMysqlGreeting *greeting;

	/* MySQL's library takes a Unix socket */
	if (pg_strcasecmp(host, "localhost") == 0)
		return true;
	greeting = omf_mysql_greeting(host, port, checks->plan.connect_timeout_ms);
	omf_checks_put_reach(checks, psprintf("Server \"%s\", at %s, port %d", server->servername, host, port),
						 greeting->connected ? NULL : greeting->problem, greeting->address,
						 "DigitalOcean must reach it, too, which can't be tried from here: firewall, bind-address.",
						 OMF_MYSQL_GUIDE);
	if (greeting->greeted)
		put_tls(checks, greeting);
	else if (greeting->connected)
		omf_checks_put(checks, "source login", OMF_CHECK_FAILED,
					   psprintf("Server \"%s\": %s", server->servername, greeting->problem),
					   "Is it a MySQL server, and does it talk to this host?", OMF_MYSQL_GUIDE);
	return greeting->greeted;
}

/*
 * However it ends, no connection is left that nobody else uses: NULL, or why
 * nothing was asked.
 */
static const char *
ask_and_hang_up(Asking *asking)
{
	MemoryContext memory = CurrentMemoryContext;
	ErrorData *volatile error = NULL;
	const char *volatile problem = NULL;

	PG_TRY();
	{
		problem = try_step(asking, ask, false);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();

	/* who was not let in does not knock again */
	if (!asking->in_use &&
		(asking->problems[DATABASES] == NULL ||
		 asking->sqlerrcode != ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION))
		try_step(asking, hang_up, false);
	if (error != NULL)
		ReThrowError(error);
	return problem;
}

void
omf_check_mysql_source(OmfChecks *checks)
{
	Oid serverid = checks->plan.source->serverid;
	const char *reason = reason_not_to_ask(serverid);
	Asking asking = {.checks = checks, .in_use = true};

	if (reason != NULL)
	{
		skip_all(checks, reason);
		return;
	}
	asking.server = GetForeignServer(serverid);
	if (get_there(checks, asking.server))
		reason = ask_and_hang_up(&asking);
	else
		reason = "The source could not be asked.";
	if (reason != NULL)
		skip_all(checks, reason);
}
