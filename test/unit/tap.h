/*-------------------------------------------------------------------------
 *
 * tap.h
 *	  What the unit tests report with: the Test Anything Protocol.
 *
 * A test program calls begin_tests(), any number of assertions, and returns
 * finish_tests() from main(): the plan comes last, so a program that dies
 * half-way is told from one that ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_TAP_H
#define OMF_TAP_H

#include <stdbool.h>
#include <stddef.h>

#define countof(array) ((int) (sizeof(array) / sizeof((array)[0])))

/* Buffer the output by lines, and end a program that hangs. */
extern void begin_tests(void);

/* Print the plan; the result is the exit status. */
extern int finish_tests(void);

/* One assertion; the result is whether it held. */
extern bool ok(bool held, const char *name, ...)
	__attribute__((format(printf, 2, 3)));
extern bool is_number(long long got, long long expected, const char *name, ...)
	__attribute__((format(printf, 3, 4)));
extern bool is_text(const char *got, const char *expected, const char *name, ...)
	__attribute__((format(printf, 3, 4)));

/* A line for the reader. */
extern void note(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif /* OMF_TAP_H */
