/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Options of servers, user mappings, foreign tables and columns.
 *
 * One table says which option is legal where, and what its value may be; the
 * validator, its hints and the readers below all follow it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "client/endpoint.h"
#include "session/options.h"

/* Names further away than this many edits are no likely misspelling. */
#define NEAR_ENOUGH 3

/* Limits of the numbers; durations are in milliseconds. */
#define HOUR_MS (60 * 60 * 1000)
#define MAX_CONCURRENCY_MOST 250 /* what the API allows in a minute */
#define MAX_RETRIES_MOST 100
#define RATE_LIMIT_MOST 5000 /* what the API allows in an hour */

/* The value of on_error that shows failures as rows. */
#define REPORT "report"

typedef enum OptionType
{
	OPTION_ENDPOINT, /* see endpoint.h */
	OPTION_FILE,     /* absolute path, for pg_read_server_files only */
	OPTION_TOKEN,    /* secret */
	OPTION_DURATION, /* number with unit, min to max in milliseconds */
	OPTION_INTEGER,  /* min to max */
	OPTION_BOOLEAN,
	OPTION_ON_ERROR,     /* fail or report */
	OPTION_HTTP_VERSION, /* see http_versions */
	OPTION_RESOURCE,     /* name in omf_resources */
	OPTION_FIELD         /* name of a field of some resource */
} OptionType;

typedef struct Option
{
	const char *name;          /* as users write it */
	Oid catalog;               /* whose objects it is for */
	OptionType type;           /* what its value may be */
	const char *default_value; /* or NULL */
	int min;                   /* of a duration or an integer */
	int max;                   /* likewise */
} Option;

static const Option options[] = {
	{"endpoint", ForeignServerRelationId, OPTION_ENDPOINT, "https://api.digitalocean.com", 0, 0},
	{"ca_file", ForeignServerRelationId, OPTION_FILE, NULL, 0, 0},
	{"connect_timeout", ForeignServerRelationId, OPTION_DURATION, "10s", 1, HOUR_MS},
	{"request_timeout", ForeignServerRelationId, OPTION_DURATION, "30s", 1, HOUR_MS},
	{"http_version", ForeignServerRelationId, OPTION_HTTP_VERSION, "auto", 0, 0},
	{"max_concurrency", ForeignServerRelationId, OPTION_INTEGER, CppAsString2(OMF_DEFAULT_CONCURRENCY), 1, MAX_CONCURRENCY_MOST},
	{"max_retries", ForeignServerRelationId, OPTION_INTEGER, "4", 0, MAX_RETRIES_MOST},
	{"max_retry_wait", ForeignServerRelationId, OPTION_DURATION, "90s", 0, HOUR_MS},
	{"rate_limit_reserve", ForeignServerRelationId, OPTION_INTEGER, "0", 0, RATE_LIMIT_MOST},
	{"cache_ttl", ForeignServerRelationId, OPTION_DURATION, "0ms", 0, HOUR_MS},
	{"cache_ttl", ForeignTableRelationId, OPTION_DURATION, NULL, 0, HOUR_MS},
	{"cache_stale", ForeignServerRelationId, OPTION_DURATION, "0ms", 0, HOUR_MS},
	{"async_capable", ForeignServerRelationId, OPTION_BOOLEAN, "true", 0, 0},
	{"async_capable", ForeignTableRelationId, OPTION_BOOLEAN, NULL, 0, 0},
	{"on_error", ForeignServerRelationId, OPTION_ON_ERROR, "fail", 0, 0},
	{"on_error", ForeignTableRelationId, OPTION_ON_ERROR, NULL, 0, 0},
	{"resource", ForeignTableRelationId, OPTION_RESOURCE, "online_migrations", 0, 0},
	{"column_name", AttributeRelationId, OPTION_FIELD, NULL, 0, 0},
	{"token", UserMappingRelationId, OPTION_TOKEN, NULL, 0, 0},
	{"token_file", UserMappingRelationId, OPTION_FILE, NULL, 0, 0},
};

/* Values of http_version. */
static const char *const http_versions[] = {
	[OMF_HTTP_AUTO] = "auto",
	[OMF_HTTP_1_1] = "1.1",
	[OMF_HTTP_2] = "2"};

PG_FUNCTION_INFO_V1(online_migrations_fdw_validator);

static void check_value(const Option *option, const char *value);
static int parse_integer(const Option *option, const char *value);
static int parse_duration(const Option *option, const char *value);

/* ----- the validator ----- */

