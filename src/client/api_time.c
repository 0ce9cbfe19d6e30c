/*-------------------------------------------------------------------------
 *
 * api_time.c
 *	  What an answer says of time, in local time.
 *
 *-------------------------------------------------------------------------
 */
#include "client/api_time.h"

#include <stdio.h>
#include <string.h>

/* Clocks that differ by no more are taken to show the same time. */
#define CLOCK_TOLERANCE_MS 2000

/* Smaller numbers are no time of a calendar (2001 and later), but a span. */
#define CALENDAR_LEAST INT64_C(1000000000)

/*
 * A number of a header in milliseconds.  It ought to be seconds, but there are
 * clocks that count milliseconds, microseconds and nanoseconds.
 */
static int64_t
milliseconds(int64_t number)
{
	if (number >= CALENDAR_LEAST * 1000000000)
		return number / 1000000;
	if (number >= CALENDAR_LEAST * 1000000)
		return number / 1000;
	if (number >= CALENDAR_LEAST * 1000)
		return number;
	return number * 1000;
}

static bool
makes_sense(int64_t pause_ms)
{
	return pause_ms >= -OMF_PAUSE_MAX_MS && pause_ms <= OMF_PAUSE_MAX_MS;
}

static int64_t
within_sense(int64_t pause_ms)
{
	if (pause_ms < 0)
		return 0;
	return pause_ms < OMF_PAUSE_MAX_MS ? pause_ms : OMF_PAUSE_MAX_MS;
}

/* What the API's calendar shows now. */
static int64_t
api_now(const OmfReply *reply, int64_t epoch_ms)
{
	int64_t date = reply->date * 1000;

	/* ours is finer, where it shows the same */
	if (reply->date < 0 || (date <= epoch_ms + CLOCK_TOLERANCE_MS &&
							date >= epoch_ms - CLOCK_TOLERANCE_MS))
		return epoch_ms;
	return date;
}

/* From now to a time of the API's calendar, which may make no sense. */
static int64_t
span_until(const OmfReply *reply, int64_t time_ms, int64_t epoch_ms)
{
	int64_t pause = time_ms - api_now(reply, epoch_ms);

	/* a Date that makes no sense of it may itself be the wrong one */
	return !makes_sense(pause) && makes_sense(time_ms - epoch_ms)
			   ? time_ms - epoch_ms
			   : pause;
}

static int64_t
pause_until(const OmfReply *reply, int64_t time_ms, int64_t epoch_ms)
{
	return within_sense(span_until(reply, time_ms, epoch_ms));
}

/*
 * Of a Retry-After in digits.  It ought to be a span, but some servers send a
 * time: one that has long passed is none.
 */
static int64_t
retry_pause(const OmfReply *reply, int64_t epoch_ms)
{
	int64_t number = reply->retry_after;
	int64_t time = milliseconds(number);

	if (number >= CALENDAR_LEAST &&
		span_until(reply, time, epoch_ms) >= -OMF_RESET_SENSE_MS)
		return pause_until(reply, time, epoch_ms);
	return number < CALENDAR_LEAST ? within_sense(number * 1000)
								   : OMF_PAUSE_MAX_MS;
}

/* Of a reset, which may be a time or a span. */
static void
settle_reset(OmfReply *reply, int64_t epoch_ms)
{
	int64_t number = reply->ratelimit_reset;
	bool is_time = number >= CALENDAR_LEAST;
	int64_t span = is_time ? span_until(reply, milliseconds(number), epoch_ms)
						   : number * 1000;

	reply->resets_in_ms = -1;
	reply->ratelimit_reset = -1;
	if (number < 0 || span > OMF_RESET_SENSE_MS)
		return;
	reply->resets_in_ms = within_sense(span);
	reply->ratelimit_reset =
		is_time ? milliseconds(number) / 1000
				: (api_now(reply, epoch_ms) + reply->resets_in_ms) / 1000;
}

/* What the API's calendar is ahead of ours; 0 when it makes no sense. */
static int64_t
clock_ahead(const OmfReply *reply, int64_t epoch_ms)
{
	int64_t ahead = api_now(reply, epoch_ms) - epoch_ms;

	return ahead >= -OMF_RESET_SENSE_MS && ahead <= OMF_RESET_SENSE_MS ? ahead
																	   : 0;
}

void
omf_api_time_settle(OmfReply *reply, int64_t epoch_ms)
{
	reply->clock_ahead_ms = clock_ahead(reply, epoch_ms);
	reply->pause_ms = -1;
	if (reply->retry_after >= 0)
		reply->pause_ms = retry_pause(reply, epoch_ms);
	else if (reply->retry_after_date >= 0)
		reply->pause_ms = pause_until(reply, reply->retry_after_date * 1000,
									  epoch_ms);
	settle_reset(reply, epoch_ms);
}

/* Days from 1970-01-01 to a day of the Gregorian calendar. */
static int64_t
days_of(int year, int month, int day)
{
	/* years that begin in March have their odd day at the end */
	int64_t years = month > 2 ? year : year - 1;
	int64_t months = month > 2 ? month - 3 : month + 9;

	return 365 * years + years / 4 - years / 100 + years / 400 +
		   (153 * months + 2) / 5 + day - 719469;
}

/*
 * Minutes that a zone is ahead of UTC: "Z" or "+hh:mm"; false if it is none.
 */
static bool
parse_zone(const char *text, int *minutes)
{
	int hour;
	int minute;
	int length = 0;

	*minutes = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return true;
	if ((*text != '+' && *text != '-') ||
		sscanf(text + 1, "%2d:%2d%n", &hour, &minute, &length) != 2 || text[1 + length] != '\0')
		return false;
	*minutes = (*text == '-' ? -1 : 1) * (hour * 60 + minute);
	return true;
}

int64_t
omf_api_time_parse(const char *text)
{
	int year, month, day, hour, minute, second, zone;
	int length = 0;
	int64_t milliseconds = 0;

	if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &year, &month, &day,
			   &hour, &minute, &second, &length) != 6 ||
		year < 1970 || month < 1 || month > 12 || day < 1 || day > 31)
		return -1;
	text += length;
	if (*text == '.')
	{
		size_t digits = strspn(++text, "0123456789");

		for (size_t i = 0; i < 3; i++)
			milliseconds = milliseconds * 10 +
						   (i < digits ? text[i] - '0' : 0);
		text += digits;
	}
	if (!parse_zone(text, &zone))
		return -1;
	return (((days_of(year, month, day) * 24 + hour) * 60 + minute - zone) *
				60 +
			second) *
			   1000 +
		   milliseconds;
}
