/*-------------------------------------------------------------------------
 *
 * api.c
 *	  The vocabulary of DigitalOcean's managed databases API.
 *
 * See api.h for what this is for, and what it may and must not call.
 *
 *-------------------------------------------------------------------------
 */
#include "api.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "retry.h"

/* ----- resources ----- */

#define lengthof_array(array) ((int) (sizeof(array) / sizeof((array)[0])))

/* In the order of enum OmfMigrationField. */
static const OmfField migration_fields[] = {
	{"database_cluster_uuid", "uuid", true},
	{"id", "text", false}, /* the API says string, not UUID */
	{"created_at", "timestamptz", false},
	{"status", "text", false},
};

#define MIGRATION_PATH "/v2/databases/{database_cluster_uuid}/online-migration"

const OmfResource omf_resources[] = {
	{"online_migrations", MIGRATION_PATH,
	 migration_fields, lengthof_array(migration_fields), OMF_MIGRATION_CLUSTER},
};
const int omf_nresources = lengthof_array(omf_resources);

/* The most fields that a resource has. */
#define FIELDS_MAX 32

const OmfResource *
omf_api_resource(const char *name)
{
	for (int i = 0; i < omf_nresources; i++)
		if (strcmp(omf_resources[i].name, name) == 0)
			return &omf_resources[i];
	return NULL;
}

int
omf_api_field(const OmfResource *resource, const char *name)
{
	for (int i = 0; i < resource->nfields; i++)
		if (strcmp(resource->fields[i].name, name) == 0)
			return i;
	return -1;
}

/* ----- paths ----- */

