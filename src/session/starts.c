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

/*
 * Starts that are remembered at the same time.  One role has no more than its
 * share: the room of others is not its to take.
 */
#define STARTS (4 * OMF_STARTS_OF_ROLE)

/*
 * Of these, what is kept free for starts under way: one of a long pause may
 * have lost its entry meanwhile, and needs another when it ends.
 */
#define SPARE 256

#define BUCKETS 4096 /* a power of 2 */

/*
 * What a migration may seem to be older than its start: a Date and a
 * created_at of whole seconds, and clocks that are taken for equal.
 */
#define CLOCK_TOLERANCE_MS 3000

/* Entries are known by their number, from 1 on. */
#define NONE 0

typedef struct Entry
{
	uint8 key[OMF_HASH_SIZE];
	int32 next; /* with the same bucket, or of those that are free */
	bool taken;
	Oid userid; /* the role that has started it */
	OmfStart start;
} Entry;

typedef struct Table
{
	int32 nseen;  /* entries that were ever taken: the first ones */
	int32 ntaken; /* of these, those that are now */
	int32 free;   /* the first of the others */
	int32 buckets[BUCKETS];
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

void
omf_start_begin(OmfStart *start)
{
	struct timespec calendar;

	clock_gettime(CLOCK_REALTIME, &calendar);
	start->at = omf_pollset_now();
	start->sent_ms = (int64) calendar.tv_sec * 1000 +
					 calendar.tv_nsec / 1000000;
	start->created_ms = -1;
}

void
omf_start_end(OmfStart *start)
{
	start->at = omf_pollset_now();
	start->ended = true;
}

int64
omf_start_age(const OmfStart *start)
{
	return omf_pollset_now() - start->at;
}

static void
hash_id(const char *id, uint8 hash[OMF_HASH_SIZE])
{
	const OmfHashInput input = {id, strlen(id)};

	omf_shared_hash(hash, &input, 1);
}

void
omf_start_set_previous(OmfStart *start, const char *id)
{
	start->previous_known = true;
	hash_id(id != NULL ? id : "", start->previous);
}

/* Epoch milliseconds on the API's calendar, or -1. */
static int64
parse_time(const char *text)
{
	return text != NULL ? omf_api_time_parse(text) : -1;
}

/* An id that is too long to be one is not kept. */
void
omf_start_set_accepted(OmfStart *start, const char *id, const char *created_at)
{
	start->accepted = true;
	start->id[0] = '\0';
	if (id != NULL && strlen(id) <= OMF_MIGRATION_ID_MAX)
		strcpy(start->id, id);
	start->created_ms = parse_time(created_at);
}

static bool
was_there_before(const OmfStart *start, const char *id)
{
	uint8 hash[OMF_HASH_SIZE];

	if (!start->previous_known)
		return false;
	hash_id(id, hash);
	return memcmp(start->previous, hash, OMF_HASH_SIZE) == 0;
}

/*
 * An API that lags behind may show one that it did not show before, and yet is
 * older: that another was there before the start says nothing.
 */
bool
omf_start_is_shown(const OmfStart *start, const OmfShown *shown)
{
	int64 created_ms = parse_time(shown->created_at);

	if (shown->id == NULL)
		return false;
	if (start->id[0] != '\0' && strcmp(start->id, shown->id) == 0)
		return true;
	if (was_there_before(start, shown->id))
		return false;

	/* what was there before had ended: this one has begun since */
	if (created_ms < 0)
		return shown->under_way && start->previous_known;
	if (start->created_ms >= 0)
		return created_ms >= start->created_ms;
	return created_ms - shown->clock_ahead_ms >=
		   start->sent_ms - CLOCK_TOLERANCE_MS;
}

/* ----- the table, which is locked ----- */

static bool
is_remembered(const Entry *entry)
{
	return omf_start_age(&entry->start) < OMF_START_KEPT_MS;
}

static int32 *
bucket_of(Table *table, const uint8 *key)
{
	uint32 hash;

	memcpy(&hash, key, sizeof(hash));
	return &table->buckets[hash % BUCKETS];
}

/* The entry of that key, which may be too old to count; or NULL. */
static Entry *
find_entry(Table *table, const uint8 *key)
{
	Entry *entry;

	for (int32 i = *bucket_of(table, key); i != NONE; i = entry->next)
	{
		entry = &table->entries[i - 1];
		if (memcmp(entry->key, key, OMF_HASH_SIZE) == 0)
			return entry;
	}
	return NULL;
}

static void
drop_entry(Table *table, Entry *entry)
{
	int32 number = (int32) (entry - table->entries) + 1;
	int32 *link = bucket_of(table, entry->key);

	while (*link != number)
		link = &table->entries[*link - 1].next;
	*link = entry->next;
	entry->taken = false;
	entry->next = table->free;
	table->free = number;
	table->ntaken--;
}

/* Drop what does not count any more, and count what that role has. */
static int
sweep(Table *table, Oid userid)
{
	int nown = 0;

	for (int i = 0; i < table->nseen; i++)
	{
		Entry *entry = &table->entries[i];

		if (!entry->taken)
			continue;
		if (!is_remembered(entry))
			drop_entry(table, entry);
		else if (entry->userid == userid)
			nown++;
	}
	return nown;
}

/* A free entry, which is that of the key from now on; or NULL. */
static Entry *
take_entry(Table *table, const uint8 *key)
{
	int32 *bucket = bucket_of(table, key);
	int32 number = table->free;
	Entry *entry;

	if (number == NONE && table->nseen == STARTS)
		return NULL;
	if (number == NONE)
		number = ++table->nseen;
	else
		table->free = table->entries[number - 1].next;
	entry = &table->entries[number - 1];
	memcpy(entry->key, key, OMF_HASH_SIZE);
	entry->next = *bucket;
	entry->taken = true;
	*bucket = number;
	table->ntaken++;
	return entry;
}

/* One for a start of that role that begins now, or NULL. */
static Entry *
take_entry_for(Table *table, const uint8 *key, Oid userid)
{
	if (sweep(table, userid) >= OMF_STARTS_OF_ROLE ||
		table->ntaken >= STARTS - SPARE)
		return NULL;
	return take_entry(table, key);
}

static bool
fill_entry(Entry *entry, Oid userid, const OmfStart *start)
{
	if (entry == NULL)
		return false;
	entry->userid = userid;
	entry->start = *start;
	return true;
}

/* ----- for all ----- */

bool
omf_starts_find(const uint8 *key, OmfStart *start)
{
	const Entry *entry;
	bool found;

	(void) omf_shared_get(&shared);
	entry = find_entry(omf_shared_lock(&shared, LW_SHARED), key);
	found = entry != NULL && is_remembered(entry);
	if (found)
		*start = entry->start;
	omf_shared_unlock(&shared);
	return found;
}

bool
omf_starts_begin(const uint8 *key, Oid userid, const OmfStart *start)
{
	Table *table;
	Entry *entry;
	bool has_room;

	(void) omf_shared_get(&shared);
	table = omf_shared_lock(&shared, LW_EXCLUSIVE);
	entry = find_entry(table, key);
	if (entry == NULL)
		entry = take_entry_for(table, key, userid);
	has_room = fill_entry(entry, userid, start);
	omf_shared_unlock(&shared);
	return has_room;
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
		entry = take_entry(table, key);
	(void) fill_entry(entry, userid, start);
	omf_shared_unlock(&shared);
}

void
omf_starts_forget(const uint8 *key)
{
	Table *table;
	Entry *entry;

	(void) omf_shared_get(&shared);
	table = omf_shared_lock(&shared, LW_EXCLUSIVE);
	entry = find_entry(table, key);
	if (entry != NULL)
		drop_entry(table, entry);
	omf_shared_unlock(&shared);
}
