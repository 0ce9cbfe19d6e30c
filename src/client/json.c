/*-------------------------------------------------------------------------
 *
 * json.c
 *	  From the bytes of an API answer to the fields that were asked for.
 *
 * A text is checked once as a whole, by the grammar of RFC 8259 and nothing
 * else; what is wanted is then read out of it.  No tree of values is built:
 * one of json-c's takes up to 250 times the bytes of its text, keeps a copy of
 * each password in it, and ends the process if memory runs out on the way.
 *
 *-------------------------------------------------------------------------
 */
#include "client/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest name of a member, with the terminating NUL. */
#define NAME_SIZE 64

/* The longest number that is read, in characters; 64 bits have 20. */
#define NUMBER_MAX 64

/* Room for a whole number of 64 bits, with the terminating NUL. */
#define INTEGER_SIZE 24

/* ----- giving up ----- */

/* So many bytes are read without asking whether to. */
#define WATCH_BYTES (64 * 1024)

static struct
{
	bool (*must_stop)(void); /* or NULL: nobody would */
	uintptr_t asked_at;      /* the place in the text, when asked last; or 0 */
	bool stopped;
} watch;

void
omf_json_watch(bool (*must_stop)(void))
{
	watch.must_stop = must_stop;
	watch.asked_at = 0;
	watch.stopped = false;
}

bool
omf_json_unwatch(void)
{
	watch.must_stop = NULL;
	watch.asked_at = 0;
	return watch.stopped;
}

static bool
ask_to_stop(const char *next)
{
	if (watch.must_stop == NULL)
		return false;
	if (!watch.stopped)
		watch.stopped = watch.must_stop();
	watch.asked_at = watch.stopped ? 0 : (uintptr_t) next;
	return watch.stopped;
}

/*
 * To be called at each value and member: is what is being done to stop here?
 * Another pass over the text begins before the place.
 */
static inline bool
is_stopped(const char *next)
{
	return (uintptr_t) next - watch.asked_at >= WATCH_BYTES &&
		   ask_to_stop(next);
}

/* ----- checking ----- */

/* How far a text has been checked. */
typedef struct Checker
{
	const char *next; /* the first byte that has not been */
	const char *end;  /* of the text */
	int depth;        /* arrays and objects around it */
	OmfJsonStatus status;
	const char *expected; /* at next, where it is malformed; NULL: UTF-8 */
} Checker;

static bool check_value(Checker *checker);

static bool
fail_at(Checker *checker, const char *expected)
{
	checker->status = OMF_JSON_MALFORMED;
	checker->expected = expected;
	return false;
}

static bool
stops_here(Checker *checker)
{
	if (!is_stopped(checker->next))
		return false;
	checker->status = OMF_JSON_STOPPED;
	return true;
}