static void
format_uuid(char text[OMF_UUID_TEXT + 1], const unsigned char uuid[OMF_UUID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *next = text;

	for (int i = 0; i < OMF_UUID_SIZE; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*next++ = '-';
		*next++ = digits[uuid[i] >> 4];
		*next++ = digits[uuid[i] & 0x0F];
	}
	*next = '\0';
}

void
omf_api_migration_path(char path[OMF_PATH_SIZE],
					   const unsigned char uuid[OMF_UUID_SIZE])
{
	char text[OMF_UUID_TEXT + 1];

	format_uuid(text, uuid);
	snprintf(path, OMF_PATH_SIZE, "/v2/databases/%s/online-migration", text);
}

void
omf_api_migration_id_path(char path[OMF_PATH_SIZE],
						  const unsigned char uuid[OMF_UUID_SIZE],
						  const char *migration_id)
{
	char text[OMF_UUID_TEXT + 1];

	format_uuid(text, uuid);
	snprintf(path, OMF_PATH_SIZE, "/v2/databases/%s/online-migration/%s", text,
			 migration_id);
}

bool
omf_api_is_migration_id(const char *migration_id)
{
	size_t length = strspn(migration_id, "0123456789_-"
										 "abcdefghijklmnopqrstuvwxyz"
										 "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return length >= 1 && length <= OMF_MIGRATION_ID_MAX && migration_id[length] == '\0';
}

bool
omf_api_is_active(const char *status)
{
	return strcmp(status, "running") == 0 || strcmp(status, "syncing") == 0;
}

/* ----- masking ----- */

/*
 * Does `text` begin with `secret`, each character of which may also stand as
 * %XX?  The number of characters that it takes, or 0.
 */
static size_t
match_secret(const char *text, const char *secret)
{
	const char *start = text;

	for (; *secret != '\0'; secret++)
	{
		char encoded[4];

		snprintf(encoded, sizeof(encoded), "%%%02X", (unsigned char) *secret);
		if (*text == *secret)
			text++;
		else if (text[0] == '%' && toupper((unsigned char) text[1]) == encoded[1] &&
				 text[1] != '\0' && toupper((unsigned char) text[2]) == encoded[2])
			text += 3;
		else
			return 0;
	}
	return (size_t) (text - start);
}

void
omf_api_mask(char *text, const char *secret)
{
	if (secret == NULL || *secret == '\0')
		return;
	while (*text != '\0')
	{
		size_t length = match_secret(text, secret);

		if (length > 0)
		{
			/* a fixed number of asterisks, where there is room for them */
			size_t stars = length < 3 ? length : 3;

			memset(text, '*', stars);
			memmove(text + stars, text + length, strlen(text + length) + 1);
			text += stars;
		}
		else
			text++;
	}
}

/*
 * Copy text of the API's into a message: masked first, so that clipping can't
 * leave a part of a secret, then clipped between characters and freed of
 * control characters.
 */
static void
copy_text(char *target, size_t size, const char *text, const OmfSecrets *secrets)
{
	char *masked = strdup(text);
	size_t length;

	target[0] = '\0';
	if (masked == NULL)
		return;
	for (int i = 0; i < secrets->ntexts; i++)
		omf_api_mask(masked, secrets->texts[i]);
	length = strlen(masked);
	if (length >= size)
	{
		length = size - 1;
		while (length > 0 && ((unsigned char) masked[length] & 0xC0) == 0x80)
			length--;
	}
	memcpy(target, masked, length);
	target[length] = '\0';
	for (char *next = target; *next != '\0'; next++)
		if ((unsigned char) *next < 0x20 || *next == 0x7F)
			*next = ' ';
	free(masked);
}

/* ----- answers ----- */

/* Statuses with a meaning of their own; for the others see http_error_kind. */
static const struct
{
	int http_status;
	OmfErrorKind kind;
} status_kinds[] = {
	{400, OMF_ERROR_INVALID},
	{401, OMF_ERROR_UNAUTHORIZED},
	{403, OMF_ERROR_FORBIDDEN},
	{404, OMF_ERROR_NOT_FOUND},
	{409, OMF_ERROR_CONFLICT},
	{412, OMF_ERROR_CONFLICT},
	{422, OMF_ERROR_INVALID},
	{429, OMF_ERROR_RATE_LIMIT},
};

static OmfErrorKind
http_error_kind(int http_status)
{
	for (int i = 0; i < lengthof_array(status_kinds); i++)
		if (status_kinds[i].http_status == http_status)
			return status_kinds[i].kind;
	return http_status >= 500 ? OMF_ERROR_SERVER : OMF_ERROR_HTTP;
}

static OmfErrorKind
error_kind(OmfMethod method, const OmfReply *reply)
{
	switch (reply->outcome)
	{
		case OMF_ANSWERED:
			return http_error_kind(reply->http_status);
		case OMF_UNREACHABLE:
			return OMF_ERROR_UNREACHABLE;
		case OMF_REFUSED:
			return OMF_ERROR_LOST;
		case OMF_LOST:
		case OMF_TIMED_OUT:
			return method == OMF_PUT ? OMF_ERROR_UNKNOWN : OMF_ERROR_LOST;
		case OMF_TOO_LARGE:
			return OMF_ERROR_TOO_LARGE;
		case OMF_NO_MEMORY:
			break;
	}
	return OMF_ERROR_NO_MEMORY;
}

/* Seconds until the rate limit lets more through, or -1 if nobody said. */
static int64_t
limit_resets_in(const OmfReply *reply)
{
	int64_t now = (int64_t) time(NULL);

	if (reply->outcome != OMF_ANSWERED || reply->http_status != 429)
		return -1;
	if (reply->retry_after >= 0)
		return reply->retry_after;
	if (reply->ratelimit_reset >= 0)
		return reply->ratelimit_reset > now ? reply->ratelimit_reset - now : 0;
	return -1;
}

/* The API's own words; an answer of a proxy in between has none. */
static void
read_error_body(OmfError *error, const OmfReply *reply, const OmfSecrets *secrets)
{
	static const OmfJsonMember members[] = {{"id"}, {"message"}, {"request_id"}};
	char reason[OMF_JSON_REASON_SIZE];
	OmfRecord *record;

	if (reply->content_encoded || reply->body_length == 0 ||
		omf_json_decode(reply->body, reply->body_length, members,
						lengthof_array(members), &record, reason) != OMF_JSON_OK)
		return;
	if (record->values[0] != NULL)
		copy_text(error->api_id, sizeof(error->api_id), record->values[0], secrets);
	if (record->values[1] != NULL)
		copy_text(error->message, sizeof(error->message), record->values[1], secrets);
	if (record->values[2] != NULL)
		copy_text(error->request_id, sizeof(error->request_id), record->values[2], secrets);
	free(record);
}

static OmfError *
make_error(const OmfRequest *request, OmfErrorKind kind, const char *words,
		   const OmfSecrets *secrets)
{
	const OmfReply *reply = omf_request_reply(request);
	OmfError *error = calloc(1, sizeof(OmfError));

	if (error == NULL)
		return NULL;
	error->kind = kind;
	error->method = omf_request_method(request);
	snprintf(error->path, sizeof(error->path), "%s", omf_request_path(request));
	error->http_status = reply->http_status;
	error->maybe_done = error->method == OMF_PUT &&
						(omf_retry_maybe_done(reply) || reply->http_status == 200);
	error->tries = reply->tries;
	error->sent_at = reply->sent_at;
	error->resets_in = limit_resets_in(reply);
	copy_text(error->words, sizeof(error->words), words, secrets);
	copy_text(error->request_id, sizeof(error->request_id), reply->request_id, secrets);
	if (reply->outcome == OMF_ANSWERED && reply->http_status >= 400)
		read_error_body(error, reply, secrets);
	return error;
}

/* Decode the body of a 200; NULL and *kind and reason set on failure. */
static OmfRecord *
read_record(const OmfResource *resource, const OmfReply *reply,
			OmfErrorKind *kind, char reason[OMF_JSON_REASON_SIZE])
{
	/* an empty body on a finished migration: nothing is known about it */
	static const char nothing[] = "{}";
	OmfJsonMember members[FIELDS_MAX];
	OmfRecord *record = NULL;
	bool empty = reply->body_length == 0;
	OmfJsonStatus status;

	for (int i = 0; i < resource->nfields; i++)
		members[i].name = resource->fields[i].is_key ? NULL : resource->fields[i].name;
	if (reply->content_encoded)
	{
		*kind = OMF_ERROR_REPLY;
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "The answer has a Content-Encoding, which was not asked for.");
		return NULL;
	}
	status = omf_json_decode(empty ? nothing : reply->body,
							 empty ? strlen(nothing) : reply->body_length,
							 members, resource->nfields, &record, reason);
	switch (status)
	{
		case OMF_JSON_OK:
			break;
		case OMF_JSON_TOO_DEEP:
			*kind = OMF_ERROR_TOO_LARGE;
			break;
		case OMF_JSON_MALFORMED:
		case OMF_JSON_MISFIT:
			*kind = OMF_ERROR_REPLY;
			break;
		case OMF_JSON_NO_MEMORY:
			*kind = OMF_ERROR_NO_MEMORY;
			break;
	}
	return record;
}

OmfResult
omf_api_result(const OmfResource *resource, const OmfRequest *request,
			   const OmfSecrets *secrets, OmfRecord **record, OmfError **error)
{
	const OmfReply *reply = omf_request_reply(request);
	OmfMethod method = omf_request_method(request);
	int success = method == OMF_DELETE ? 204 : 200;
	char reason[OMF_JSON_REASON_SIZE];
	OmfErrorKind kind = OMF_ERROR_REPLY;

	*record = NULL;
	*error = NULL;
	if (reply->outcome != OMF_ANSWERED || reply->http_status != success)
	{
		kind = error_kind(method, reply);
		*error = make_error(request, kind, reply->words, secrets);
		return kind == OMF_ERROR_NOT_FOUND ? OMF_RESULT_NOT_FOUND : OMF_RESULT_ERROR;
	}
	if (method == OMF_DELETE)
		return OMF_RESULT_RECORD;
	*record = read_record(resource, reply, &kind, reason);
	if (*record != NULL)
		return OMF_RESULT_RECORD;
	*error = make_error(request, kind, reason, secrets);
	return OMF_RESULT_ERROR;
}
