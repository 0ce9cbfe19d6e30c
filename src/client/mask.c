/*-------------------------------------------------------------------------
 *
 * mask.c
 *	  Secrets that others' words repeat.
 *
 *-------------------------------------------------------------------------
 */
#include "client/mask.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What is quoted may have been quoted before: so often in all. */
#define LEVELS 2

/*
 * The longest spelling of a character: four bytes as %25XX, or two as
 * \\uXXXX, and a few more.
 */
#define SPELLING_SIZE 32

/*
 * A secret that is encoded as a whole is looked for if it has so many bytes: a
 * shorter one may be there by chance.
 */
#define ENCODED_MIN 4

/*
 * Bytes in which short texts are worked on: what was started must not lose its
 * id where memory runs out.
 */
#define ROOM 512

/* One character of a secret: what stands in it, and what that is. */
typedef struct Character
{
	const char *bytes;
	size_t length;
	uint32_t code; /* of Unicode; of what is no UTF-8, the byte */
} Character;

static Character
character_at(const char *text)
{
	const unsigned char *bytes = (const unsigned char *) text;
	Character character = {text, 1, bytes[0]};
	size_t length = bytes[0] >= 0xF0   ? 4
					: bytes[0] >= 0xE0 ? 3
					: bytes[0] >= 0xC0 ? 2
									   : 1;
	uint32_t code = bytes[0] & (0xFF >> (length + 1));

	for (size_t i = 1; i < length; i++)
	{
		if ((bytes[i] & 0xC0) != 0x80)
			return character;
		code = code << 6 | (bytes[i] & 0x3F);
	}
	if (length > 1)
	{
		character.length = length;
		character.code = code;
	}
	return character;
}

/* Does the text begin so, whatever the case? */
static size_t
begins(const char *text, const char *spelling)
{
	size_t length = strlen(spelling);

	return strncasecmp(text, spelling, length) == 0 ? length : 0;
}

/*
 * As in a URL: the length of what the text begins with, or 0; so all below.
 * `level` is how often it has been quoted: %25XX is %XX once more.
 */
static size_t
match_percent(const char *text, const Character *character, int level)
{
	char spelling[SPELLING_SIZE];
	size_t length = 0;

	if (character->code == ' ' && *text == '+')
		return 1;
	if (*text != '%')
		return 0;
	for (size_t i = 0; i < character->length; i++)
		length += (size_t) snprintf(spelling + length,
									sizeof(spelling) - length, "%%%s%02X",
									level > 1 ? "25" : "",
									(unsigned char) character->bytes[i]);
	return begins(text, spelling);
}

/* As JSON has it, which puts what is beyond 16 bits as two halves. */
static size_t
match_unicode(const char *text, const Character *character, int level)
{
	const char *backslashes = level > 1 ? "\\\\" : "\\";
	char spelling[SPELLING_SIZE];
	uint32_t code = character->code;

	if (*text != '\\')
		return 0;
	if (code >= 0x10000)
		snprintf(spelling, sizeof(spelling), "%su%04x%su%04x", backslashes,
				 (unsigned) (0xD800 + (code - 0x10000) / 0x400) & 0xFFFF,
				 backslashes,
				 (unsigned) (0xDC00 + (code - 0x10000) % 0x400) & 0xFFFF);
	else
		snprintf(spelling, sizeof(spelling), "%su%04x", backslashes,
				 (unsigned) code);
	return begins(text, spelling);
}

/*
 * After a backslash, which itself and the character may have one each, or a
 * quotation mark doubled.
 */
static size_t
match_quoted(const char *text, const Character *character, int level)
{
	static const char controls[] = "\b\f\n\r\t";
	static const char letters[] = "bfnrt";
	char byte = character->bytes[0];
	const char *control = strchr(controls, byte);
	size_t before = 1;

	if (character->length > 1)
		return 0;
	if (level == 1 && (byte == '\'' || byte == '"') && text[0] == byte &&
		text[1] == byte)
		return 2;
	if (level > 1)
		before = control != NULL ? 2 : 3;
	if (strspn(text, "\\") < before)
		return 0;
	return (ispunct((unsigned char) byte) && text[before] == byte) ||
				   (control != NULL &&
					text[before] == letters[control - controls])
			   ? before + 1
			   : 0;
}

