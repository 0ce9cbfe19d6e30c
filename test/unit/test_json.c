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

/* Decode `length` bytes into record and reason; what does not fit is none. */
static OmfJsonStatus
decode_as(const char *text, size_t length, const OmfJsonMember *wanted, int nwanted)
{
	char *copy = malloc(length + 1);
	OmfJsonStatus status;

	memcpy(copy, text, length);
	copy[length] = '\0';
	free(record);
	memset(reason, 'x', sizeof(reason));
	status = omf_json_decode(copy, length, wanted, nwanted, &record, reason);
	free(copy);
	if (status == OMF_JSON_OK && omf_json_misfit(record, wanted, OMF_JSON_ALL, reason))
	{
		free(record);
		record = NULL;
		return OMF_JSON_MISFIT;
	}
	return status;
}

static OmfJsonStatus
decode_bytes(const char *text, size_t length)
{
	return decode_as(text, length, members, countof(members));
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
	is_text(reason, "Member \"id\" is a number, but a string was expected.",
			"the reason names the member and its type, not the value");
	decode("[]");
	is_text(reason, "The answer is an array, but an object was expected.",
			"the reason names the document's type");
	is_number(decode("{\"n\":18446744073709551615,\"m\":1e999,\"id\":\"x\"}"),
			  OMF_JSON_OK, "huge numbers in members that nobody wants");
	is_text(value(0), "x", "do no harm");
	is_number(decode("{\"n\":123456789012345678901234567890,\"id\":\"x\"}"), OMF_JSON_OK,
			  "integers of more than 64 bits");
	is_text(value(0), "x", "do none, either");
}

/* A member that is not of its type spoils no other one. */
static void
test_misfits(void)
{
	static const OmfJsonMember wanted[] = {
		{"a", OMF_JSON_STRING}, {"n", OMF_JSON_INTEGER}, {"o.x", OMF_JSON_STRING}, {"z", OMF_JSON_STRINGS}};
	static const char text[] = "{\"a\":\"first\",\"n\":{},\"o\":[],\"z\":[\"last\"]}";

	free(record);
	is_number(omf_json_decode(text, strlen(text), wanted, countof(wanted), &record, reason),
			  OMF_JSON_OK, "two members are of another type");
	is_text(value(0), "first", "the one before them is there");
	is_text(value(1), NULL, "they are not");
	is_text(value(2), NULL, "neither of them");
	is_text(value(3), "{\"last\"}", "the one behind them is there");
	is_number(omf_json_misfit(record, wanted, 1 << 0 | 1 << 3, reason), false, "who asks for these is content");
	is_number(omf_json_misfit(record, wanted, 1 << 1 | 1 << 3, reason), true, "who asks for the first other is not");
	is_text(reason, "Member \"n\" is an object, but a whole number was expected.", "and hears of it");
	is_number(omf_json_misfit(record, wanted, 1 << 2, reason), true, "likewise the second");
	is_text(reason, "Member \"o.x\" is in a value that is no object, but a string was expected.", "and of that");
	is_number(omf_json_misfit(record, wanted, 0, reason), false, "who asks for none is content");
}

/* Members of other types, and within other members. */
static void
test_other_types(void)
{
	static const OmfJsonMember wanted[] = {
		{"n", OMF_JSON_INTEGER}, {"names", OMF_JSON_STRINGS}, {"uuid", OMF_JSON_ID}, {"a.b", OMF_JSON_STRING}, {"yes", OMF_JSON_BOOLEAN}};
	static const char *const bad[] = {
		"{\"n\":\"x\"}", "{\"n\":\"\"}", "{\"n\":true}", "{\"n\":1.5}", "{\"names\":\"x\"}", "{\"names\":[1]}",
		"{\"names\":[\"x\",null]}", "{\"names\":[\"\\u0000\"]}", "{\"uuid\":1}",
		"{\"a\":{\"b\":1}}", "{\"a\":\"x\"}", "{\"yes\":1}", "{\"yes\":\"true\"}"};
	static const char text[] =
		"{\"n\":-5,\"names\":[\"a\",\"\",\"b\\\"\\\\,{}\",\"NULL\",\"\\u0022\\u00e9\"],\"uuid\":\"\","
		"\"a\":{\"b\":\"deep\"},\"yes\":true}";

	is_number(decode_as(text, strlen(text), wanted, countof(wanted)), OMF_JSON_OK, "other types");
	is_text(value(0), "-5", "an integer");
	is_text(value(1), "{\"a\",\"\",\"b\\\"\\\\,{}\",\"NULL\",\"\\\"\xC3\xA9\"}", "an array of strings");
	is_text(value(2), NULL, "an id that is empty is none");
	is_text(value(3), "deep", "a nested member");
	is_text(value(4), "true", "a boolean");
	is_number(decode_as("{\"names\":[],\"a\":null}", 21, wanted, countof(wanted)),
			  OMF_JSON_OK, "an empty array, and null on the way");
	is_text(value(1), "{}", "the array");
	is_text(value(3), NULL, "the nested member");
	is_number(decode_as("{\"a\":1,\"\\u0061\":{\"b\":\"no\",\"\\u0062\":\"yes\"}}", 42, wanted, countof(wanted)),
			  OMF_JSON_OK, "names that are escaped, and twice");
	is_text(value(3), "yes", "the last one counts");
	for (int i = 0; i < countof(bad); i++)
		is_number(decode_as(bad[i], strlen(bad[i]), wanted, countof(wanted)), OMF_JSON_MISFIT,
				  "misfit: %s", bad[i]);
}

