/*-------------------------------------------------------------------------
 *
 * measure.c
 *	  Clocks, memory, and what several rounds of a measurement amount to.
 *
 *-------------------------------------------------------------------------
 */
#include "measure.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ----- samples ----- */

void
samples_add(Samples *samples, double value)
{
	if (samples->count < MAX_ROUNDS)
		samples->values[samples->count++] = value;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

double
samples_median(const Samples *samples)
{
	Samples sorted = *samples;
	int middle = sorted.count / 2;

	if (sorted.count == 0)
		return 0;
	qsort(sorted.values, (size_t) sorted.count, sizeof(double), compare);
	if (sorted.count % 2 == 1)
		return sorted.values[middle];
	return (sorted.values[middle - 1] + sorted.values[middle]) / 2;
}

double
samples_percentile(const Samples *samples, int percent)
{
	Samples sorted = *samples;
	int rank = (sorted.count * percent + 99) / 100;

	if (sorted.count == 0)
		return 0;
	qsort(sorted.values, (size_t) sorted.count, sizeof(double), compare);
	return sorted.values[rank > 0 ? rank - 1 : 0];
}

double
samples_min(const Samples *samples)
{
	double min = samples->values[0];

	for (int i = 1; i < samples->count; i++)
		min = samples->values[i] < min ? samples->values[i] : min;
	return min;
}

double
samples_max(const Samples *samples)
{
	double max = samples->values[0];

	for (int i = 1; i < samples->count; i++)
		max = samples->values[i] > max ? samples->values[i] : max;
	return max;
}

double
paired_ratio(const Samples *a, const Samples *b)
{
	Samples ratios = {{0}, 0};

	for (int i = 0; i < a->count; i++)
		samples_add(&ratios, b->values[i] / a->values[i]);
	return samples_median(&ratios);
}

double
paired_difference(const Samples *a, const Samples *b)
{
	Samples differences = {{0}, 0};

	for (int i = 0; i < a->count; i++)
		samples_add(&differences, b->values[i] - a->values[i]);
	return samples_median(&differences);
}

/* ----- clocks ----- */

static double
seconds(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
	{
		perror("bench: clock_gettime");
		exit(1);
	}
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

double
wall_clock(void)
{
	return seconds(CLOCK_MONOTONIC);
}

/* Finer than the ticks of utime and stime in /proc, and the same sum. */
double
cpu_clock(pid_t pid)
{
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0)
	{
		fprintf(stderr, "bench: process %d has no CPU clock\n", (int) pid);
		exit(1);
	}
	return seconds(clock);
}

/* minflt in /proc/PID/stat, the eighth of the fields after the name. */
double
page_faults(pid_t pid)
{
	char path[64];
	char line[1024];
	unsigned long faults;
	const char *rest = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
	file = fopen(path, "r");
	if (file != NULL && fgets(line, sizeof(line), file) != NULL)
		rest = strrchr(line, ')');
	if (rest == NULL || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %lu", &faults) != 1)
	{
		fprintf(stderr, "bench: %s does not tell of page faults\n", path);
		exit(1);
	}
	fclose(file);
	return (double) faults;
}

/* ----- CPUs ----- */

static cpu_set_t any_cpu;

void
pin(pid_t pid)
{
	cpu_set_t one;
	int cpu = 0;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(any_cpu), &any_cpu) != 0)
		return;
	while (!CPU_ISSET(cpu, &any_cpu))
		cpu++;
	CPU_SET(cpu, &one);
	if (sched_setaffinity(pid, sizeof(one), &one) != 0)
		perror("bench: sched_setaffinity");
}

void
unpin(pid_t pid)
{
	(void) sched_setaffinity(pid, sizeof(any_cpu), &any_cpu);
}

/* ----- memory ----- */

/* A line of /proc/PID/status, in kB. */
static double
status_line(pid_t pid, const char *name)
{
	char path[64];
	char line[256];
	double value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			value = strtod(line + strlen(name) + 1, NULL);
	if (file != NULL)
		fclose(file);
	return value;
}

double
memory_of(pid_t pid)
{
	return (status_line(pid, "RssAnon") + status_line(pid, "RssFile")) / 1024;
}

/* The kernel has no such mark without shared memory: take off the present. */
double
peak_memory_of(pid_t pid)
{
	return (status_line(pid, "VmHWM") - status_line(pid, "RssShmem")) / 1024;
}

void
reset_peak_memory(pid_t pid)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int) pid);
	file = fopen(path, "w");
	if (file != NULL)
	{
		fputs("5", file);
		fclose(file);
	}
}
