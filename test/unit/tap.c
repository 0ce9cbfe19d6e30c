/*-------------------------------------------------------------------------
 *
 * tap.c
 *	  What the unit tests report with: the Test Anything Protocol.
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>

/* A program takes a second or two, some tens of them under valgrind. */
#define WATCHDOG_SECONDS 90

static int assertions;
static int failures;

void
begin_tests(void)
{
	struct rlimit limit = {WATCHDOG_SECONDS, WATCHDOG_SECONDS};

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(WATCHDOG_SECONDS);
	/* the engine blocks SIGALRM while it is driven; this nobody can block */
	setrlimit(RLIMIT_CPU, &limit);
}

int
finish_tests(void)
{
	printf("1..%d\n", assertions);
	if (failures > 0)
		printf("# %d of %d failed\n", failures, assertions);
	return failures > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* One line of `text`: a name must not end the line or look like a mark. */
static void
print_clean(const char *text)
{
	for (; *text != '\0'; text++)
	{
		unsigned char c = (unsigned char) *text;

		if (c < 0x20 || c >= 0x7F || c == '#')
			printf("<%02X>", c);
		else
			putchar(c);
	}
}

static bool __attribute__((format(printf, 2, 0)))
assertion(bool held, const char *name, va_list arguments)
{
	char line[512];

	vsnprintf(line, sizeof(line), name, arguments);
	printf("%sok %d - ", held ? "" : "not ", ++assertions);
	print_clean(line);
	if (!held)
		failures++;
	putchar('\n');
	return held;
}

bool
ok(bool held, const char *name, ...)
{
	va_list arguments;

	va_start(arguments, name);
	assertion(held, name, arguments);
	va_end(arguments);
	return held;
}

bool
is_number(long long got, long long expected, const char *name, ...)
{
	va_list arguments;

	va_start(arguments, name);
	if (!assertion(got == expected, name, arguments))
		note("got %lld, expected %lld", got, expected);
	va_end(arguments);
	return got == expected;
}

bool
is_text(const char *got, const char *expected, const char *name, ...)
{
	bool same = got == expected ||
				(got != NULL && expected != NULL && strcmp(got, expected) == 0);
	va_list arguments;

	va_start(arguments, name);
	if (!assertion(same, name, arguments))
	{
		note("got      %s", got != NULL ? got : "(null)");
		note("expected %s", expected != NULL ? expected : "(null)");
	}
	va_end(arguments);
	return same;
}

void
note(const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	printf("# ");
	print_clean(line);
	putchar('\n');
}