/* As HTML has it, after a backslash where it was quoted before. */
static size_t
match_entity(const char *text, const Character *character, int level)
{
	static const struct
	{
		uint32_t code;
		const char *spelling;
	} entities[] = {{'&', "&amp;"},
					{'<', "&lt;"},
					{'>', "&gt;"},
					{'"', "&quot;"},
					{'\'', "&apos;"}};
	const char *start = text;
	char *end;
	unsigned long code;

	if (level > 1 && *text++ != '\\')
		return 0;
	if (*text != '&')
		return 0;
	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
		if (entities[i].code == character->code &&
			begins(text, entities[i].spelling) > 0)
			return (size_t) (text - start) + strlen(entities[i].spelling);
	if (text[1] != '#')
		return 0;
	text += 2;
	code = text[0] == 'x' || text[0] == 'X' ? strtoul(text + 1, &end, 16)
											: strtoul(text, &end, 10);
	return code == character->code && *end == ';' ? (size_t) (end + 1 - start)
												  : 0;
}

/* As a shell has a quotation mark within such marks, or once more quoted. */
static size_t
match_shell(const char *text, const Character *character, int level)
{
	static const char *const spellings[LEVELS][2] = {
		{"'\\''", "'\"'\"'"},
		{"'\\\\''", "'\\\"'\\\"'"}};

	if (character->code != '\'' || *text != '\'')
		return 0;
	for (int i = 0; i < 2; i++)
		if (begins(text, spellings[level - 1][i]) > 0)
			return strlen(spellings[level - 1][i]);
	return 0;
}

static size_t
match_itself(const char *text, const Character *character, int level)
{
	return level == 1 &&
				   strncmp(text, character->bytes, character->length) == 0
			   ? character->length
			   : 0;
}

/*
 * Where the secret may go on after one more character: `ends` marks offsets in
 * the text, and is marked at those.  False when there is none.
 */
static bool
advance(const char *text, const Character *character, char *ends,
		size_t *furthest)
{
	typedef size_t (*Match)(const char *, const Character *, int level);
	static const Match matches[] = {match_itself, match_percent, match_unicode,
									match_quoted, match_entity,
									match_shell};
	size_t last = *furthest;
	bool found = false;

	/* from the end: what is marked here lies behind what is yet to be seen */
	for (size_t i = last + 1; i-- > 0;)
	{
		if (!ends[i])
			continue;
		ends[i] = 0;
		for (size_t m = 0; m < LEVELS * sizeof(matches) / sizeof(matches[0]);
			 m++)
		{
			size_t length = matches[m / LEVELS](text + i, character,
												(int) (m % LEVELS) + 1);

			if (length == 0)
				continue;
			ends[i + length] = 1;
			found = true;
			if (i + length > *furthest)
				*furthest = i + length;
		}
	}
	return found;
}

/*
 * How much of the text the secret takes, which it begins with, or 0.  `ends`
 * is as long as the text and one more, and is clear before and after.
 */
static size_t
match_secret(const char *text, const char *secret, char *ends)
{
	size_t furthest = 0;
	bool found = true;

	ends[0] = 1;
	while (*secret != '\0' && found)
	{
		Character character = character_at(secret);

		found = advance(text, &character, ends, &furthest);
		secret += character.length;
	}
	while (found && furthest > 0 && !ends[furthest])
		furthest--;
	memset(ends, 0, furthest + 1);
	return found ? furthest : 0;
}

/* Mark in `covered` what of `text` belongs to the secret. */
static void
cover_secret(const char *text, const char *secret, char *covered, char *ends)
{
	if (secret == NULL || *secret == '\0')
		return;
	for (size_t i = 0; text[i] != '\0'; i++)
		memset(covered + i, 1, match_secret(text + i, secret, ends));
}

/* ----- encoded as a whole ----- */

