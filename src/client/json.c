/*-------------------------------------------------------------------------
 *
 * json.c
 *	  From the bytes of an API answer to the fields that were asked for.
 *
 * It includes none of PostgreSQL's headers: json-c's json_object and the one
 * in utils/fmgrprotos.h can't both be declared.
 *
 *-------------------------------------------------------------------------
 */
#include "client/json.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

/* The longest dotted path of a member, with the terminating NUL. */
#define PATH_SIZE 64

/* OmfJson is a json_object under a name that upper layers can say. */
static struct json_object *
object_of(const OmfJson *document)
{
	return (struct json_object *) (uintptr_t) document;
}

/* ----- parsing ----- */

/* What the tokener's end of work means; reason is set unless it is OK. */
static OmfJsonStatus
judge(enum json_tokener_error error, size_t end, const char *text, size_t length,
	  char *reason)
{
	switch (error)
	{
		case json_tokener_success:
			/* an older json-c stops quietly at what follows the document */
			while (end < length && text[end] != '\0' && strchr(" \t\r\n", text[end]) != NULL)
				end++;
			if (end == length)
				return OMF_JSON_OK;
			snprintf(reason, OMF_JSON_REASON_SIZE,
					 "There is text after the end of the JSON document, at byte %zu.", end);
			return OMF_JSON_MALFORMED;
		case json_tokener_error_depth:
			snprintf(reason, OMF_JSON_REASON_SIZE,
					 "The JSON document is nested more than %d levels deep.",
					 OMF_JSON_MAX_DEPTH);
			return OMF_JSON_TOO_DEEP;
		case json_tokener_continue:
		case json_tokener_error_parse_eof:
			snprintf(reason, OMF_JSON_REASON_SIZE,
					 "The JSON document ends early, after %zu bytes.", length);
			return OMF_JSON_MALFORMED;
		default:
			snprintf(reason, OMF_JSON_REASON_SIZE, "Not valid JSON at byte %zu: %s.",
					 end, json_tokener_error_desc(error));
			return OMF_JSON_MALFORMED;
	}
}

/* json-c lets overlong forms, surrogates and more than U+10FFFF pass. */
static bool
is_utf8(const char *text, size_t length)
{
	const unsigned char *next = (const unsigned char *) text;
	const unsigned char *end = next + length;

	while (next < end)
	{
		unsigned char lead = *next++;
		int more = (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0);
		unsigned char low = lead == 0xE0 ? 0xA0 : (lead == 0xF0 ? 0x90 : 0x80);
		unsigned char high = lead == 0xED ? 0x9F : (lead == 0xF4 ? 0x8F : 0xBF);

		if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || end - next < more)
			return false;
		for (; more > 0; more--, low = 0x80, high = 0xBF, next++)
			if (*next < low || *next > high)
				return false;
	}
	return true;
}

/*
 * The length of a piece of a document: all before the next byte beyond ASCII;
 * or, where it begins with such a byte, what is in the same string for sure.
 */
static size_t
piece_length(const char *text, size_t length, bool beyond_ascii)
{
	size_t piece = 0;

	for (; piece < length; piece++)
	{
		unsigned char byte = (unsigned char) text[piece];

		if (beyond_ascii ? byte < ' ' || byte == '"' || byte == '\\' : byte >= 0x80)
			break;
	}
	return piece;
}

/*
 * A strict json-c 0.18 takes bytes beyond ASCII for control characters, so it
 * is not strict with pieces that begin with one.  Valid documents have these
 * within strings only, where being strict makes no other difference.
 */
static struct json_object *
parse_pieces(struct json_tokener *tokener, const char *text, size_t length, size_t *end)
{
	const char *next = text;
	size_t left = length;

	for (;;)
	{
		bool beyond_ascii = left > 0 && (unsigned char) *next >= 0x80;
		size_t piece = piece_length(next, left, beyond_ascii);
		struct json_object *document;

		json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8 |
											(beyond_ascii ? 0 : JSON_TOKENER_STRICT));
		document = json_tokener_parse_ex(tokener, next, (int) piece);
		*end = length - left + json_tokener_get_parse_end(tokener);
		left -= piece;
		if (left == 0 || json_tokener_get_error(tokener) != json_tokener_continue)
			return document;
		next += piece;
	}
}

OmfJson *
omf_json_parse(const char *text, size_t length, OmfJsonStatus *status,
			   char reason[OMF_JSON_REASON_SIZE])
{
	struct json_tokener *tokener = length <= INT_MAX ? json_tokener_new_ex(OMF_JSON_MAX_DEPTH + 1) : NULL;
	struct json_object *document;
	size_t end;

	reason[0] = '\0';
	if (tokener == NULL)
	{
		*status = OMF_JSON_NO_MEMORY;
		snprintf(reason, OMF_JSON_REASON_SIZE, "Out of memory.");
		return NULL;
	}
	document = parse_pieces(tokener, text, length, &end);
	if (json_tokener_get_error(tokener) == json_tokener_continue)
	{
		/* a document like "null" ends only with what follows it: a NUL */
		document = json_tokener_parse_ex(tokener, "", 1);
		end = length;
	}
	*status = judge(json_tokener_get_error(tokener), end, text, length, reason);
	json_tokener_free(tokener);
	if (*status == OMF_JSON_OK && !is_utf8(text, length))
	{
		*status = OMF_JSON_MALFORMED;
		snprintf(reason, OMF_JSON_REASON_SIZE, "The JSON document is not in UTF-8.");
	}
	if (*status == OMF_JSON_OK && document == NULL)
	{
		*status = OMF_JSON_MISFIT;
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "The answer is a JSON null, but an object was expected.");
	}
	if (*status == OMF_JSON_OK)
		return (OmfJson *) document;
	json_object_put(document);
	return NULL;
}