/* As SQL arrays, very many strings would take much memory. */
static void
test_many_strings(void)
{
	static const OmfJsonMember wanted = {"v", OMF_JSON_STRINGS};
	size_t length;
	char *text = malloc(3 * OMF_JSON_MAX_STRINGS + 20);

	length = (size_t) sprintf(text, "{\"v\":[\"\"");
	for (int i = 1; i < OMF_JSON_MAX_STRINGS; i++, length += 3)
		memcpy(text + length, ",\"\"", 3);
	strcpy(text + length, "]}");
	is_number(decode_as(text, strlen(text), &wanted, 1), OMF_JSON_OK, "as many strings as there may be");
	strcpy(text + length, ",\"\"]}");
	is_number(decode_as(text, strlen(text), &wanted, 1), OMF_JSON_MISFIT, "one more is too many");
	free(text);
}

/* A value that stands for another one, or NULL for none. */
typedef struct Reading
{
	const char *json;
	const char *text;
} Reading;

static void
try_readings(OmfJsonType type, const Reading *readings, int nreadings)
{
	OmfJsonMember wanted = {"v", type};

	for (int i = 0; i < nreadings; i++)
	{
		char text[200];

		snprintf(text, sizeof(text), "{\"v\":%s}", readings[i].json);
		is_number(decode_as(text, strlen(text), &wanted, 1),
				  readings[i].text != NULL ? OMF_JSON_OK : OMF_JSON_MISFIT, "%s", readings[i].json);
		if (readings[i].text != NULL)
			is_text(value(0), readings[i].text, "  is what it says");
	}
}

static void
test_integers(void)
{
	static const Reading readings[] = {
		{"0", "0"}, {"-0", "0"}, {"1.0", "1"}, {"1.000", "1"}, {"-25060.0", "-25060"}, {"\"25060\"", "25060"}, {"\"-1.0\"", "-1"}, {"1e3", "1000"}, {"1.5e1", "15"}, {"1500E-2", "15"}, {"\"2E+2\"", "200"}, {"0.0e99", "0"}, {"0e-99", "0"}, {"9223372036854775807", "9223372036854775807"}, {"-9223372036854775808", "-9223372036854775808"}, {"\"9223372036854775807.0\"", "9223372036854775807"}, {"9223372036854775808", NULL}, {"-9223372036854775809", NULL}, {"123456789012345678901234567890", NULL}, {"1.5", NULL}, {"1e-1", NULL}, {"1e99", NULL}, {"1e999999999999999999999", NULL}, {"\"\"", NULL}, {"\" 1\"", NULL}, {"\"1 \"", NULL}, {"\"+1\"", NULL}, {"\"01\"", NULL}, {"\"0x1\"", NULL}, {"\"-\"", NULL}, {"\"1,0\"", NULL}, {"\"\\u0031\"", NULL}, {"\"NaN\"", NULL}, {"\"Infinity\"", NULL}, {"1.000000000000000000000000000000000000000000000000000000000000000000000000000", NULL}};

	try_readings(OMF_JSON_INTEGER, readings, countof(readings));
}

