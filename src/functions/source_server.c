/*-------------------------------------------------------------------------
 *
 * source_server.c
 *	  The source of a migration, from a foreign server of another wrapper.
 *
 * The API takes host, port, database, user and password, and whether to use
 * TLS.  An option that says more about where or how to connect can't be
 * carried over, and is refused: only options that are known to concern
 * nothing but the wrapper's own queries and connections are passed over.  So
 * an option that a later version of a wrapper brings is refused, too.
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

#include "functions/arguments.h"
#include "compat.h"
#include "functions/source_server.h"

/* What the API takes of a source. */
typedef enum Member
{
	MEMBER_HOST,
	MEMBER_PORT,
	MEMBER_DBNAME,
	MEMBER_USERNAME,
	MEMBER_PASSWORD,
	MEMBER_NONE
} Member;

/* An option that is not carried over, and when that does no harm. */
typedef struct OtherOption
{
	const char *name;
	const char *harmless; /* values that change nothing, or NULL: any */
	Member unused_with;   /* of no concern where "source" has this */
} OtherOption;

/* No value is harmless. */
#define NEVER ""

/*
 * libpq's options and those of postgres_fdw itself, of PostgreSQL 15 to 18.
 * What is not here is refused whatever its value: service, options,
 * sslcert, sslkey, sslrootcert, krbsrvname, require_auth and so on.
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 * https://www.postgresql.org/docs/current/postgres-fdw.html
 */
static const OtherOption postgres_options[] = {
	{"hostaddr", NEVER, MEMBER_HOST},
	{"passfile", NEVER, MEMBER_PASSWORD},
	{"use_scram_passthrough", "false off 0", MEMBER_PASSWORD},

	/*
	 * verify-ca and verify-full can't be asked of the API; see check_sslmode
	 */
	{"sslmode", "disable allow prefer require", MEMBER_NONE},
	{"ssl_min_protocol_version", "TLSv1 TLSv1.1 TLSv1.2", MEMBER_NONE},
	{"sslnegotiation", "postgres", MEMBER_NONE},
	{"sslcertmode", "disable allow", MEMBER_NONE},
	{"sslsni", "1", MEMBER_NONE},
	{"sslcompression", NULL, MEMBER_NONE},
	{"channel_binding", "disable prefer", MEMBER_NONE},
	{"gssencmode", "disable prefer", MEMBER_NONE},
	{"gssdelegation", "0", MEMBER_NONE},
	{"target_session_attrs", "any", MEMBER_NONE},
	{"load_balance_hosts", "disable", MEMBER_NONE},

	/* how this server keeps its connection */
	{"application_name", NULL, MEMBER_NONE},
	{"connect_timeout", NULL, MEMBER_NONE},
	{"keepalives", NULL, MEMBER_NONE},
	{"keepalives_idle", NULL, MEMBER_NONE},
	{"keepalives_interval", NULL, MEMBER_NONE},
	{"keepalives_count", NULL, MEMBER_NONE},
	{"tcp_user_timeout", NULL, MEMBER_NONE},
	{"requirepeer", NULL, MEMBER_NONE}, /* of Unix sockets only */
	{"keep_connections", NULL, MEMBER_NONE},
	{"password_required", NULL, MEMBER_NONE},

	/* what it does over it */
	{"use_remote_estimate", NULL, MEMBER_NONE},
	{"fdw_startup_cost", NULL, MEMBER_NONE},
	{"fdw_tuple_cost", NULL, MEMBER_NONE},
	{"extensions", NULL, MEMBER_NONE},
	{"updatable", NULL, MEMBER_NONE},
	{"truncatable", NULL, MEMBER_NONE},
	{"fetch_size", NULL, MEMBER_NONE},
	{"batch_size", NULL, MEMBER_NONE},
	{"async_capable", NULL, MEMBER_NONE},
	{"analyze_sampling", NULL, MEMBER_NONE},
	{"parallel_commit", NULL, MEMBER_NONE},
	{"parallel_abort", NULL, MEMBER_NONE},
	{NULL, NULL, MEMBER_NONE}};