static const Option *
find_option(const char *name, Oid catalog)
{
	for (int i = 0; i < (int) lengthof(options); i++)
		if (options[i].catalog == catalog &&
			strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

static const char *
catalog_noun(Oid catalog)
{
	switch (catalog)
	{
		case ForeignServerRelationId:
			return "server";
		case UserMappingRelationId:
			return "user mapping";
		case ForeignTableRelationId:
			return "foreign table";
		case AttributeRelationId:
			return "column";
		default:
			return "foreign data wrapper";
	}
}

static void
report_unknown_option(const char *name, Oid catalog)
{
	const char *names[lengthof(options)];
	int nnames = 0;

	for (int i = 0; i < (int) lengthof(options); i++)
		if (options[i].catalog == catalog)
			names[nnames++] = options[i].name;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option for online_migrations_fdw"),
			 errdetail("There is no option \"%s\" for a %s.", name,
					   catalog_noun(catalog)),
			 nnames > 0
				 ? errhint("%s", omf_name_hint("Valid options in this place are", name, names, nnames))
				 : errhint("There are no valid options in this place.")));
}

/*
 * For every error of the validator: keep the statement, which may hold a token
 * in the right place or in a wrong one, out of the log.
 */
static void
hide_statement(void *arg)
{
	(void) arg;
	errhidestmt(true);
	errhidecontext(true);
}

Datum
online_migrations_fdw_validator(PG_FUNCTION_ARGS)
{
	List *given = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid catalog = PG_GETARG_OID(1);
	ErrorContextCallback callback;
	bool caches = false;
	bool has_token = false;
	bool has_token_file = false;
	ListCell *cell;

	callback.callback = hide_statement;
	callback.arg = NULL;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	foreach (cell, given)
	{
		DefElem *def = lfirst_node(DefElem, cell);
		const Option *option = find_option(def->defname, catalog);

		if (option == NULL)
			report_unknown_option(def->defname, catalog);
		check_value(option, defGetString(def));
		caches |= strcmp(option->name, "cache_ttl") == 0 && parse_duration(option, defGetString(def)) > 0;
		has_token |= strcmp(option->name, "token") == 0;
		has_token_file |= strcmp(option->name, "token_file") == 0;
	}
	if (caches && !omf_shared_is_common())
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("answers of the API are not shared between sessions"),
				 errdetail("The option \"cache_ttl\" works for each session alone."),
				 errhint("Set shared_preload_libraries = 'online_migrations_fdw', and restart the server.")));
	if (has_token && has_token_file)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("conflicting options for online_migrations_fdw"),
				 errdetail("\"token\" and \"token_file\" exclude each other."),
				 errhint("Drop one of them in the same command: OPTIONS (DROP token, ADD token_file '...').")));
	error_context_stack = callback.previous;
	PG_RETURN_VOID();
}

/* ----- values ----- */

static void
report_bad_value(const Option *option, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for an option of online_migrations_fdw"),
			 errdetail("Option \"%s\": %s", option->name, detail),
			 hint != NULL ? errhint("%s", hint) : 0));
}

static void
check_file(const Option *option, const char *value)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set an option of online_migrations_fdw that names a file"),
				 errdetail("Only roles with privileges of the role \"pg_read_server_files\" may set \"%s\".",
						   option->name)));
	if (!is_absolute_path(value))
		report_bad_value(option, "It must be an absolute path.", NULL);
}

