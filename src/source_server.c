/*-------------------------------------------------------------------------
 *
 * source_server.c
 *	  The source of a migration from a foreign server of another wrapper.
 *
 * See source_server.h for what this is for, and what it may and must not do.
 *
 * One table says, for each wrapper, what becomes of each of its options.  One
 * that changes where, as whom or how safely the source is connected to is
 * carried over or refused; only what concerns this side is passed over.  An
 * option that the table does not have is refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "compat.h"
#include "source_server.h"

/* What becomes of an option. */
typedef enum Use
{
	USE_HOST,
	USE_PORT,
	USE_DBNAME,
	USE_USERNAME,
	USE_PASSWORD,
	USE_SSLMODE, /* must agree with disable_ssl */
	PASS_OVER,   /* concerns this side only */
	REFUSE       /* the API has nothing like it */
} Use;

typedef struct SourceOption
{
	const char *name; /* as the wrapper calls it */
	Use use;
} SourceOption;

static const SourceOption postgres_fdw_options[] = {
	{"host", USE_HOST},
	{"port", USE_PORT},
	{"dbname", USE_DBNAME},
	{"user", USE_USERNAME},
	{"password", USE_PASSWORD},
	{"sslmode", USE_SSLMODE},

	/* libpq's, of how long and with what this side connects */
	{"application_name", PASS_OVER},
	{"connect_timeout", PASS_OVER},
	{"keepalives", PASS_OVER},
	{"keepalives_idle", PASS_OVER},
	{"keepalives_interval", PASS_OVER},
	{"keepalives_count", PASS_OVER},
	{"tcp_user_timeout", PASS_OVER},
	{"sslcompression", PASS_OVER},
	{"sslrootcert", PASS_OVER},
	{"sslcrl", PASS_OVER},
	{"sslcrldir", PASS_OVER},
	{"sslsni", PASS_OVER},
	{"sslnegotiation", PASS_OVER},
	{"ssl_min_protocol_version", PASS_OVER},
	{"ssl_max_protocol_version", PASS_OVER},
	{"min_protocol_version", PASS_OVER},
	{"max_protocol_version", PASS_OVER},
	{"load_balance_hosts", PASS_OVER},

	/* postgres_fdw's own, of how it queries */
	{"use_remote_estimate", PASS_OVER},
	{"fdw_startup_cost", PASS_OVER},
	{"fdw_tuple_cost", PASS_OVER},
	{"extensions", PASS_OVER},
	{"updatable", PASS_OVER},
	{"truncatable", PASS_OVER},
	{"fetch_size", PASS_OVER},
	{"batch_size", PASS_OVER},
	{"async_capable", PASS_OVER},
	{"parallel_commit", PASS_OVER},
	{"parallel_abort", PASS_OVER},
	{"analyze_sampling", PASS_OVER},
	{"keep_connections", PASS_OVER},
	{"password_required", PASS_OVER},

	/* another way there, or another way to prove who one is */
	{"hostaddr", REFUSE},
	{"service", REFUSE},
	{"servicefile", REFUSE},
	{"options", REFUSE},
	{"target_session_attrs", REFUSE},
	{"passfile", REFUSE},
	{"sslcert", REFUSE},
	{"sslkey", REFUSE},
	{"sslpassword", REFUSE},
	{"sslcertmode", REFUSE},
	{"channel_binding", REFUSE},
	{"require_auth", REFUSE},
	{"requirepeer", REFUSE},
	{"gssencmode", REFUSE},
	{"gsslib", REFUSE},
	{"gssdelegation", REFUSE},
	{"krbsrvname", REFUSE},
	{"use_scram_passthrough", REFUSE},
	{"scram_client_key", REFUSE},
	{"scram_server_key", REFUSE},
	{"oauth_issuer", REFUSE},
	{"oauth_client_id", REFUSE},
	{"oauth_client_secret", REFUSE},
	{"oauth_scope", REFUSE},
	{NULL, REFUSE},
};

