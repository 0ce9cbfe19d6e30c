/*-------------------------------------------------------------------------
 *
 * reply.c
 *	  What came back for a request: status, headers of interest, body.
 *
 *-------------------------------------------------------------------------
 */
#include "client/reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Header lines longer than this are none of those that are of interest. */
#define LINE_MAX_LENGTH 255

const char *
omf_method_name(OmfMethod method)
{
	static const char *const names[] = {"GET", "PUT", "DELETE"};

	return names[method];
}

/* Forget the headers of an interim (1xx) answer or of an earlier try. */
static void
reset_headers(OmfReply *reply)
{
	reply->headers_ended = false;
	reply->content_encoded = false;
	reply->chunked = false;
	reply->content_length = -1;
	reply->date_text[0] = '\0';
	reply->date = -1;
	reply->retry_after_text[0] = '\0';
	reply->retry_after = -1;
	reply->retry_after_date = -1;
	reply->pause_ms = -1;
	reply->resets_in_ms = -1;
	reply->ratelimit_limit = -1;
	reply->ratelimit_remaining = -1;
	reply->ratelimit_reset = -1;
	reply->request_id[0] = '\0';
}

void
omf_reply_reset(OmfReply *reply)
{
	reset_headers(reply);
	reply->outcome = OMF_ANSWERED;
	reply->no_descriptors = reply->hopeless = reply->tls_disorder = false;
	reply->http_status = 0;
	reply->disguised_status = 0;
	reply->header_bytes = 0;
	reply->interim = true; /* as long as there is no other status */
	reply->http1_wanted = false;
	reply->sent_at = 0;
	reply->body_length = 0;
	reply->body_pieces = 0;
	if (reply->body != NULL)
		reply->body[0] = '\0';
	reply->words[0] = '\0';
}

int
omf_reply_status(const OmfReply *reply)
{
	return reply->disguised_status != 0 ? reply->disguised_status
										: reply->http_status;
}

/* What the outcome counts as. */
static OmfAnswerClass
class_of(const OmfReply *reply)
{
	switch (reply->outcome)
	{
		case OMF_ANSWERED:
		case OMF_TOO_LARGE:
			break;
		case OMF_UNREACHABLE:
			return OMF_CLASS_UNREACHABLE;
		case OMF_TIMED_OUT:
			return OMF_CLASS_TIMED_OUT;
		default:
			return OMF_CLASS_LOST;
	}
	if (omf_reply_status(reply) >= 500)
		return OMF_CLASS_5XX;
	switch (omf_reply_status(reply))
	{
		case 404:
			return OMF_CLASS_404;
		case 401:
		case 403:
			return OMF_CLASS_401_403;
		case 429:
			return OMF_CLASS_429;
		default:
			return omf_reply_status(reply) >= 300 ? OMF_CLASS_4XX : OMF_CLASS_2XX;
	}
}

void
omf_reply_count(OmfReply *reply)
{
	reply->tries++;
	reply->bytes += reply->header_bytes + reply->body_length;
	reply->classes[class_of(reply)]++;
}

const char *
omf_reply_body(const OmfReply *reply)
{
	return reply->body != NULL ? reply->body : "";
}