static bool
is_among(const char *name, const char *const *names, int nnames)
{
	for (int i = 0; i < nnames; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Names for the hints of check_value: of all resources, or of their fields. */
static char *
resource_hint(OptionType type, const char *value)
{
	const char *names[64];
	int nnames = 0;

	for (int i = 0; i < omf_nresources; i++)
	{
		if (type == OPTION_RESOURCE)
			names[nnames++] = omf_resources[i].name;
		else
			for (int j = 0; j < omf_resources[i].nfields + OMF_NEXTRA_FIELDS &&
							nnames < (int) lengthof(names);
				 j++)
			{
				const char *name = omf_api_field_name(&omf_resources[i], j);

				if (!is_among(name, names, nnames))
					names[nnames++] = name;
			}
	}
	return omf_name_hint(type == OPTION_RESOURCE ? "Resources are"
												 : "Fields are",
						 value, names, nnames);
}

static bool
is_some_field(const char *name)
{
	for (int i = 0; i < omf_nresources; i++)
		if (omf_api_field(&omf_resources[i], name) >= 0)
			return true;
	return false;
}

static void
check_value(const Option *option, const char *value)
{
	const char *problem = NULL;
	bool boolean;

	switch (option->type)
	{
		case OPTION_ENDPOINT:
			problem = omf_endpoint_problem(value);
			if (problem != NULL)
				report_bad_value(option, problem, "Write it like \"https://api.digitalocean.com\".");
			break;
		case OPTION_FILE:
			check_file(option, value);
			break;
		case OPTION_TOKEN:
			problem = omf_token_problem(value);
			if (problem != NULL)
				report_bad_value(option, problem, NULL);
			break;
		case OPTION_DURATION:
			(void) parse_duration(option, value);
			break;
		case OPTION_INTEGER:
			(void) parse_integer(option, value);
			break;
		case OPTION_BOOLEAN:
			if (!parse_bool(value, &boolean))
				report_bad_value(option, "It must be true or false.", NULL);
			break;
		case OPTION_ON_ERROR:
			if (strcmp(value, "fail") != 0 && strcmp(value, REPORT) != 0)
				report_bad_value(option, "It must be \"fail\" or \"report\".",
								 NULL);
			break;
		case OPTION_HTTP_VERSION:
			if (!is_among(value, http_versions, lengthof(http_versions)))
				report_bad_value(option,
								 "It must be \"auto\", \"1.1\" or \"2\".",
								 NULL);
			break;
		case OPTION_RESOURCE:
			if (omf_api_resource(value) == NULL)
				report_bad_value(option, "There is no such resource.",
								 resource_hint(option->type, value));
			break;
		case OPTION_FIELD:
			if (!is_some_field(value))
				ereport(ERROR,
						(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
						 errmsg("no resource of online_migrations_fdw has such a field"),
						 errdetail("Option \"%s\" names the field \"%s\".", option->name, value),
						 errhint("%s", resource_hint(option->type, value))));
			break;
	}
}

static int
parse_integer(const Option *option, const char *value)
{
	int result;

	if (!parse_int(value, &result, 0, NULL) ||
		strspn(value, "0123456789") != strlen(value) ||
		result < option->min || result > option->max)
		report_bad_value(option, psprintf("It must be an integer from %d to %d.", option->min, option->max),
						 NULL);
	return result;
}

/*
 * As postgresql.conf writes durations.  A bare number is refused: elsewhere
 * it would mean seconds, here it would have to mean milliseconds.
 */
static int
parse_duration(const Option *option, const char *value)
{
	static const char *const units =
		"Write it with a unit, such as \"500ms\", \"10s\" or \"1min\".";
	const char *unit = value + strspn(value, " +-.0123456789");
	double exact;
	int result = 0;

	if (*unit == '\0' || !parse_real(value, &exact, GUC_UNIT_MS, NULL))
		report_bad_value(option, "It must be a duration with a unit.", units);
	if (!parse_int(value, &result, GUC_UNIT_MS, NULL) ||
		result < option->min || result > option->max)
		report_bad_value(option, psprintf("It must be from %dms to %dmin.", option->min, option->max / 60000),
						 units);

	/* PostgreSQL rounds it, to 0 at worst, which here is no short time */
	if (exact != 0 && fabs(exact) < 1)
		report_bad_value(option, "It must not be a fraction of a millisecond.",
						 units);
	return result;
}

const char *
omf_token_problem(const char *token)
{
	size_t length = strlen(token);

	if (length == 0)
		return "The token is empty.";
	if (length > OMF_TOKEN_MAX)
		return "The token is too long.";
	for (const char *next = token; *next != '\0'; next++)
		if (*next <= ' ' || *next > '~')
			return "The token contains white space or a character that is not ASCII.";
	return NULL;
}

char *
omf_name_hint(const char *what, const char *given, const char *const *names,
			  int nnames)
{
	const char *nearest = NULL;
	int least = NEAR_ENOUGH + 1;
	StringInfoData hint;

	initStringInfo(&hint);
	for (int i = 0; i < nnames; i++)
	{
		int distance = strlen(given) > 255
						   ? least
						   : varstr_levenshtein_less_equal(given,
														   strlen(given),
														   names[i],
														   strlen(names[i]), 1,
														   1, 1, least, true);

		/* as PostgreSQL does: more than half of it must be right */
		if (distance < least && distance <= (int) strlen(given) / 2)
		{
			nearest = names[i];
			least = distance;
		}
	}
	if (nearest != NULL)
		appendStringInfo(&hint, "Perhaps you meant \"%s\". ", nearest);
	appendStringInfo(&hint, "%s: ", what);
	for (int i = 0; i < nnames; i++)
		appendStringInfo(&hint, "%s%s", i > 0 ? ", " : "", names[i]);
	appendStringInfoChar(&hint, '.');
	return hint.data;
}

/* ----- readers ----- */

/* The value given for an option, else its default; may be NULL. */
static const char *
option_value(List *given, const char *name, Oid catalog)
{
	ListCell *cell;

	foreach (cell, given)
	{
		DefElem *def = lfirst_node(DefElem, cell);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return find_option(name, catalog)->default_value;
}

static int
server_duration(List *given, const char *name)
{
	return parse_duration(find_option(name, ForeignServerRelationId),
						  option_value(given, name, ForeignServerRelationId));
}

static int
server_integer(List *given, const char *name)
{
	return parse_integer(find_option(name, ForeignServerRelationId),
						 option_value(given, name, ForeignServerRelationId));
}

static OmfHttpVersion
server_http_version(List *given)
{
	const char *value = option_value(given, "http_version", ForeignServerRelationId);

	for (int i = 0; i < (int) lengthof(http_versions); i++)
		if (strcmp(http_versions[i], value) == 0)
			return (OmfHttpVersion) i;
	return OMF_HTTP_AUTO;
}

OmfServerOptions
omf_options_of_server(Oid serverid)
{
	List *given = GetForeignServer(serverid)->options;
	const char *ca_file = option_value(given, "ca_file", ForeignServerRelationId);
	OmfServerOptions result;

	result.endpoint = pstrdup(option_value(given, "endpoint", ForeignServerRelationId));
	omf_endpoint_normalize(result.endpoint);
	result.ca_file = ca_file != NULL ? pstrdup(ca_file) : NULL;
	result.http_version = server_http_version(given);
	result.connect_timeout_ms = server_duration(given, "connect_timeout");
	result.request_timeout_ms = server_duration(given, "request_timeout");
	result.max_concurrency = server_integer(given, "max_concurrency");
	result.max_retries = server_integer(given, "max_retries");
	result.max_retry_wait_ms = server_duration(given, "max_retry_wait");
	result.rate_limit_reserve = server_integer(given, "rate_limit_reserve");
	return result;
}

OmfUserOptions
omf_options_of_user(Oid userid, Oid serverid)
{
	OmfUserOptions result = {0};
	HeapTuple tuple;
	Datum datum;
	bool isnull;

	/* GetUserMapping() would throw where there is none */
	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid),
							ObjectIdGetDatum(serverid));
	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER,
								ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(serverid));
	if (!HeapTupleIsValid(tuple))
		return result;

	result.mapping = ((Form_pg_user_mapping) GETSTRUCT(tuple))->oid;
	result.user = ((Form_pg_user_mapping) GETSTRUCT(tuple))->umuser;
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple,
							Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
	{
		List *given = untransformRelOptions(datum);

		result.token = option_value(given, "token", UserMappingRelationId);
		result.token_file = option_value(given, "token_file", UserMappingRelationId);
	}
	ReleaseSysCache(tuple);
	return result;
}

