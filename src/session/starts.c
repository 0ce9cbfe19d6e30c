/*-------------------------------------------------------------------------
 *
 * starts.c
 *	  The starts of this server that the API does not show yet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "client/api_time.h"
#include "client/pollset.h"
#include "session/starts.h"

/* Starts that are remembered at the same time; with more, the oldest go. */
#define STARTS 256

/* Of these, one role has no more: it can't push out those of all others. */
#define STARTS_OF_ROLE (STARTS / 4)

/* What the API's clock may be behind ours. */
#define CLOCK_TOLERANCE_MS 5000

typedef struct Entry
{
	bool taken;
	uint8 key[OMF_HASH_SIZE];
	Oid userid; /* the role that has started it */
	OmfStart start;
} Entry;

typedef struct Table
{
	Entry entries[STARTS];
} Table;

static OmfShared shared = {"OnlineMigrationsStarts", sizeof(Table), NULL};

void
omf_starts_init(void)
{
	omf_shared_add(&shared);
}

void
omf_start_key(const uint8 *account, const unsigned char *uuid,
			  uint8 key[OMF_HASH_SIZE])
{
	const OmfHashInput inputs[] = {{account, OMF_HASH_SIZE},
								   {uuid, OMF_UUID_SIZE}};

	omf_shared_hash(key, inputs, lengthof(inputs));
}

/* ----- one start ----- */

OmfStart
omf_start_now(void)
{
	struct timespec calendar;
	OmfStart start = {0};

	clock_gettime(CLOCK_REALTIME, &calendar);
	start.at = omf_pollset_now();
	start.sent_ms = (int64) calendar.tv_sec * 1000 +
					calendar.tv_nsec / 1000000;
	start.created_ms = -1;
	return start;
}

void
omf_start_end(OmfStart *start)
{
	start->at = omf_pollset_now();
}

int64
omf_start_age(const OmfStart *start)
{
	return omf_pollset_now() - start->at;
}

/* An id that is too long to be one is not kept. */
static void
set_id(char target[OMF_MIGRATION_ID_MAX + 1], const char *id)
{
	target[0] = '\0';
	if (id != NULL && strlen(id) <= OMF_MIGRATION_ID_MAX)
		strcpy(target, id);
}

void
omf_start_set_previous(OmfStart *start, const char *id, const char *status)
{
	start->previous_known = true;
	set_id(start->previous, id);
	strlcpy(start->previous_status, status != NULL ? status : "", OMF_START_STATUS_SIZE);
}

void
omf_start_set_accepted(OmfStart *start, const char *id, const char *created_at)
{
	start->accepted = true;
	set_id(start->id, id);
	start->created_ms = created_at != NULL ? omf_api_time_parse(created_at)
										   : -1;
}

/* Does the API show what it has shown before the start? */
static bool
is_as_before(const OmfStart *start, const char *id, const char *status)
{
	return strcmp(start->previous, id) == 0 &&
		   strncmp(start->previous_status, status != NULL ? status : "", OMF_START_STATUS_SIZE - 1) == 0;
}

bool
omf_start_is_shown(const OmfStart *start, const char *id, const char *status,
				   const char *created_at)
{
	int64 created_ms = created_at != NULL ? omf_api_time_parse(created_at)
										  : -1;

	if (id == NULL)
		return false;
	if (start->id[0] != '\0' && strcmp(start->id, id) == 0)
		return true;

	/*
	 * the API keeps the last one only: what was not there before came after it
	 */
	if (start->previous_known)
		return !is_as_before(start, id, status);
	if (start->created_ms >= 0)
		return created_ms >= start->created_ms;
	return created_ms >= start->sent_ms - CLOCK_TOLERANCE_MS;
}

/* ----- the table, which is locked ----- */

static bool
is_remembered(const Entry *entry, int64 now)
{
	return entry->taken && now - entry->start.at < OMF_START_KEPT_MS;
}

static Entry *
find_entry(Table *table, const uint8 *key)
{
	int64 now = omf_pollset_now();

	for (int i = 0; i < STARTS; i++)
		if (is_remembered(&table->entries[i], now) &&
			memcmp(table->entries[i].key, key, OMF_HASH_SIZE) == 0)
			return &table->entries[i];
	return NULL;
}

static Entry *
older(Entry *a, Entry *b)
{
	return a == NULL || b->start.at < a->start.at ? b : a;
}

/* An entry for another start of that role: a free one, or else the oldest. */
static Entry *
take_entry(Table *table, Oid userid)
{
	int64 now = omf_pollset_now();
	Entry *vacant = NULL;
	Entry *oldest = NULL;
	Entry *oldest_own = NULL;
	int nown = 0;

	for (int i = 0; i < STARTS; i++)
	{
		Entry *entry = &table->entries[i];

		if (!is_remembered(entry, now))
		{
			vacant = entry;
			continue;
		}
		oldest = older(oldest, entry);
		if (entry->userid != userid)
			continue;
		nown++;
		oldest_own = older(oldest_own, entry);
	}
	if (nown >= STARTS_OF_ROLE)
		return oldest_own;
	return vacant != NULL ? vacant : oldest;
}

/* ----- for all ----- */

bool
omf_starts_find(const uint8 *key, OmfStart *start)
{
	const Entry *entry;
	bool found;

	(void) omf_shared_get(&shared);
	entry = find_entry(omf_shared_lock(&shared, LW_SHARED), key);
	found = entry != NULL;
	if (found)
		*start = entry->start;
	omf_shared_unlock(&shared);
	return found;
}

void
omf_starts_put(const uint8 *key, Oid userid, const OmfStart *start)
{
	Table *table;
	Entry *entry;

	(void) omf_shared_get(&shared);
	table = omf_shared_lock(&shared, LW_EXCLUSIVE);
	entry = find_entry(table, key);
	if (entry == NULL)
		entry = take_entry(table, userid);
	entry->taken = true;
	memcpy(entry->key, key, OMF_HASH_SIZE);
	entry->userid = userid;
	entry->start = *start;
	omf_shared_unlock(&shared);
}

void
omf_starts_forget(const uint8 *key)
{
	Entry *entry;

	(void) omf_shared_get(&shared);
	entry = find_entry(omf_shared_lock(&shared, LW_EXCLUSIVE), key);
	if (entry != NULL)
		entry->taken = false;
	omf_shared_unlock(&shared);
}