static bool
is_space(char byte)
{
	return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static bool
is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static void
skip_space(Checker *checker)
{
	while (checker->next < checker->end && is_space(*checker->next))
		checker->next++;
}

/* Is that the next byte?  Then it is passed. */
static bool
take(Checker *checker, char byte)
{
	if (checker->next == checker->end || *checker->next != byte)
		return false;
	checker->next++;
	return true;
}

/*
 * The bytes of one character beyond ASCII: no overlong form, no surrogate.  0:
 * there is none.
 */
static int
utf8_size(const char *text, const char *end)
{
	unsigned char lead = (unsigned char) *text;
	int more = 1 + (lead >= 0xE0) + (lead >= 0xF0);
	unsigned char low = lead == 0xE0 ? 0xA0 : (lead == 0xF0 ? 0x90 : 0x80);
	unsigned char high = lead == 0xED ? 0x9F : (lead == 0xF4 ? 0x8F : 0xBF);

	if (lead < 0xC2 || lead > 0xF4 || end - text <= more)
		return 0;
	for (const char *next = text + 1; next <= text + more; next++)
	{
		if ((unsigned char) *next < low || (unsigned char) *next > high)
			return 0;
		low = 0x80;
		high = 0xBF;
	}
	return 1 + more;
}

static bool
check_utf8(Checker *checker)
{
	int size = utf8_size(checker->next, checker->end);

	checker->next += size;
	return size > 0 || fail_at(checker, NULL);
}

/* What is behind a backslash. */
static bool
check_escape(Checker *checker)
{
	if (take(checker, 'u'))
	{
		for (int i = 0; i < 4; i++, checker->next++)
			if (checker->next == checker->end ||
				strchr("0123456789abcdefABCDEF", *checker->next) == NULL ||
				*checker->next == '\0')
				return fail_at(checker, "a hexadecimal digit was expected");
		return true;
	}
	if (checker->next == checker->end || *checker->next == '\0' ||
		strchr("\"\\/bfnrt", *checker->next) == NULL)
		return fail_at(checker, "the rest of an escape was expected");
	checker->next++;
	return true;
}

/* A string, behind its first quote. */
static bool
check_string(Checker *checker)
{
	while (checker->next < checker->end)
	{
		unsigned char byte = (unsigned char) *checker->next;

		if (byte >= 0x80)
		{
			if (!check_utf8(checker))
				return false;
			continue;
		}
		if (byte < 0x20)
			return fail_at(checker, "a control character must be escaped");
		checker->next++;
		if (byte == '"')
			return true;
		if (byte == '\\' && (stops_here(checker) || !check_escape(checker)))
			return false;
	}
	return fail_at(checker, "the end of a string was expected");
}

static bool
check_digits(Checker *checker)
{
	if (checker->next == checker->end || !is_digit(*checker->next))
		return fail_at(checker, "a digit was expected");
	while (checker->next < checker->end && is_digit(*checker->next))
		checker->next++;
	return true;
}

static bool
check_number(Checker *checker)
{
	(void) take(checker, '-');
	if (!take(checker, '0') && !check_digits(checker))
		return false;
	if (take(checker, '.') && !check_digits(checker))
		return false;
	if (take(checker, 'e') || take(checker, 'E'))
	{
		if (!take(checker, '+'))
			(void) take(checker, '-');
		return check_digits(checker);
	}
	return true;
}

static bool
check_word(Checker *checker, const char *word)
{
	for (; *word != '\0'; word++)
		if (!take(checker, *word))
			return fail_at(checker, "a value was expected");
	return true;
}

/* The rest of an object or array, behind its first bracket. */
static bool
check_container(Checker *checker, bool is_object)
{
	char close = is_object ? '}' : ']';

	if (++checker->depth > OMF_JSON_MAX_DEPTH)
	{
		checker->status = OMF_JSON_TOO_LARGE;
		return false;
	}
	skip_space(checker);
	if (take(checker, close))
	{
		checker->depth--;
		return true;
	}
	do
	{
		skip_space(checker);
		if (is_object)
		{
			if (!take(checker, '"'))
				return fail_at(checker, "the name of a member was expected");
			if (!check_string(checker))
				return false;
			skip_space(checker);
			if (!take(checker, ':'))
				return fail_at(checker, "a colon was expected");
			skip_space(checker);
		}
		if (!check_value(checker))
			return false;
		skip_space(checker);
	} while (take(checker, ','));
	if (!take(checker, close))
		return fail_at(checker, "a comma or the closing bracket was expected");
	checker->depth--;
	return true;
}

/* One value; the depth is bounded, and so is this recursion. */
static bool
check_value(Checker *checker)
{
	if (checker->next == checker->end)
		return fail_at(checker, "a value was expected");
	if (stops_here(checker))
		return false;
	switch (*checker->next)
	{
		case '{':
		case '[':
			return check_container(checker, *checker->next++ == '{');
		case '"':
			checker->next++;
			return check_string(checker);
		case 't':
			return check_word(checker, "true");
		case 'f':
			return check_word(checker, "false");
		case 'n':
			return check_word(checker, "null");
		default:
			if (*checker->next != '-' && !is_digit(*checker->next))
				return fail_at(checker, "a value was expected");
			return check_number(checker);
	}
}

static void
explain_failure(const Checker *checker, size_t position, char *reason)
{
	if (checker->status == OMF_JSON_TOO_LARGE)
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "The JSON document is nested more than %d levels deep.",
				 OMF_JSON_MAX_DEPTH);
	else if (checker->status == OMF_JSON_STOPPED)
		return;
	else if (checker->expected == NULL)
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "The JSON document is not in UTF-8, at byte %zu.", position);
	else if (checker->next == checker->end)
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "The JSON document ends early, after %zu bytes.", position);
	else
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "Not valid JSON at byte %zu: %s.", position,
				 checker->expected);
}

