/*-------------------------------------------------------------------------
 *
 * check_postgres.c
 *	  What is asked of a PostgreSQL source before it is migrated.
 *
 * Each check is a query that runs at the source, in a read-only transaction
 * of its own; it finds what it needs to know of the target in settings that
 * are local to it.
 *
 *-------------------------------------------------------------------------
 */
#include "functions/check_postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"

/* The most names that a row lists. */
#define NAMES_MAX "20"

/* The database to ask first where the source names none. */
#define FIRST_DATABASE "postgres"

#define REPLICATION_LIMITS "https://www.postgresql.org/docs/current/logical-replication-restrictions.html"
#define REPLICATION_CONFIG "https://www.postgresql.org/docs/current/logical-replication-config.html"
#define PUBLICATION "https://www.postgresql.org/docs/current/logical-replication-publication.html"
#define AIVEN_DB_MIGRATE "https://github.com/aiven/aiven-db-migrate"

/* Databases that are copied: those to which one may connect, templates not. */
#define COPIED                                                         \
	"FROM pg_database d WHERE d.datallowconn AND NOT d.datistemplate " \
	"AND d.datconnlimit <> -2 AND d.datname <> ALL (current_setting('omf.ignored')::text[])"

#define COPIED_DATABASES "SELECT d.datname " COPIED " ORDER BY d.datname"

/*
 * A check of the server as a whole: a query of one row (result, detail, hint).
 */
typedef struct ServerCheck
{
	const char *name;
	const char *document;
	const char *sql;
} ServerCheck;

/* Of so many there are, how many are free, and how many databases want one. */
#define FREE_OF(setting, used)                                                   \
	"FROM (SELECT current_setting('" setting "')::int AS most, "                 \
	"current_setting('" setting "')::int - (SELECT count(*) " used ") AS free, " \
	"(SELECT count(*) " COPIED ") AS wanted) s"

#define JUDGE_FREE \
	"CASE WHEN s.free < s.wanted THEN 'failed' WHEN s.free = s.wanted THEN 'warning' ELSE 'ok' END"