static void
test_times(void)
{
	static const Reading readings[] = {
		{"\"2020-10-28T15:21:35Z\"", "2020-10-28T15:21:35Z"},
		{"\"2020-10-28t15:21:35z\"", "2020-10-28t15:21:35z"},
		{"\"2020-10-28 15:21:35\"", "2020-10-28 15:21:35Z"},
		{"\"2020-10-28T15:21:35\"", "2020-10-28T15:21:35Z"},
		{"\"2020-10-28T15:21:35.123456789\"", "2020-10-28T15:21:35.123456789Z"},
		{"\"2020-10-28T15:21:35.1+05:30\"", "2020-10-28T15:21:35.1+05:30"},
		{"\"2020-02-29T23:59:60-15:59\"", "2020-02-29T23:59:60-15:59"},
		{"\"2000-02-29T00:00:00Z\"", "2000-02-29T00:00:00Z"},
		{"\"\"", NULL},
		{"\"now\"", NULL},
		{"\"yesterday\"", NULL},
		{"\"infinity\"", NULL},
		{"\"-infinity\"", NULL},
		{"\"epoch\"", NULL},
		{"\"2020-10-28\"", NULL},
		{"\"2020-10-28T15:21\"", NULL},
		{"\"20201028T152135Z\"", NULL},
		{"\"2020-02-30T00:00:00Z\"", NULL},
		{"\"1900-02-29T00:00:00Z\"", NULL},
		{"\"2021-02-29T00:00:00Z\"", NULL},
		{"\"2020-13-01T00:00:00Z\"", NULL},
		{"\"2020-00-01T00:00:00Z\"", NULL},
		{"\"2020-01-00T00:00:00Z\"", NULL},
		{"\"0000-01-01T00:00:00Z\"", NULL},
		{"\"2020-01-01T24:00:00Z\"", NULL},
		{"\"2020-01-01T00:60:00Z\"", NULL},
		{"\"2020-01-01T00:00:61Z\"", NULL},
		{"\"2020-01-01T00:00:00.Z\"", NULL},
		{"\"2020-01-01T00:00:00.1234567890Z\"", NULL},
		{"\"2020-01-01T00:00:00+1\"", NULL},
		{"\"2020-01-01T00:00:00+0100\"", NULL},
		{"\"2020-01-01T00:00:00+16:00\"", NULL},
		{"\"2020-01-01T00:00:00 UTC\"", NULL},
		{"\"2020-01-01T00:00:00Zx\"", NULL},
		{"\" 2020-01-01T00:00:00Z\"", NULL},
		{"\"2020-01-01T00:00:00Z BC\"", NULL},
		{"\"12020-01-01T00:00:00Z\"", NULL},
		{"\"2020-01-01T00:00:00\\u005a\"", NULL},
		{"1603898495", NULL},
		{"{}", NULL}};

	try_readings(OMF_JSON_TIME, readings, countof(readings));
}

