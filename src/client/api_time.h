/*-------------------------------------------------------------------------
 *
 * api_time.h
 *	  What an answer says of time, in local time.
 *
 * Clocks differ, and servers say odd things: this is the one place where the
 * times of an answer's headers become pauses from now.  They go by the
 * answer's own Date where there is one, else by the local clock, and within
 * sense: what has passed is now, and nothing is further away than
 * OMF_PAUSE_MAX_MS.  A reset that no clock could account for is none.  Times
 * in its body become local ones by what its Date is ahead.
 *
 * Rests on RFC 9110, sections 6.6.1 (Date) and 10.2.3 (Retry-After), and on
 * https://docs.digitalocean.com/reference/api/reference/rate-limits/
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_API_TIME_H
#define OMF_API_TIME_H

#include "client/reply.h"

/* No pause is longer than this: the API's longest window. */
#define OMF_PAUSE_MAX_MS (60 * 60 * INT64_C(1000))

/*
 * A reset that is further away is not believed, nor is a Date.  Clocks may be
 * off by hours, such as one that shows the time of another zone.
 */
#define OMF_RESET_SENSE_MS (24 * OMF_PAUSE_MAX_MS)

/*
 * Set the reply's pause_ms, resets_in_ms and clock_ahead_ms, and make its
 * ratelimit_reset seconds of the API's calendar, or -1.  `epoch_ms` is what
 * the local calendar shows.
 */
extern void omf_api_time_settle(OmfReply *reply, int64_t epoch_ms);

/* A time as RFC 3339 writes it, in epoch milliseconds, or -1 if it is none. */
extern int64_t omf_api_time_parse(const char *text);

#endif /* OMF_API_TIME_H */
