/*-------------------------------------------------------------------------
 *
 * test_api.c
 *	  Unit tests of src/client/api.c: resources, paths, masking, what answers mean.
 *
 * Requests are a struct of this file's own, so that any reply can be given
 * to them without a server.
 *
 *-------------------------------------------------------------------------
 */
#include "client/api.h"
#include "client/disguise.h"
#include "tap.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct OmfRequest
{
	OmfMethod method;
	OmfReply reply;
};

static OmfRequest request;
static OmfRecord *record;
static OmfError *error;

#define PATH "/v2/databases/9cc10173-e9ea-4176-9dbc-a4cee4c4ff30/online-migration"

static const unsigned char uuid[OMF_UUID_SIZE] = {
	0x9c, 0xc1, 0x01, 0x73, 0xe9, 0xea, 0x41, 0x76,
	0x9d, 0xbc, 0xa4, 0xce, 0xe4, 0xc4, 0xff, 0x30};

OmfMethod
omf_request_method(const OmfRequest *asked)
{
	return asked->method;
}

const char *
omf_request_path(const OmfRequest *asked)
{
	(void) asked;
	return PATH;
}

void
omf_request_wipe_reply(OmfRequest *asked)
{
	omf_reply_wipe(&asked->reply);
}

const OmfReply *
omf_request_reply(const OmfRequest *asked)
{
	return &asked->reply;
}

/* ----- the vocabulary ----- */

static void
test_resources(void)
{
	const OmfResource *migrations = omf_api_resource("online_migrations");

	for (int i = 0; i < omf_nresources; i++)
	{
		const OmfResource *resource = &omf_resources[i];
		char path[OMF_PATH_SIZE];

		ok(omf_api_resource(resource->name) == resource, "%s is found, and only once",
		   resource->name);
		ok(resource->nfields >= 2 && resource->nfields <= 32, "it has fields");
		ok(resource->key >= 0 && resource->key < resource->nfields && resource->tags < resource->nfields,
		   "its key is one of them");
		for (int j = 0; j < resource->nfields; j++)
		{
			const OmfField *field = &resource->fields[j];

			is_number(omf_api_field(resource, field->name), j, "field %s is found, and only once",
					  field->name);
			ok(field->sql_type != NULL && field->sql_type[0] != '\0', "it has a type");
		}
		omf_api_path(path, resource, uuid);
		ok(strncmp(path, PATH, 50) == 0 && strcmp(path + 50, resource->path_suffix) == 0 &&
			   strcmp(strchr(resource->path_template, '}') + 1, resource->path_suffix) == 0,
		   "its path is as its template says: %s", path);
	}
	if (!ok(migrations != NULL, "there are online_migrations"))
		return;
	is_number(omf_api_field(migrations, "database_cluster_uuid"), OMF_MIGRATION_CLUSTER, "cluster");
	is_number(omf_api_field(migrations, "id"), OMF_MIGRATION_ID, "id");
	is_number(omf_api_field(migrations, "created_at"), OMF_MIGRATION_CREATED_AT, "created_at");
	is_number(omf_api_field(migrations, "status"), OMF_MIGRATION_STATUS, "status");
	is_number(omf_api_field(migrations, "ID"), -1, "names are told apart by case");
	is_number(omf_api_field(migrations, ""), -1, "no name, no field");
	ok(omf_api_resource("") == NULL && omf_api_resource("Online_Migrations") == NULL &&
		   omf_api_resource("online_migration") == NULL,
	   "other names are no resources");
}

static void
test_paths(void)
{
	char path[OMF_PATH_SIZE];
	char id[OMF_MIGRATION_ID_MAX + 1];
	unsigned char ones[OMF_UUID_SIZE];

	is_number(OMF_MIGRATION_ID_MAX, 64, "an id has as many characters as the documents say");
	is_number(OMF_BODY_MAX, 1024 * 1024, "a body as many bytes");
	is_number(OMF_PAGE_BODY_MAX, 16 * 1024 * 1024, "a page as many bytes");
	is_number(OMF_PAGE_SIZE, 200, "a page as many clusters");
	is_number(OMF_TAG_MAX, 255, "a tag as many bytes");
	omf_api_path(path, &omf_resources[0], uuid);
	is_text(path, PATH, "the path for GET and PUT");
	omf_api_migration_id_path(path, uuid, "77b28fc8-19ff-11eb-8c9c-c68e24557488");
	is_text(path, PATH "/77b28fc8-19ff-11eb-8c9c-c68e24557488", "the path for DELETE");
	memset(ones, 0xFF, sizeof(ones));
	omf_api_path(path, &omf_resources[0], ones);
	is_text(path, "/v2/databases/ffffffff-ffff-ffff-ffff-ffffffffffff/online-migration", "ones");

	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	omf_api_migration_id_path(path, uuid, id);
	ok(strlen(path) == strlen(PATH "/") + OMF_MIGRATION_ID_MAX &&
		   strcmp(path + strlen(PATH "/"), id) == 0,
	   "the longest id is in the path whole");
}

static void
test_migration_ids(void)
{
	static const char *const good[] = {"a", "0", "-", "_", "77b28fc8-19ff-11eb-8c9c-c68e24557488",
									   "AZaz09_-"};
	static const char *const bad[] = {
		"", ".", "..", "...", "a.b", "../..", "..%2f", "%2e%2e", "%2E", "a/b", "/", "a/", "/a",
		"\\", "a?b", "?", "#", "a#b", " ", "a ", " a", "a\n", "\r\n", "a\tb", "a\x01", "a\x7F",
		"\xC3\xA9", "\xE2\x80\xA4\xE2\x80\xA4", "a;b", "a:b", "a@b", "a+b", "a*", "~", "a,b", "'"};
	char id[80];

	for (int i = 0; i < countof(good); i++)
		is_number(omf_api_is_migration_id(good[i]), true, "an id: %s", good[i]);
	for (int i = 0; i < countof(bad); i++)
		is_number(omf_api_is_migration_id(bad[i]), false, "no id: %s", bad[i]);
	for (int length = 63; length <= 66; length++)
	{
		memset(id, 'a', sizeof(id));
		id[length] = '\0';
		is_number(omf_api_is_migration_id(id), length <= 64, "%d characters", length);
	}
}