/* json-c frees strings without wiping them. */
static void
wipe(struct json_object *value)
{
	if (json_object_is_type(value, json_type_string))
		memset((char *) (uintptr_t) json_object_get_string(value), 0,
			   (size_t) json_object_get_string_len(value));
	else if (json_object_is_type(value, json_type_array))
	{
		for (size_t i = 0; i < json_object_array_length(value); i++)
			wipe(json_object_array_get_idx(value, i));
	}
	else if (json_object_is_type(value, json_type_object))
	{
		json_object_object_foreach(value, key, member)
		{
			(void) key;
			wipe(member);
		}
	}
}

void
omf_json_free(OmfJson *document)
{
	if (document == NULL)
		return;
	wipe(object_of(document));
	json_object_put(object_of(document));
}

/* ----- finding ----- */

/*
 * The value at a dotted path below `value`, or NULL where there is none.
 * False when something on the way is neither an object nor null.
 */
static bool
find(struct json_object *value, const char *path, struct json_object **found)
{
	char name[PATH_SIZE];

	while (*path != '\0' && value != NULL)
	{
		size_t length = strcspn(path, ".");
		struct json_object *member = NULL;

		if (!json_object_is_type(value, json_type_object))
			return false;
		if (length >= sizeof(name))
			return false;
		memcpy(name, path, length);
		name[length] = '\0';
		(void) json_object_object_get_ex(value, name, &member);
		value = member;
		path += length + (path[length] == '.' ? 1 : 0);
	}
	*found = value;
	return true;
}

static OmfJsonStatus
misfit(char *reason, const char *path, const char *expected, struct json_object *value)
{
	snprintf(reason, OMF_JSON_REASON_SIZE,
			 "Member \"%s\" is of JSON type %s, but %s was expected.", path,
			 json_type_to_name(json_object_get_type(value)), expected);
	return OMF_JSON_MISFIT;
}

/* ----- rendering ----- */

/* Text of a growing length, malloc'd. */
typedef struct Text
{
	char *data;
	size_t length;
	size_t room;
	bool failed; /* out of memory */
} Text;

static void
append(Text *text, const char *data, size_t length)
{
	if (text->length + length > text->room && !text->failed)
	{
		size_t room = (text->length + length) * 2 + 64;
		char *larger = realloc(text->data, room);

		text->failed = larger == NULL;
		if (larger != NULL)
		{
			text->data = larger;
			text->room = room;
		}
	}
	if (text->failed || length == 0)
		return;
	memcpy(text->data + text->length, data, length);
	text->length += length;
}

static OmfJsonStatus
append_string(Text *text, struct json_object *value, const char *path, char *reason)
{
	const char *string = json_object_get_string(value);
	size_t length = (size_t) json_object_get_string_len(value);

	if (!json_object_is_type(value, json_type_string))
		return misfit(reason, path, "a string", value);
	if (strlen(string) != length)
	{
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "Member \"%s\" contains the character \\u0000.", path);
		return OMF_JSON_MISFIT;
	}
	append(text, string, length);
	return OMF_JSON_OK;
}

/* The text form of an SQL array, every element quoted. */
static OmfJsonStatus
append_strings(Text *text, struct json_object *value, const char *path, char *reason)
{
	if (!json_object_is_type(value, json_type_array))
		return misfit(reason, path, "an array of strings", value);
	append(text, "{", 1);
	for (size_t i = 0; i < json_object_array_length(value); i++)
	{
		Text element = {NULL, 0, 0, false};
		OmfJsonStatus status = append_string(&element, json_object_array_get_idx(value, i),
											 path, reason);

		append(text, i > 0 ? ",\"" : "\"", i > 0 ? 2 : 1);
		for (size_t j = 0; j < element.length; j++)
		{
			if (element.data[j] == '"' || element.data[j] == '\\')
				append(text, "\\", 1);
			append(text, element.data + j, 1);
		}
		append(text, "\"", 1);
		text->failed |= element.failed;
		free(element.data);
		if (status != OMF_JSON_OK)
			return status;
	}
	append(text, "}", 1);
	return OMF_JSON_OK;
}

static OmfJsonStatus
append_integer(Text *text, struct json_object *value, const char *path, char *reason)
{
	char number[32];

	if (!json_object_is_type(value, json_type_int))
		return misfit(reason, path, "an integer", value);
	snprintf(number, sizeof(number), "%lld", (long long) json_object_get_int64(value));
	append(text, number, strlen(number));
	return OMF_JSON_OK;
}