static const ServerCheck server_checks[] = {
	{"source version", OMF_POSTGRES_GUIDE,
	 "SELECT CASE WHEN s.v < 10 OR s.t > 0 AND s.v > s.t THEN 'failed' WHEN s.t = 0 THEN 'skipped' ELSE 'ok' END, "
	 "format('The source is PostgreSQL %s, the target %s.', current_setting('server_version'), "
	 "CASE WHEN s.t > 0 THEN 'PostgreSQL ' || s.t ELSE 'is not known' END), "
	 "CASE WHEN s.v < 10 THEN 'Logical replication came with PostgreSQL 10.' "
	 "WHEN s.t > 0 AND s.v > s.t THEN 'Migrate into a cluster of version ' || s.v || ' or later.' END "
	 "FROM (SELECT current_setting('server_version_num')::int / 10000 AS v, "
	 "current_setting('omf.target_version')::int AS t) s"},

	{"source wal_level", OMF_POSTGRES_GUIDE,
	 "SELECT CASE current_setting('wal_level') WHEN 'logical' THEN 'ok' ELSE 'failed' END, "
	 "format('wal_level is %s.', current_setting('wal_level')), "
	 "CASE WHEN current_setting('wal_level') <> 'logical' THEN 'Set wal_level = logical at the source, "
	 "which takes a restart. Amazon: rds.logical_replication = 1. Google: cloudsql.logical_decoding = on.' END"},

	{"source replication slots", REPLICATION_CONFIG,
	 "SELECT " JUDGE_FREE ", format('%s of %s replication slots are free, and %s databases are copied, "
	 "which take one each.', s.free, s.most, s.wanted), "
	 "CASE WHEN s.free <= s.wanted THEN 'Raise max_replication_slots, which takes a restart, or drop slots "
	 "that nobody uses; a reserve is for tables that are being copied.' END " FREE_OF("max_replication_slots", "FROM pg_replication_slots")},

	{"source WAL senders", REPLICATION_CONFIG,
	 "SELECT " JUDGE_FREE ", format('%s of %s WAL senders are free, and %s databases are copied, "
	 "which take one each.', s.free, s.most, s.wanted), "
	 "CASE WHEN s.free <= s.wanted THEN 'Raise max_wal_senders, which takes a restart; "
	 "a reserve is for tables that are being copied.' END " FREE_OF("max_wal_senders", "FROM pg_stat_replication")},

	{"source role", OMF_POSTGRES_GUIDE,
	 "SELECT CASE WHEN r.rolsuper OR r.rolreplication OR p.rolname IS NOT NULL THEN 'ok' ELSE 'failed' END, "
	 "format('Role \"%s\" %s.', r.rolname, CASE WHEN r.rolsuper THEN 'is a superuser' "
	 "WHEN p.rolname IS NOT NULL THEN 'is a member of \"' || p.rolname || '\"' "
	 "WHEN r.rolreplication THEN 'has REPLICATION, and is no superuser' "
	 "ELSE 'may not replicate' END), "
	 "CASE WHEN NOT (r.rolsuper OR r.rolreplication OR p.rolname IS NOT NULL) "
	 "THEN 'Migrate as a superuser, or as a role with REPLICATION or that of the provider: "
	 "rds_replication, cloudsqlsuperuser, azure_pg_admin.' END "
	 "FROM pg_roles r LEFT JOIN LATERAL (SELECT g.rolname FROM pg_roles g "
	 "WHERE g.rolname IN ('rds_replication', 'rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin') "
	 "AND pg_has_role(r.rolname, g.oid, 'MEMBER') ORDER BY g.rolname LIMIT 1) p ON true "
	 "WHERE r.rolname = current_user"},

	{"ignored databases", OMF_POSTGRES_GUIDE,
	 "SELECT CASE WHEN s.missing IS NULL THEN 'ok' ELSE 'warning' END, "
	 "coalesce('The source has no database ' || s.missing || '.', 'The source has all of ignore_dbs.'), "
	 "CASE WHEN s.missing IS NOT NULL THEN 'Look at the spelling: a database that is not ignored is copied.' END "
	 "FROM (SELECT string_agg(quote_ident(i.name), ', ' ORDER BY i.name) AS missing "
	 "FROM unnest(current_setting('omf.ignored')::text[]) AS i(name) "
	 "WHERE NOT EXISTS (SELECT FROM pg_database d WHERE d.datname = i.name)) s"},

	{"source databases", OMF_POSTGRES_GUIDE,
	 "SELECT CASE count(*) WHEN 0 THEN 'failed' ELSE 'ok' END, "
	 "format('Copied are %s databases%s.', count(*), coalesce(': ' || string_agg(quote_ident(d.datname), ', ' "
	 "ORDER BY d.datname), '')), CASE count(*) WHEN 0 THEN 'All are in ignore_dbs.' END " COPIED},

	{"target storage", "https://docs.digitalocean.com/products/databases/postgresql/details/limits/",
	 "SELECT CASE WHEN s.target < 0 OR s.mib IS NULL THEN 'skipped' WHEN s.mib > s.target THEN 'failed' "
	 "WHEN s.mib > s.target * 0.8 THEN 'warning' ELSE 'ok' END, "
	 "format('The databases that are copied have %s MiB%s, the target''s storage %s.', coalesce(s.mib, 0), "
	 "CASE WHEN s.hidden > 0 THEN ' and more in ' || s.hidden || ' that can''t be looked at' ELSE '' END, "
	 "CASE WHEN s.target < 0 THEN 'is not known' ELSE s.target || ' MiB' END), "
	 "CASE WHEN s.target >= 0 AND s.mib > s.target * 0.8 "
	 "THEN 'Resize the cluster: WAL, indexes being built and temporary files need room besides.' END "
	 "FROM (SELECT current_setting('omf.target_mib')::bigint AS target, "
	 "(sum(CASE WHEN has_database_privilege(d.datname, 'CONNECT') THEN pg_database_size(d.oid) END) "
	 "/ 1048576)::bigint AS mib, "
	 "count(*) FILTER (WHERE NOT has_database_privilege(d.datname, 'CONNECT')) AS hidden " COPIED ") s"},
};

/*
 * A check of one database: things that are better not there, or that are worth
 * knowing of.  The query's column is their names.
 */
typedef struct DatabaseCheck
{
	const char *name;
	const char *document;
	const char *result; /* when there are any */
	const char *things; /* that it finds */
	const char *hint;   /* when there are any, or NULL */
	const char *sql;
} DatabaseCheck;