static void
test_statuses(void)
{
	static const char *const active[] = {"running", "syncing", "Running", "RUNNING", "running ",
										 "in_progress", "in-progress", "In Progress", "pending",
										 "creating", "provisioning", "preparing", "initializing",
										 "Initialising", "migrating", "copying", "resuming"};
	static const char *const ended[] = {"done", "error", "canceled", "Done", "FAILED", "Cancelled", "completed"};
	static const char *const others[] = {"paused", "run", "runningx", "", "_"};

	for (int i = 0; i < countof(active); i++)
		ok(omf_api_known_status(active[i]) != NULL && !omf_api_is_ended(active[i]), "%s is going on", active[i]);
	for (int i = 0; i < countof(ended); i++)
		ok(omf_api_known_status(ended[i]) != NULL && omf_api_is_ended(ended[i]), "%s is an end", ended[i]);
	for (int i = 0; i < countof(others); i++)
		ok(omf_api_known_status(others[i]) == NULL && !omf_api_is_ended(others[i]), "%s is neither", others[i]);
	is_text(omf_api_known_status("\tdone \r\n"), "done", "white space around it is no other status");
	is_text(omf_api_known_status("Cancelled"), "canceled", "a word that clearly means another one");
	is_text(omf_api_known_status("paused"), NULL, "and one that does not");
	ok(omf_api_is_ended("Completed") && omf_api_is_ended("failed") && !omf_api_is_ended("paused"),
	   "ended, by what the word means");
}

/* ----- masking ----- */

static const char *shown(const char *message, const char *first, const char *second, const char *third);

static void
is_masked(const char *text, const char *secret, const char *expected)
{
	is_text(shown(text, secret, NULL, NULL), expected, "mask %s in %s", secret, text);
}

static void
test_mask(void)
{
	is_masked("nothing here", "secret", "nothing here");
	is_masked("secret", "secret", "***");
	is_masked("a secret, a secret.", "secret", "a ***, a ***.");
	is_masked("secre", "secret", "secre");
	is_masked("ssecret", "secret", "s***");
	is_masked("sesecret", "secret", "se***");
	is_masked("", "secret", "");
	is_masked("text", "", "text");
	is_masked("Secret", "secret", "Secret");
	is_masked("a=x", "x", "a=*");
	is_masked("xy", "xy", "**");
	is_masked("a**b", "*", "a**b");
	is_masked("text", NULL, "text");

	/* in a URL, some or all characters may stand as %XX */
	is_masked("p=p%40ss%2Fw", "p@ss/w", "p=***");
	is_masked("p=p%2540ss%252Fw;", "p@ss/w", "p=***;");
	is_masked("%25C3%25A9%2525", "\303\251%", "***");
	is_masked("{\\\\\\\"a\\\\\\\": \\\\\\\"x\\\\\\\\\\\\\\\"y\\\\\\\\\\\\\\\\z\\\\\\\\n\\\\\\\\u00e9\\\\\\\"}", "x\"y\\z\n\303\251", "{\\\"a\\\": \\\"***\\\"}");
	is_masked("x\\\\&quot;y", "x\"y", "***");
	is_masked("p=p%40ss%2fw;", "p@ss/w", "p=***;");
	is_masked("%70%40%73%73%2F%77", "p@ss/w", "***");
	is_masked("p@ss%2fw", "p@ss/w", "***");
	is_masked("%41%4", "AA", "%41%4");
	is_masked("%", "p@ss", "%");
	is_masked("p%", "p@ss", "p%");
	is_masked("p%4", "p@ss", "p%4");
	is_masked("100%", "100%", "***");
	is_masked("p=%25ab", "%25ab", "p=***");
	is_masked("caf\xC3\xA9", "\xC3\xA9", "caf**");
	is_masked("caf%C3%a9!", "\xC3\xA9", "caf***!");
	is_masked("u:a%25b@h", "a%b", "u:***@h");

	/* as a JSON string has it that the message, in JSON itself, quotes */
	is_masked("\\\"p\\\\\\\"w\\\"", "p\"w", "\"***\"");
	is_masked("p\\\\\\\\w", "p\\w", "***");
	is_masked("p\\\\/w", "p/w", "***");
	is_masked("p\\\\u0022w", "p\"w", "***");
	is_masked("\\\\u0070\\\\u0077", "pw", "***");
	is_masked("p\\\\u00E4\\\\ud83d\\\\udc18", "p\xC3\xA4\xF0\x9F\x90\x98", "***");
	is_masked("p\\\\n\\\\tw", "p\n\tw", "***");

	/* as SQL, a connection string and HTML have it */
	is_masked("p='it''s'", "it's", "p='***'");
	is_masked("p='it\\\\'s a'", "it's a", "p='***'");
	is_masked("\\\"a\\\"\\\"b\\\"", "a\"b", "\"***\"");
	is_masked("p=it+is%20a;", "it is a", "p=***;");
	is_masked("p='it'\\\\''s'", "it's", "p='***'");
	is_masked("p='it'\\\"'\\\"'s'", "it's", "p='***'");
	is_masked("<p>a&lt;b&#39;&#x26;&amp;&QUOT;</p>", "a<b'&&\"", "<p>***</p>");

	/* in hexadecimal digits, and in base64 after 0, 1 and 2 other bytes */
	is_masked("x7365637265743fx", "secret?", "x***x");
	is_masked("7365637265743F.", "secret?", "***.");
	is_masked("7365637265743", "secret?", "7365637265743");
	is_masked("c2VjcmV0Pw==.", "secret?", "***.");
	is_masked("c2VjcmV0Pw%3D.", "secret?", "***%3D.");
	is_masked("OnNlY3JldD8=.", "secret?", "O***.");
	is_masked("Basic dTpzZWNyZXQ/ZW5k", "secret?", "Basic dT***ZW5k");
	is_masked("Basic dTpzZWNyZXQ_ZW5k", "secret?", "Basic dT***ZW5k");
	is_masked("dTpzZWNyZXQ%2FZW5k", "secret?", "dT***ZW5k");
	is_masked("c2VjcmU", "secret?", "c2VjcmU");
	is_masked("YWJj 616263", "abc", "YWJj 616263");
	is_masked("YWJjZA== 61626364", "abcd", "*** ***");
	is_masked("a&#9999999999999999999999;b", "a&b", "a&#9999999999999999999999;b");
	is_masked("''''''''x", "''''y", "''''''''x");
	is_masked("''''''''", "''''", "***");
}

