/*-------------------------------------------------------------------------
 *
 * error.c
 *	  Failures of the API as errors of PostgreSQL.
 *
 * Never class 08: drivers and poolers take it for the death of their own
 * connection to PostgreSQL, throw that away, and try again.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/string.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "session/error.h"

static const char not_the_api[] = "Check the server option \"endpoint\": this answer is none that the API gives for this call.";

const char omf_error_hint_descriptors[] = "Close cursors over other servers, or raise the PostgreSQL server's max_files_per_process and ulimit -n.";

/* SQLSTATE and hint of each kind of failure; the hint may be NULL. */
static const struct
{
	OmfErrorKind kind;
	int sqlstate;
	const char *hint;
} kinds[] = {
	{OMF_ERROR_UNAUTHORIZED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	 "The API token is not valid, or not any more. Set another one with ALTER USER MAPPING ... OPTIONS (SET token '...'), or write it into the mapping's token_file."},
	{OMF_ERROR_FORBIDDEN, ERRCODE_INSUFFICIENT_PRIVILEGE,
	 "The API token lacks the scope that this call needs: database:read for a status, database:update for a start, database:delete for a stop."},
	{OMF_ERROR_NOT_FOUND, ERRCODE_UNDEFINED_OBJECT,
	 "Look at the cluster's UUID, the migration's id, and whether the API token is one of the account that owns the cluster."},
	{OMF_ERROR_CONFLICT, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
	 "Look at the status of the cluster's online migration, and at the state of the cluster."},
	{OMF_ERROR_INVALID, ERRCODE_INVALID_PARAMETER_VALUE,
	 "The API refused what it was sent. Its words above say why."},
	{OMF_ERROR_RATE_LIMIT, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
	 "Try again later. The server options \"max_retries\" and \"max_retry_wait\" bound how long a statement waits by itself."},
	{OMF_ERROR_HTTP, ERRCODE_FDW_ERROR,
	 not_the_api},
	{OMF_ERROR_SERVER, ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION,
	 "The API, or a proxy in front of it, is in trouble. Try again later."},
	{OMF_ERROR_UNREACHABLE, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION,
	 "Check the server options \"endpoint\", \"ca_file\" and \"connect_timeout\", and whether this host can reach the endpoint."},
	{OMF_ERROR_LOST, ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION,
	 "Try again. The server option \"request_timeout\" bounds the wait for an answer."},
	{OMF_ERROR_UNKNOWN, ERRCODE_FDW_FUNCTION_SEQUENCE_ERROR, NULL},
	{OMF_ERROR_REPLY, ERRCODE_FDW_UNABLE_TO_CREATE_REPLY,
	 "Check the server option \"endpoint\": what answers there may not be the API."},
	{OMF_ERROR_TOO_LARGE, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
	 "Check the server option \"endpoint\": what answers there may not be the API."},
	{OMF_ERROR_NO_MEMORY, ERRCODE_OUT_OF_MEMORY, NULL},
};

/* Bytes that are converted at once. */
#define CONVERSION_PIECE 64

/* Append what another encoding has of a text; each other character is "?". */
static void
append_converted(StringInfo target, const char *text, Oid conversion,
				 int encoding)
{
	const char *end = text + strlen(text);

	while (text < end)
	{
		unsigned char piece[CONVERSION_PIECE + 1];
		char converted[(CONVERSION_PIECE + 1) * MAX_CONVERSION_GROWTH + 1];
		int length = pg_encoding_mbcliplen(PG_UTF8, text, (int) (end - text),
										   CONVERSION_PIECE);
		int taken;

		memcpy(piece, text, (size_t) length);
		taken = pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding,
											  piece, length,
											  (unsigned char *) converted,
											  (int) sizeof(converted), true);
		appendStringInfoString(target, converted);
		text += taken;
		if (taken < length)
		{
			appendStringInfoChar(target, '?');
			text += pg_utf_mblen((const unsigned char *) text);
		}
	}
}

char *
omf_error_words(const char *text)
{
	int encoding = GetDatabaseEncoding();
	int length = (int) strlen(text);
	Oid conversion = InvalidOid;
	StringInfoData converted;
	char *copy;

	if (pg_is_ascii(text))
		return pstrdup(text);
	if (pg_verify_mbstr(PG_UTF8, text, length, true))
	{
		if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
			return pstrdup(text);
		conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	}
	if (OidIsValid(conversion))
	{
		initStringInfo(&converted);
		append_converted(&converted, text, conversion, encoding);
		return converted.data;
	}
	copy = pstrdup(text);
	for (char *next = copy; *next != '\0'; next++)
		if (IS_HIGHBIT_SET(*next))
			*next = '?';
	return copy;
}

char *
omf_error_text(const OmfError *error)
{
	StringInfoData detail;

	initStringInfo(&detail);
	if (error->http_status != 0)
		appendStringInfo(&detail, "HTTP status %d", error->http_status);
	else if (error->kind == OMF_ERROR_RATE_LIMIT)
		appendStringInfoString(&detail, "not sent");
	else
		appendStringInfoString(&detail, "no answer");
	if (error->api_id[0] != '\0')
		appendStringInfo(&detail, ", %s", omf_error_words(error->api_id));
	if (error->message[0] != '\0')
		appendStringInfo(&detail, ": %s", omf_error_words(error->message));
	if (error->words[0] != '\0')
		appendStringInfo(&detail, ": %s", omf_error_words(error->words));
	if (strchr(".!?", detail.data[detail.len - 1]) == NULL)
		appendStringInfoChar(&detail, '.');
	if (error->request_id[0] != '\0')
		appendStringInfo(&detail, " Request ID: %s.",
						 omf_error_words(error->request_id));
	if (error->tries > 1)
		appendStringInfo(&detail, " Tried %d times.", error->tries);
	if (error->maybe_done && error->sent_at > 0)
	{
		TimestampTz at = time_t_to_timestamptz((pg_time_t) error->sent_at);

		appendStringInfo(&detail, " Sent at %s.", timestamptz_to_str(at));
	}
	return detail.data;
}

