/*-------------------------------------------------------------------------
 *
 * measure.h
 *	  Clocks, memory, and what several rounds of a measurement amount to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <sys/types.h>

#define MAX_ROUNDS 1000

/* The same quantity in every round. */
typedef struct Samples
{
	double values[MAX_ROUNDS];
	int count;
} Samples;

extern void samples_add(Samples *samples, double value);
extern double samples_median(const Samples *samples);
extern double samples_min(const Samples *samples);
extern double samples_max(const Samples *samples);

/* The least value that so many percent are not above. */
extern double samples_percentile(const Samples *samples, int percent);

/* The median of b/a, or of b-a, of each pair of rounds. */
extern double paired_ratio(const Samples *a, const Samples *b);
extern double paired_difference(const Samples *a, const Samples *b);

/* Seconds. */
extern double wall_clock(void);

/* Seconds of CPU, user and system, that a process has used so far. */
extern double cpu_clock(pid_t pid);

/* Pages of memory that a process has found not mapped so far. */
extern double page_faults(pid_t pid);

/* Have it run on the first CPU only, or on any. */
extern void pin(pid_t pid);
extern void unpin(pid_t pid);

/* MiB of a process's own memory now, without shared memory. */
extern double memory_of(pid_t pid);

/* The most that it was since the mark was reset, likewise. */
extern double peak_memory_of(pid_t pid);
extern void reset_peak_memory(pid_t pid);

#endif /* BENCH_MEASURE_H */
