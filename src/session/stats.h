/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  What each foreign server's API has been asked, and how it answered.
 *
 * Counted for all backends, in the memory that they share (shared.h), for each
 * server of each database and each of the API's calls.  Servers that were used
 * longest ago make room for others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_STATS_H
#define OMF_STATS_H

#include "datatype/timestamp.h"

#include "client/reply.h"

/* The calls that are told apart. */
typedef enum OmfOperation
{
	OMF_OPERATION_GET_MIGRATION,
	OMF_OPERATION_LIST_CLUSTERS,
	OMF_OPERATION_GET_CLUSTER,
	OMF_OPERATION_START,
	OMF_OPERATION_STOP,
	OMF_OPERATIONS /* how many there are */
} OmfOperation;

/*
 * Upper bounds of the latency histogram's buckets, in milliseconds and
 * inclusive; the last bucket has none.
 */
#define OMF_STATS_BOUNDS                                             \
	{                                                                \
		5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000 \
	}
#define OMF_STATS_BUCKETS 13

#define OMF_STATS_FAILURE_SIZE 64 /* of the API's word for a failure */

/* What is counted of one operation. */
typedef struct OmfStatistics
{
	int64 requests;                     /* tries that were made */
	int64 retries;                      /* of these, none of a first time */
	int64 classes[OMF_CLASSES];         /* how the tries ended */
	int64 cache_hits;                   /* answers that were not asked for */
	int64 bytes;                        /* received: headers and bodies */
	int64 connections;                  /* opened */
	int64 timed;                        /* answers whose latency was taken */
	int64 total_us;                     /* the sum of their latencies */
	int64 min_us;                       /* the least of these */
	int64 max_us;                       /* and the greatest */
	int64 histogram[OMF_STATS_BUCKETS]; /* how many are in each bucket */

	/* the last request that failed for good */
	TimestampTz failed_at;                  /* when, or 0: none */
	int failed_sqlstate;                    /* and with what */
	char failed_id[OMF_STATS_FAILURE_SIZE]; /* the API's id, or empty */
} OmfStatistics;

/* All that is counted of one server. */
typedef struct OmfServerStatistics
{
	TimestampTz since; /* when counting began */
	OmfStatistics operations[OMF_OPERATIONS];
} OmfServerStatistics;

/* To be called once from _PG_init(), before omf_shared_init(). */
extern void omf_stats_init(void);

/* The operation of a call. */
extern OmfOperation omf_stats_operation(OmfMethod method, const char *path);

/* A request to that server of the present database is over. */
extern void omf_stats_count(Oid serverid, OmfMethod method, const char *path,
							const OmfReply *reply);

/* It has failed for good; `api_id` is the API's word for that, or empty. */
extern void omf_stats_fail(Oid serverid, OmfMethod method, const char *path,
						   int sqlstate, const char *api_id);

/* So many answers came from the cache instead. */
extern void omf_stats_hit(Oid serverid, OmfOperation operation, int64 hits);

/* What has been counted of that server; false: nothing yet. */
extern bool omf_stats_look(Oid serverid, OmfServerStatistics *statistics);

/* Begin to count anew. */
extern void omf_stats_reset(Oid serverid);

#endif /* OMF_STATS_H */