/* The same, after what was asked. */
static char *
detail_of(const OmfError *error)
{
	return psprintf("%s %s: %s", omf_method_name(error->method), error->path,
					omf_error_text(error));
}

/* The API says why it refuses a call; what is in between does not. */
static bool
is_refused_without_words(const OmfError *error)
{
	return (error->kind == OMF_ERROR_FORBIDDEN ||
			error->kind == OMF_ERROR_INVALID) &&
		   error->api_id[0] == '\0' && error->message[0] == '\0';
}

/* The hint of its kind, unless there is more to say of this one. */
static const char *
hint_of(OmfAction action, const OmfError *error, const char *hint)
{
	if (is_refused_without_words(error))
		return "The API says why it refuses a call, and this answer does not: look for a proxy or a firewall in between, at the server option \"endpoint\", and at the scopes of the API token.";
	if (action == OMF_ACTION_LIST && error->kind == OMF_ERROR_FORBIDDEN)
		return "The API token can't list the clusters of the account, which takes the scope database:read, and tag:read as well to have them filtered by tag. A query that says in WHERE which clusters it asks for needs no listing.";
	if (action == OMF_ACTION_LIST && (error->kind == OMF_ERROR_NOT_FOUND ||
									  error->kind == OMF_ERROR_CONFLICT))
		return not_the_api;
	if (error->maybe_done && error->http1_wanted)
		return "The migration may have been started all the same. Look at the cluster's status in the foreign table, and set the server option \"http_version\" to '1.1', before trying again.";
	if (error->http1_wanted)
		return "Set the server option \"http_version\" to '1.1'.";
	if (error->no_descriptors)
		return omf_error_hint_descriptors;
	if (error->tls_disorder)
		return "The TLS library fails in itself, as it does for the rest of a process in which it has run out of memory. Connect to PostgreSQL again, and look at how much memory a process may have.";
	if (error->kind == OMF_ERROR_UNREACHABLE && error->proxy[0] != '\0')
		return psprintf("%s The server's environment names the proxy \"%s\" for it (https_proxy, all_proxy, no_proxy).",
						hint, omf_error_words(error->proxy));
	if (error->maybe_done)
		return "The migration may have been started all the same. Look at the cluster's status in the foreign table before trying again.";
	if (error->kind == OMF_ERROR_RATE_LIMIT && error->http_status == 0 &&
		error->resets_in < 0)
		return "Lower the server option \"rate_limit_reserve\": scans may use only what the limit allows beyond it.";
	if (error->kind == OMF_ERROR_RATE_LIMIT && error->resets_in >= 0)
	{
		TimestampTz at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													 error->resets_in * 1000);

		return psprintf("The limit allows the next request in " INT64_FORMAT " s, at %s. The server option \"max_retry_wait\" bounds how long a statement waits by itself.",
						error->resets_in, timestamptz_to_str(at));
	}
	return hint;
}

const char *
omf_error_hint(OmfAction action, const OmfError *error)
{
	for (int i = 0; i < (int) lengthof(kinds); i++)
		if (kinds[i].kind == error->kind)
			return hint_of(action, error, kinds[i].hint);
	return NULL;
}

/* errmsg() of what was being done: one constant message each. */
static int
message_of(OmfAction action, const OmfError *error)
{
	if (error->kind == OMF_ERROR_UNKNOWN || error->maybe_done)
		return errmsg("outcome of starting the online migration is unknown");
	switch (action)
	{
		case OMF_ACTION_READ:
			return errmsg("could not read from the API");
		case OMF_ACTION_LIST:
			return errmsg("could not list the database clusters");
		case OMF_ACTION_GUARD:
			return errmsg("could not look for an online migration under way, so none was started");
		case OMF_ACTION_START:
			return errmsg("could not start the online migration");
		case OMF_ACTION_STOP:
			return errmsg("could not stop the online migration");
		case OMF_ACTION_WAIT:
			return errmsg("could not go on waiting for the online migration");
		case OMF_ACTION_FIND:
			return errmsg("online migration that is waited for does not exist");
	}
	return 0;
}

int
omf_error_sqlstate(const OmfError *error)
{
	for (int i = 0; i < (int) lengthof(kinds); i++)
		if (kinds[i].kind == error->kind)
			return kinds[i].sqlstate;
	return ERRCODE_FDW_ERROR;
}

/*
 * With a hint of one's own, or else that of the kind of failure; and with
 * what there is to say besides, or NULL.
 */
static void
report(int elevel, OmfAction action, const OmfError *error,
	   const char *own_hint, const char *about)
{
	const char *hint = own_hint;

	if (error == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));

	if (hint == NULL)
		hint = omf_error_hint(action, error);
	ereport(elevel,
			(errcode(omf_error_sqlstate(error)),
			 message_of(action, error),
			 about != NULL ? errdetail("%s %s", detail_of(error), about)
						   : errdetail("%s", detail_of(error)),
			 hint != NULL ? errhint("%s", hint) : 0));
}

void
omf_warn(OmfAction action, const OmfError *error, const char *hint)
{
	report(WARNING, action, error, hint, NULL);
}

void
omf_raise(OmfAction action, const OmfError *error)
{
	report(ERROR, action, error, NULL, NULL);
	pg_unreachable();
}

void
omf_raise_about(OmfAction action, const OmfError *error, const char *about)
{
	report(ERROR, action, error, NULL, about);
	pg_unreachable();
}
