/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  What each foreign server's API has been asked, and how it answered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "session/shared.h"
#include "session/stats.h"

/* Servers, of all databases together, that are counted at the same time. */
#define SLOTS 128

typedef struct Slot
{
	Oid database;
	Oid serverid; /* of that database; InvalidOid: the slot is free */
	uint64 used;  /* when it was last counted, as a count */
	OmfServerStatistics counted;
} Slot;

typedef struct Table
{
	uint64 uses; /* how often a slot was used */
	Slot slots[SLOTS];
} Table;

static OmfShared shared = {"OnlineMigrationsStatistics", sizeof(Table), NULL};

/* Where this backend found its server last. */
static int last_slot = 0;

void
omf_stats_init(void)
{
	omf_shared_add(&shared);
}

OmfOperation
omf_stats_operation(OmfMethod method, const char *path)
{
	static const char suffix[] = "/online-migration";
	size_t length = strlen(path);
	size_t rest = sizeof(suffix) - 1;

	if (method == OMF_PUT)
		return OMF_OPERATION_START;
	if (method == OMF_DELETE)
		return OMF_OPERATION_STOP;
	if (length > rest && strcmp(path + length - rest, suffix) == 0)
		return OMF_OPERATION_GET_MIGRATION;
	return strchr(path, '?') != NULL ? OMF_OPERATION_LIST_CLUSTERS
									 : OMF_OPERATION_GET_CLUSTER;
}

/* ----- slots; the table is locked ----- */

static bool
is_slot_of(const Slot *slot, Oid serverid)
{
	return slot->serverid == serverid && slot->database == MyDatabaseId;
}

static void
reset_slot(Slot *slot)
{
	memset(&slot->counted, 0, sizeof(slot->counted));
	slot->counted.since = GetCurrentTimestamp();
}

/* The slot of that server, or -1. */
static int
find_slot(const Table *table, Oid serverid)
{
	if (is_slot_of(&table->slots[last_slot], serverid))
		return last_slot;
	for (int i = 0; i < SLOTS; i++)
		if (is_slot_of(&table->slots[i], serverid))
			return i;
	return -1;
}

/* The same, but there is one: that which was used longest ago, if need be. */
static Slot *
take_slot(Table *table, Oid serverid)
{
	int slot = find_slot(table, serverid);

	if (slot < 0)
	{
		slot = 0;
		for (int i = 1; i < SLOTS; i++)
			if (table->slots[i].used < table->slots[slot].used)
				slot = i;
		table->slots[slot].database = MyDatabaseId;
		table->slots[slot].serverid = serverid;
		reset_slot(&table->slots[slot]);
	}
	table->slots[slot].used = ++table->uses;
	last_slot = slot;
	return &table->slots[slot];
}

/* ----- counting ----- */

static OmfStatistics *
begin_counting(Oid serverid, OmfOperation operation)
{
	(void) omf_shared_get(&shared);
	return &take_slot(omf_shared_lock(&shared, LW_EXCLUSIVE), serverid)
				->counted.operations[operation];
}

static int
bucket_of(int64 latency_us)
{
	static const int64 bounds[OMF_STATS_BUCKETS - 1] = OMF_STATS_BOUNDS;
	int bucket = 0;

	while (bucket < OMF_STATS_BUCKETS - 1 &&
		   latency_us > bounds[bucket] * 1000)
		bucket++;
	return bucket;
}

static void
count_latency(OmfStatistics *statistics, int64 latency_us)
{
	if (statistics->timed++ == 0 || latency_us < statistics->min_us)
		statistics->min_us = latency_us;
	if (latency_us > statistics->max_us)
		statistics->max_us = latency_us;
	statistics->total_us += latency_us;
	statistics->histogram[bucket_of(latency_us)]++;
}

void
omf_stats_count(Oid serverid, OmfMethod method, const char *path,
				const OmfReply *reply)
{
	OmfStatistics *statistics;

	/* held back by a rate limit that is known */
	if (reply->tries == 0)
		return;
	statistics = begin_counting(serverid, omf_stats_operation(method, path));
	statistics->requests += reply->tries;
	statistics->retries += reply->tries - 1;
	for (int i = 0; i < OMF_CLASSES; i++)
		statistics->classes[i] += reply->classes[i];
	statistics->bytes += reply->bytes;
	statistics->connections += reply->connections;
	if (reply->latency_us >= 0)
		count_latency(statistics, reply->latency_us);
	omf_shared_unlock(&shared);
}

void
omf_stats_fail(Oid serverid, OmfMethod method, const char *path, int sqlstate,
			   const char *api_id)
{
	TimestampTz now = GetCurrentTimestamp();
	OmfStatistics *statistics =
		begin_counting(serverid, omf_stats_operation(method, path));

	statistics->failed_at = now;
	statistics->failed_sqlstate = sqlstate;
	strlcpy(statistics->failed_id, api_id, OMF_STATS_FAILURE_SIZE);
	omf_shared_unlock(&shared);
}

void
omf_stats_hit(Oid serverid, OmfOperation operation, int64 hits)
{
	begin_counting(serverid, operation)->cache_hits += hits;
	omf_shared_unlock(&shared);
}

/* ----- what users see of it ----- */

bool
omf_stats_look(Oid serverid, OmfServerStatistics *statistics)
{
	const Table *table;
	int slot;

	(void) omf_shared_get(&shared);
	table = omf_shared_lock(&shared, LW_SHARED);
	slot = find_slot(table, serverid);
	if (slot >= 0)
		*statistics = table->slots[slot].counted;
	omf_shared_unlock(&shared);
	return slot >= 0;
}

void
omf_stats_reset(Oid serverid)
{
	Table *table;
	int slot;

	(void) omf_shared_get(&shared);
	table = omf_shared_lock(&shared, LW_EXCLUSIVE);
	slot = find_slot(table, serverid);
	if (slot >= 0)
		reset_slot(&table->slots[slot]);
	omf_shared_unlock(&shared);
}