/* ----- answers ----- */

/* The request was answered so; body NULL for none. */
static OmfResult
answer(OmfMethod method, int http_status, const char *body, const OmfSecrets *secrets)
{
	static const OmfSecrets none = {NULL, 0};

	free(record);
	free(error);
	omf_reply_free(&request.reply);
	memset(&request, 0, sizeof(request));
	request.method = method;
	request.reply.body_max = OMF_BODY_MAX;
	omf_reply_reset(&request.reply);
	request.reply.http_status = http_status;
	request.reply.tries = 2;
	request.reply.sent_at = 1700000000;
	if (body != NULL)
		omf_reply_add_body(&request.reply, body, strlen(body));
	request.reply.disguised_status = omf_disguised_status(&request.reply);
	return omf_api_result(&omf_resources[0], &request, OMF_JSON_ALL, secrets != NULL ? secrets : &none,
						  &record, &error);
}

/* The request was not answered. */
static OmfResult
no_answer(OmfMethod method, OmfOutcome outcome, int http_status, const char *words)
{
	static const OmfSecrets none = {NULL, 0};

	answer(method, http_status, NULL, NULL);
	free(record);
	free(error);
	request.reply.outcome = outcome;
	snprintf(request.reply.words, sizeof(request.reply.words), "%s", words);
	return omf_api_result(&omf_resources[0], &request, OMF_JSON_ALL, &none, &record, &error);
}

static void
test_records(void)
{
	static const char body[] = "{\"id\":\"m-1\",\"status\":\"syncing\","
							   "\"created_at\":\"2020-10-29T15:57:38Z\","
							   "\"database_cluster_uuid\":\"not this\"}";

	for (OmfMethod method = OMF_GET; method <= OMF_PUT; method++)
	{
		is_number(answer(method, 200, body, NULL), OMF_RESULT_RECORD, "a status");
		ok(error == NULL && record->nvalues == omf_resources[0].nfields, "  all fields, no error");
		is_text(record->values[OMF_MIGRATION_ID], "m-1", "  id");
		is_text(record->values[OMF_MIGRATION_STATUS], "syncing", "  status");
		is_text(record->values[OMF_MIGRATION_CREATED_AT], "2020-10-29T15:57:38Z", "  created_at");
		is_text(record->values[OMF_MIGRATION_CLUSTER], NULL, "  the key is not the body's");
	}
	is_number(answer(OMF_GET, 200, NULL, NULL), OMF_RESULT_RECORD, "an empty body");
	is_text(record->values[OMF_MIGRATION_STATUS], NULL, "  of which nothing is known");
	is_number(answer(OMF_GET, 200, "\r\n", NULL), OMF_RESULT_RECORD, "a body that is nothing but a new line");
	is_text(record->values[OMF_MIGRATION_STATUS], NULL, "  is as empty");
	is_number(answer(OMF_DELETE, 204, NULL, NULL), OMF_RESULT_RECORD, "stopped");
	ok(record == NULL && error == NULL, "  is all there is to say");
	is_number(answer(OMF_GET, 404, "{\"id\":\"not_found\"}", NULL), OMF_RESULT_NOT_FOUND, "404");
	ok(record == NULL && error->kind == OMF_ERROR_NOT_FOUND, "  has an error, too");
	is_text(error->api_id, "not_found", "  with the API's id");
}

