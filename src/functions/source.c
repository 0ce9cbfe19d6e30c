/*-------------------------------------------------------------------------
 *
 * source.c
 *	  The database server that a migration copies from, as the API wants it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "session/options.h"
#include "functions/source.h"

/* The members of a source, and where OmfSource keeps them. */
static const struct
{
	const char *name;
	const char *mistaken; /* what the same is called elsewhere, or NULL */
	bool is_port;         /* an integer, where the others are strings */
	size_t offset;        /* in OmfSource */
} members[] = {
	{"host", "hostname", false, offsetof(OmfSource, host)},
	{"port", NULL, true, offsetof(OmfSource, port)},
	{"dbname", "database", false, offsetof(OmfSource, dbname)},
	{"username", "user", false, offsetof(OmfSource, username)},
	{"password", NULL, false, offsetof(OmfSource, password)},
};

static void
report_bad_source(const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid source of an online migration"),
			 errdetail("%s", detail),
			 errhint("%s", hint != NULL ? hint : "Write it like {\"host\": \"src.example.com\", \"port\": 25060, \"dbname\": \"defaultdb\", \"username\": \"doadmin\", \"password\": \"...\"}.")));
}

static void
report_unknown_member(const char *name)
{
	const char *names[lengthof(members)];
	const char *meant = NULL;
	char *hint;

	for (int i = 0; i < (int) lengthof(members); i++)
	{
		names[i] = members[i].name;
		if (members[i].mistaken != NULL &&
			pg_strcasecmp(members[i].mistaken, name) == 0)
			meant = names[i];
	}
	hint = omf_name_hint("Members of a source are", meant != NULL ? meant : name,
						 names, lengthof(members));
	report_bad_source(psprintf("It has a member \"%s\", which the API does not know.", name), hint);
}

static const char *
json_type_name(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "a null";
		case jbvString:
			return "a string";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		default:
			return "an array or an object";
	}
}

static int
port_of(const JsonbValue *value)
{
	char *text;
	int port = 0;

	if (value->type != jbvNumeric)
		report_bad_source(psprintf("Its member \"port\" is %s, but must be an integer from 1 to 65535.",
								   json_type_name(value)),
						  NULL);
	text = DatumGetCString(DirectFunctionCall1(
		numeric_out, NumericGetDatum(value->val.numeric)));
	if (strspn(text, "0123456789") == strlen(text) && strlen(text) <= 5)
		port = atoi(text);
	if (port < 1 || port > 65535)
		report_bad_source("Its member \"port\" must be an integer from 1 to 65535.", NULL);
	return port;
}

/* Store one member; the iterator's strings are not NUL-terminated. */
static void
set_member(OmfSource *source, const char *name, const JsonbValue *value)
{
	for (int i = 0; i < (int) lengthof(members); i++)
	{
		char *target = (char *) source + members[i].offset;

		if (strcmp(members[i].name, name) != 0)
			continue;
		if (members[i].is_port)
			*(int *) (void *) target = port_of(value);
		else if (value->type == jbvString)
			*(const char **) (void *) target =
				pnstrdup(value->val.string.val, value->val.string.len);
		else
			report_bad_source(psprintf("Its member \"%s\" is %s, but must be a string.",
									   name, json_type_name(value)),
							  NULL);
		return;
	}
	report_unknown_member(name);
}

OmfSource
omf_source_parse(Jsonb *source, bool whole)
{
	OmfSource result = {0};
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;
	char *name = NULL;

	if (!JB_ROOT_IS_OBJECT(source))
		report_bad_source("It is not a JSON object.", NULL);
	iterator = JsonbIteratorInit(&source->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
			set_member(&result, name, &value);
	}
	if (result.host == NULL ? whole : result.host[0] == '\0')
		report_bad_source("It has no host.", NULL);
	if (result.port == 0 && whole)
		report_bad_source("It has no port.", NULL);
	return result;
}

static void
wipe(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
}

void
omf_source_wipe(OmfSource *source)
{
	wipe(unconstify(char *, source->password));
	source->password = NULL;
	wipe(source->sent_password);
	source->sent_password = NULL;
}

static void
append_member(StringInfo body, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(body, ",\"%s\":", name);
	escape_json(body, value);
}

static void
report_bad_ignore_dbs(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid list of databases to ignore"),
			 errdetail("%s", detail),
			 errhint("Write it like '{db0,db1}'.")));
}

void
omf_source_check_ignore_dbs(ArrayType *ignore_dbs)
{
	if (ARR_NDIM(ignore_dbs) > 1)
		report_bad_ignore_dbs("\"ignore_dbs\" has more than one dimension.");
	if (array_contains_nulls(ignore_dbs))
		report_bad_ignore_dbs("\"ignore_dbs\" contains a NULL.");
}

static void
append_ignore_dbs(StringInfo body, ArrayType *ignore_dbs)
{
	Datum *names;
	bool *nulls;
	int nnames;

	omf_source_check_ignore_dbs(ignore_dbs);
	deconstruct_array(ignore_dbs, TEXTOID, -1, false, TYPALIGN_INT, &names,
					  &nulls, &nnames);
	for (int i = 0; i < nnames; i++)
	{
		if (i > 0)
			appendStringInfoChar(body, ',');
		escape_json(body, TextDatumGetCString(names[i]));
	}
}

char *
omf_source_body(OmfSource *source, bool disable_ssl, ArrayType *ignore_dbs)
{
	StringInfoData body;
	char *converted;

	initStringInfo(&body);
	appendStringInfoString(&body, "{\"source\":{\"host\":");
	escape_json(&body, source->host);
	appendStringInfo(&body, ",\"port\":%d", source->port);
	append_member(&body, "dbname", source->dbname);
	append_member(&body, "username", source->username);
	append_member(&body, "password", source->password);
	appendStringInfo(&body, "},\"disable_ssl\":%s,\"ignore_dbs\":[",
					 disable_ssl ? "true" : "false");
	append_ignore_dbs(&body, ignore_dbs);
	appendStringInfoString(&body, "]}");

	if (source->password != NULL)
		source->sent_password =
			pg_server_to_any(source->password, (int) strlen(source->password),
							 PG_UTF8);
	converted = pg_server_to_any(body.data, body.len, PG_UTF8);
	if (converted != body.data)
		explicit_bzero(body.data, body.len);
	return converted;
}
