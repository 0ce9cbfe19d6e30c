/*-------------------------------------------------------------------------
 *
 * instrument.c
 *	  What EXPLAIN (ANALYZE) tells of a plan node's requests.
 *
 * A request counts for the node that caused it, a pause for the node that
 * waited: of a batched join, that is the scan on its inner side.  What differs
 * from run to run (times, connections, bytes) is left out with TIMING OFF.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "exec/instrument.h"
#include "session/options.h"

struct OmfInstrument
{
	MemoryContext context;            /* the query's */
	int64 answers[OMF_NANSWER_KINDS]; /* by kind */
	int64 retries;                    /* tries after the first */
	int64 bytes;                      /* received, headers included */
	int64 connections;                /* opened */
	int in_flight;                    /* requests that are not over */
	int most_in_flight;               /* of these, at once */
	int http_version;                 /* of the last answer, or 0: none */
	double rate_limit_ms;             /* waited until the limit allowed more */
	double retry_ms;                  /* waited until the next try */
	double *times;                    /* of the answers, in milliseconds */
	int ntimes;                       /* how many */
	int room;                         /* allocated */
};

/* The kinds, as text and as a property of the structured formats. */
static const struct
{
	const char *text;
	const char *property;
} kinds[OMF_NANSWER_KINDS] = {
	[OMF_ANSWER_PAGE] = {"pages", "Remote Pages"},
	[OMF_ANSWER_FOUND] = {"found", "Remote Found"},
	[OMF_ANSWER_NOT_FOUND] = {"not_found", "Remote Not Found"},
	[OMF_ANSWER_FAILED] = {"failed", "Remote Failed"},
};

OmfInstrument *
omf_instrument_create(const PlanState *node)
{
	OmfInstrument *instrument;

	if (node->state->es_instrument == 0)
		return NULL;
	instrument = MemoryContextAllocZero(node->state->es_query_cxt,
										sizeof(OmfInstrument));
	instrument->context = node->state->es_query_cxt;
	return instrument;
}

void
omf_instrument_request(OmfInstrument *instrument)
{
	if (instrument == NULL)
		return;
	instrument->in_flight++;
	instrument->most_in_flight = Max(instrument->most_in_flight,
									 instrument->in_flight);
}

void
omf_instrument_reply(OmfInstrument *instrument, const OmfReply *reply)
{
	if (instrument == NULL)
		return;
	instrument->in_flight--;
	instrument->retries += Max(reply->tries - 1, 0);
	instrument->bytes += (int64) reply->bytes;
	instrument->connections += reply->connections;
	if (reply->http_version != 0)
		instrument->http_version = reply->http_version;
	if (reply->latency_us < 0)
		return;
	if (instrument->ntimes == instrument->room)
	{
		Size size;

		instrument->room = Max(instrument->room * 2, 16);
		size = sizeof(double) * instrument->room;
		instrument->times = instrument->times == NULL
								? MemoryContextAlloc(instrument->context, size)
								: repalloc_huge(instrument->times, size);
	}
	instrument->times[instrument->ntimes++] =
		(double) reply->latency_us / 1000;
}

void
omf_instrument_answer(OmfInstrument *instrument, OmfAnswerKind kind)
{
	if (instrument != NULL)
		instrument->answers[kind]++;
}

void
omf_instrument_wait(OmfInstrument *instrument, OmfEngineWait what,
					double milliseconds)
{
	if (instrument == NULL)
		return;
	if (what == OMF_WAITS_RATE_LIMIT)
		instrument->rate_limit_ms += milliseconds;
	else if (what == OMF_WAITS_RETRY)
		instrument->retry_ms += milliseconds;
}

/* ----- EXPLAIN ----- */

static int
compare_times(const void *a, const void *b)
{
	double first = *(const double *) a;
	double second = *(const double *) b;

	return first < second ? -1 : first > second;
}

/* The times of the first answer, of the median, and of the slowest. */
static void
summarize(const OmfInstrument *instrument, double times[3])
{
	Size size = sizeof(double) * instrument->ntimes;
	double *sorted = palloc(size);

	memcpy(sorted, instrument->times, size);
	qsort(sorted, instrument->ntimes, sizeof(double), compare_times);
	times[0] = instrument->times[0];
	times[1] = sorted[(instrument->ntimes - 1) / 2];
	times[2] = sorted[instrument->ntimes - 1];
	pfree(sorted);
}

static const char *
protocol(const OmfInstrument *instrument)
{
	return instrument->http_version == 2 ? "HTTP/2" : "HTTP/1.1";
}

/* As a property "Remote ..." whose text says what is not zero. */
static void
explain_answers_as_text(const OmfInstrument *instrument, ExplainState *es)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < OMF_NANSWER_KINDS; i++)
		if (instrument->answers[i] > 0)
			appendStringInfo(&text, "%s%s=" INT64_FORMAT,
							 text.len > 0 ? " " : "", kinds[i].text,
							 instrument->answers[i]);
	if (text.len > 0)
		ExplainPropertyText("Remote Answers", text.data, es);
	if (instrument->retries > 0)
		ExplainPropertyInteger("Remote Retries", NULL, instrument->retries,
							   es);
}