bool
omf_options_async_capable(Oid serverid, Oid relid)
{
	const char *value = option_value(GetForeignTable(relid)->options,
									 "async_capable",
									 ForeignTableRelationId);
	bool capable = true;

	if (value == NULL)
		value = option_value(GetForeignServer(serverid)->options,
							 "async_capable",
							 ForeignServerRelationId);
	(void) parse_bool(value, &capable);
	return capable;
}

OmfCacheTerms
omf_options_cache(Oid relid)
{
	ForeignTable *table = GetForeignTable(relid);
	List *server = GetForeignServer(table->serverid)->options;
	const char *own = option_value(table->options, "cache_ttl", ForeignTableRelationId);
	OmfCacheTerms terms;

	terms.ttl_ms = own != NULL ? parse_duration(find_option("cache_ttl", ForeignTableRelationId), own)
							   : server_duration(server, "cache_ttl");
	terms.stale_ms = server_duration(server, "cache_stale");
	return terms;
}

bool
omf_options_reports_errors(Oid relid, bool has_error_column)
{
	ForeignTable *table = GetForeignTable(relid);
	const char *own = option_value(table->options, "on_error", ForeignTableRelationId);
	const char *value = own != NULL ? own : option_value(GetForeignServer(table->serverid)->options, "on_error", ForeignServerRelationId);

	if (own != NULL && strcmp(own, REPORT) == 0 && !has_error_column)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
				 errmsg("foreign table that reports errors has no column for them"),
				 errdetail("Foreign table \"%s\" has the option \"on_error\" with the value \"%s\", and no column \"error\".",
						   get_rel_name(relid), REPORT),
				 errhint("ALTER FOREIGN TABLE %s ADD COLUMN error text;",
						 quote_identifier(get_rel_name(relid)))));
	return has_error_column && strcmp(value, REPORT) == 0;
}

const OmfResource *
omf_options_resource(Oid relid)
{
	return omf_api_resource(option_value(GetForeignTable(relid)->options,
										 "resource", ForeignTableRelationId));
}

const char *
omf_options_field_name(Oid relid, AttrNumber attnum, const char *column)
{
	List *given = GetForeignColumnOptions(relid, attnum);
	const char *name = given != NIL ? option_value(given, "column_name", AttributeRelationId) : NULL;

	return name != NULL ? name : column;
}