OmfJsonStatus
omf_json_check(const char *text, size_t length, OmfJson *document,
			   char reason[OMF_JSON_REASON_SIZE])
{
	const char *begin = text != NULL ? text : "";
	Checker checker = {begin, begin + length, 0, OMF_JSON_OK, NULL};
	bool fits;

	reason[0] = '\0';
	skip_space(&checker);
	document->text = checker.next;
	fits = check_value(&checker);
	document->length = (size_t) (checker.next - document->text);
	skip_space(&checker);
	if (fits && checker.next < checker.end)
		fits = fail_at(&checker, "text behind the end of the document");
	if (!fits)
		explain_failure(&checker, (size_t) (checker.next - begin), reason);
	return checker.status;
}

bool
omf_json_is_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!is_space(text[i]))
			return false;
	return true;
}

/* ----- finding: in text that has been checked ----- */

/* Behind the string that begins here. */
static const char *
end_of_string(const char *next)
{
	for (next++; *next != '"'; next++)
		if (*next == '\\')
			next++;
	return next + 1;
}

/*
 * Behind the value that begins here, in a text up to `end`; when to stop,
 * within it, if it is an object or an array.
 */
static const char *
end_of_value(const char *next, const char *end)
{
	int depth = 0;

	if (*next != '{' && *next != '[' && *next != '"')
	{
		while (next < end && *next != ',' && *next != '}' && *next != ']' &&
			   !is_space(*next))
			next++;
		return next;
	}
	do
	{
		if (*next == '"')
		{
			next = end_of_string(next);
			continue;
		}
		if (*next == '{' || *next == '[')
			depth++;
		else if (*next == '}' || *next == ']')
			depth--;
		next++;
	} while (depth > 0 && !is_stopped(next));
	return next;
}

static const char *
after_space(const char *next)
{
	while (is_space(*next))
		next++;
	return next;
}

static bool
is_object(OmfJson value)
{
	return value.text != NULL && *value.text == '{';
}

bool
omf_json_is_array(OmfJson value)
{
	return value.text != NULL && *value.text == '[';
}

/*
 * Where the member or element begins that is behind `previous`, which ends
 * there, or is the opening bracket; NULL at the end, or when to stop.
 */
static const char *
next_item(const char *previous)
{
	const char *next = after_space(previous);

	if (*next == ',')
		next = after_space(next + 1);
	return *next == '}' || *next == ']' || is_stopped(next) ? NULL : next;
}

bool
omf_json_next(OmfJson array, OmfJson *element)
{
	const char *end = array.text + array.length;
	const char *next = next_item(element->length == 0
									 ? array.text + 1
									 : element->text + element->length);

	if (next == NULL)
		return false;
	element->text = next;
	element->length = (size_t) (end_of_value(next, end) - next);
	return true;
}

/* One member of an object. */
typedef struct Member
{
	const char *name;   /* raw, behind its quote */
	size_t name_length; /* of that */
	OmfJson value;
	const char *behind; /* the value */
} Member;

/* Go through an object: the member behind this one, or the first one. */
static bool
next_member(OmfJson object, Member *member)
{
	const char *next = next_item(member->name == NULL ? object.text + 1
													  : member->behind);
	const char *behind;

	if (next == NULL)
		return false;
	behind = end_of_string(next);
	member->name = next + 1;
	member->name_length = (size_t) (behind - next) - 2;
	next = after_space(after_space(behind) + 1);
	member->behind = end_of_value(next, object.text + object.length);
	member->value.text = *next != 'n' ? next : NULL;
	member->value.length = (size_t) (member->behind - next);
	return true;
}

static size_t unescape(char *target, const char *text, const char *end);