/* Values that are looked at one by one. */
static void
test_arrays(void)
{
	static const char text[] = " {\"a\" : { \"list\":[ {\"id\":\"x\"} ,[], null,\"]\\\"\" , -1.5e+3 ] }, \"b\":null}";
	static const char *const elements[] = {"{\"id\":\"x\"}", "[]", "null", "\"]\\\"\"", "-1.5e+3"};
	OmfJson document;
	OmfJson list;
	OmfJson element = {NULL, 0};
	int count = 0;

	is_number(omf_json_check(text, strlen(text), &document, reason), OMF_JSON_OK, "a document");
	list = omf_json_find(document, "a.list");
	is_number(omf_json_is_array(list), true, "a list in it");
	while (omf_json_next(list, &element) && count < countof(elements))
	{
		char copy[32];

		snprintf(copy, sizeof(copy), "%.*s", (int) element.length, element.text);
		is_text(copy, elements[count++], "an element");
	}
	is_number(count, countof(elements), "all of them");
	ok(omf_json_find(document, "b").text == NULL && omf_json_find(document, "c").text == NULL &&
		   omf_json_find(document, "a.list.x").text == NULL && omf_json_find(document, "b.x").text == NULL,
	   "null, missing, and not in an object");
	is_number(omf_json_is_array(omf_json_find(document, "b")), false, "none is no list");
	is_number(omf_json_is_array(document), false, "an object is none");
	element.length = 0;
	is_number(omf_json_check("[ ]", 3, &list, reason), OMF_JSON_OK, "an empty list");
	is_number(omf_json_next(list, &element), false, "has no element");
	ok(omf_json_is_blank("", 0) && omf_json_is_blank(" \r\n\t", 4) && !omf_json_is_blank(" \f", 2), "blank or not");
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
	is_number(decode_nested(OMF_JSON_MAX_DEPTH + 1, "1"), OMF_JSON_TOO_LARGE, "33 levels");
	is_text(reason, "The JSON document is nested more than 32 levels deep.", "the reason");
	is_number(decode_nested(OMF_JSON_MAX_DEPTH + 2, ""), OMF_JSON_TOO_LARGE, "34 levels, empty");

	text = malloc(1000001);
	memset(text, '[', 1000000);
	text[1000000] = '\0';
	is_number(decode(text), OMF_JSON_TOO_LARGE, "a million brackets");
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

	/* half a surrogate pair has no UTF-8 form */
	is_number(decode("{\"id\":\"\\ud800\\n\\ud800\\u0041\",\"status\":\"\\udc00x\"}"), OMF_JSON_OK,
			  "lone surrogates");
	is_text(value(0), "\xEF\xBF\xBD\n\xEF\xBF\xBD"
					  "A",
			"a high one is replaced");
	is_text(value(1), "\xEF\xBF\xBDx", "a low one is, too");
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

static void *
allocate(void *arg, size_t size)
{
	(void) arg;
	return malloc(size);
}

/* Records in a row of bytes, as the memory that backends share has them. */
static void
test_packed(void)
{
	static const char text[] = "{\"id\":\"a-1\",\"status\":\"\"}";
	char bytes[200];
	const char *next = bytes;
	size_t length;
	int wrong = 0;

	decode(text);
	length = omf_json_pack(record, NULL);
	is_number((long long) omf_json_pack(record, bytes), (long long) length, "as many bytes as were said");
	omf_json_pack(record, bytes + length);
	for (int i = 0; i < 2; i++)
	{
		OmfRecord *unpacked = omf_json_unpack(&next, bytes + 2 * length, allocate, NULL);

		if (!ok(unpacked != NULL && next == bytes + (size_t) (i + 1) * length, "a record, and what is behind it"))
			continue;
		is_number(unpacked->nvalues, countof(members), "  has as many values");
		ok(strcmp(unpacked->values[0], "a-1") == 0 && strcmp(unpacked->values[1], "") == 0 &&
			   unpacked->values[2] == NULL && unpacked->values[3] == NULL,
		   "  and the same");
		ok(omf_json_is_whole(unpacked), "  and is whole");
		free(unpacked);
	}
	for (size_t cut = 0; cut < length; cut++)
	{
		char *copy = malloc(cut + 1);
		const char *start = copy;
		OmfRecord *unpacked;

		memcpy(copy, bytes, cut);
		unpacked = omf_json_unpack(&start, copy + cut, allocate, NULL);
		wrong += unpacked != NULL || start != copy;
		free(unpacked);
		free(copy);
	}
	is_number(wrong, 0, "bytes that end early are no record");
	memset(bytes, 0xFF, sizeof(bytes));
	next = bytes;
	ok(omf_json_unpack(&next, bytes + sizeof(bytes), allocate, NULL) == NULL, "nor are others");
}

/*
 * Documents with a few bytes changed, added and taken away: whatever passes
 * the check can be read.  Under valgrind and the sanitizers this tells more.
 */
static void
test_mutated(void)
{
	static const OmfJsonMember wanted[] = {
		{"id", OMF_JSON_STRING}, {"n", OMF_JSON_INTEGER}, {"a.b", OMF_JSON_ID}, {"t", OMF_JSON_TIME}, {"l", OMF_JSON_STRINGS}, {"x", OMF_JSON_BOOLEAN}};
	static const char text[] =
		"{\"id\":\"\\u00e9\\ud83d\\ude00 x\\n\",\"n\":-1.50e2,\"a\":{\"b\":\"\"},\"x\":true,"
		"\"t\":\"2020-10-28T15:21:35.5+02:00\",\"l\":[\"a\",\"\\\"\\\\\",\"\xC3\xA9\"]}";
	static const char bytes[] = "{}[],:\"\\u0-.eEtn \n\x01\x7F\xC3\xA9\xED\xFF/1dZ";
	unsigned int random = 1;
	int good = 0;

	for (int i = 0; i < 20000; i++)
	{
		char copy[sizeof(text) + 8];
		size_t length = sizeof(text) - 1;
		OmfJsonStatus status;

		memcpy(copy, text, sizeof(text));
		for (int j = 0; j <= i % 3; j++)
		{
			size_t place;

			random = random * 1103515245 + 12345;
			place = (random >> 8) % length;
			if (random >> 30 == 0)
			{
				memmove(copy + place, copy + place + 1, length - place);
				length--;
			}
			else if (random >> 30 == 1)
			{
				memmove(copy + place + 1, copy + place, length - place);
				length++;
			}
			copy[place] = bytes[(random >> 16) % (sizeof(bytes) - 1)];
		}
		status = decode_as(copy, length, wanted, countof(wanted));
		good += status == OMF_JSON_OK;
		for (int j = 0; status == OMF_JSON_OK && j < countof(wanted); j++)
			if (value(j) != NULL && strlen(value(j)) > length + 20)
				ok(false, "a value of more than there was");
	}
	ok(good > 1000 && good < 19000, "of 20,000 mutated documents %d are whole", good);
}

int
main(void)
{
	begin_tests();
	test_members();
	test_types();
	test_misfits();
	test_other_types();
	test_many_strings();
	test_integers();
	test_times();
	test_arrays();
	test_depth();
	test_truncated();
	test_around();
	test_utf8();
	test_huge();
	test_packed();
	test_mutated();
	free(record);
	return finish_tests();
}
