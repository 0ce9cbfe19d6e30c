/*-------------------------------------------------------------------------
 *
 * test_api_time.c
 *	  Unit tests of src/client/api_time.c: what answers say of time.
 *
 *-------------------------------------------------------------------------
 */
#include "client/api_time.h"
#include "tap.h"

#include <string.h>

/* What the local calendar shows, in seconds. */
#define NOW INT64_C(1700000000)

/* The least number that is taken for a time, not for a span. */
#define CALENDAR_LEAST INT64_C(1000000000)

#define HOUR_MS (3600 * INT64_C(1000))

/* No header was sent. */
static OmfReply
silent(void)
{
	OmfReply reply;

	memset(&reply, 0, sizeof(reply));
	omf_reply_reset(&reply);
	return reply;
}

static void
settle(OmfReply *reply)
{
	omf_api_time_settle(reply, NOW * 1000 + 250);
}

static void
retry_after_is(int64_t retry_after, int64_t date, int64_t expected, const char *name)
{
	OmfReply reply = silent();

	reply.retry_after = retry_after;
	reply.date = date;
	settle(&reply);
	is_number(reply.pause_ms, expected, "Retry-After: %s", name);
}

static void
retry_date_is(int64_t retry_date, int64_t date, int64_t expected, const char *name)
{
	OmfReply reply = silent();

	reply.retry_after_date = retry_date;
	reply.date = date;
	settle(&reply);
	is_number(reply.pause_ms, expected, "Retry-After as a date: %s", name);
}

static void
reset_is(int64_t reset, int64_t date, int64_t expected, const char *name)
{
	OmfReply reply = silent();

	reply.ratelimit_reset = reset;
	reply.date = date;
	settle(&reply);
	is_number(reply.resets_in_ms, expected, "ratelimit-reset: %s", name);
}

static void
test_retry_after(void)
{
	retry_after_is(-1, NOW, -1, "not said");
	retry_after_is(0, NOW, 0, "0");
	retry_after_is(29, NOW, 29000, "29");
	retry_after_is(29, -1, 29000, "29, without a Date");
	retry_after_is(3600, NOW, HOUR_MS, "an hour");
	retry_after_is(3601, NOW, HOUR_MS, "more than an hour");
	retry_after_is(29000, NOW, HOUR_MS, "29 s in milliseconds");
	retry_after_is(INT64_MAX, NOW, HOUR_MS, "more than can be told");
	retry_after_is(NOW + 30, NOW, 29750, "a time of the calendar");
	retry_after_is(NOW + 630, NOW + 600, 30000, "one of a clock that is 10 minutes ahead");
	retry_after_is(NOW - 30, NOW, 0, "one that has passed");
	retry_after_is((NOW - 7200) * 1000, NOW, 0, "in milliseconds");
	retry_after_is(CALENDAR_LEAST - 1, NOW, HOUR_MS, "31 years");
	retry_after_is(CALENDAR_LEAST, NOW, HOUR_MS, "a billion, which is no time in 2001");
	retry_after_is(CALENDAR_LEAST * 1000, NOW, HOUR_MS, "nor a trillion");
	retry_after_is(NOW - 2 * 24 * 3600, NOW, HOUR_MS, "nor is one the day before yesterday");
}

static void
test_retry_date(void)
{
	retry_date_is(NOW + 30, NOW, 29750, "clocks agree");
	retry_date_is(NOW + 30, -1, 29750, "no Date");
	retry_date_is(NOW + 630, NOW + 600, 30000, "the API's clock is 10 minutes ahead");
	retry_date_is(NOW - 570, NOW - 600, 30000, "10 minutes behind");
	retry_date_is(NOW - 30, NOW, 0, "past");
	retry_date_is(0, NOW, 0, "1970");
	retry_date_is(INT64_C(253402300799), NOW, HOUR_MS, "the year 9999");
}