/* Is the member's name these `length` bytes, however it is escaped? */
static bool
is_named(const Member *member, const char *name, size_t length)
{
	char plain[NAME_SIZE];

	if (memchr(member->name, '\\', member->name_length) == NULL)
		return member->name_length == length &&
			   memcmp(member->name, name, length) == 0;
	/* no escape is longer than six bytes, and none becomes more than it was */
	return member->name_length < sizeof(plain) &&
		   unescape(plain, member->name, member->name + member->name_length) ==
			   length &&
		   memcmp(plain, name, length) == 0;
}

OmfJson
omf_json_find(OmfJson object, const char *path)
{
	static const OmfJson none = {NULL, 0};

	while (*path != '\0')
	{
		size_t length = strcspn(path, ".");
		Member member = {NULL, 0, none, NULL};
		OmfJson found = none;

		if (!is_object(object))
			return none;
		while (next_member(object, &member))
			if (is_named(&member, path, length))
				found = member.value;
		object = found;
		path += length + (path[length] == '.' ? 1 : 0);
	}
	return object;
}

/* ----- values as text ----- */

static unsigned int
hex_value(const char *digits)
{
	unsigned int value = 0;

	for (int i = 0; i < 4; i++)
	{
		int digit = is_digit(digits[i]) ? digits[i] - '0'
										: (digits[i] | 0x20) - 'a' + 10;

		value = value * 16 + (unsigned int) digit;
	}
	return value;
}

/*
 * The character of one or two \uXXXX, moving behind them; half a surrogate
 * pair is U+FFFD.
 */
static unsigned int
unicode_escape(const char **next, const char *end)
{
	unsigned int code = hex_value(*next + 2);

	*next += 6;
	if (code < 0xD800 || code > 0xDFFF)
		return code;
	if (code < 0xDC00 && end - *next >= 6 && (*next)[0] == '\\' &&
		(*next)[1] == 'u')
	{
		unsigned int low = hex_value(*next + 2);

		if (low >= 0xDC00 && low <= 0xDFFF)
		{
			*next += 6;
			return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
		}
	}
	return 0xFFFD;
}

/* Write a character as UTF-8; the number of bytes. */
static size_t
put_utf8(char *target, unsigned int code)
{
	if (code < 0x80)
	{
		target[0] = (char) code;
		return 1;
	}
	if (code < 0x800)
	{
		target[0] = (char) (0xC0 | (code >> 6));
		target[1] = (char) (0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000)
	{
		target[0] = (char) (0xE0 | (code >> 12));
		target[1] = (char) (0x80 | ((code >> 6) & 0x3F));
		target[2] = (char) (0x80 | (code & 0x3F));
		return 3;
	}
	target[0] = (char) (0xF0 | (code >> 18));
	target[1] = (char) (0x80 | ((code >> 12) & 0x3F));
	target[2] = (char) (0x80 | ((code >> 6) & 0x3F));
	target[3] = (char) (0x80 | (code & 0x3F));
	return 4;
}

/*
 * The next character between two quotes, or a byte of one in UTF-8, with its
 * escape undone; the number of bytes.
 */
static size_t
take_character(const char **text, const char *end, char character[4])
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";

	if (**text != '\\')
	{
		character[0] = *(*text)++;
		return 1;
	}
	if ((*text)[1] == 'u')
		return put_utf8(character, unicode_escape(text, end));
	character[0] = meanings[strchr(escapes, (*text)[1]) - escapes];
	*text += 2;
	return 1;
}

/*
 * All of them, or fewer, when to stop; never more bytes than there were.  Most
 * text has no escapes.
 */
static size_t
unescape(char *target, const char *text, const char *end)
{
	size_t length = 0;

	while (text < end && !is_stopped(text))
	{
		const char *escape = memchr(text, '\\', (size_t) (end - text));
		size_t plain = (size_t) ((escape != NULL ? escape : end) - text);
		char character[4];
		size_t size;

		memcpy(target + length, text, plain);
		length += plain;
		text += plain;
		if (escape == NULL)
			break;
		size = take_character(&text, end, character);
		memcpy(target + length, character, size);
		length += size;
	}
	return length;
}