static void
test_bad_records(void)
{
	is_number(answer(OMF_GET, 200, "<html>", NULL), OMF_RESULT_ERROR, "no JSON");
	is_number(error->kind, OMF_ERROR_REPLY, "  makes no sense");
	is_number(error->http_status, 200, "  with its status");
	ok(error->words[0] != '\0' && !error->maybe_done, "  and words");
	is_number(answer(OMF_GET, 200, "{\"status\":1}", NULL), OMF_RESULT_ERROR, "a wrong type");
	is_number(error->kind, OMF_ERROR_REPLY, "  makes no sense");
	answer(OMF_GET, 200, "{\"id\":\"m-1\",\"status\":1,\"created_at\":\"yesterday\"}", NULL);
	ok(record != NULL && strcmp(record->values[OMF_MIGRATION_ID], "m-1") == 0, "  what is of its type is there");
	is_text(error->words, "Member \"created_at\" is a string, but a date and time as RFC 3339 writes them was expected.",
			"  the first that is not is named");
	free(record);
	free(error);
	is_number(omf_api_result(&omf_resources[0], &request, 1 << OMF_MIGRATION_ID, &(OmfSecrets){NULL, 0}, &record, &error),
			  OMF_RESULT_RECORD, "  nobody who does not ask for it is bothered");
	is_number(answer(OMF_GET, 200, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", NULL),
			  OMF_RESULT_ERROR, "too deep");
	is_number(error->kind, OMF_ERROR_TOO_LARGE, "  is over a cap");
	is_number(answer(OMF_PUT, 200, "<html>", NULL), OMF_RESULT_ERROR, "PUT, no JSON");
	is_number(error->maybe_done, true, "  was carried out all the same");

	answer(OMF_GET, 200, "{}", NULL);
	free(record);
	request.reply.content_encoded = true;
	is_number(omf_api_result(&omf_resources[0], &request, OMF_JSON_ALL, &(OmfSecrets){NULL, 0}, &record, &error),
			  OMF_RESULT_ERROR, "an encoded body");
	is_number(error->kind, OMF_ERROR_REPLY, "  makes no sense");
}

static void
test_error_kinds(void)
{
	static const struct
	{
		int http_status;
		OmfErrorKind kind;
	} cases[] = {
		{400, OMF_ERROR_INVALID}, {401, OMF_ERROR_UNAUTHORIZED}, {402, OMF_ERROR_HTTP}, {403, OMF_ERROR_FORBIDDEN}, {404, OMF_ERROR_NOT_FOUND}, {405, OMF_ERROR_HTTP}, {409, OMF_ERROR_CONFLICT}, {410, OMF_ERROR_HTTP}, {412, OMF_ERROR_CONFLICT}, {422, OMF_ERROR_INVALID}, {429, OMF_ERROR_RATE_LIMIT}, {301, OMF_ERROR_HTTP}, {302, OMF_ERROR_HTTP}, {304, OMF_ERROR_HTTP}, {500, OMF_ERROR_SERVER}, {502, OMF_ERROR_SERVER}, {503, OMF_ERROR_SERVER}, {599, OMF_ERROR_SERVER}};

	for (int i = 0; i < countof(cases); i++)
		for (OmfMethod method = OMF_GET; method <= OMF_DELETE; method++)
		{
			int status = cases[i].http_status;

			is_number(answer(method, status, "<html>", NULL),
					  status == 404 ? OMF_RESULT_NOT_FOUND : OMF_RESULT_ERROR,
					  "%s: %d", omf_method_name(method), status);
			is_number(error->kind, cases[i].kind, "  is of its kind");
			is_number(error->maybe_done, method == OMF_PUT && status >= 500,
					  "  may have been done");
		}
	is_number(answer(OMF_GET, 204, NULL, NULL), OMF_RESULT_ERROR, "GET: 204 is not expected");
	is_number(answer(OMF_GET, 202, NULL, NULL), OMF_RESULT_ERROR, "nor 202");
}

/* The other statuses that RFC 9110 has for a success. */
static void
test_successes(void)
{
	static const int deletes[] = {200, 202, 204};
	static const char migration[] = "{\"id\":\"a\",\"status\":\"running\"}";
	static const char *const without[] = {
		NULL, "", " \r\n", "{}", "{\"id\":null}", "{\"id\":\"\"}", "{\"id\":7}", "{\"id\":\"..\"}", "{\"id\":\"a b\"}",
		"{\"id\":{}}", "{\"id\":\"a\",\"status\":7}", "{\"error\":\"nope\"}", "{\"id\":\"a\",\"message\":\"nope\"}",
		"{\"message\":\"nope\"}", "accepted", "null", "[]", "[{\"id\":\"a\"}]", "\"a\"", "7", "<html>",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};

	for (int i = 0; i < countof(deletes); i++)
	{
		is_number(answer(OMF_DELETE, deletes[i], NULL, NULL), OMF_RESULT_RECORD, "DELETE: %d", deletes[i]);
		is_number(answer(OMF_DELETE, deletes[i], "{\"id\":\"a\"}", NULL), OMF_RESULT_RECORD, "  with a body");
	}
	is_number(answer(OMF_DELETE, 201, NULL, NULL), OMF_RESULT_ERROR, "DELETE: 201 makes no sense");
	for (int status = 200; status <= 202; status++)
		is_number(answer(OMF_PUT, status, migration, NULL), OMF_RESULT_RECORD, "PUT: %d with the migration", status);
	is_number(answer(OMF_PUT, 203, migration, NULL), OMF_RESULT_ERROR, "PUT: 203 makes no sense");
	is_number(answer(OMF_PUT, 200, "{\"id\":\"a\",\"created_at\":7}", NULL), OMF_RESULT_ERROR,
			  "a created_at that is none");
	free(record);
	free(error);
	is_number(omf_api_result(&omf_resources[0], &request, 1 << OMF_MIGRATION_ID, &(OmfSecrets){NULL, 0}, &record, &error),
			  OMF_RESULT_RECORD, "  that nobody asks for is no harm");

	/* a start is one if the answer names the migration */
	for (int status = 200; status <= 202; status++)
		for (int i = 0; i < countof(without); i++)
		{
			is_number(answer(OMF_PUT, status, without[i], NULL), OMF_RESULT_ERROR,
					  "PUT: %d without it: %s", status, without[i] != NULL ? without[i] : "no body");
			is_number(error->kind, OMF_ERROR_UNKNOWN, "  has an unknown outcome");
			is_number(error->maybe_done, true, "  and may be done");
		}
}

static void
test_outcomes(void)
{
	static const struct
	{
		OmfOutcome outcome;
		OmfErrorKind kind;
		OmfErrorKind put_kind;
		bool maybe_done;
	} cases[] = {
		{OMF_UNREACHABLE, OMF_ERROR_UNREACHABLE, OMF_ERROR_UNREACHABLE, false},
		{OMF_REFUSED, OMF_ERROR_LOST, OMF_ERROR_LOST, false},
		{OMF_LOST, OMF_ERROR_LOST, OMF_ERROR_UNKNOWN, true},
		{OMF_TIMED_OUT, OMF_ERROR_LOST, OMF_ERROR_UNKNOWN, true},
		{OMF_TOO_LARGE, OMF_ERROR_TOO_LARGE, OMF_ERROR_UNKNOWN, true},
		{OMF_NO_MEMORY, OMF_ERROR_NO_MEMORY, OMF_ERROR_NO_MEMORY, true},
	};

	for (int i = 0; i < countof(cases); i++)
		for (OmfMethod method = OMF_GET; method <= OMF_DELETE; method++)
		{
			is_number(no_answer(method, cases[i].outcome, 0, "libcurl's words"), OMF_RESULT_ERROR,
					  "%s: outcome %d", omf_method_name(method), (int) cases[i].outcome);
			is_number(error->kind, method == OMF_PUT ? cases[i].put_kind : cases[i].kind,
					  "  is of its kind");
			is_number(error->maybe_done, method == OMF_PUT && cases[i].maybe_done,
					  "  may have been done");
			is_text(error->words, "libcurl's words", "  in libcurl's words");
		}
	no_answer(OMF_PUT, OMF_NO_MEMORY, 0, "");
	free(error);
	request.reply.sent_at = 0;
	omf_api_result(&omf_resources[0], &request, OMF_JSON_ALL, &(OmfSecrets){NULL, 0}, &record, &error);
	ok(error->kind == OMF_ERROR_NO_MEMORY && !error->maybe_done, "what was not sent was not done");
	no_answer(OMF_PUT, OMF_TOO_LARGE, 202, "");
	is_number(error->kind, OMF_ERROR_UNKNOWN, "a success over a cap names no migration");
	no_answer(OMF_PUT, OMF_TOO_LARGE, 422, "");
	is_number(error->kind, OMF_ERROR_TOO_LARGE, "a refusal is none");
	is_number(no_answer(OMF_GET, OMF_LOST, 404, ""), OMF_RESULT_ERROR,
			  "lost after the status line of a 404 is not a 404");
	is_number(no_answer(OMF_GET, OMF_LOST, 200, ""), OMF_RESULT_ERROR, "nor a 200 a 200");
	is_number(no_answer(OMF_DELETE, OMF_LOST, 204, ""), OMF_RESULT_ERROR, "nor a 204 a 204");
}

static void
test_error_fields(void)
{
	answer(OMF_PUT, 422,
		   "{\"id\":\"unprocessable_entity\",\"message\":\"bad\\nhost\\u0007\\u007f\","
		   "\"request_id\":\"r-1\"}",
		   NULL);
	is_text(error->api_id, "unprocessable_entity", "the API's id");
	is_text(error->message, "bad host  ", "its message, without control characters");
	is_text(error->request_id, "r-1", "its request_id");
	is_text(error->path, PATH, "the path");
	ok(error->method == OMF_PUT && error->tries == 2 && error->sent_at == 1700000000 &&
		   error->http_status == 422 && error->resets_in == -1,
	   "method, tries, time, status");
	answer(OMF_GET, 422, "{\"id\":\"caf\xE9\",\"message\":\"no \\u0000 h\xF4te \\\\u0000 \xC3\xA9\xC3\"}", NULL);
	is_text(error->api_id, "caf?", "a byte that is not UTF-8 is a question mark");
	is_text(error->message, "no ? h?te \\u0000 \xC3\xA9?", "so is the character \\u0000, and the rest is kept");
	answer(OMF_GET, 422, "{\"message\":\"p\xE4ssword is \xFF\"}",
		   &(OmfSecrets){(const char *const[]){"p\xC3\xA4ssword"}, 1});
	is_text(error->message, "", "but nothing that a secret beyond ASCII could be in");
	answer(OMF_GET, 422, "{\"message\":\"s3cret is \xFF\"}",
		   &(OmfSecrets){(const char *const[]){"s3cret"}, 1});
	is_text(error->message, "*** is ?", "and secrets are masked");
	answer(OMF_GET, 500, "{\"id\":1}", NULL);
	is_text(error->api_id, "", "an error's body of another shape is passed over");
	answer(OMF_GET, 500, NULL, NULL);
	is_text(error->message, "", "so is an empty one");
}

static void
test_resets_in(void)
{
	static const OmfSecrets none = {NULL, 0};

	answer(OMF_GET, 429, NULL, NULL);
	is_number(error->resets_in, -1, "429, and nobody said when");
	free(error);
	request.reply.resets_in_ms = 999500;
	omf_api_result(&omf_resources[0], &request, OMF_JSON_ALL, &none, &record, &error);
	is_number(error->resets_in, 1000, "429, ratelimit-reset");
	free(error);
	request.reply.resets_in_ms = 0;
	omf_api_result(&omf_resources[0], &request, OMF_JSON_ALL, &none, &record, &error);
	is_number(error->resets_in, -1, "429, ratelimit-reset is past: nobody knows");
	free(error);
	request.reply.pause_ms = 29000;
	omf_api_result(&omf_resources[0], &request, OMF_JSON_ALL, &none, &record, &error);
	is_number(error->resets_in, 29, "429, retry-after");
}

/* ----- pages of the listing ----- */

static void
test_page_paths(void)
{
	char path[OMF_PAGE_PATH_SIZE];
	char tag[OMF_TAG_MAX + 1];
	unsigned char bytes[OMF_UUID_SIZE];

	omf_api_page_path(path, 1, NULL);
	is_text(path, "/v2/databases?page=1&per_page=200", "the first page");
	omf_api_page_path(path, 2, "a:b&c=\xC3\xA9");
	is_text(path, "/v2/databases?page=2&per_page=200&tag_name=a%3Ab%26c%3D%C3%A9", "with a tag");
	memset(tag, '&', OMF_TAG_MAX);
	tag[OMF_TAG_MAX] = '\0';
	omf_api_page_path(path, 2147483647, tag);
	is_text(path + strlen(path) - 3, "%26", "with the longest one");
	is_number((long long) strlen(strrchr(path, '=')), 1 + 3 * OMF_TAG_MAX, "which is whole");

	ok(omf_api_parse_uuid("9CC10173-e9ea-4176-9dbc-a4cee4c4ff30", bytes) &&
		   memcmp(bytes, uuid, sizeof(bytes)) == 0,
	   "a UUID");
	ok(!omf_api_parse_uuid("", bytes) && !omf_api_parse_uuid("9cc10173e9ea41769dbca4cee4c4ff30", bytes) &&
		   !omf_api_parse_uuid("9cc10173-e9ea-4176-9dbc-a4cee4c4ff3g", bytes) &&
		   !omf_api_parse_uuid("9cc10173-e9ea-4176-9dbc-a4cee4c4ff300", bytes) &&
		   !omf_api_parse_uuid("9cc10173-e9ea-4176-9dbc-a4cee4c4ff3-", bytes),
	   "and what is none");
}

#define CLUSTER "{\"id\":\"9cc10173-e9ea-4176-9dbc-a4cee4c4ff30\",\"num_nodes\":1}"

/* How often it was asked whether to stop, and how often it may be. */
static int asked;
static int patience;

static bool
must_stop(void)
{
	return ++asked > patience;
}

static OmfPage *
patient_page_of(int http_status, const char *body, int how_patient)
{
	static const OmfSecrets none = {NULL, 0};

	answer(OMF_GET, 200, "{}", NULL);
	free(record);
	free(error);
	record = NULL;
	omf_reply_reset(&request.reply);
	request.reply.body_max = OMF_PAGE_BODY_MAX;
	request.reply.http_status = http_status;
	omf_reply_add_body(&request.reply, body, strlen(body));
	request.reply.disguised_status = omf_disguised_status(&request.reply);
	asked = 0;
	patience = how_patient;
	return omf_api_page(&request, 1 << 7, &none, must_stop, &error);
}

static OmfPage *
page_of(int http_status, const char *body)
{
	return patient_page_of(http_status, body, INT_MAX);
}

/* What has the shape of an error is one, whatever its status. */
static void
test_disguises(void)
{
	static const struct
	{
		const char *body;
		int status;
	} cases[] = {
		{"{\"id\":\"server_error\",\"message\":\"Oh.\"}", 500},
		{"{\"message\":\"Oh.\",\"request_id\":\"r\",\"id\":\"bad_gateway\"}", 500},
		{"{\"id\":\"not_found\",\"message\":\"Oh.\"}", 404},
		{"{\"id\":\"unauthorized\",\"message\":\"Oh.\"}", 401},
		{"{\"id\":\"forbidden\",\"message\":\"Oh.\"}", 403},
		{"{\"id\":\"bad_request\",\"message\":\"Oh.\"}", 400},
		{"{\"id\":\"conflict\",\"message\":\"Oh.\"}", 409},
		{"{\"id\":\"precondition_failed\",\"message\":\"Oh.\"}", 412},
		{"{\"id\":\"unprocessable_entity\",\"message\":\"Oh.\"}", 422},
		{"{\"id\":\"too_many_requests\",\"message\":\"Oh.\"}", 429},
		{"{\"id\":7,\"message\":\"Oh.\"}", 500},
		{"{\"id\":null,\"message\":\"Oh.\"}", 0},
		{"{\"message\":\"Oh.\"}", 0},
		{"{\"id\":\"a\",\"status\":\"done\",\"message\":\"Oh.\"}", 0},
		{"{\"id\":\"a\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":\"Oh.\"}", 0},
		{"{\"id\":\"a\",\"databases\":[],\"message\":\"Oh.\"}", 0},
		{"{\"id\":\"a\",\"database\":{},\"message\":\"Oh.\"}", 0},
		{"{\"id\":\"a\",\"message\":\"Oh.\"", 0},
	};
	char *body;

	for (int i = 0; i < countof(cases); i++)
	{
		answer(OMF_GET, 200, cases[i].body, NULL);
		is_number(request.reply.disguised_status, cases[i].status, "%s", cases[i].body);
		if (cases[i].status != 0)
			is_text(error->message, "Oh.", "  its message");
		if (cases[i].status != 0)
			is_number(error->passing, cases[i].status == 500 || cases[i].status == 429, "  does it pass");
		answer(OMF_DELETE, 200, cases[i].body, NULL);
		is_number(error == NULL, cases[i].status == 0, "  a stop that was answered so");
		answer(OMF_GET, 503, cases[i].body, NULL);
		is_number(request.reply.disguised_status, 0, "  with a status of its own");
	}

	/* too long for an error */
	body = malloc(OMF_BODY_MAX + 100);
	sprintf(body, "{\"id\":\"a\",\"message\":\"%*s\"}", OMF_BODY_MAX, "");
	omf_api_page_free(page_of(200, body));
	is_number(request.reply.disguised_status, 0, "a megabyte is no error");
	free(body);
}

static void
test_pages(void)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{\"databases\":{}}", "{\"databases\":\"\"}", "{\"databases\":[{}]}", "{\"databases\":[1]}",
		"{\"databases\":[null]}", "{\"databases\":[{\"id\":\"x\"}]}", "{\"databases\":[" CLUSTER ",{\"id\":null}]}",
		"{\"meta\":{\"total\":1}}", "{\"meta\":{}}", "{\"meta\":{\"total\":0},\"links\":{\"pages\":{\"next\":\"x?page=2\"}}}",
		"{\"meta\":{\"total\":0},\"links\":{\"pages\":{\"last\":\"x?page=2\"}}}", "{\"meta\":{\"total\":0},\"databases\":0}"};
	static const char *const without[] = {
		"{\"meta\":{\"total\":0}}", "{\"links\":{},\"meta\":{\"total\":0}}",
		"{\"links\":{\"pages\":{\"last\":\"x?page=1\"}},\"meta\":{\"total\":0}}"};
	static const char *const silent[] = {
		"{\"databases\":[]}", "{\"databases\":null}", "{\"databases\":[],\"links\":null,\"meta\":null}",
		"{\"databases\":[],\"meta\":{}}", "{\"databases\":null,\"meta\":{\"total\":null}}",
		"{\"databases\":[],\"meta\":[]}", "{\"databases\":[],\"meta\":{\"total\":\"many\"}}"};
	static const struct
	{
		const char *link;
		int page;
	} links[] = {
		{"https://api.example.evil/x?page=2", 2}, {"https://api.example@evil/?page=2", 2}, {"//evil?page=2", 2}, {"?page=2", 2}, {"/v2?per_page=9&page=2", 2}, {"x?page=2&page=3", 3}, {"x?cursor=abc", 0}, {"x", 0}, {"x?page=", 0}, {"x?page=-1", 0}, {"x?page=99999999999999999999", 0x7fffffff}};
	char body[300];
	OmfPage *page = page_of(200, "{\"databases\":[" CLUSTER "," CLUSTER "],\"meta\":{\"total\":\"7\"},\"links\":{"
								 "\"pages\":{\"next\":\"https://API.example/v2?per_page=9&page=3\"}}}");

	if (!ok(page != NULL && error == NULL, "a page"))
		return;
	ok(page->nclusters == 2 && page->total == 7 && page->next == 3 && page->last == -1 && page->has_links,
	   "what it says");
	ok(memcmp(page->clusters[1].uuid, uuid, OMF_UUID_SIZE) == 0 && page->clusters[1].record != NULL &&
		   page->clusters[1].error == NULL,
	   "a cluster");
	is_number((long long) request.reply.body_length, 0, "its body is wiped");
	omf_api_page_free(page);
	for (int i = 0; i < countof(without); i++)
	{
		page = page_of(200, without[i]);
		ok(page != NULL && page->nclusters == 0 && page->total == 0, "no clusters: %s", without[i]);
		omf_api_page_free(page);
	}
	for (int i = 0; i < countof(silent); i++)
	{
		page = page_of(200, silent[i]);
		ok(page != NULL && page->nclusters == 0 && page->total == -1 && page->next == -1 && page->last == -1 &&
			   !page->has_links,
		   "one that says nothing: %s", silent[i]);
		omf_api_page_free(page);
	}
	page = page_of(200, "{\"databases\":[],\"links\":{}}");
	ok(page != NULL && page->next == -1 && page->has_links, "one that has no other page");
	omf_api_page_free(page);
	for (int i = 0; i < countof(bad); i++)
		ok(page_of(200, bad[i]) == NULL && error->kind == OMF_ERROR_REPLY, "no page: %s", bad[i]);
	for (int i = 0; i < countof(links); i++)
	{
		snprintf(body, sizeof(body), "{\"databases\":[],\"links\":{\"pages\":{\"next\":\"%s\"}}}", links[i].link);
		page = page_of(200, body);
		ok(page != NULL && (page->next == links[i].page || (links[i].page == 0x7fffffff && page->next > 0x7fffffff)),
		   "only the number counts: %s", links[i].link);
		omf_api_page_free(page);
	}

	/* a field that is asked for, and one that is not */
	page = page_of(200, "{\"databases\":[{\"id\":\"9cc10173-e9ea-4176-9dbc-a4cee4c4ff30\",\"num_nodes\":true,\"engine\":\"pg\"},"
						"{\"id\":\"9cc10173-e9ea-4176-9dbc-a4cee4c4ff31\",\"name\":1,\"num_nodes\":\"3\"}]}");
	if (!ok(page != NULL && page->nclusters == 2, "a page with wrong types"))
		return;
	ok(page->clusters[0].error != NULL && strstr(page->clusters[0].error->words, "num_nodes") != NULL &&
		   strcmp(page->clusters[0].record->values[OMF_CLUSTER_ENGINE], "pg") == 0,
	   "what is asked for is judged, what it leaves is there");
	ok(page->clusters[1].error == NULL && page->clusters[1].record->values[OMF_CLUSTER_NAME] == NULL,
	   "what is not asked for is not judged");
	omf_api_page_free(page);
	ok(page_of(401, "{}") == NULL && error->kind == OMF_ERROR_UNAUTHORIZED, "401");
	omf_api_page_free(NULL);
}

