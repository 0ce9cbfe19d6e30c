/*-------------------------------------------------------------------------
 *
 * util.h
 *	  Memory, text, time and JSON helpers of the simulator.
 *
 * Memory that runs out ends the program: there is nothing a test server
 * could do about it.  Everything returned as "char *" is the caller's to
 * free.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_UTIL_H
#define SIMULATOR_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <json-c/json.h>

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* A string that grows; always ends in a NUL that is not counted. */
typedef struct Text
{
	char *data;	   /* NULL while empty */
	size_t length; /* bytes in use */
	size_t size;   /* bytes allocated */
} Text;

extern void *xcalloc(size_t count, size_t size);
extern void *xrealloc(void *old, size_t size);
extern char *xstrdup(const char *string);
extern char *xmemdup(const void *data, size_t length);
extern char *format(const char *template, ...) __attribute__((format(printf, 1, 2)));

extern void text_append(Text *text, const void *data, size_t length);
extern void text_puts(Text *text, const char *string);
extern void text_printf(Text *text, const char *template, ...) __attribute__((format(printf, 2, 3)));

extern int64_t monotonic_ms(void);
extern char *iso8601(time_t when);
extern const char *http_date(void);

extern bool is_uuid(const char *string, size_t length);
extern void percent_decode(char *string);
extern char *query_parameter(const char *query, const char *name);
extern bool base64_decode(const char *string, Text *out);
extern uint32_t crc32_of(const char *data, size_t length);

extern bool json_has(json_object *object, const char *key);
extern json_object *json_get(json_object *object, const char *key);
extern const char *json_string(json_object *object, const char *key, const char *otherwise);
extern int64_t json_int(json_object *object, const char *key, int64_t otherwise);
extern bool json_flag(json_object *object, const char *key, bool otherwise);
extern void json_put(json_object *object, const char *key, const char *value);
extern char *json_text(json_object *object);
extern json_object *json_parse(const char *data, size_t length);

#endif /* SIMULATOR_UTIL_H */
