/*-------------------------------------------------------------------------
 *
 * figures.h
 *	  The table that is printed at the end: what was measured, its goal, and
 *	  whether it is met.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include "measure.h"

#define MIB "MiB"

/* No more than the goal, or no less. */
extern void judge(const char *name, double value, double goal, const char *unit, const char *note);
extern void judge_least(const char *name, double value, double goal, const char *unit, const char *note);

/* The goal and nothing else. */
extern void judge_exact(const char *name, long value, long goal, const char *unit);

/* B against A: the ratio of the medians. */
extern void judge_ratio(const char *name, const Samples *a, const Samples *b, double goal);

/* Without a goal. */
extern void note_figure(const char *name, double value, const char *unit, const char *note);

/* Not measured. */
extern void skip(const char *name, const char *goal, const char *why);

extern void print_figures(void);

#endif /* BENCH_FIGURES_H */