#define RELATIONS                                                                            \
	"SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n "      \
	"ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') " \
	"AND n.nspname !~ '^pg_t(oast|emp)' AND c.relpersistence <> 't' AND "

static const DatabaseCheck database_checks[] = {
	{"replica identity", PUBLICATION, OMF_CHECK_FAILED, "tables without a replica identity",
	 "Once they are published, UPDATE and DELETE of them fail at the source. Give them a primary key that is not deferrable, or ALTER TABLE ... REPLICA IDENTITY FULL.",
	 RELATIONS "c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident <> 'f' AND NOT EXISTS ("
			   "SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate "
			   "AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END)"},

	{"readable tables", OMF_POSTGRES_GUIDE, OMF_CHECK_FAILED, "tables that the role can't read",
	 "GRANT SELECT on them and USAGE on their schemas, or migrate as another role.",
	 RELATIONS "c.relkind IN ('r', 'p', 'm') AND NOT (has_table_privilege(c.oid, 'SELECT') "
			   "AND has_schema_privilege(n.oid, 'USAGE'))"},

	{"row security", "https://www.postgresql.org/docs/current/logical-replication-security.html", OMF_CHECK_WARNING,
	 "tables whose policies hide rows from the role",
	 "Rows that are hidden are not copied. Migrate as a role with BYPASSRLS, or as the tables' owner.",
	 RELATIONS "c.relkind = 'r' AND row_security_active(c.oid)"},

	{"unlogged tables", REPLICATION_LIMITS, OMF_CHECK_WARNING, "unlogged tables",
	 "Their rows are not replicated. ALTER TABLE ... SET LOGGED, or copy them at the cut-over.",
	 RELATIONS "c.relkind = 'r' AND c.relpersistence = 'u'"},

	{"large objects", REPLICATION_LIMITS, OMF_CHECK_WARNING, "large objects",
	 "They are not replicated: copy them at the cut-over, as with pg_dump --large-objects.",
	 "SELECT oid::text FROM pg_largeobject_metadata"},

	{"sequences", REPLICATION_LIMITS, OMF_CHECK_WARNING, "sequences",
	 "Their values are not replicated: set them at the cut-over; examples/compare.sql prints the setval() statements.",
	 RELATIONS "c.relkind = 'S'"},

	{"extensions", AIVEN_DB_MIGRATE, OMF_CHECK_OK, "extensions", NULL,
	 "SELECT extname || ' ' || extversion FROM pg_extension WHERE extname <> 'plpgsql'"},

	/*
	 * All that is in DigitalOcean's list, as it was validated on 2025-11-25:
	 * some are there from a later version of the target on.  It calls vector
	 * and vectorscale by their projects' names, pgvector and pgvectorscale.
	 */
	{"extensions at the target", "https://docs.digitalocean.com/products/databases/postgresql/details/supported-extensions/",
	 OMF_CHECK_WARNING, "extensions that the target is not known to have",
	 "Look whether they are in DigitalOcean's list for the target's version. If not, what uses them must go first, or be left behind with ignore_dbs.",
	 "SELECT extname || ' ' || extversion FROM pg_extension WHERE extname NOT IN ("
	 "'bloom', 'bool_plperl', 'btree_gin', 'btree_gist', 'citext', 'cube', 'dblink', 'dict_int', "
	 "'earthdistance', 'fuzzystrmatch', 'hll', 'hstore', 'intagg', 'intarray', 'ip4r', 'isn', "
	 "'jsonb_plperl', 'lo', 'ltree', 'pageinspect', 'pgaudit', 'pg_buffercache', 'pg_cron', "
	 "'pg_partman', 'pg_prewarm', 'pg_repack', 'pg_similarity', 'pg_stat_statements', 'pg_trgm', "
	 "'pgcrypto', 'pgrouting', 'pgrowlocks', 'pgstattuple', 'vector', 'plperl', 'plpgsql', "
	 "'postgres_fdw', 'seg', 'sslinfo', 'tablefunc', 'tcn', 'tsm_system_rows', 'tsm_system_time', "
	 "'unaccent', 'unit', 'uuid-ossp') "
	 "AND NOT (extname = 'vectorscale' AND current_setting('omf.target_version')::int NOT BETWEEN 1 AND 15) "
	 "AND NOT (current_setting('omf.target_version')::int NOT BETWEEN 1 AND 16 AND extname IN ("
	 "'address_standardizer', 'address_standardizer_data_us', 'h3', 'h3_postgis', 'postgis', "
	 "'postgis_legacy', 'postgis_raster', 'postgis_sfcgal', 'postgis_tiger_geocoder', "
	 "'postgis_topology', 'rum', 'timescaledb'))"},

	{"languages", AIVEN_DB_MIGRATE, OMF_CHECK_WARNING, "languages other than sql and plpgsql",
	 "The target must have them, or the schema's functions can't be made there.",
	 "SELECT lanname::text FROM pg_language WHERE lanname NOT IN ('internal', 'c', 'sql', 'plpgsql')"},

	{"foreign tables", REPLICATION_LIMITS, OMF_CHECK_WARNING, "foreign tables",
	 "They are made without their servers' passwords, and point where they did: look at them after the cut-over.",
	 RELATIONS "c.relkind = 'f'"},

	{"materialized views", REPLICATION_LIMITS, OMF_CHECK_WARNING, "materialized views",
	 "They are not replicated: REFRESH them after the cut-over.",
	 RELATIONS "c.relkind = 'm'"},

	{"collations", "https://www.postgresql.org/docs/current/collation.html", OMF_CHECK_WARNING,
	 "collations of its own",
	 "Text can sort differently where the provider's version is another one: compare, and REINDEX at the target if need be.",
	 "SELECT format('%I.%I (provider %s)', n.nspname, c.collname, CASE to_jsonb(c) ->> 'collprovider' "
	 "WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END) FROM pg_collation c "
	 "JOIN pg_namespace n ON n.oid = c.collnamespace WHERE n.nspname <> 'pg_catalog'"},
};