/*
 * Likewise; refused are init_command, ssl_key, ssl_cert, ssl_ca, ssl_capath,
 * ssl_cipher, mysql_default_file.
 * https://github.com/EnterpriseDB/mysql_fdw#usage
 */
static const OtherOption mysql_options[] = {
	{"secure_auth", "true on 1", MEMBER_NONE},
	{"reconnect", NULL, MEMBER_NONE},
	{"character_set", NULL, MEMBER_NONE},
	{"sql_mode", NULL, MEMBER_NONE},
	{"use_remote_estimate", NULL, MEMBER_NONE},
	{"fetch_size", NULL, MEMBER_NONE},
	{"truncatable", NULL, MEMBER_NONE},
	{NULL, NULL, MEMBER_NONE}};

/* The wrappers whose servers can be sources. */
typedef struct Wrapper
{
	const char *name;
	const char *handler;              /* its handler's name in C */
	const char *engine;               /* of that, as the API names it */
	int port;                         /* unless the server says else */
	const char *carried[MEMBER_NONE]; /* its name for each member, or NULL */
	const OtherOption *other;         /* the options that are known besides */
} Wrapper;

static const Wrapper wrappers[] = {
	{"postgres_fdw",
	 "postgres_fdw_handler",
	 "pg",
	 5432,
	 {"host", "port", "dbname", "user", "password"},
	 postgres_options},
	{"mysql_fdw",
	 "mysql_fdw_handler",
	 "mysql",
	 3306,
	 {"host", "port", NULL, "username", "password"},
	 mysql_options},
};

/* What is being filled in, and from where. */
typedef struct SourceContext
{
	OmfSource *source;      /* as far as it is known */
	OmfSource given;        /* what the argument "source" had */
	const Wrapper *wrapper; /* of the server */
	ForeignServer *server;
	bool disable_ssl; /* the argument */
	bool in_mapping;  /* are its options being read, or the server's? */
} SourceContext;

/* ----- the server ----- */

/*
 * A wrapper without a handler is told by its name: it can't be queried, but
 * can hold a source where the library of mysql_fdw is not at hand.
 */
static const Wrapper *
find_wrapper(const ForeignServer *server)
{
	const ForeignDataWrapper *fdw = GetForeignDataWrapper(server->fdwid);
	const char *handler = omf_wrapper_handler(server->fdwid);

	for (int i = 0; i < (int) lengthof(wrappers); i++)
		if (handler != NULL ? strcmp(handler, wrappers[i].handler) == 0
							: strcmp(fdw->fdwname, wrappers[i].name) == 0)
			return &wrappers[i];
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("source server is of a foreign data wrapper that is not supported"),
			 errdetail("Server \"%s\" is of the foreign data wrapper \"%s\".", server->servername, fdw->fdwname),
			 errhint("Name a server of postgres_fdw or mysql_fdw, or pass \"source\" instead.")));
	return NULL;
}

static ForeignServer *
find_server(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, true);

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("source server does not exist"),
				 errdetail("There is no foreign server \"%s\".", name),
				 errhint("\"source_server\" is the name of a foreign server of postgres_fdw or mysql_fdw in this database.")));
	return server;
}

static void
check_usage(const ForeignServer *server)
{
	AclResult aclresult = omf_server_aclcheck(server->serverid, GetUserId());

	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FOREIGN_SERVER, server->servername);
}

/* ----- what is carried over ----- */