size_t
omf_json_make_legible(char *text, size_t length)
{
	const char *end = text + length;
	const char *next = text;
	char *target = text;

	while (next < end)
	{
		size_t size = 1;

		if ((unsigned char) *next >= 0x80)
			size = (size_t) utf8_size(next, end);
		else if (*next == '\\' && end - next >= 2)
			size = 2;
		if (size == 0 || (end - next >= 6 && memcmp(next, "\\u0000", 6) == 0))
		{
			next += size == 0 ? 1 : 6;
			*target++ = '?';
			continue;
		}
		memmove(target, next, size);
		target += size;
		next += size;
	}
	return (size_t) (target - text);
}

/* What a value is, where that is not what was expected. */
typedef enum Misfit
{
	FITS,
	IS_OBJECT,
	IS_ARRAY,
	IS_STRING,
	IS_NUMBER,
	IS_BOOLEAN,
	IS_NULL,
	HAS_NUL,
	HAS_OTHERS,
	HAS_TOO_MANY,
	NOT_WHOLE,
	IN_OTHER
} Misfit;

static const char *const misfit_names[] = {
	[IS_OBJECT] = "an object",
	[IS_ARRAY] = "an array",
	[IS_STRING] = "a string",
	[IS_NUMBER] = "a number",
	[IS_BOOLEAN] = "a boolean",
	[IS_NULL] = "null",
	[HAS_NUL] = "a text with the character \\u0000",
	[HAS_OTHERS] = "an array of other values",
	[HAS_TOO_MANY] = "an array of too many strings",
	[NOT_WHOLE] = "a number that is not whole or too large",
	[IN_OTHER] = "in a value that is no object",
};

static const char *const type_names[] = {
	[OMF_JSON_STRING] = "a string",
	[OMF_JSON_ID] = "a string",
	[OMF_JSON_INTEGER] = "a whole number",
	[OMF_JSON_BOOLEAN] = "a boolean",
	[OMF_JSON_TIME] = "a date and time as RFC 3339 writes them",
	[OMF_JSON_STRINGS] = "an array of strings",
};

static Misfit
kind_of(OmfJson value)
{
	switch (value.text != NULL ? *value.text : 'n')
	{
		case '{':
			return IS_OBJECT;
		case '[':
			return IS_ARRAY;
		case '"':
			return IS_STRING;
		case 't':
		case 'f':
			return IS_BOOLEAN;
		case 'n':
			return IS_NULL;
		default:
			return IS_NUMBER;
	}
}

/* Each of these writes a value to *target, and moves that behind it. */

static Misfit
put_string(char **target, OmfJson value)
{
	size_t length;

	if (kind_of(value) != IS_STRING)
		return kind_of(value);
	length = unescape(*target, value.text + 1, value.text + value.length - 1);
	if (memchr(*target, '\0', length) != NULL)
		return HAS_NUL;
	*target += length;
	return FITS;
}

/* The text form of an SQL array, every element quoted. */
static Misfit
put_strings(char **target, OmfJson value)
{
	OmfJson element = {NULL, 0};
	char *next = *target;
	int count = 0;

	if (!omf_json_is_array(value))
		return kind_of(value);
	*next++ = '{';
	while (omf_json_next(value, &element))
	{
		const char *text = element.text + 1;
		const char *end = element.text + element.length - 1;

		if (kind_of(element) != IS_STRING)
			return HAS_OTHERS;
		if (++count > OMF_JSON_MAX_STRINGS)
			return HAS_TOO_MANY;
		if (count > 1)
			*next++ = ',';
		*next++ = '"';
		while (text < end)
		{
			char character[4];
			size_t size = take_character(&text, end, character);

			if (character[0] == '\0')
				return HAS_NUL;
			if (character[0] == '"' || character[0] == '\\')
				*next++ = '\\';
			memcpy(next, character, size);
			next += size;
		}
		*next++ = '"';
	}
	*next++ = '}';
	*target = next;
	return FITS;
}

/*
 * The digits of a number that has been checked, without point and exponent;
 * how many there are, or -1: it is not whole, or has more than 64 bits.
 */