static const SourceOption mysql_fdw_options[] = {
	{"host", USE_HOST},
	{"port", USE_PORT},
	{"username", USE_USERNAME},
	{"password", USE_PASSWORD},

	{"init_command", PASS_OVER},
	{"secure_auth", PASS_OVER},
	{"reconnect", PASS_OVER},
	{"character_set", PASS_OVER},
	{"sql_mode", PASS_OVER},
	{"fetch_size", PASS_OVER},
	{"use_remote_estimate", PASS_OVER},
	{"fdw_startup_cost", PASS_OVER},
	{"fdw_tuple_cost", PASS_OVER},
	{"truncatable", PASS_OVER},
	{"enable_join_pushdown", PASS_OVER},
	{"enable_aggregate_pushdown", PASS_OVER},
	{"enable_order_by_pushdown", PASS_OVER},
	{"enable_limit_pushdown", PASS_OVER},
	{"ssl_ca", PASS_OVER},
	{"ssl_capath", PASS_OVER},
	{"ssl_cipher", PASS_OVER},

	{"mysql_default_file", REFUSE},
	{"ssl_key", REFUSE},
	{"ssl_cert", REFUSE},
	{NULL, REFUSE},
};

/*
 * The wrappers, known by their names: only a superuser can give a wrapper a
 * name, and its servers' options are what that name stands for.
 */
static const struct Wrapper
{
	const char *name;            /* of the foreign data wrapper */
	const SourceOption *options; /* up to one without a name */
	int default_port;            /* that it connects to */
} wrappers[] = {
	{"postgres_fdw", postgres_fdw_options, 5432},
	{"mysql_fdw", mysql_fdw_options, 3306},
};

/* What the options come to, before anything is checked. */
typedef struct Found
{
	const char *server; /* name */
	const char *host;   /* as given, or NULL, as the others */
	const char *port;
	const char *dbname;
	const char *username;
	const char *password;
	const char *sslmode;
} Found;

/* ----- what can't be ----- */

static void
report_unfit(const Found *found, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("foreign server cannot be the source of an online migration"),
			 errdetail("Server \"%s\": %s", found->server, problem),
			 errhint("%s", hint)));
}

static void
report_option(const Found *found, const char *option)
{
	report_unfit(found,
				 psprintf("The option \"%s\" of the server or its user mapping can't be carried over.", option),
				 "The API connects with host, port, dbname, username and password, and nothing else. Make a server for the migration without that option.");
}

/* ----- collecting ----- */

static const struct Wrapper *
find_wrapper(const ForeignServer *server)
{
	const char *name = GetForeignDataWrapper(server->fdwid)->fdwname;

	for (int i = 0; i < (int) lengthof(wrappers); i++)
		if (strcmp(wrappers[i].name, name) == 0)
			return &wrappers[i];
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("foreign server cannot be the source of an online migration"),
			 errdetail("Server \"%s\" is of the foreign data wrapper \"%s\".", server->servername, name),
			 errhint("Servers of postgres_fdw and mysql_fdw can be; for any other, pass the argument \"source\".")));
	return NULL;
}

static Use
use_of(const struct Wrapper *wrapper, const char *name)
{
	const SourceOption *option = wrapper->options;

	while (option->name != NULL && strcmp(option->name, name) != 0)
		option++;
	return option->use;
}

/* Take what a list of options has; empty values are none, as for libpq. */
static void
collect(Found *found, const struct Wrapper *wrapper, List *options)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *def = lfirst_node(DefElem, cell);
		const char *value = defGetString(def);

		if (value[0] == '\0')
			continue;
		switch (use_of(wrapper, def->defname))
		{
			case USE_HOST:
				found->host = value;
				break;
			case USE_PORT:
				found->port = value;
				break;
			case USE_DBNAME:
				found->dbname = value;
				break;
			case USE_USERNAME:
				found->username = value;
				break;
			case USE_PASSWORD:
				found->password = value;
				break;
			case USE_SSLMODE:
				found->sslmode = value;
				break;
			case PASS_OVER:
				break;
			case REFUSE:
				report_option(found, def->defname);
		}
	}
}

/*
 * The options of the mapping that holds for the current user: its own, else
 * the one of PUBLIC.  *visible says whether the view pg_user_mappings would
 * show them to that user, who has USAGE on the server: one's own; to the
 * server's owner that of PUBLIC; to a superuser any.
 */