/*
 * Encoding and locale of the database itself; the provider is told from 15 on.
 */
static const ServerCheck encoding_check = {
	"encoding and collation", "https://www.postgresql.org/docs/current/multibyte.html",
	"SELECT CASE WHEN s.encoding = 'UTF8' AND s.provider = 'libc' THEN 'ok' ELSE 'warning' END, "
	"format('Database \"%s\": encoding %s, collation %s, character type %s, provider %s%s.', current_database(), "
	"s.encoding, s.datcollate, s.datctype, s.provider, ' with locale ' || quote_ident(s.locale)), "
	"CASE WHEN s.encoding <> 'UTF8' THEN 'Databases of the target are UTF8 unless made otherwise: "
	"text that is not valid there can''t be copied.' "
	"WHEN s.provider <> 'libc' THEN 'Text can sort differently at the target: compare after the copy.' END "
	"FROM (SELECT pg_encoding_to_char(d.encoding) AS encoding, d.datcollate, d.datctype, "
	"CASE to_jsonb(d) ->> 'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END AS provider, "
	"coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale "
	"FROM pg_database d WHERE d.datname = current_database()) s"};

static const ServerCheck size_check = {
	"size", OMF_POSTGRES_GUIDE,
	"SELECT 'ok', format('Database \"%s\" has %s MiB.', current_database(), "
	"pg_database_size(current_database()) / 1048576), NULL"};

/* ----- queries ----- */

/* What every query needs to know, local to its transaction. */
static char *
with_settings(const OmfChecks *checks, const char *sql)
{
	return psprintf("SET TRANSACTION READ ONLY; "
					"SELECT pg_catalog.set_config('search_path', 'pg_catalog', true), "
					"pg_catalog.set_config('statement_timeout', '%d', true), "
					"CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 140000 "
					"AND pg_catalog.version() LIKE '%%linux%%' "
					"THEN pg_catalog.set_config('client_connection_check_interval', '1000', true) END, "
					"pg_catalog.set_config('omf.ignored', %s, true), "
					"pg_catalog.set_config('omf.target_version', '%d', true), "
					"pg_catalog.set_config('omf.target_mib', '" INT64_FORMAT "', true); %s",
					checks->plan.query_timeout_ms,
					quote_literal_cstr(checks->ignore_dbs),
					checks->target_major, checks->target_mib, sql);
}