/* A body may be large, and what is in it small: memory goes by neither alone. */
static void
test_many_clusters(void)
{
	static const char element[] = "{\"id\":\"9cc10173-e9ea-4176-9dbc-a4cee4c4ff30\"},";
	size_t size = OMF_PAGE_CLUSTERS_MAX * (sizeof(element) - 1);
	char *body = malloc(size + 100);
	size_t length = (size_t) sprintf(body, "{\"databases\":[");
	OmfPage *page;

	for (int i = 0; i < OMF_PAGE_CLUSTERS_MAX; i++, length += sizeof(element) - 1)
		memcpy(body + length, element, sizeof(element) - 1);
	strcpy(body + length - 1, "]}");
	page = page_of(200, body);
	ok(page != NULL && page->nclusters == OMF_PAGE_CLUSTERS_MAX, "as many clusters as a page may have");
	omf_api_page_free(page);
	strcpy(body + length - 1, ",{}]}");
	ok(page_of(200, body) == NULL && error->kind == OMF_ERROR_TOO_LARGE, "one more is too many");
	free(body);
}

/*
 * A long page can be given up in whatever is done with it, and nothing is left
 * of it.
 */
static void
test_stopped_pages(void)
{
	static const struct
	{
		const char *begin;
		const char *repeated;
		const char *end;
	} bodies[] = {
		{"{\"databases\":[{\"id\":\"9cc10173-e9ea-4176-9dbc-a4cee4c4ff30\",\"x\":[", "{},", "1]}]}"},
		{"{\"databases\":[{\"id\":\"9cc10173-e9ea-4176-9dbc-a4cee4c4ff30\",", "\"\":0,", "\"\":0}]}"},
		{"{\"databases\":[{\"id\":\"9cc10173-e9ea-4176-9dbc-a4cee4c4ff30\",", "\"\\u006eame\":0,", "\"\":0}]}"},
		{"{\"databases\":[{\"id\":\"9cc10173-e9ea-4176-9dbc-a4cee4c4ff30\",\"name\":\"", "\\u0041", "\"}]}"},
		{"{\"databases\":[{\"id\":\"9cc10173-e9ea-4176-9dbc-a4cee4c4ff30\",\"tags\":[", "\"\\n\",", "\"\"]}]}"},
		{"{\"databases\":[{\"id\":\"9cc10173-e9ea-4176-9dbc-a4cee4c4ff30\"}", ",{\"id\":\"9cc10173-e9ea-4176-9dbc-a4cee4c4ff30\"}", "]}"},
		{"{\"databases\":[],\"x\":[", "[1,2],", "\"message\"]}"},
		{"{\"databases\":[],", "\"a\":{},", "\"links\":null}"},
		{"[", "1,", "1"}};
	const size_t size = 400000;
	char *body = malloc(size + 200);

	for (int i = 0; i < countof(bodies); i++)
	{
		size_t length = (size_t) sprintf(body, "%s", bodies[i].begin);
		OmfPage *page;
		int needed;
		int wrong = 0;

		while (length + strlen(bodies[i].repeated) < size)
			length += (size_t) sprintf(body + length, "%s", bodies[i].repeated);
		strcpy(body + length, bodies[i].end);
		page = page_of(200, body);
		ok(page != NULL || error != NULL, "%.60s...: a page or an error", body);
		omf_api_page_free(page);
		needed = asked;
		ok(needed >= 400000 / (64 * 1024), "  asked %d times whether to stop", needed);
		for (int stop = 0; stop < needed; stop += 1 + needed / 12)
		{
			page = patient_page_of(200, body, stop);
			wrong += page != NULL || error != NULL || asked != stop + 1 || request.reply.body_length != 0;
		}
		is_number(wrong, 0, "  and stops each time, for good");
	}
	is_number(answer(OMF_GET, 200, "{\"status\":\"done\"}", NULL), OMF_RESULT_RECORD, "the next answer is read as ever");
	free(body);
}

