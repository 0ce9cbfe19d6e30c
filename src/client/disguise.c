/*-------------------------------------------------------------------------
 *
 * disguise.c
 *	  Errors of the API whose HTTP status says success.
 *
 *-------------------------------------------------------------------------
 */
#include "client/disguise.h"

#include <stdlib.h>
#include <string.h>

#include "client/json.h"

/* What is longer is none of the API's errors, and takes long to look at. */
#define ERROR_BODY_MAX (1024 * 1024)

/* The API's words for what an error is about. */
static const struct
{
	const char *id;
	int http_status;
} ids[] = {
	{"bad_request", 400},
	{"unauthorized", 401},
	{"forbidden", 403},
	{"not_found", 404},
	{"conflict", 409},
	{"precondition_failed", 412},
	{"unprocessable_entity", 422},
	{"too_many_requests", 429},
};

/* Members of what the API's calls bring; an error has none of them. */
static const char *const members_of_success[] = {"database", "databases",
												 "created_at", "status"};

static bool
has(OmfJson document, const char *path)
{
	return omf_json_find(document, path).text != NULL;
}

static bool
is_error(OmfJson document)
{
	if (!has(document, "id") || !has(document, "message"))
		return false;
	for (size_t i = 0;
		 i < sizeof(members_of_success) / sizeof(members_of_success[0]); i++)
		if (has(document, members_of_success[i]))
			return false;
	return true;
}

static int
status_of(OmfJson document)
{
	static const OmfJsonMember id = {"id", OMF_JSON_STRING};
	char reason[OMF_JSON_REASON_SIZE];
	OmfRecord *record;
	int status = 500;

	if (omf_json_record(document, "", &id, 1, &record, reason) != OMF_JSON_OK)
		return status;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (record->values[0] != NULL &&
			strcmp(record->values[0], ids[i].id) == 0)
			status = ids[i].http_status;
	free(record);
	return status;
}

int
omf_disguised_status(const OmfReply *reply)
{
	static const char sign[] = "\"message\"";
	char reason[OMF_JSON_REASON_SIZE];
	OmfJson document;

	/* most answers are seen to be none without being parsed twice */
	if (reply->outcome != OMF_ANSWERED || reply->http_status < 200 ||
		reply->http_status >= 300 || reply->content_encoded ||
		reply->body_length == 0 || reply->body_length > ERROR_BODY_MAX ||
		memmem(reply->body, reply->body_length, sign, sizeof(sign) - 1) ==
			NULL ||
		omf_json_check(reply->body, reply->body_length, &document, reason) !=
			OMF_JSON_OK ||
		!is_error(document))
		return 0;
	return status_of(document);
}