/* Does the host mean the machine that looks it up: DigitalOcean's own? */
static bool
is_loopback(const char *host)
{
	static const char *const names[] = {
		"localhost", "localhost4", "localhost6",
		"ip6-localhost", "ip6-loopback", "localhost.localdomain",
		"localhost4.localdomain4", "localhost6.localdomain6"};
	static const char local_domain[] = ".localhost";
	char *name = pstrdup(host);
	size_t length;
	struct in_addr v4;
	struct in6_addr v6;

	/* a zone, and the dot of an absolute name */
	name[strcspn(name, "%")] = '\0';
	length = strlen(name);
	if (length > 0 && name[length - 1] == '.')
		name[--length] = '\0';

	for (int i = 0; i < (int) lengthof(names); i++)
		if (pg_strcasecmp(name, names[i]) == 0)
			return true;
	if (length > strlen(local_domain) &&
		pg_strcasecmp(name + length - strlen(local_domain), local_domain) == 0)
		return true;

	/* resolvers take 127.1, 0x7f000001 and the like, as inet_aton() does */
	if (inet_pton(AF_INET6, name, &v6) == 1)
	{
		if (IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6))
			return true;
		if (!IN6_IS_ADDR_V4MAPPED(&v6))
			return false;
		memcpy(&v4, &v6.s6_addr[12], sizeof(v4));
	}
	else if (inet_aton(name, &v4) == 0)
		return false;
	return (ntohl(v4.s_addr) >> 24) == 127 || v4.s_addr == htonl(INADDR_ANY);
}

static void
check_host(const SourceContext *context, const char *host)
{
	const char *problem = NULL;

	/* as libpq recognises a socket's directory, or an abstract socket */
	if (host[0] == '/' || host[0] == '@')
		problem = "a Unix socket of this machine";
	else if (strchr(host, ',') != NULL)
		problem = "a list of hosts, of which the API takes one";
	else if (is_loopback(host))
		problem = "a loopback address, which DigitalOcean would take for its own";
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("host of the source server cannot be used for an online migration"),
				 errdetail("Option \"host\" of server \"%s\" is %s.", context->server->servername, problem),
				 errhint("Pass the host under which DigitalOcean reaches the source: source => '{\"host\": \"src.example.com\"}'.")));
}

static int
port_of(const SourceContext *context, const char *text)
{
	const char *problem = NULL;
	int port = 0;

	if (strchr(text, ',') != NULL)
		problem = "is a list of ports, of which the API takes one";
	else if (strspn(text, "0123456789") != strlen(text))
		problem = "is not a number";
	else if (strlen(text) <= 5)
		port = atoi(text);
	if (problem == NULL && (port < 1 || port > 65535))
		problem = "is not between 1 and 65535";
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("port of the source server cannot be used for an online migration"),
				 errdetail("Option \"port\" of server \"%s\" %s.", context->server->servername, problem),
				 errhint("Pass the port of the source: source => '{\"port\": 25060}'.")));
	return port;
}

static bool
is_given(const OmfSource *given, Member member)
{
	switch (member)
	{
		case MEMBER_HOST:
			return given->host != NULL;
		case MEMBER_PORT:
			return given->port != 0;
		case MEMBER_DBNAME:
			return given->dbname != NULL;
		case MEMBER_USERNAME:
			return given->username != NULL;
		case MEMBER_PASSWORD:
			return given->password != NULL;
		case MEMBER_NONE:
			break;
	}
	return false;
}

static void
carry_over(SourceContext *context, Member member, const char *value)
{
	OmfSource *source = context->source;

	switch (member)
	{
		case MEMBER_HOST:
			check_host(context, value);
			source->host = pstrdup(value);
			break;
		case MEMBER_PORT:
			source->port = port_of(context, value);
			break;
		case MEMBER_DBNAME:
			source->dbname = pstrdup(value);
			break;
		case MEMBER_USERNAME:
			source->username = pstrdup(value);
			break;
		case MEMBER_PASSWORD:
			source->password = pstrdup(value);
			break;
		case MEMBER_NONE:
			break;
	}
}

/* ----- what is not ----- */

static bool
is_listed(const char *list, const char *value)
{
	size_t length = strlen(value);

	for (const char *next = list; *next != '\0'; next += strspn(next, " "))
	{
		size_t span = strcspn(next, " ");

		if (span == length && pg_strncasecmp(next, value, span) == 0)
			return true;
		next += span;
	}
	return false;
}