static OmfJsonStatus
append_member(Text *text, struct json_object *value, const OmfJsonMember *member, char *reason)
{
	OmfJsonStatus status = OMF_JSON_OK;

	switch (member->type)
	{
		case OMF_JSON_STRING:
		case OMF_JSON_ID:
			status = append_string(text, value, member->path, reason);
			break;
		case OMF_JSON_INTEGER:
			status = append_integer(text, value, member->path, reason);
			break;
		case OMF_JSON_STRINGS:
			status = append_strings(text, value, member->path, reason);
			break;
	}
	append(text, "", 1);
	return status;
}

/* Is it an identifier that says that there is none? */
static bool
is_none(struct json_object *value, OmfJsonType type)
{
	return type == OMF_JSON_ID && json_object_is_type(value, json_type_string) &&
		   json_object_get_string_len(value) == 0;
}

/*
 * Render all wanted members one after the other, and point to them in one
 * block: the pointers first, for that is what the caller frees.
 */
static OmfJsonStatus
extract(struct json_object *object, const OmfJsonMember *members, int nmembers,
		OmfRecord **record, char *reason)
{
	size_t header = sizeof(OmfRecord) + sizeof(char *) * (size_t) nmembers;
	Text text = {NULL, 0, 0, false};
	OmfJsonStatus status = OMF_JSON_OK;
	size_t offsets[OMF_JSON_MAX_MEMBERS];

	for (int i = 0; i < nmembers && status == OMF_JSON_OK; i++)
	{
		struct json_object *value = NULL;

		offsets[i] = 0;
		if (members[i].path == NULL)
			continue;
		if (!find(object, members[i].path, &value))
			status = misfit(reason, members[i].path, "a member of an object", object);
		else if (value != NULL && !is_none(value, members[i].type))
		{
			offsets[i] = text.length + 1;
			status = append_member(&text, value, &members[i], reason);
		}
	}
	*record = status == OMF_JSON_OK && !text.failed ? malloc(header + text.length) : NULL;
	if (*record != NULL)
	{
		char *values = (char *) *record + header;

		(*record)->nvalues = nmembers;
		if (text.length > 0)
			memcpy(values, text.data, text.length);
		for (int i = 0; i < nmembers; i++)
			(*record)->values[i] = offsets[i] > 0 ? values + offsets[i] - 1 : NULL;
	}
	else if (status == OMF_JSON_OK)
	{
		status = OMF_JSON_NO_MEMORY;
		snprintf(reason, OMF_JSON_REASON_SIZE, "Out of memory.");
	}
	free(text.data);
	return status;
}

/* ----- records ----- */

static OmfJsonStatus
record_of(struct json_object *value, const char *path, const OmfJsonMember *members,
		  int nmembers, OmfRecord **record, char *reason)
{
	*record = NULL;
	reason[0] = '\0';
	if (json_object_is_type(value, json_type_object))
		return extract(value, members, nmembers, record, reason);
	if (*path != '\0')
		return misfit(reason, path, "an object", value);
	snprintf(reason, OMF_JSON_REASON_SIZE,
			 "The answer is a JSON %s, but an object was expected.",
			 json_type_to_name(json_object_get_type(value)));
	return OMF_JSON_MISFIT;
}

OmfJsonStatus
omf_json_record(const OmfJson *document, const char *path, const OmfJsonMember *members,
				int nmembers, OmfRecord **record, char reason[OMF_JSON_REASON_SIZE])
{
	struct json_object *value = NULL;

	(void) find(object_of(document), path, &value);
	return record_of(value, path, members, nmembers, record, reason);
}

bool
omf_json_has(const OmfJson *document, const char *path)
{
	struct json_object *value = NULL;

	return find(object_of(document), path, &value) && value != NULL;
}

int
omf_json_length(const OmfJson *document, const char *path)
{
	struct json_object *value = NULL;

	if (!find(object_of(document), path, &value) || !json_object_is_type(value, json_type_array))
		return -1;
	return (int) json_object_array_length(value);
}

OmfJsonStatus
omf_json_element(const OmfJson *document, const char *path, int index,
				 const OmfJsonMember *members, int nmembers, OmfRecord **record,
				 char reason[OMF_JSON_REASON_SIZE])
{
	struct json_object *value = NULL;

	(void) find(object_of(document), path, &value);
	return record_of(json_object_array_get_idx(value, (size_t) index), path, members, nmembers,
					 record, reason);
}

OmfJsonStatus
omf_json_decode(const char *text, size_t length, const OmfJsonMember *members,
				int nmembers, OmfRecord **record, char reason[OMF_JSON_REASON_SIZE])
{
	OmfJsonStatus status;
	OmfJson *document = omf_json_parse(text, length, &status, reason);

	*record = NULL;
	if (document != NULL)
		status = omf_json_record(document, "", members, nmembers, record, reason);
	omf_json_free(document);
	return status;
}