/* ----- secrets in what the API says ----- */

/* The message that is shown of a message, with up to three secrets. */
static const char *
shown(const char *message, const char *first, const char *second, const char *third)
{
	const char *const texts[] = {first, second, third};
	const OmfSecrets secrets = {texts, 3};
	char *body = malloc(strlen(message) + 40);

	sprintf(body, "{\"message\":\"%s\",\"id\":\"s3cret\"}", message);
	answer(OMF_PUT, 422, body, &secrets);
	free(body);
	return error->message;
}

static void
test_secrets(void)
{
	is_text(shown("password s3cret of dop_v1_x is bad", "dop_v1_x", NULL, "s3cret"),
			"password *** of *** is bad", "all secrets are masked, NULL is skipped");
	is_text(error->api_id, "***", "in the id, too");
	is_text(shown("a\\\"b\\\\c", "a\"b\\c", NULL, NULL), "***", "a secret with JSON escapes");
	is_text(shown("a\\u0041b\\/", "aAb/", NULL, NULL), "***", "a secret written in escapes");
	is_text(shown("tok\\u0007en", "tok\x07"
								  "en",
				  NULL, NULL),
			"***", "a secret with a control character");
	is_text(shown("postgresql://u:p%40s%3As@h/d", "p@s:s", NULL, NULL), "postgresql://u:***@h/d",
			"a percent-encoded one in a URL");
}

