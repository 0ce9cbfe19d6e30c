/*-------------------------------------------------------------------------
 *
 * statistics.c
 *	  The view of what the API was asked and how it answered, and its reset.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "catalog/pg_foreign_server.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "functions/arguments.h"
#include "session/error.h"
#include "session/stats.h"

PG_FUNCTION_INFO_V1(omf_stats);
PG_FUNCTION_INFO_V1(omf_stats_reset_server);

/* Columns of the view, in its order. */
enum
{
	COLUMN_SERVER,
	COLUMN_OPERATION,
	COLUMN_REQUESTS,
	COLUMN_RETRIES,
	COLUMN_CLASSES, /* one column for each of OmfAnswerClass */
	COLUMN_CACHE_HITS = COLUMN_CLASSES + OMF_CLASSES,
	COLUMN_BYTES_RECEIVED,
	COLUMN_CONNECTIONS,
	COLUMN_TOTAL_MS,
	COLUMN_MEAN_MS,
	COLUMN_MIN_MS,
	COLUMN_MAX_MS,
	COLUMN_HISTOGRAM,
	COLUMN_FAILED_AT,
	COLUMN_FAILED_SQLSTATE,
	COLUMN_FAILED_ID,
	COLUMN_STATS_RESET,
	NCOLUMNS
};

static const char *const operations[] = {
	[OMF_OPERATION_GET_MIGRATION] = "get migration",
	[OMF_OPERATION_LIST_CLUSTERS] = "list clusters",
	[OMF_OPERATION_GET_CLUSTER] = "get cluster",
	[OMF_OPERATION_START] = "start",
	[OMF_OPERATION_STOP] = "stop",
};

static Datum
milliseconds(int64 us)
{
	return Float8GetDatum((double) us / 1000);
}

static Datum
histogram_array(const int64 *histogram)
{
	Datum counts[OMF_STATS_BUCKETS];

	for (int i = 0; i < OMF_STATS_BUCKETS; i++)
		counts[i] = Int64GetDatum(histogram[i]);
	return PointerGetDatum(construct_array(counts, OMF_STATS_BUCKETS, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* The columns that are NULL where nothing has been timed or has failed. */
static void
fill_times(const OmfStatistics *statistics, Datum *values, bool *nulls)
{
	bool timed = statistics->timed > 0;
	bool failed = statistics->failed_at != 0;

	nulls[COLUMN_MEAN_MS] = nulls[COLUMN_MIN_MS] = nulls[COLUMN_MAX_MS] =
		!timed;
	if (timed)
	{
		values[COLUMN_MEAN_MS] = milliseconds(statistics->total_us /
											  statistics->timed);
		values[COLUMN_MIN_MS] = milliseconds(statistics->min_us);
		values[COLUMN_MAX_MS] = milliseconds(statistics->max_us);
	}
	nulls[COLUMN_FAILED_AT] = nulls[COLUMN_FAILED_SQLSTATE] = !failed;
	nulls[COLUMN_FAILED_ID] = statistics->failed_id[0] == '\0';
	if (failed)
	{
		values[COLUMN_FAILED_AT] = TimestampTzGetDatum(statistics->failed_at);
		values[COLUMN_FAILED_SQLSTATE] =
			CStringGetTextDatum(unpack_sql_state(statistics->failed_sqlstate));
	}
	if (!nulls[COLUMN_FAILED_ID])
		values[COLUMN_FAILED_ID] =
			CStringGetTextDatum(omf_error_words(statistics->failed_id));
}

static void
put_row(ReturnSetInfo *result, const char *server, OmfOperation operation,
		const OmfServerStatistics *counted)
{
	const OmfStatistics *statistics = &counted->operations[operation];
	Datum values[NCOLUMNS] = {0};
	bool nulls[NCOLUMNS] = {false};

	values[COLUMN_SERVER] = CStringGetTextDatum(server);
	values[COLUMN_OPERATION] = CStringGetTextDatum(operations[operation]);
	values[COLUMN_REQUESTS] = Int64GetDatum(statistics->requests);
	values[COLUMN_RETRIES] = Int64GetDatum(statistics->retries);
	for (int i = 0; i < OMF_CLASSES; i++)
		values[COLUMN_CLASSES + i] = Int64GetDatum(statistics->classes[i]);
	values[COLUMN_CACHE_HITS] = Int64GetDatum(statistics->cache_hits);
	values[COLUMN_BYTES_RECEIVED] = Int64GetDatum(statistics->bytes);
	values[COLUMN_CONNECTIONS] = Int64GetDatum(statistics->connections);
	values[COLUMN_TOTAL_MS] = milliseconds(statistics->total_us);
	values[COLUMN_HISTOGRAM] = histogram_array(statistics->histogram);
	values[COLUMN_STATS_RESET] = TimestampTzGetDatum(counted->since);
	fill_times(statistics, values, nulls);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Who may not use a server does not learn what it is asked, monitors apart. */
static bool
may_look(Oid serverid)
{
	return omf_server_aclcheck(serverid, GetUserId()) == ACLCHECK_OK ||
		   has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

/* online_migrations_fdw_stats() */
Datum
omf_stats(PG_FUNCTION_ARGS)
{
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach (cell, omf_own_servers())
	{
		const ForeignServer *server = lfirst(cell);
		OmfServerStatistics counted;

		if (!may_look(server->serverid) ||
			!omf_stats_look(server->serverid, &counted))
			continue;
		for (int i = 0; i < OMF_OPERATIONS; i++)
			put_row((ReturnSetInfo *) fcinfo->resultinfo, server->servername,
					i, &counted);
	}
	return (Datum) 0;
}

/* online_migrations_fdw_stats_reset(server): of all servers if that is NULL */
Datum
omf_stats_reset_server(PG_FUNCTION_ARGS)
{
	ListCell *cell;

	if (!PG_ARGISNULL(0))
	{
		const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

		omf_stats_reset(GetForeignServerByName(name, false)->serverid);
	}
	else
		foreach (cell, omf_own_servers())
			omf_stats_reset(((ForeignServer *) lfirst(cell))->serverid);
	PG_RETURN_VOID();
}