/* A query that says what it found as a row of ours does. */
static char *
names_query(const DatabaseCheck *check)
{
	return psprintf("WITH found(name) AS (%s) SELECT CASE count(*) WHEN 0 THEN 'ok' ELSE '%s' END, "
					"format('Database \"%%s\": %%s %%s%%s.', current_database(), "
					"CASE count(*) WHEN 0 THEN 'no' ELSE count(*)::text END, %s, "
					"coalesce(': ' || (SELECT string_agg(f.name, ', ' ORDER BY f.name) "
					"FROM (SELECT name FROM found ORDER BY name LIMIT " NAMES_MAX ") f), '') || "
					"CASE WHEN count(*) > " NAMES_MAX " THEN ' and ' || count(*) - " NAMES_MAX " || ' more' ELSE '' END), "
					"CASE WHEN count(*) > 0 THEN %s END FROM found",
					check->sql, check->result,
					quote_literal_cstr(check->things),
					check->hint != NULL ? quote_literal_cstr(check->hint)
										: "NULL");
}

/*
 * A result that is not ours to give is a failed check, not a row of the
 * source's making.
 */
static const char *
known_result(const char *result)
{
	static const char *const known[] = {OMF_CHECK_OK, OMF_CHECK_WARNING,
										OMF_CHECK_SKIPPED};

	for (int i = 0; result != NULL && i < (int) lengthof(known); i++)
		if (strcmp(result, known[i]) == 0)
			return known[i];
	return OMF_CHECK_FAILED;
}

/*
 * Ask, and put what came back; a query that fails is a check that is skipped.
 */
static void
run_check(OmfChecks *checks, OmfConnection *connection, const char *name,
		  const char *document, const char *sql, const char *database)
{
	const char *of_database =
		database != NULL ? psprintf("Database \"%s\": ", database) : "";
	char *detail;

	if (!omf_connection_is_open(connection))
		omf_checks_put(checks, name, OMF_CHECK_SKIPPED,
					   psprintf("%sThe connection was lost before this was asked.", of_database), NULL, document);
	else if (!omf_connection_query(connection, with_settings(checks, sql)) ||
			 omf_connection_rows(connection) != 1)
		omf_checks_put(checks, name, OMF_CHECK_SKIPPED,
					   psprintf("%sThe source did not say: %s", of_database, omf_connection_problem(connection)),
					   NULL, document);
	else
	{
		detail = omf_connection_value(connection, 0, 1);
		omf_checks_put(checks, name,
					   known_result(omf_connection_value(connection, 0, 0)),
					   detail != NULL ? detail : "",
					   omf_connection_value(connection, 0, 2), document);
	}
}

/* ----- one database ----- */

static void
check_database(OmfChecks *checks, OmfConnection *connection,
			   const char *database)
{
	if (omf_connection_open(connection, database) != OMF_STAGE_CONNECTED)
	{
		omf_checks_put(checks, "database login", OMF_CHECK_FAILED,
					   psprintf("Database \"%s\": %s", database, omf_connection_problem(connection)),
					   "Let the role in, or add the database to ignore_dbs.", OMF_POSTGRES_GUIDE);
		return;
	}
	run_check(checks, connection, size_check.name, size_check.document,
			  size_check.sql, database);
	run_check(checks, connection, encoding_check.name, encoding_check.document,
			  encoding_check.sql, database);
	for (int i = 0; i < (int) lengthof(database_checks); i++)
		run_check(checks, connection, database_checks[i].name,
				  database_checks[i].document,
				  names_query(&database_checks[i]), database);
}

/* ----- getting there ----- */

static void
put_reach(OmfChecks *checks, OmfConnection *connection,
		  OmfConnectionStage stage)
{
	const OmfSource *source = checks->plan.source;

	omf_checks_put_reach(checks, psprintf("%s, port %d", source->host, source->port),
						 stage > OMF_STAGE_REACH
							 ? NULL
							 : omf_connection_problem(connection),
						 omf_connection_address(connection),
						 "DigitalOcean must reach it, too, which can't be tried from here: firewall, listen_addresses, pg_hba.conf.",
						 OMF_POSTGRES_GUIDE);
}

static void
put_tls(OmfChecks *checks, OmfConnection *connection, OmfConnectionStage stage)
{
	if (checks->plan.disable_ssl)
		omf_checks_put(checks, "source TLS", OMF_CHECK_WARNING, "The migration does without TLS, as disable_ssl says.",
					   "The password and all data can be read on the way.", OMF_POSTGRES_GUIDE);
	else if (stage > OMF_STAGE_TLS)
		omf_checks_put(checks, "source TLS", OMF_CHECK_OK, "The source takes TLS.", NULL, OMF_POSTGRES_GUIDE);
	else
		omf_checks_put(checks, "source TLS", OMF_CHECK_FAILED, omf_connection_problem(connection),
					   "Is it a PostgreSQL server, and does it have ssl = on? disable_ssl => true does without TLS.",
					   OMF_POSTGRES_GUIDE);
}