/* No part of a secret is left over where occurrences overlap. */
static void
test_overlapping(void)
{
	const char *message;

	is_text(shown("is pass-word-1 right?", "pass-word-1", "pass", NULL), "is *** right?",
			"a secret after one that it begins");
	is_text(shown("is pass-word-1 right?", "pass", "pass-word-1", NULL), "is *** right?",
			"a secret before one that it begins");
	is_text(shown("is pass-word-1 right?", "word", "pass-word-1", NULL), "is *** right?",
			"a secret within another one");
	message = shown("xx abcdef yy", "abcd", "cdef", NULL);
	ok(strstr(message, "ef") == NULL, "two secrets that overlap: %s", message);
	message = shown("xx ababa yy", "aba", NULL, NULL);
	ok(strstr(message, "a yy") == NULL, "a secret that overlaps itself: %s", message);
	message = shown("xx ababab yy", "ab", NULL, NULL);
	ok(strpbrk(message, "ab") == NULL, "a secret three times in a row: %s", message);
}

/* A secret at the place where a message is clipped does not show in part. */
static void
test_clipping(void)
{
	static const char secret[] = "0123456789ABCDEF";
	static const char accent[] = "\xC3\xA9";
	static const char face[] = "\xF0\x9F\x98\x80";
	char text[2000];
	int wrong = 0;

	for (int before = 450; before < 530; before++)
	{
		snprintf(text, sizeof(text), "%*s%s and %0100d", before, "", secret, 0);
		if (strpbrk(shown(text, secret, NULL, NULL), "123456789ABCDEF") != NULL)
			wrong++;
	}
	is_number(wrong, 0, "a secret at the clip does not show in part");
	wrong = 0;
	for (int before = OMF_API_MESSAGE_SIZE - 10; before < OMF_API_MESSAGE_SIZE + 2; before++)
	{
		const char *const characters[] = {accent, face};

		for (int i = 0; i < countof(characters); i++)
		{
			size_t length = strlen(characters[i]);
			size_t left;

			snprintf(text, sizeof(text), "%*s%s%s", before, "", characters[i], characters[i]);
			shown(text, NULL, NULL, NULL);
			left = strlen(error->message) - strspn(error->message, " ");
			if (left % length != 0)
				wrong++;
			if (strlen(error->message) + length < OMF_API_MESSAGE_SIZE &&
				strlen(error->message) < before + 2 * length)
				wrong++;
		}
	}
	is_number(wrong, 0, "messages are clipped between characters, and no more than need be");
	snprintf(text, sizeof(text), "%0*d", OMF_API_MESSAGE_SIZE - 1, 7);
	is_number((long long) strlen(shown(text, NULL, NULL, NULL)), OMF_API_MESSAGE_SIZE - 1,
			  "a message that just fits is whole");
}

int
main(void)
{
	begin_tests();
	test_resources();
	test_paths();
	test_migration_ids();
	test_statuses();
	test_mask();
	test_records();
	test_bad_records();
	test_error_kinds();
	test_disguises();
	test_successes();
	test_outcomes();
	test_error_fields();
	test_resets_in();
	test_page_paths();
	test_pages();
	test_many_clusters();
	test_stopped_pages();
	test_secrets();
	test_overlapping();
	test_clipping();
	free(record);
	free(error);
	omf_reply_free(&request.reply);
	return finish_tests();
}