static const char *
skip_blanks(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

bool
omf_reply_is_blank(const OmfReply *reply)
{
	return *skip_blanks(omf_reply_body(reply)) == '\0';
}

/* Do brackets or a string of JSON begin that do not end? */
static bool
is_open(const char *json)
{
	int depth = 0;

	for (;;)
	{
		json += strcspn(json, "\"{[]}");
		if (*json == '\0')
			return depth > 0;
		if (*json == '"')
		{
			json += 1 + strcspn(json + 1, "\"\\");
			while (*json == '\\' && json[1] != '\0')
				json += 2 + strcspn(json + 2, "\"\\");
			if (*json != '"')
				return true;
		}
		else
			depth += *json == '{' || *json == '[' ? 1 : -1;
		json++;
	}
}

/* What is no JSON, such as a page of HTML, is told by those who read it. */
bool
omf_reply_ends_early(const OmfReply *reply)
{
	const char *body = omf_reply_body(reply);

	if (reply->chunked || reply->content_length >= 0 ||
		reply->http_status < 200 || reply->http_status >= 300 ||
		reply->http_status == 204)
		return false;
	if (memchr(body, '\0', reply->body_length) != NULL)
		return false;
	body = skip_blanks(body);
	return *body == '\0' || ((*body == '{' || *body == '[') && is_open(body));
}

void
omf_reply_wipe(OmfReply *reply)
{
	if (reply->body != NULL)
		explicit_bzero(reply->body, reply->body_room);
	reply->body_length = 0;
}

void
omf_reply_free(OmfReply *reply)
{
	omf_reply_wipe(reply);
	free(reply->body);
	reply->body = NULL;
	reply->body_length = 0;
	reply->body_room = 0;
}

/*
 * A number, of nothing but digits, cut to the greatest there is; or -1: no
 * sign, and no fraction.
 */
static int64_t
parse_number(const char *value)
{
	size_t digits = strspn(value, "0123456789");

	return digits > 0 && value[digits] == '\0' ? strtoll(value, NULL, 10) : -1;
}

/*
 * Of two that differ, which may come of a proxy's own beside the API's, nobody
 * knows which is the right one.
 */
static void
take_number(int64_t *target, const char *value)
{
	int64_t number = parse_number(value);

	*target = *target == -1 || *target == number ? number : OMF_AT_ODDS;
}

/* Only what looks like an identifier: it will stand in a message. */
static void
note_request_id(OmfReply *reply, const char *value)
{
	size_t length = strspn(value, "0123456789abcdefghijklmnopqrstuvwxyz"
								  "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:");

	if (length < OMF_REQUEST_ID_SIZE && value[length] == '\0')
		memcpy(reply->request_id, value, length + 1);
}

/* Too long a date is none. */
static void
take_date(char target[OMF_HTTP_DATE_SIZE], const char *value)
{
	if (strlen(value) < OMF_HTTP_DATE_SIZE)
		strcpy(target, value);
}

/* The header fields that are of interest. */
typedef enum Field
{
	FIELD_DATE,
	FIELD_RETRY_AFTER,
	FIELD_REQUEST_ID,
	FIELD_LIMIT,
	FIELD_RESET,
	FIELD_LENGTH,
	FIELD_ENCODING,
	FIELD_REMAINING,
	FIELD_TRANSFER,
	FIELD_NONE
} Field;

static const struct
{
	const char *name;
	size_t length;
} fields[] = {
	[FIELD_DATE] = {"date", 4},
	[FIELD_RETRY_AFTER] = {"retry-after", 11},
	[FIELD_REQUEST_ID] = {"x-request-id", 12},
	[FIELD_LIMIT] = {"ratelimit-limit", 15},
	[FIELD_RESET] = {"ratelimit-reset", 15},
	[FIELD_LENGTH] = {"content-length", 14},
	[FIELD_ENCODING] = {"content-encoding", 16},
	[FIELD_REMAINING] = {"ratelimit-remaining", 19},
	[FIELD_TRANSFER] = {"transfer-encoding", 17},
};

/* Most lines are none of these, and are told by the length of the name. */
static Field
find_field(const char *name, size_t length)
{
	for (int i = 0; i < FIELD_NONE; i++)
		if (fields[i].length == length &&
			strncasecmp(fields[i].name, name, length) == 0)
			return (Field) i;
	return FIELD_NONE;
}

static void
note_field(OmfReply *reply, Field field, const char *value)
{
	switch (field)
	{
		case FIELD_DATE:
			take_date(reply->date_text, value);
			break;
		case FIELD_RETRY_AFTER:
			reply->retry_after = parse_number(value);
			take_date(reply->retry_after_text, value);
			break;
		case FIELD_REQUEST_ID:
			note_request_id(reply, value);
			break;
		case FIELD_LIMIT:
			take_number(&reply->ratelimit_limit, value);
			break;
		case FIELD_RESET:
			take_number(&reply->ratelimit_reset, value);
			break;
		case FIELD_REMAINING:
			take_number(&reply->ratelimit_remaining, value);
			break;
		case FIELD_LENGTH:
			take_number(&reply->content_length, value);
			if (parse_number(value) < 0)
				reply->content_length = OMF_AT_ODDS; /* two in one line */
			break;
		case FIELD_ENCODING:
			reply->content_encoded = value[0] != '\0' &&
									 strcasecmp(value, "identity") != 0;
			break;
		case FIELD_TRANSFER:
			reply->chunked = strcasestr(value, "chunked") != NULL;
			break;
		case FIELD_NONE:
			break;
	}
}

/* "HTTP/1.1 200 OK": is the status that of an interim answer? */
static bool
is_interim(const char *line, size_t length)
{
	const char *space = memchr(line, ' ', length);

	return space != NULL && space + 1 < line + length && space[1] == '1';
}

bool
omf_reply_add_header(OmfReply *reply, const char *line, size_t length)
{
	char value[LINE_MAX_LENGTH + 1];
	const char *colon;
	const char *start;
	Field field;

	reply->header_bytes += length;
	if (reply->header_bytes > OMF_HEADERS_MAX)
	{
		reply->outcome = OMF_TOO_LARGE;
		return false;
	}

	/* what comes after the header is a trailer */
	if (reply->headers_ended && !reply->interim)
		return true;
	if (length >= 5 && memcmp(line, "HTTP/", 5) == 0)
	{
		reset_headers(reply);
		reply->interim = is_interim(line, length);
		return true;
	}

	while (length > 0 && strchr(" \t\r\n", line[length - 1]) != NULL)
		length--;
	reply->headers_ended |= length == 0;
	if (length > LINE_MAX_LENGTH)
		return true;
	colon = memchr(line, ':', length);
	field =
		colon != NULL ? find_field(line, (size_t) (colon - line)) : FIELD_NONE;
	if (field == FIELD_NONE || memchr(line, '\0', length) != NULL)
		return true;
	start = colon + 1;
	while (start < line + length && (*start == ' ' || *start == '\t'))
		start++;
	length -= (size_t) (start - line);
	memcpy(value, start, length);
	value[length] = '\0';
	note_field(reply, field, value);

	/* who takes one of two lengths takes what is not the answer for it */
	if (reply->content_length != OMF_AT_ODDS)
		return true;
	reply->outcome = OMF_LOST;
	return false;
}

bool
omf_reply_add_body(OmfReply *reply, const char *data, size_t length)
{
	if (length > reply->body_max - reply->body_length ||
		++reply->body_pieces > OMF_PIECES_MAX)
	{
		reply->outcome = OMF_TOO_LARGE;
		return false;
	}
	if (reply->body_length + length >= reply->body_room)
	{
		size_t room = (reply->body_length + length + 1) * 2;
		char *body = malloc(room);

		/* not realloc(), which leaves a copy behind */
		if (body == NULL)
		{
			reply->outcome = OMF_NO_MEMORY;
			return false;
		}
		if (reply->body != NULL)
			memcpy(body, reply->body, reply->body_length);
		if (reply->body != NULL)
			explicit_bzero(reply->body, reply->body_length);
		free(reply->body);
		reply->body = body;
		reply->body_room = room;
	}
	memcpy(reply->body + reply->body_length, data, length);
	reply->body_length += length;
	reply->body[reply->body_length] = '\0';
	return true;
}