/*
 * May what the source says be shown?  As with dblink, a user who is no
 * superuser must have brought a password that was asked for: else it would be
 * this server's word, not the user's, that opened the door.
 */
static bool
put_login(OmfChecks *checks, OmfConnection *connection,
		  OmfConnectionStage stage)
{
	const char *username = checks->plan.source->username;
	bool allowed = stage == OMF_STAGE_CONNECTED &&
				   (superuser() || omf_connection_used_password(connection));

	if (allowed)
		omf_checks_put(checks, "source login", OMF_CHECK_OK, psprintf("The source lets \"%s\" in.", username), NULL,
					   OMF_POSTGRES_GUIDE);
	else if (stage == OMF_STAGE_CONNECTED)
		omf_checks_put(checks, "source login", OMF_CHECK_FAILED,
					   psprintf("The source lets \"%s\" in without a password.", username),
					   "Only superusers may check such a source from here.",
					   "https://www.postgresql.org/docs/current/contrib-dblink-connect.html");
	else
		omf_checks_put(checks, "source login", OMF_CHECK_FAILED, omf_connection_problem(connection),
					   "Look at user, password, database, and pg_hba.conf of the source.", OMF_POSTGRES_GUIDE);
	return allowed;
}

static bool
get_in(OmfChecks *checks, OmfConnection *connection)
{
	const char *dbname = checks->plan.source->dbname;
	OmfConnectionStage stage =
		omf_connection_open(connection,
							dbname != NULL ? dbname : FIRST_DATABASE);

	put_reach(checks, connection, stage);
	if (stage <= OMF_STAGE_REACH)
		return false;
	put_tls(checks, connection, stage);
	return stage > OMF_STAGE_TLS && put_login(checks, connection, stage);
}

/* NULL if it can be asked with what it has, else why not. */
static const char *
problem_of(const OmfSource *source)
{
	if (source->host[0] == '/' || source->host[0] == '@')
		return "Its host is a Unix socket of this machine.";
	if (strchr(source->host, ',') != NULL)
		return "Its host is a list of hosts, of which the API takes one.";
	if (source->username == NULL || source->username[0] == '\0')
		return "It has no user.";
	if ((source->password == NULL || source->password[0] == '\0') &&
		!superuser())
		return "It has no password, without which only superusers may check a source from here.";
	return NULL;
}

static void
ask_source(OmfChecks *checks, OmfConnection *connection)
{
	List *databases = NIL;
	ListCell *cell;

	if (!get_in(checks, connection))
	{
		for (int i = 0; i < (int) lengthof(server_checks); i++)
			omf_checks_put(checks, server_checks[i].name, OMF_CHECK_SKIPPED, "The source could not be asked.", NULL,
						   server_checks[i].document);
		return;
	}
	for (int i = 0; i < (int) lengthof(server_checks); i++)
		run_check(checks, connection, server_checks[i].name,
				  server_checks[i].document, server_checks[i].sql, NULL);
	if (!omf_connection_is_open(connection) ||
		!omf_connection_query(connection,
							  with_settings(checks, COPIED_DATABASES)))
		return;
	for (int row = 0; row < omf_connection_rows(connection); row++)
		databases = lappend(databases,
							omf_connection_value(connection, row, 0));
	foreach (cell, databases)
		check_database(checks, connection, lfirst(cell));
}

void
omf_check_postgres_source(OmfChecks *checks)
{
	const char *problem = problem_of(checks->plan.source);
	OmfConnection *connection;

	if (problem != NULL)
	{
		omf_checks_put(checks, "source login", OMF_CHECK_FAILED, problem,
					   "Say it in \"source\", or in the source server and its user mapping.", OMF_POSTGRES_GUIDE);
		return;
	}
	connection = omf_connection_new(&checks->plan);
	PG_TRY();
	{
		ask_source(checks, connection);
	}
	PG_FINALLY();
	{
		omf_connection_close(connection);
	}
	PG_END_TRY();
}
