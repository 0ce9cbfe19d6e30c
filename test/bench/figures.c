/*-------------------------------------------------------------------------
 *
 * figures.c
 *	  The table that is printed at the end.
 *
 *-------------------------------------------------------------------------
 */
#include "figures.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FIGURES 192

/* A line of the table. */
typedef struct Figure
{
	char name[96];
	char goal[32];
	char measured[64];
	const char *met; /* "met", "NOT MET", or "-" */
} Figure;

static Figure figures[MOST_FIGURES];
static int nfigures;

static Figure *
add_figure(const char *name)
{
	Figure *figure = &figures[nfigures++];

	if (nfigures > MOST_FIGURES)
	{
		fprintf(stderr, "bench: too many figures\n");
		exit(1);
	}
	snprintf(figure->name, sizeof(figure->name), "%s", name);
	figure->met = "-";
	return figure;
}

static void
set_measured(Figure *figure, double value, const char *unit, const char *note)
{
	int digits = strcmp(unit, "x") == 0 ? 2 : 1;

	snprintf(figure->measured, sizeof(figure->measured), "%.*f %s%s", digits, value, unit, note);
}

void
judge(const char *name, double value, double goal, const char *unit, const char *note)
{
	Figure *figure = add_figure(name);

	snprintf(figure->goal, sizeof(figure->goal), "<= %g %s", goal, unit);
	set_measured(figure, value, unit, note);
	figure->met = value <= goal ? "met" : "NOT MET";
}

void
judge_least(const char *name, double value, double goal, const char *unit, const char *note)
{
	Figure *figure = add_figure(name);

	snprintf(figure->goal, sizeof(figure->goal), ">= %g %s", goal, unit);
	set_measured(figure, value, unit, note);
	figure->met = value >= goal ? "met" : "NOT MET";
}

void
judge_exact(const char *name, long value, long goal, const char *unit)
{
	Figure *figure = add_figure(name);

	snprintf(figure->goal, sizeof(figure->goal), "%ld%s", goal, unit);
	snprintf(figure->measured, sizeof(figure->measured), "%ld%s", value, unit);
	figure->met = value == goal ? "met" : "NOT MET";
}

void
note_figure(const char *name, double value, const char *unit, const char *note)
{
	set_measured(add_figure(name), value, unit, note);
}

void
skip(const char *name, const char *goal, const char *why)
{
	Figure *figure = add_figure(name);

	snprintf(figure->goal, sizeof(figure->goal), "%s", goal);
	snprintf(figure->measured, sizeof(figure->measured), "skipped: %s", why);
	printf("  %s: skipped, %s\n", name, why);
}

void
judge_ratio(const char *name, const Samples *a, const Samples *b, double goal)
{
	char note[32];

	snprintf(note, sizeof(note), " (paired %.3f)", paired_ratio(a, b));
	judge(name, samples_median(b) / samples_median(a), goal, "x", note);
}

void
print_figures(void)
{
	printf("\n%-52s %-12s %-28s %s\n", "figure", "goal", "measured", "");
	for (int i = 0; i < nfigures; i++)
		printf("%-52s %-12s %-28s %s\n", figures[i].name, figures[i].goal,
			   figures[i].measured, figures[i].met);
}
