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
									match_quoted, match_entity};
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
	char *covered = calloc(size, 2);

	if (covered == NULL)
	{
		text[0] = '\0';
		return;
	}
	for (int i = 0; i < secrets->ntexts; i++)
		cover_secret(text, secrets->texts[i], covered, covered + size);
	put_asterisks(text, covered);
	free(covered);
}
