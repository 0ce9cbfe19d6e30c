/*-------------------------------------------------------------------------
 *
 * test_json.c
 *	  Unit tests of src/client/json.c: from bytes to wanted members.
 *
 * Every document is decoded from a block of just its size and a NUL, so that
 * valgrind and the sanitizers see a byte that is read beyond it.
 *
 *-------------------------------------------------------------------------
 */
#include "client/json.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const OmfJsonMember members[] = {
	{"id", OMF_JSON_STRING}, {"status", OMF_JSON_STRING}, {NULL, OMF_JSON_STRING}, {"created_at", OMF_JSON_STRING}};

static OmfRecord *record;
static char reason[OMF_JSON_REASON_SIZE];

/* Decode `length` bytes into record and reason. */
static OmfJsonStatus
decode_bytes(const char *text, size_t length)
{
	char *copy = malloc(length + 1);
	OmfJsonStatus status;

	memcpy(copy, text, length);
	copy[length] = '\0';
	free(record);
	memset(reason, 'x', sizeof(reason));
	status = omf_json_decode(copy, length, members, countof(members), &record, reason);
	free(copy);
	return status;
}

static OmfJsonStatus
decode(const char *text)
{
	return decode_bytes(text, strlen(text));
}

/* A value of the record, if there is one. */
static const char *
value(int index)
{
	return record != NULL ? record->values[index] : "(no record)";
}

static void
test_members(void)
{
	is_number(decode("{\"status\":\"running\",\"x\":[1,{\"id\":\"no\"}],\"id\":\"a-1\"}"),
			  OMF_JSON_OK, "an object with an unknown member decodes");
	is_number(record->nvalues, countof(members), "as many values as members");
	is_text(value(0), "a-1", "id, whatever the order in the document");
	is_text(value(1), "running", "status");
	is_text(value(2), NULL, "no name, no value");
	is_text(value(3), NULL, "a missing member is NULL");
	is_text(reason, "", "and no reason is given");

	is_number(decode("{\"id\":null,\"status\":\"\"}"), OMF_JSON_OK, "null and empty");
	is_text(value(0), NULL, "null is NULL");
	is_text(value(1), "", "an empty string is not");

	is_number(decode("{}"), OMF_JSON_OK, "an empty object");
	is_text(value(0), NULL, "has no values");

	is_number(decode("{\"id\":\"first\",\"id\":\"last\"}"), OMF_JSON_OK, "a duplicate key");
	is_text(value(0), "last", "counts as what it says last");
	is_number(decode("{\"ID\":\"x\",\"id \":\"y\"}"), OMF_JSON_OK, "like names");
	is_text(value(0), NULL, "are other names");

	is_number(decode("{\"id\":\"\\u00e9\\ud83d\\ude00\\n\\\"\\/\",\"status\":\"\xC3\xA9\"}"),
			  OMF_JSON_OK, "escapes");
	is_text(value(0), "\xC3\xA9\xF0\x9F\x98\x80\n\"/", "are undone");
	is_text(value(1), "\xC3\xA9", "UTF-8 stays");
}

/* Documents that are no object, or hold no string where one is wanted. */
static void
test_types(void)
{
	static const char *const misfits[] = {
		"[]", "[{\"id\":\"x\"}]", "\"text\"", "true ", "17 ", "null ",
		"{\"id\":1}", "{\"id\":-1.5e3}", "{\"id\":true}", "{\"id\":{}}", "{\"id\":[\"x\"]}",
		"{\"id\":\"x\",\"status\":\"a\\u0000b\"}", "{\"status\":\"\\u0000\"}"};

	for (int i = 0; i < countof(misfits); i++)
	{
		is_number(decode(misfits[i]), OMF_JSON_MISFIT, "misfit: %s", misfits[i]);
		ok(record == NULL && strlen(reason) > 10, "  with a reason: %s", reason);
	}

	decode("{\"id\":12345678901234567890}");
	is_text(reason, "Member \"id\" is of JSON type int, but a string was expected.",
			"the reason names the member and its type, not the value");
	decode("[]");
	is_text(reason, "The answer is a JSON array, but an object was expected.",
			"the reason names the document's type");
	is_number(decode("{\"n\":18446744073709551615,\"m\":1e999,\"id\":\"x\"}"),
			  OMF_JSON_OK, "huge numbers in members that nobody wants");
	is_text(value(0), "x", "do no harm");
	/* json-c before 0.18 cuts them down, later ones don't take them */
	if (decode("{\"n\":123456789012345678901234567890,\"id\":\"x\"}") == OMF_JSON_OK)
		is_text(value(0), "x", "nor do integers of more than 64 bits");
	else
		ok(strstr(reason, "number") != NULL, "integers of more than 64 bits: %s", reason);
}

