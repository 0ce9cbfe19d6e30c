/*-------------------------------------------------------------------------
 *
 * simulator.h
 *	  The API simulator's control calls, and the keys of its clusters.
 *
 * A call takes a fraction of a millisecond, so that there is no harm in one
 * shortly before something is timed.  A refused one ends the benchmark.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_SIMULATOR_H
#define BENCH_SIMULATOR_H

#include <stdbool.h>

/* Answers none that the benchmark would wait for. */
#define NEVER_MS 600000

/* A control call; its body is JSON, or NULL. */
extern void simulator_call(const char *method, const char *path, const char *body);
extern void simulator_post(const char *path, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

extern void set_latency(int ms);
extern void delete_faults(void);

/* A counter, or answers of a status, as counter("429"); 0 if there was none. */
extern long counter(const char *name);

/* Wait until a counter is that, for some seconds at most: was it? */
extern bool wait_for_counter(const char *name, long value);

/* The simulator's UUIDs: one, and an array in SQL, which is never freed. */
#define UUID_ROOM 37
extern char *key(char *uuid, unsigned int seed, int number);
extern char *keys(unsigned int seed, int first, int count);

#endif /* BENCH_SIMULATOR_H */
