/*-------------------------------------------------------------------------
 *
 * json.c
 *	  From the bytes of an API answer to the fields that were asked for.
 *
 * See json.h for what this is for, and what it may and must not call.  It
 * includes none of PostgreSQL's headers: json-c's json_object and the one in
 * utils/fmgrprotos.h can't both be declared.
 *
 *-------------------------------------------------------------------------
 */
#include "json.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

/*
 * Parse the whole text.  NULL with *status and reason set on failure; the
 * result is released with json_object_put().
 */
static struct json_object *
parse(const char *text, size_t length, OmfJsonStatus *status, char *reason)
{
	struct json_tokener *tokener = json_tokener_new_ex(OMF_JSON_MAX_DEPTH);
	struct json_object *document;
	enum json_tokener_error error;
	size_t end;

	if (tokener == NULL || length > INT_MAX)
	{
		if (tokener != NULL)
			json_tokener_free(tokener);
		*status = OMF_JSON_NO_MEMORY;
		snprintf(reason, OMF_JSON_REASON_SIZE, "Out of memory.");
		return NULL;
	}
	json_tokener_set_flags(tokener,
						   JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	document = json_tokener_parse_ex(tokener, text, (int) length);
	error = json_tokener_get_error(tokener);
	end = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);

	if (error == json_tokener_success)
	{
		/* an older json-c stops quietly at what follows the document */
		if (strspn(text + end, " \t\r\n") == length - end)
		{
			*status = OMF_JSON_OK;
			return document;
		}
		*status = OMF_JSON_MALFORMED;
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "There is text after the end of the JSON document, at byte %zu.", end);
	}
	else if (error == json_tokener_error_depth)
	{
		*status = OMF_JSON_TOO_DEEP;
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "The JSON document is nested more than %d levels deep.",
				 OMF_JSON_MAX_DEPTH);
	}
	else if (error == json_tokener_continue)
	{
		*status = OMF_JSON_MALFORMED;
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "The JSON document ends early, after %zu bytes.", length);
	}
	else
	{
		*status = OMF_JSON_MALFORMED;
		snprintf(reason, OMF_JSON_REASON_SIZE, "Not valid JSON at byte %zu: %s.",
				 end, json_tokener_error_desc(error));
	}
	json_object_put(document);
	return NULL;
}

/*
 * The string value of one member, or NULL where there is none.  False when
 * the member is there but is not a string that SQL could hold.
 */
static bool
string_member(struct json_object *object, const char *name,
			  const char **value, int *length, char *reason)
{
	struct json_object *member;

	*value = NULL;
	*length = 0;
	if (name == NULL)
		return true;
	if (!json_object_object_get_ex(object, name, &member) || member == NULL)
		return true;
	if (!json_object_is_type(member, json_type_string))
	{
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "Member \"%s\" is of type %s, but a string was expected.",
				 name, json_type_to_name(json_object_get_type(member)));
		return false;
	}
	*value = json_object_get_string(member);
	*length = json_object_get_string_len(member);
	if (strlen(*value) != (size_t) *length)
	{
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "Member \"%s\" contains the character \\u0000.", name);
		return false;
	}
	return true;
}

/* Copy the wanted members of `object` into one block. */
static OmfJsonStatus
extract(struct json_object *object, const OmfJsonMember *members, int nmembers,
		OmfRecord **record, char *reason)
{
	size_t size = sizeof(OmfRecord) + sizeof(char *) * (size_t) nmembers;
	const char *value;
	int length;
	char *next;

	for (int i = 0; i < nmembers; i++)
	{
		if (!string_member(object, members[i].name, &value, &length, reason))
			return OMF_JSON_MISFIT;
		if (value != NULL)
			size += (size_t) length + 1;
	}

	*record = malloc(size);
	if (*record == NULL)
	{
		snprintf(reason, OMF_JSON_REASON_SIZE, "Out of memory.");
		return OMF_JSON_NO_MEMORY;
	}
	(*record)->nvalues = nmembers;
	next = (char *) &(*record)->values[nmembers];
	for (int i = 0; i < nmembers; i++)
	{
		(void) string_member(object, members[i].name, &value, &length, reason);
		(*record)->values[i] = NULL;
		if (value != NULL)
		{
			(*record)->values[i] = memcpy(next, value, (size_t) length + 1);
			next += length + 1;
		}
	}
	return OMF_JSON_OK;
}

OmfJsonStatus
omf_json_decode(const char *text, size_t length, const OmfJsonMember *members,
				int nmembers, OmfRecord **record,
				char reason[OMF_JSON_REASON_SIZE])
{
	OmfJsonStatus status;
	struct json_object *document;

	*record = NULL;
	reason[0] = '\0';
	document = parse(text, length, &status, reason);
	if (status != OMF_JSON_OK)
		return status;
	if (json_object_is_type(document, json_type_object))
		status = extract(document, members, nmembers, record, reason);
	else
	{
		status = OMF_JSON_MISFIT;
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "The answer is a JSON %s, but an object was expected.",
				 json_type_to_name(json_object_get_type(document)));
	}
	json_object_put(document);
	return status;
}