/* Members of other types, and within other members. */
static void
test_other_types(void)
{
	static const OmfJsonMember wanted[] = {
		{"n", OMF_JSON_INTEGER}, {"names", OMF_JSON_STRINGS}, {"uuid", OMF_JSON_ID}, {"a.b", OMF_JSON_STRING}};
	static const char *const bad[] = {
		"{\"n\":\"1\"}", "{\"n\":1.5}", "{\"names\":\"x\"}", "{\"names\":[1]}",
		"{\"names\":[\"x\",null]}", "{\"names\":[\"\\u0000\"]}", "{\"uuid\":1}",
		"{\"a\":{\"b\":1}}", "{\"a\":\"x\"}"};
	static const char text[] =
		"{\"n\":-5,\"names\":[\"a\",\"\",\"b\\\"\\\\,{}\",\"NULL\"],\"uuid\":\"\",\"a\":{\"b\":\"deep\"}}";

	free(record);
	is_number(omf_json_decode(text, strlen(text), wanted, countof(wanted), &record, reason),
			  OMF_JSON_OK, "other types");
	is_text(value(0), "-5", "an integer");
	is_text(value(1), "{\"a\",\"\",\"b\\\"\\\\,{}\",\"NULL\"}", "an array of strings");
	is_text(value(2), NULL, "an id that is empty is none");
	is_text(value(3), "deep", "a nested member");
	free(record);
	is_number(omf_json_decode("{\"names\":[],\"a\":null}", 21, wanted, countof(wanted), &record, reason),
			  OMF_JSON_OK, "an empty array, and null on the way");
	is_text(value(1), "{}", "the array");
	is_text(value(3), NULL, "the nested member");
	for (int i = 0; i < countof(bad); i++)
	{
		free(record);
		is_number(omf_json_decode(bad[i], strlen(bad[i]), wanted, countof(wanted), &record, reason),
				  OMF_JSON_MISFIT, "misfit: %s", bad[i]);
	}
}

/* An object with `depth` levels, the innermost holding `inner`. */
static OmfJsonStatus
decode_nested(int depth, const char *inner)
{
	char text[200] = "{\"x\":";

	for (int i = 1; i < depth; i++)
		strcat(text, "[");
	strcat(text, inner);
	for (int i = 1; i < depth; i++)
		strcat(text, "]");
	strcat(text, ",\"id\":\"deep\"}");
	return decode(text);
}

static void
test_depth(void)
{
	char *text;

	is_number(decode_nested(OMF_JSON_MAX_DEPTH - 1, "1"), OMF_JSON_OK, "31 levels");
	is_number(decode_nested(OMF_JSON_MAX_DEPTH, ""), OMF_JSON_OK, "32 levels, empty");
	is_number(decode_nested(OMF_JSON_MAX_DEPTH, "1"), OMF_JSON_OK, "32 levels");
	is_number(decode_nested(OMF_JSON_MAX_DEPTH + 1, "1"), OMF_JSON_TOO_DEEP, "33 levels");
	is_text(reason, "The JSON document is nested more than 32 levels deep.", "the reason");
	is_number(decode_nested(OMF_JSON_MAX_DEPTH + 2, ""), OMF_JSON_TOO_DEEP, "34 levels, empty");

	text = malloc(1000001);
	memset(text, '[', 1000000);
	text[1000000] = '\0';
	is_number(decode(text), OMF_JSON_TOO_DEEP, "a million brackets");
	free(text);
}

/* A document that is cut short never decodes, nor is read beyond its end. */
static void
test_truncated(void)
{
	static const char text[] =
		"{\"id\":\"\\u00e9\xC3\xA9\",\"n\":[-1.5e2,true,null],\"status\":\"x\"}";
	int wrong = 0;

	for (size_t length = 0; length < strlen(text); length++)
		if (decode_bytes(text, length) != OMF_JSON_MALFORMED || record != NULL)
		{
			wrong++;
			note("%zu bytes gave %s", length, reason);
		}
	is_number(wrong, 0, "cut after any byte: malformed");
	is_number(decode_bytes(text, strlen(text)), OMF_JSON_OK, "whole: fine");
	is_number(decode(""), OMF_JSON_MALFORMED, "nothing at all");
	is_text(reason, "The JSON document ends early, after 0 bytes.", "the reason");
	is_number(omf_json_decode(NULL, 0, members, 1, &record, reason), OMF_JSON_MALFORMED,
			  "not even a pointer");
}

static void
test_around(void)
{
	static const char *const fine[] = {"{}\n", " {}", "\r\n\t {} \t\r\n"};
	static const char *const bad[] = {
		"{}x", "{} {}", "{}]", "{},", "{}\f", "<html></html>", "\xEF\xBB\xBF{}", "/* */{}",
		"{\"id\":\"x\"", "{\"id\":}", "{\"id\" \"x\"}", "{id:\"x\"}", "{'id':'x'}",
		"{\"id\":\"x\",}", "{\"id\":\"\\x\"}", "{\"id\":\"\\u12g4\"}", "{\"n\":01}", "{\"n\":-}",
		"   ", "{]", "}"};
	static const char nul[] = "{}\0{}";
	static const char inside[] = "{\"id\":\"a\0b\"}";

	for (int i = 0; i < countof(fine); i++)
		is_number(decode(fine[i]), OMF_JSON_OK, "fine: %s", fine[i]);
	for (int i = 0; i < countof(bad); i++)
	{
		is_number(decode(bad[i]), OMF_JSON_MALFORMED, "malformed: %s", bad[i]);
		ok(record == NULL && strlen(reason) > 10, "  with a reason: %s", reason);
	}
	is_number(decode_bytes(nul, sizeof(nul) - 1), OMF_JSON_MALFORMED, "a NUL and more");
	is_number(decode_bytes(nul, 3), OMF_JSON_MALFORMED, "a NUL at the end");
	ok(decode_bytes(inside, sizeof(inside) - 1) != OMF_JSON_OK, "a NUL in a string");
	is_number(omf_json_decode("{} ", 2, members, 0, &record, reason), OMF_JSON_OK,
			  "what lies behind the given length is not looked at");
}