static void
explain_times_as_text(const OmfInstrument *instrument, ExplainState *es)
{
	double times[3];

	if (instrument->ntimes > 0)
	{
		summarize(instrument, times);
		ExplainPropertyText("Remote Times",
							psprintf("first=%.1f median=%.1f slowest=%.1f ms",
									 times[0], times[1], times[2]),
							es);
	}
	if (instrument->http_version != 0)
		ExplainPropertyText("Remote Transfer",
							psprintf("protocol=%s connections=" INT64_FORMAT
									 " in_flight=%d bytes=" INT64_FORMAT,
									 protocol(instrument),
									 instrument->connections,
									 instrument->most_in_flight,
									 instrument->bytes),
							es);
	if (instrument->rate_limit_ms >= 1 || instrument->retry_ms >= 1)
		ExplainPropertyText("Remote Pauses",
							psprintf("rate_limit=%.0f retry=%.0f ms",
									 instrument->rate_limit_ms,
									 instrument->retry_ms),
							es);
}

/* The same, a property for each number, whatever it is. */
static void
explain_as_properties(const OmfInstrument *instrument, ExplainState *es)
{
	double times[3] = {0, 0, 0};

	for (int i = 0; i < OMF_NANSWER_KINDS; i++)
		ExplainPropertyInteger(kinds[i].property, NULL,
							   instrument->answers[i], es);
	ExplainPropertyInteger("Remote Retries", NULL, instrument->retries, es);
	if (!es->timing)
		return;
	if (instrument->ntimes > 0)
		summarize(instrument, times);
	ExplainPropertyFloat("Remote First Time", "ms", times[0], 1, es);
	ExplainPropertyFloat("Remote Median Time", "ms", times[1], 1, es);
	ExplainPropertyFloat("Remote Slowest Time", "ms", times[2], 1, es);
	if (instrument->http_version != 0)
		ExplainPropertyText("Remote Protocol", protocol(instrument), es);
	ExplainPropertyInteger("Remote Connections Opened", NULL,
						   instrument->connections, es);
	ExplainPropertyInteger("Remote Most in Flight", NULL,
						   instrument->most_in_flight, es);
	ExplainPropertyInteger("Remote Bytes Received", NULL, instrument->bytes,
						   es);
	ExplainPropertyFloat("Remote Rate Limit Pause", "ms",
						 instrument->rate_limit_ms, 0, es);
	ExplainPropertyFloat("Remote Retry Pause", "ms", instrument->retry_ms, 0,
						 es);
}

/* The options that are in force; none of them is a secret. */
static void
explain_settings(Oid serverid, const OmfCacheTerms *terms, ExplainState *es)
{
	static const char *const versions[] = {
		[OMF_HTTP_AUTO] = "auto",
		[OMF_HTTP_1_1] = "1.1",
		[OMF_HTTP_2] = "2",
	};
	OmfServerOptions options = omf_options_of_server(serverid);
	bool cached = omf_cache_is_on(terms);

	ExplainPropertyText("Remote Endpoint", options.endpoint, es);
	ExplainPropertyText("Remote Settings",
						psprintf("http_version=%s connect_timeout=%dms"
								 " request_timeout=%dms max_concurrency=%d"
								 " max_retries=%d max_retry_wait=%dms"
								 " rate_limit_reserve=%d"
								 " cache_ttl=%dms cache_stale=%dms",
								 versions[options.http_version],
								 options.connect_timeout_ms,
								 options.request_timeout_ms,
								 options.max_concurrency, options.max_retries,
								 options.max_retry_wait_ms,
								 options.rate_limit_reserve,
								 cached ? terms->ttl_ms : 0,
								 cached ? terms->stale_ms : 0),
						es);
}

void
omf_instrument_explain(const OmfCounts *counts, Oid serverid,
					   const OmfCacheTerms *terms, ExplainState *es)
{
	const OmfInstrument *instrument = counts->instrument;

	ExplainPropertyInteger("Remote Requests", NULL, counts->requests, es);
	if (counts->hits > 0 || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyInteger("Cache Hits", NULL, counts->hits, es);
	if (counts->hits > 0 && es->timing)
		ExplainPropertyInteger("Oldest Answer", "ms", counts->oldest, es);
	if (instrument != NULL && es->format != EXPLAIN_FORMAT_TEXT)
		explain_as_properties(instrument, es);
	else if (instrument != NULL)
	{
		explain_answers_as_text(instrument, es);
		if (es->timing)
			explain_times_as_text(instrument, es);
	}
	if (es->verbose)
		explain_settings(serverid, terms, es);
}