/* The server and the argument must not say the opposite of each other. */
static void
check_sslmode(const SourceContext *context, const char *value)
{
	const char *server = context->server->servername;

	if (!context->disable_ssl && pg_strcasecmp(value, "disable") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source server does not use TLS, and the online migration would"),
				 errdetail("Option \"sslmode\" of server \"%s\" is \"disable\", but \"disable_ssl\" is false.", server),
				 errhint("Set another sslmode if the source takes TLS, or pass disable_ssl => true.")));
	if (context->disable_ssl && pg_strcasecmp(value, "require") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source server requires TLS, and the online migration would not use it"),
				 errdetail("Option \"sslmode\" of server \"%s\" is \"require\", but \"disable_ssl\" is true.", server),
				 errhint("Leave out disable_ssl => true.")));
}

static void
refuse_option(const SourceContext *context, const char *name, bool whatever,
			  Member unused_with)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option of the source server cannot be carried over"),
			 errdetail(whatever ? "%s \"%s\" has the option \"%s\", which the API has no counterpart of."
								: "%s \"%s\" has a value for the option \"%s\" that the API has no counterpart of.",
					   context->in_mapping ? "The user mapping for server" : "Server",
					   context->server->servername, name),
			 unused_with != MEMBER_NONE
				 ? errhint("Pass the \"%s\" in \"source\", which goes before this option.",
						   unused_with == MEMBER_HOST ? "host" : "password")
				 : errhint("Make a server for the migration without this option, or pass all of the source in \"source\" instead.")));
}

/* An option that is no member of a source: may it be passed over? */
static void
pass_over(const SourceContext *context, const char *name, const char *value)
{
	const OtherOption *option = context->wrapper->other;

	while (option->name != NULL && strcmp(option->name, name) != 0)
		option++;
	if (option->name == NULL)
		refuse_option(context, name, true, MEMBER_NONE);
	else if (option->harmless != NULL &&
			 !is_given(&context->given, option->unused_with) &&
			 !is_listed(option->harmless, value))
		refuse_option(context, name, option->harmless[0] == '\0',
					  option->unused_with);
	if (strcmp(name, "sslmode") == 0)
		check_sslmode(context, value);
}

/* ----- server and mapping ----- */

static void
take_options(SourceContext *context, List *options)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *option = lfirst(cell);
		const char *value = defGetString(option);
		Member member = MEMBER_HOST;

		/* an empty one is none, to libpq and to MySQL's library */
		if (value[0] == '\0')
			continue;
		while (member != MEMBER_NONE &&
			   (context->wrapper->carried[member] == NULL ||
				strcmp(context->wrapper->carried[member], option->defname) !=
					0))
			member++;
		if (member == MEMBER_NONE)
			pass_over(context, option->defname, value);
		else if (!is_given(&context->given, member))
			carry_over(context, member, value);
	}
}

static void
report_no_mapping(const ForeignServer *server)
{
	const char *user = quote_identifier(GetUserNameFromId(GetUserId(), false));

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("no user mapping for the source server"),
			 errdetail("Neither %s nor PUBLIC has a user mapping for server \"%s\".", user, server->servername),
			 errhint("CREATE USER MAPPING FOR %s SERVER %s OPTIONS (...); or pass \"username\" and \"password\" in \"source\".",
					 user, quote_identifier(server->servername))));
}

/*
 * Would the view pg_user_mappings show the mapping's options to the current
 * user?  Else USAGE on the server would be enough to send somebody else's
 * password away.  See system_views.sql in PostgreSQL; the mapping is PUBLIC's
 * or one's own.
 */
static bool
is_shown(const ForeignServer *server, bool of_public)
{
	Oid user = GetUserId();

	return superuser_arg(user) || has_privs_of_role(user, server->owner) ||
		   (!of_public &&
			omf_server_aclcheck(server->serverid, user) == ACLCHECK_OK);
}