static List *
mapping_options(const ForeignServer *server, bool *visible)
{
	Oid userid = GetUserId();
	HeapTuple tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid),
									  ObjectIdGetDatum(server->serverid));
	List *options = NIL;
	bool isnull;
	Datum datum;

	*visible = true;
	if (!HeapTupleIsValid(tuple))
	{
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(server->serverid));
		if (!HeapTupleIsValid(tuple))
			return NIL;
		*visible = has_privs_of_role(userid, server->owner);
	}
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
		options = untransformRelOptions(datum);
	ReleaseSysCache(tuple);
	return options;
}

/* ----- checking ----- */

/* Would the API take the name for itself, or find nothing there? */
static bool
is_this_host(const char *host)
{
	size_t length = strlen(host);
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127 || v4.s_addr == htonl(INADDR_ANY);
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6) ||
			   (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
	if (length > 0 && host[length - 1] == '.')
		length--;
	return (length == 9 && pg_strncasecmp(host, "localhost", 9) == 0) ||
		   (length > 10 && pg_strncasecmp(host + length - 10, ".localhost", 10) == 0);
}

static const char *
checked_host(const Found *found)
{
	static const char *const hint = "The API connects by itself, over TCP: name the source as DigitalOcean can reach it, or override it with source => '{\"host\": \"...\"}'.";

	if (found->host == NULL)
		report_unfit(found, "It has no host.", hint);
	if (found->host[0] == '/' || found->host[0] == '@')
		report_unfit(found, "Its host is a directory of Unix-domain sockets.", hint);
	if (strchr(found->host, ',') != NULL)
		report_unfit(found, "It has several hosts.", hint);
	if (is_this_host(found->host))
		report_unfit(found, "Its host is localhost, which would be DigitalOcean's own.", hint);
	return found->host;
}

static int
checked_port(const Found *found, int default_port)
{
	int port = 0;

	if (found->port == NULL)
		return default_port;
	if (strspn(found->port, "0123456789") == strlen(found->port) && strlen(found->port) <= 5)
		port = atoi(found->port);
	if (port < 1 || port > 65535)
		report_unfit(found, "Its port is not an integer from 1 to 65535.",
					 "Set the server's option \"port\", or override it with source => '{\"port\": 5432}'.");
	return port;
}

/* The source is connected to with TLS unless disable_ssl says not to. */
static void
check_sslmode(const Found *found, bool disable_ssl)
{
	if (found->sslmode == NULL)
		return;
	if (!disable_ssl && strcmp(found->sslmode, "disable") == 0)
		report_unfit(found, "Its sslmode is \"disable\", and the migration would use TLS.",
					 "Pass disable_ssl => true, or change the server's sslmode.");
	if (disable_ssl && (strcmp(found->sslmode, "require") == 0 || strncmp(found->sslmode, "verify-", 7) == 0))
		report_unfit(found, "Its sslmode wants TLS, and \"disable_ssl\" is true.",
					 "Leave disable_ssl false, or change the server's sslmode.");
}

static void
report_hidden_mapping(const ForeignServer *server)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for the user mapping of PUBLIC"),
			 errdetail("What it holds for server \"%s\" is for the server's owner only.", server->servername),
			 errhint("Use a mapping of your own: CREATE USER MAPPING FOR CURRENT_USER SERVER %s OPTIONS (...).",
					 quote_identifier(server->servername))));
}

void
omf_source_from_server(OmfSource *source, const char *name, bool disable_ssl)
{
	ForeignServer *server = GetForeignServerByName(name, true);
	const struct Wrapper *wrapper;
	Found found = {0};
	AclResult aclresult;
	List *mapping;
	bool visible;

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server does not exist"),
				 errdetail("There is no foreign server \"%s\".", name)));
	aclresult = omf_server_aclcheck(server->serverid, GetUserId());
	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FOREIGN_SERVER, name);
	wrapper = find_wrapper(server);
	mapping = mapping_options(server, &visible);
	if (!visible && (source->username == NULL || source->password == NULL))
		report_hidden_mapping(server);

	found.server = server->servername;
	collect(&found, wrapper, server->options);
	if (visible)
		collect(&found, wrapper, mapping);

	check_sslmode(&found, disable_ssl);
	if (source->host == NULL)
		source->host = checked_host(&found);
	if (source->port == 0)
		source->port = checked_port(&found, wrapper->default_port);
	if (source->dbname == NULL)
		source->dbname = found.dbname;
	if (source->username == NULL)
		source->username = found.username;
	if (source->password == NULL)
		source->password = found.password;
}