static void
encode_hex(const char *secret, size_t length, const char *digits,
		   char *encoded)
{
	for (size_t i = 0; i < length; i++)
	{
		*encoded++ = digits[(unsigned char) secret[i] >> 4];
		*encoded++ = digits[(unsigned char) secret[i] & 0xF];
	}
	*encoded = '\0';
}

/* Of six bits each, that come from the secret from that bit on. */
static void
encode_base64(const char *secret, size_t length, size_t first,
			  const char *alphabet, char *encoded)
{
	const unsigned char *bytes = (const unsigned char *) secret;

	for (size_t bit = first; bit + 6 <= 8 * length; bit += 6)
	{
		/* behind the last byte there is a zero */
		unsigned int pair = (unsigned int) bytes[bit / 8] << 8 | bytes[bit / 8 + 1];

		*encoded++ = alphabet[pair >> (10 - bit % 8) & 0x3F];
	}
	*encoded = '\0';
}

static bool
is_base64(char c)
{
	return isalnum((unsigned char) c) || (c != '\0' && strchr("+/-_", c));
}

/*
 * Like cover_secret(), with the characters before and behind which the secret
 * shares with what stands there, and what base64 is filled up with.
 */
static void
cover_base64(const char *text, const char *encoded, bool shares_first,
			 bool shares_last, char *covered, char *ends)
{
	for (size_t i = 0; text[i] != '\0'; i++)
	{
		size_t begin = i;
		size_t end = i + match_secret(text + i, encoded, ends);

		if (end == i)
			continue;
		if (shares_first && i > 0 && is_base64(text[i - 1]))
			begin--;
		if (shares_last && is_base64(text[end]))
			end++;
		while (text[end] == '=')
			end++;
		memset(covered + begin, 1, end - begin);
	}
}

/*
 * Mark what is the secret in hexadecimal digits, or in base64, by itself or
 * within more, as a password is in the header of Basic authentication.  False:
 * out of memory.
 */
static bool
cover_encoded(const char *text, const char *secret, char *covered, char *ends)
{
	static const char *const hex[] = {"0123456789abcdef", "0123456789ABCDEF"};
	static const char *const base64[] = {
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"};
	size_t length = secret != NULL ? strlen(secret) : 0;
	size_t size = 2 * length + 1;
	char room[ROOM];
	char *encoded;

	if (length < ENCODED_MIN)
		return true;
	encoded = size <= sizeof(room) ? room : malloc(size);
	if (encoded == NULL)
		return false;
	for (int i = 0; i < 2; i++)
	{
		encode_hex(secret, length, hex[i], encoded);
		cover_secret(text, encoded, covered, ends);
		/* so many bytes may stand before it in its group of three */
		for (size_t before = 0; before < 3; before++)
		{
			size_t first = (6 - 8 * before % 6) % 6;

			encode_base64(secret, length, first, base64[i], encoded);
			cover_base64(text, encoded, first > 0,
						 (8 * length - first) % 6 > 0, covered, ends);
		}
	}
	explicit_bzero(encoded, size);
	if (encoded != room)
		free(encoded);
	return true;
}

/* A fixed number of asterisks, where there is room, for what is covered. */
static void
put_asterisks(char *text, const char *covered)
{
	char *target = text;

	for (size_t i = 0; text[i] != '\0';)
	{
		size_t run = 0;

		while (covered[i + run])
			run++;
		for (size_t star = 0; star < run && star < 3; star++)
			*target++ = '*';
		if (run == 0)
			*target++ = text[i++];
		i += run;
	}
	*target = '\0';
}

void
omf_mask(char *text, const OmfSecrets *secrets)
{
	size_t size = strlen(text) + 1;
	char room[ROOM] = {0};
	char *covered = 2 * size <= sizeof(room) ? room : calloc(size, 2);
	bool done = covered != NULL;

	for (int i = 0; i < secrets->ntexts && done; i++)
	{
		cover_secret(text, secrets->texts[i], covered, covered + size);
		done = cover_encoded(text, secrets->texts[i], covered, covered + size);
	}
	if (done)
		put_asterisks(text, covered);
	else
		text[0] = '\0';
	if (covered != room)
		free(covered);
}