static void
refuse_hidden(const ForeignServer *server)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for the user mapping of the source server"),
			 errdetail("The user mapping of PUBLIC for server \"%s\" is shown to the server's owner, members of that role and superusers only.",
					   server->servername),
			 errhint("CREATE USER MAPPING FOR %s SERVER %s OPTIONS (...); or pass \"username\" and \"password\" in \"source\".",
					 quote_identifier(GetUserNameFromId(GetUserId(), false)),
					 quote_identifier(server->servername))));
}

/*
 * Wiped at the end, whatever the end: what the list points at, and the array.
 */
static void
wipe_options(List *options, ArrayType *array)
{
	ListCell *cell;

	foreach (cell, options)
	{
		char *value = defGetString((DefElem *) lfirst(cell));

		explicit_bzero(value, strlen(value));
	}
	explicit_bzero(array, VARSIZE(array));
}

/* The current user's mapping, or else PUBLIC's, as postgres_fdw finds it. */
static void
take_mapping(SourceContext *context)
{
	const ForeignServer *server = context->server;
	HeapTuple tuple = SearchSysCache2(USERMAPPINGUSERSERVER,
									  ObjectIdGetDatum(GetUserId()),
									  ObjectIdGetDatum(server->serverid));
	bool of_public = !HeapTupleIsValid(tuple);
	ArrayType *array = NULL;
	List *options;
	bool isnull;
	Datum datum;

	if (of_public)
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER,
								ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(server->serverid));
	if (!HeapTupleIsValid(tuple))
	{
		if (context->source->username == NULL)
			report_no_mapping(server);
		return;
	}
	if (!is_shown(server, of_public))
	{
		ReleaseSysCache(tuple);
		refuse_hidden(server);
	}

	/* a copy of our own: untransformRelOptions() would leave one behind */
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple,
							Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
		array = DatumGetArrayTypePCopy(datum);
	ReleaseSysCache(tuple);
	if (array == NULL)
		return;
	options = untransformRelOptions(PointerGetDatum(array));
	context->in_mapping = true;
	PG_TRY();
	{
		take_options(context, options);
	}
	PG_CATCH();
	{
		wipe_options(options, array);
		omf_source_wipe(context->source);
		PG_RE_THROW();
	}
	PG_END_TRY();
	wipe_options(options, array);
}

void
omf_source_server_fill(OmfSource *source, const char *name, bool disable_ssl)
{
	SourceContext context = {source, *source, NULL, find_server(name),
							 disable_ssl, false};

	context.wrapper = find_wrapper(context.server);
	source->engine = context.wrapper->engine;
	source->serverid = context.server->serverid;
	check_usage(context.server);
	take_options(&context, context.server->options);
	if (source->host == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source server has no host"),
				 errdetail("Server \"%s\" has no option \"host\".", name),
				 errhint("ALTER SERVER %s OPTIONS (ADD host 'src.example.com'); or pass \"host\" in \"source\".",
						 quote_identifier(name))));
	if (source->port == 0)
		source->port = context.wrapper->port;

	/* a mapping has nothing else to say */
	if (source->username == NULL || source->password == NULL)
		take_mapping(&context);
}

OmfSource
omf_source_argument(FunctionCallInfo fcinfo, int source, int source_server,
					bool disable_ssl)
{
	OmfSource result = {0};

	if (PG_ARGISNULL(source) && PG_ARGISNULL(source_server))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("online migration has no source"),
				 errdetail("Both \"source\" and \"source_server\" are NULL."),
				 errhint("Name a foreign server of postgres_fdw or mysql_fdw, source_server => 'old_db', or pass source => '{\"host\": \"...\", ...}'.")));
	if (!PG_ARGISNULL(source))
		result = omf_source_parse(PG_GETARG_JSONB_P(source),
								  PG_ARGISNULL(source_server));
	if (!PG_ARGISNULL(source_server))
		omf_source_server_fill(&result,
							   text_to_cstring(
								   PG_GETARG_TEXT_PP(source_server)),
							   disable_ssl);
	return result;
}