static int
whole_digits(const char *text, size_t length, char digits[NUMBER_MAX])
{
	int ndigits = 0;
	int fraction = 0;
	bool behind_point = false;
	long exponent = 0;

	for (size_t i = text[0] == '-' ? 1 : 0; i < length; i++)
	{
		if (text[i] == '.')
			behind_point = true;
		else if (!is_digit(text[i]))
		{
			exponent = strtol(text + i + 1, NULL, 10);
			break;
		}
		else
		{
			fraction += behind_point;
			if (ndigits > 0 || text[i] != '0')
				digits[ndigits++] = text[i];
			if (ndigits == NUMBER_MAX)
				return -1;
		}
	}
	if (ndigits == 0)
		return 0;
	if (exponent > NUMBER_MAX || exponent < -NUMBER_MAX)
		return -1;
	for (exponent -= fraction; exponent < 0; exponent++)
		if (ndigits == 0 || digits[--ndigits] != '0')
			return -1;
	for (; exponent > 0; exponent--)
	{
		digits[ndigits++] = '0';
		if (ndigits == NUMBER_MAX)
			return -1;
	}
	return ndigits;
}

static Misfit
put_integer(char **target, OmfJson value)
{
	const char *text = value.text;
	size_t length = value.length;
	char digits[NUMBER_MAX + 1];
	int ndigits;
	long long number;

	if (kind_of(value) == IS_STRING)
	{
		Checker checker = {text + 1, text + length - 1, 0, OMF_JSON_OK, NULL};

		text++;
		length -= 2;
		if (!check_number(&checker) || checker.next != checker.end)
			return IS_STRING;
	}
	else if (kind_of(value) != IS_NUMBER)
		return kind_of(value);
	ndigits = whole_digits(text, length, digits + 1);
	if (ndigits < 0)
		return NOT_WHOLE;
	digits[0] = text[0] == '-' ? '-' : '0';
	digits[1 + ndigits] = '\0';
	errno = 0;
	number = ndigits > 0 ? strtoll(digits, NULL, 10) : 0;
	if (errno != 0)
		return NOT_WHOLE;
	*target += snprintf(*target, INTEGER_SIZE, "%lld", number);
	return FITS;
}

static Misfit
put_boolean(char **target, OmfJson value)
{
	if (kind_of(value) != IS_BOOLEAN)
		return kind_of(value);
	memcpy(*target, value.text, value.length);
	*target += value.length;
	return FITS;
}

/* A number of so many digits within bounds, and what is behind it. */
static bool
take_number(const char **next, int ndigits, int lowest, int highest,
			const char *behind, int *number)
{
	*number = 0;
	for (int i = 0; i < ndigits; i++, (*next)++)
	{
		if (!is_digit(**next))
			return false;
		*number = *number * 10 + (**next - '0');
	}
	if (*number < lowest || *number > highest)
		return false;
	if (*behind == '\0')
		return true;
	return **next != '\0' && strchr(behind, *(*next)++) != NULL;
}

static int
days_of_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/*
 * PostgreSQL knows many more forms, "now" and "yesterday" among them, and
 * takes a time without a zone for one of the session's.
 */
static Misfit
put_time(char **target, OmfJson value)
{
	const char *next = value.text + 1; /* a quote ends each of its parts */
	const char *zone;
	int year, month, day, number;

	if (kind_of(value) != IS_STRING)
		return kind_of(value);
	if (!take_number(&next, 4, 1, 9999, "-", &year) ||
		!take_number(&next, 2, 1, 12, "-", &month) ||
		!take_number(&next, 2, 1, days_of_month(year, month), "Tt ", &day) ||
		!take_number(&next, 2, 0, 23, ":", &number) ||
		!take_number(&next, 2, 0, 59, ":", &number) ||
		!take_number(&next, 2, 0, 60, "", &number))
		return IS_STRING;
	if (*next == '.')
	{
		const char *point = next++;

		while (is_digit(*next))
			next++;
		/* more than nanoseconds is none's clock */
		if (next - point < 2 || next - point > 10)
			return IS_STRING;
	}
	zone = next;
	if (*next == 'Z' || *next == 'z')
		next++;
	else if (*next == '+' || *next == '-')
	{
		next++;
		if (!take_number(&next, 2, 0, 15, ":", &number) ||
			!take_number(&next, 2, 0, 59, "", &number))
			return IS_STRING;
	}
	if (next != value.text + value.length - 1)
		return IS_STRING;
	memcpy(*target, value.text + 1, value.length - 2);
	*target += value.length - 2;
	if (next == zone)
		*(*target)++ = 'Z';
	return FITS;
}