static void
test_utf8(void)
{
	static const char *const bad[] = {
		"\xFF", "\x80", "\xC3", "\xC3(", "\xE2\x82", "\xF0\x9F\x98", "\xF8\x88\x80\x80\x80",
		"\xC0\x80", "\xC1\xBF", "\xE0\x80\xAF", "\xF0\x80\x80\xAF", /* overlong */
		"\xED\xA0\x80", "\xED\xBF\xBF",                             /* surrogates */
		"\xF4\x90\x80\x80", "\xF5\x80\x80\x80"};                    /* above U+10FFFF */
	static const char *const good[] = {
		"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
		"\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"};
	static const char *const around[] = {
		"{\"\xC3\xA9\":1,}", "{\"\xC3\xA9\":'x'}", "{\"\xC3\xA9\":1}/**/", "{\"\xC3\xA9\":True}",
		"{\"id\":\"\xC3\xA9\\x\"}", "{\"id\":\"\xC3\xA9\"", "{\"id\":\"\xC3\xA9", "{\"id\":\"\\\xC3\xA9\"}",
		"{\xC3\xA9:1}", "{}\xC3\xA9", "\xC3\xA9{}", "{\"n\":1\xC3\xA9}", "{\"n\":tru\xC3\xA9}"};
	char text[64];

	for (int i = 0; i < countof(bad); i++)
	{
		snprintf(text, sizeof(text), "{\"id\":\"%s\"}", bad[i]);
		is_number(decode(text), OMF_JSON_MALFORMED, "not UTF-8: %s", bad[i]);
	}
	is_number(decode("{\"\xFF\":\"x\"}"), OMF_JSON_MALFORMED, "nor may a name be anything");
	for (int i = 0; i < countof(good); i++)
	{
		snprintf(text, sizeof(text), "{\"id\":\"%s\"}", good[i]);
		if (is_number(decode(text), OMF_JSON_OK, "UTF-8: %s", good[i]))
			is_text(value(0), good[i], "  stays as it is");
	}

	/* in names, side by side with escapes, and with everything after it as strict as ever */
	is_number(decode("{\"\xC3\xA9 \\u00e9\":1,\"id\":\"\\n\xC3\xA9\\\"\xF0\x9F\x98\x80 x\"} \n"), OMF_JSON_OK,
			  "UTF-8 in a name, and between escapes");
	is_text(value(0), "\n\xC3\xA9\"\xF0\x9F\x98\x80 x", "  stays as it is");
	for (int i = 0; i < countof(around); i++)
		is_number(decode(around[i]), OMF_JSON_MALFORMED, "malformed: %s", around[i]);

	/* half a surrogate pair has no UTF-8 form: whatever comes must be valid */
	if (decode("{\"id\":\"\\ud800\",\"status\":\"\\udc00x\"}") == OMF_JSON_OK)
	{
		is_text(value(0), "\xEF\xBF\xBD", "a lone high surrogate is replaced");
		is_text(value(1), "\xEF\xBF\xBDx", "a lone low surrogate is, too");
	}
}

static void
test_huge(void)
{
	size_t length = 1000 * 1000;
	char *text = malloc(length + 32);
	size_t start = (size_t) sprintf(text, "{\"id\":\"");

	memset(text + start, 'a', length);
	strcpy(text + start + length, "\"}");
	is_number(decode(text), OMF_JSON_OK, "a huge string");
	is_number((long long) strlen(value(0)), (long long) length, "is whole");
	text[start + length] = '\0';
	is_number(decode(text), OMF_JSON_MALFORMED, "a huge string without an end");

	/* a name that has no end must not overrun the reason */
	start = (size_t) sprintf(text, "{\"");
	memset(text + start, 'b', length);
	strcpy(text + start + length, "\":x}");
	is_number(decode(text), OMF_JSON_MALFORMED, "a huge name");
	ok(memchr(reason, '\0', sizeof(reason)) != NULL, "the reason ends");
	ok(strstr(reason, "bbbb") == NULL, "and does not quote it");
	free(text);
}

int
main(void)
{
	begin_tests();
	test_members();
	test_types();
	test_other_types();
	test_depth();
	test_truncated();
	test_around();
	test_utf8();
	test_huge();
	free(record);
	return finish_tests();
}