static void
test_reset(void)
{
	reset_is(-1, NOW, -1, "not said");
	reset_is(NOW + 5, -1, 4750, "no Date: in 5 s");
	reset_is(NOW + 5, NOW, 4750, "clocks agree");
	reset_is(NOW + 605, NOW + 600, 5000, "the API's clock is 10 minutes ahead");
	reset_is(NOW - 595, NOW - 600, 5000, "10 minutes behind");
	reset_is(NOW + 5, 0, 4750, "a Date of 1970 is not gone by");
	reset_is(NOW - 5, NOW, 0, "past");
	reset_is(NOW + 7200, NOW, HOUR_MS, "in two hours");
	reset_is((NOW + 60) * 1000, NOW, 59750, "in milliseconds");
	reset_is((NOW + 60) * 1000000, NOW, 59750, "in microseconds");
	reset_is((NOW + 60) * 1000000000, NOW, 59750, "in nanoseconds");
	reset_is(30, NOW, 30000, "a span");
	reset_is(0, NOW, 0, "0");
	reset_is(NOW + 24 * 3600, NOW, HOUR_MS, "in a day: a clock is wrong");
	reset_is(NOW + 2 * 24 * 3600, NOW, -1, "in two days, which no clock could account for");
	reset_is(NOW + 2 * 24 * 3600, NOW + 2 * 24 * 3600 - 60, 60000, "which that of the answer does");
	reset_is(NOW + 2 * 24 * 3600, -1, -1, "in two days, no Date");
	reset_is(INT64_C(2524608000), NOW, -1, "in 2050");
	reset_is(INT64_C(2524608000), 0, -1, "in 2050, and a Date of 1970");
	reset_is(INT64_C(2524608000000), -1, -1, "in 2050, in milliseconds");
	reset_is(CALENDAR_LEAST - 1, NOW, -1, "a span of 31 years");
	reset_is(7200, NOW, HOUR_MS, "a span of two hours");
	reset_is(INT64_MAX, NOW, -1, "more than can be told");
	reset_is(OMF_AT_ODDS, NOW, -1, "said twice");
	reset_is(NOW - 24 * 3600, NOW, 0, "yesterday");
	reset_is(CALENDAR_LEAST, NOW, 0, "in 2001");
}

static void
ahead_is(int64_t date, int64_t expected, const char *name)
{
	OmfReply reply = silent();

	reply.date = date;
	settle(&reply);
	is_number(reply.clock_ahead_ms, expected, "ahead: %s", name);
}

static void
test_ahead(void)
{
	ahead_is(-1, 0, "no Date");
	ahead_is(NOW, 0, "the same second");
	ahead_is(NOW + 2, 0, "2 s, which is none");
	ahead_is(NOW + 600, 599750, "10 minutes");
	ahead_is(NOW - 600, -600250, "10 minutes behind");
	ahead_is(NOW + 2 * 24 * 3600, 0, "two days, which is not believed");
	ahead_is(0, 0, "a Date of 1970");
}

/* What is not believed leaves nothing behind that a later answer is held to. */
static void
test_disbelieved(void)
{
	static const int64_t absurd[] = {INT64_MAX, INT64_C(2524608000), CALENDAR_LEAST - 1, OMF_AT_ODDS, -1};

	for (int i = 0; i < countof(absurd); i++)
	{
		OmfReply reply = silent();

		reply.ratelimit_reset = absurd[i];
		settle(&reply);
		is_number(reply.ratelimit_reset, -1, "a reset of %lld is none", (long long) absurd[i]);
	}
}

/* Two answers of one window tell the same time, however they tell it. */
static void
test_calendar(void)
{
	static const int64_t same[] = {NOW + 60, (NOW + 60) * 1000, 60};

	for (int i = 0; i < countof(same); i++)
	{
		OmfReply reply = silent();

		reply.ratelimit_reset = same[i];
		reply.date = NOW;
		settle(&reply);
		is_number(reply.ratelimit_reset, NOW + 60, "%lld as seconds of the calendar", (long long) same[i]);
	}
}

static void
test_parse(void)
{
	static const struct
	{
		const char *text;
		int64_t expected;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2020-10-29T15:57:38Z", INT64_C(1603987058000)},
		{"2020-10-29t15:57:38z", INT64_C(1603987058000)},
		{"2020-10-29 15:57:38Z", INT64_C(1603987058000)},
		{"2020-10-29T15:57:38.5Z", INT64_C(1603987058500)},
		{"2020-10-29T15:57:38.123456Z", INT64_C(1603987058123)},
		{"2020-10-29T17:57:38+02:00", INT64_C(1603987058000)},
		{"2020-10-29T10:27:38-05:30", INT64_C(1603987058000)},
		{"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
		{"2000-03-01T00:00:00Z", INT64_C(951868800000)},
		{"2100-12-31T23:59:59Z", INT64_C(4133980799000)},
		{"", -1},
		{"yesterday", -1},
		{"2020-10-29", -1},
		{"2020-10-29T15:57:38", -1},
		{"2020-13-29T15:57:38Z", -1},
		{"2020-10-29T15:57:38+2", -1},
		{"2020-10-29T15:57:38Z and more", -1},
	};

	for (int i = 0; i < countof(cases); i++)
		is_number(omf_api_time_parse(cases[i].text), cases[i].expected, "\"%s\"", cases[i].text);
}

int
main(void)
{
	begin_tests();
	test_retry_after();
	test_retry_date();
	test_reset();
	test_ahead();
	test_disbelieved();
	test_calendar();
	test_parse();
	return finish_tests();
}