static Misfit
put_value(char **target, OmfJson value, OmfJsonType type)
{
	switch (type)
	{
		case OMF_JSON_INTEGER:
			return put_integer(target, value);
		case OMF_JSON_BOOLEAN:
			return put_boolean(target, value);
		case OMF_JSON_TIME:
			return put_time(target, value);
		case OMF_JSON_STRINGS:
			return put_strings(target, value);
		default:
			return put_string(target, value);
	}
}

/* ----- records ----- */

/* Where a wanted member is. */
typedef struct Found
{
	OmfJson value;
	bool in_other; /* what it should be in is no object */
} Found;

/* In an object, of members of one name the last one counts. */
static void
find_members(OmfJson object, const OmfJsonMember *members, int nmembers,
			 Found *found)
{
	Member member = {NULL, 0, {NULL, 0}, NULL};

	memset(found, 0, sizeof(Found) * (size_t) nmembers);
	while (next_member(object, &member))
		for (int i = 0; i < nmembers; i++)
		{
			const char *path = members[i].path;
			size_t length;

			if (path == NULL ||
				(path[0] != member.name[0] && member.name[0] != '\\'))
				continue;
			length = strcspn(path, ".");
			if (!is_named(&member, path, length))
				continue;
			found[i].value = member.value;
			found[i].in_other = false;
			if (path[length] == '.')
			{
				found[i].value = omf_json_find(member.value,
											   path + length + 1);
				found[i].in_other = member.value.text != NULL &&
									!is_object(member.value);
			}
		}
}

/* The most bytes that a value takes as text, with the terminating NUL. */
static size_t
value_room(OmfJson value, OmfJsonType type)
{
	if (value.text == NULL)
		return 0;
	return type == OMF_JSON_INTEGER ? INTEGER_SIZE : value.length + 1;
}

/* Behind the record's values: for each, what else it is. */
static unsigned char *
misfits_of(OmfRecord *record)
{
	return (unsigned char *) (record->values + record->nvalues);
}

static OmfRecord *
make_record(const OmfJsonMember *members, int nmembers, const Found *found)
{
	size_t room = sizeof(OmfRecord) + (sizeof(char *) + 1) * (size_t) nmembers;
	OmfRecord *record;
	char *next;

	for (int i = 0; i < nmembers; i++)
		room += value_room(found[i].value, members[i].type);
	record = calloc(1, room);
	if (record == NULL)
		return NULL;
	record->nvalues = nmembers;
	next = (char *) (misfits_of(record) + nmembers);
	for (int i = 0; i < nmembers; i++)
	{
		OmfJson value = found[i].value;
		bool none = members[i].type == OMF_JSON_ID && value.length == 2 &&
					*value.text == '"';
		char *text = next;
		Misfit misfit = FITS;

		if (found[i].in_other)
			misfit = IN_OTHER;
		else if (value.text == NULL || none)
			continue;
		else
			misfit = put_value(&next, value, members[i].type);
		if (misfit == FITS)
		{
			record->values[i] = text;
			*next++ = '\0';
		}
		else
			next = text;
		misfits_of(record)[i] = (unsigned char) misfit;
	}
	return record;
}

OmfJsonStatus
omf_json_record(OmfJson object, const char *name, const OmfJsonMember *members,
				int nmembers, OmfRecord **record,
				char reason[OMF_JSON_REASON_SIZE])
{
	Found found[OMF_JSON_MAX_MEMBERS];

	*record = NULL;
	reason[0] = '\0';
	if (!is_object(object))
	{
		if (*name == '\0')
			snprintf(reason, OMF_JSON_REASON_SIZE,
					 "The answer is %s, but an object was expected.",
					 misfit_names[kind_of(object)]);
		else
			snprintf(reason, OMF_JSON_REASON_SIZE,
					 "Member \"%s\" is %s, but an object was expected.", name,
					 misfit_names[kind_of(object)]);
		return OMF_JSON_MISFIT;
	}
	find_members(object, members, nmembers, found);
	*record = make_record(members, nmembers, found);
	if (*record != NULL)
		return OMF_JSON_OK;
	snprintf(reason, OMF_JSON_REASON_SIZE, "Out of memory.");
	return OMF_JSON_NO_MEMORY;
}

