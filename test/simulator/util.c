/*-------------------------------------------------------------------------
 *
 * util.c
 *	  Memory, text, time and JSON helpers of the simulator.
 *
 * Knows nothing of HTTP connections or of the API; everything else may
 * call it.
 *
 *-------------------------------------------------------------------------
 */
#include "util.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

/* Deepest nesting accepted in a request's body. */
#define MAX_JSON_DEPTH 64

static void
out_of_memory(void)
{
	fputs("simulator: out of memory\n", stderr);
	abort();
}

void *
xcalloc(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL)
		out_of_memory();
	return memory;
}

void *
xrealloc(void *old, size_t size)
{
	void *memory = realloc(old, size);

	if (memory == NULL)
		out_of_memory();
	return memory;
}

char *
xstrdup(const char *string)
{
	return xmemdup(string, strlen(string));
}

/* Copy bytes, with a NUL behind them. */
char *
xmemdup(const void *data, size_t length)
{
	char *copy = xrealloc(NULL, length + 1);

	if (length > 0)
		memcpy(copy, data, length);
	copy[length] = '\0';
	return copy;
}

char *
format(const char *template, ...)
{
	va_list arguments;
	char *result;

	va_start(arguments, template);
	if (vasprintf(&result, template, arguments) < 0)
		out_of_memory();
	va_end(arguments);
	return result;
}

void
text_append(Text *text, const void *data, size_t length)
{
	if (text->length + length + 1 > text->size)
	{
		text->size = (text->length + length + 1) * 2;
		text->data = xrealloc(text->data, text->size);
	}
	if (length > 0)
		memcpy(text->data + text->length, data, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void
text_puts(Text *text, const char *string)
{
	text_append(text, string, strlen(string));
}

void
text_printf(Text *text, const char *template, ...)
{
	va_list arguments;
	char *addition;
	int length;

	va_start(arguments, template);
	length = vasprintf(&addition, template, arguments);
	if (length < 0)
		out_of_memory();
	va_end(arguments);
	text_append(text, addition, (size_t) length);
	free(addition);
}

int64_t
monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A time as the API writes it, such as 2020-10-29T15:57:38Z. */
char *
iso8601(time_t when)
{
	struct tm broken;
	char buffer[64];

	gmtime_r(&when, &broken);
	strftime(buffer, sizeof(buffer), "%Y-%m-%dT%H:%M:%SZ", &broken);
	return xstrdup(buffer);
}

/* The value of a Date header; formatted once a second only. */
const char *
http_date(void)
{
	static time_t formatted = 0;
	static char buffer[64];
	time_t now = time(NULL);

	if (now != formatted)
	{
		struct tm broken;

		gmtime_r(&now, &broken);
		strftime(buffer, sizeof(buffer), "%a, %d %b %Y %H:%M:%S GMT", &broken);
		formatted = now;
	}
	return buffer;
}

bool
is_uuid(const char *string, size_t length)
{
	if (length != 36)
		return false;
	for (int i = 0; i < 36; i++)
	{
		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (string[i] != '-')
				return false;
		}
		else if (!isxdigit((unsigned char) string[i]))
			return false;
	}
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char) tolower((unsigned char) c);
	return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}

/* Decode %XX in place; what is not such a sequence stays as it is. */
void
percent_decode(char *string)
{
	char *to = string;

	for (const char *from = string; *from != '\0'; from++)
	{
		int high = (*from == '%') ? hex_digit(from[1]) : -1;
		int low = (high >= 0) ? hex_digit(from[2]) : -1;

		if (low >= 0)
		{
			*to++ = (char) (high * 16 + low);
			from += 2;
		}
		else
			*to++ = *from;
	}
	*to = '\0';
}

/* The decoded value of a query parameter, or NULL. */
char *
query_parameter(const char *query, const char *name)
{
	size_t name_length = strlen(name);

	while (query != NULL && *query != '\0')
	{
		size_t length = strcspn(query, "&");

		if (length > name_length && query[name_length] == '=' &&
			strncmp(query, name, name_length) == 0)
		{
			char *value = xmemdup(query + name_length + 1, length - name_length - 1);

			percent_decode(value);
			return value;
		}
		query += length + (query[length] == '&');
	}
	return NULL;
}

bool
base64_decode(const char *string, Text *out)
{
	size_t length = strlen(string);
	unsigned char *bytes;
	int decoded;

	if (length > INT_MAX)
		return false;
	bytes = xcalloc(length + 4, 1);
	decoded = EVP_DecodeBlock(bytes, (const unsigned char *) string, (int) length);
	if (decoded < 0)
	{
		free(bytes);
		return false;
	}
	/* EVP_DecodeBlock counts the padding as bytes */
	while (decoded > 0 && length > 0 && string[length - 1] == '=')
	{
		decoded--;
		length--;
	}
	text_append(out, bytes, (size_t) decoded);
	free(bytes);
	return true;
}

/* The CRC that gzip has in its trailer. */
uint32_t
crc32_of(const char *data, size_t length)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < length; i++)
	{
		crc ^= (unsigned char) data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0xedb88320 & (0u - (crc & 1)));
	}
	return ~crc;
}

/* Is there such a key, be its value null? */
bool
json_has(json_object *object, const char *key)
{
	return json_object_is_type(object, json_type_object) &&
		json_object_object_get_ex(object, key, NULL);
}

/* The value of a key, borrowed; NULL if absent, null, or no object. */
json_object *
json_get(json_object *object, const char *key)
{
	json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, key, &value);
	return value;
}

const char *
json_string(json_object *object, const char *key, const char *otherwise)
{
	json_object *value = json_get(object, key);

	return (value != NULL) ? json_object_get_string(value) : otherwise;
}

int64_t
json_int(json_object *object, const char *key, int64_t otherwise)
{
	json_object *value = json_get(object, key);

	return (value != NULL) ? json_object_get_int64(value) : otherwise;
}

bool
json_flag(json_object *object, const char *key, bool otherwise)
{
	json_object *value = json_get(object, key);

	return (value != NULL) ? json_object_get_boolean(value) : otherwise;
}

/* Set a key to a string; NULL becomes null. */
void
json_put(json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, (value != NULL) ? json_object_new_string(value) : NULL);
}

char *
json_text(json_object *object)
{
	return xstrdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
													  JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* Parse one JSON value with nothing but white space around it, or NULL. */
json_object *
json_parse(const char *data, size_t length)
{
	json_tokener *tokener;
	json_object *object;
	enum json_tokener_error error;

	if (data == NULL || length > INT_MAX)
		return NULL;
	tokener = json_tokener_new_ex(MAX_JSON_DEPTH);
	if (tokener == NULL)
		out_of_memory();
	/* not strict: json-c 0.18 then takes no text beyond ASCII */
	object = json_tokener_parse_ex(tokener, data, (int) length);
	error = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (error == json_tokener_success)
		return object;
	json_object_put(object);
	return NULL;
}