OmfJsonStatus
omf_json_decode(const char *text, size_t length, const OmfJsonMember *members,
				int nmembers, OmfRecord **record,
				char reason[OMF_JSON_REASON_SIZE])
{
	OmfJson document;
	OmfJsonStatus status = omf_json_check(text, length, &document, reason);

	*record = NULL;
	if (status == OMF_JSON_OK)
		status = omf_json_record(document, "", members, nmembers, record,
								 reason);
	return status;
}

bool
omf_json_misfit(const OmfRecord *record, const OmfJsonMember *members,
				OmfJsonSet among, char reason[OMF_JSON_REASON_SIZE])
{
	const unsigned char *misfits =
		(const unsigned char *) (record->values + record->nvalues);

	for (int i = 0; i < record->nvalues; i++)
		if (misfits[i] != FITS && (among & ((OmfJsonSet) 1 << i)) != 0)
		{
			snprintf(reason, OMF_JSON_REASON_SIZE,
					 "Member \"%s\" is %s, but %s was expected.",
					 members[i].path, misfit_names[misfits[i]],
					 type_names[members[i].type]);
			return true;
		}
	return false;
}

/* ----- records as bytes ----- */

bool
omf_json_is_whole(const OmfRecord *record)
{
	const unsigned char *misfits = (const unsigned char *) (record->values +
															record->nvalues);

	for (int i = 0; i < record->nvalues; i++)
		if (misfits[i] != FITS)
			return false;
	return true;
}

/*
 * The number of values, and of each its length with the NUL, 0 if there is
 * none.
 */
size_t
omf_json_pack(const OmfRecord *record, char *bytes)
{
	size_t total = sizeof(uint32_t);

	if (bytes != NULL)
		memcpy(bytes, &(uint32_t){(uint32_t) record->nvalues},
			   sizeof(uint32_t));
	for (int i = 0; i < record->nvalues; i++)
	{
		const char *value = record->values[i];
		uint32_t length = value != NULL ? (uint32_t) strlen(value) + 1 : 0;

		if (bytes != NULL)
		{
			memcpy(bytes + total, &length, sizeof(length));
			if (length > 0)
				memcpy(bytes + total + sizeof(length), value, length);
		}
		total += sizeof(length) + length;
	}
	return total;
}

/* Take a number from packed bytes; false if there is none. */
static bool
take_packed(const char **next, const char *end, uint32_t *number)
{
	if ((size_t) (end - *next) < sizeof(*number))
		return false;
	memcpy(number, *next, sizeof(*number));
	*next += sizeof(*number);
	return true;
}

OmfRecord *
omf_json_unpack(const char **bytes, const char *end, OmfAllocate allocate,
				void *arg)
{
	const char *next = *bytes;
	const char *first;
	OmfRecord *record;
	uint32_t nvalues;
	uint32_t length;
	size_t room = 0;
	char *target;

	if (!take_packed(&next, end, &nvalues) || nvalues > OMF_JSON_MAX_MEMBERS)
		return NULL;
	first = next;
	for (uint32_t i = 0; i < nvalues; i++, next += length, room += length)
		if (!take_packed(&next, end, &length) ||
			length > (size_t) (end - next))
			return NULL;

	record = allocate(arg, sizeof(OmfRecord) +
							   (sizeof(char *) + 1) * nvalues + room);
	if (record == NULL)
		return NULL;
	record->nvalues = (int) nvalues;
	memset(misfits_of(record), FITS, nvalues);
	target = (char *) (misfits_of(record) + nvalues);
	next = first;
	for (uint32_t i = 0; i < nvalues; i++, next += length)
	{
		(void) take_packed(&next, end, &length);
		record->values[i] = length > 0 ? target : NULL;
		if (length == 0)
			continue;
		memcpy(target, next, length);
		target[length - 1] = '\0';
		target += length;
	}
	*bytes = next;
	return record;
}
