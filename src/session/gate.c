/*-------------------------------------------------------------------------
 *
 * gate.c
 *	  One budget of requests per token, for all backends of the server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#include "compat.h"
#include "session/gate.h"

/* The name of our shared memory. */
#define SEGMENT_NAME "online_migrations_fdw"

/*
 * Tokens in use at the same time.  With more of them, the one that was used
 * longest ago is forgotten, and found out about anew.
 */
#define SLOTS 128

#define HASH_SIZE 16 /* bytes of a hash that are kept */
#define KEY_SIZE 32  /* bytes of the key of all hashes */

typedef struct Slot
{
	uint8 hash[HASH_SIZE]; /* of endpoint and token */
	uint64 used;           /* when it was last used, as a count; 0: never */
	OmfBudget budget;
} Slot;

typedef struct Table
{
	slock_t mutex;       /* for all of the below but the key */
	uint64 uses;         /* how often a slot was used */
	uint8 key[KEY_SIZE]; /* random, set before anyone sees the table */
	Slot slots[SLOTS];
} Table;

struct OmfGatekeeper
{
	uint8 hash[HASH_SIZE]; /* of endpoint and token */
	int slot;              /* where it was found last */
};

static Table *table = NULL;

#if OMF_HAS_SHMEM_HOOKS
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;
#endif

/* ----- the table ----- */

static void
init_table(void *memory)
{
	Table *fresh = memory;

	memset(fresh, 0, sizeof(Table));
	SpinLockInit(&fresh->mutex);
	if (!pg_strong_random(fresh->key, KEY_SIZE))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random numbers")));
}

#if OMF_HAS_SHMEM_HOOKS

static void
request_shared_memory(void)
{
	if (previous_request_hook != NULL)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Table)));
}

static void
start_shared_memory(void)
{
	bool found;
	Table *shared;

	if (previous_startup_hook != NULL)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct(SEGMENT_NAME, sizeof(Table), &found);
	if (!found)
		init_table(shared);
	LWLockRelease(AddinShmemInitLock);
	table = shared;
}

#endif

void
omf_gate_init(void)
{
#if OMF_HAS_SHMEM_HOOKS
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shared_memory;
#endif
}

static Table *
get_table(void)
{
	if (table == NULL && IsUnderPostmaster)
		table = omf_named_shared_memory(SEGMENT_NAME, sizeof(Table), init_table);
	if (table == NULL)
	{
		Table *own = MemoryContextAlloc(TopMemoryContext, sizeof(Table));

		init_table(own);
		table = own;
	}
	return table;
}

/* ----- slots ----- */

/* The slot of that hash, with the table locked; a new one if need be. */
static int
find_slot(const uint8 *hash)
{
	int oldest = 0;

	for (int i = 0; i < SLOTS; i++)
	{
		if (memcmp(table->slots[i].hash, hash, HASH_SIZE) == 0 && table->slots[i].used > 0)
			return i;
		if (table->slots[i].used < table->slots[oldest].used)
			oldest = i;
	}
	memset(&table->slots[oldest], 0, sizeof(Slot));
	memcpy(table->slots[oldest].hash, hash, HASH_SIZE);
	return oldest;
}

static OmfBudget *
lock_slot(void *arg)
{
	OmfGatekeeper *keeper = arg;
	Slot *slot = &table->slots[keeper->slot];

	SpinLockAcquire(&table->mutex);
	if (memcmp(slot->hash, keeper->hash, HASH_SIZE) != 0 || slot->used == 0)
	{
		keeper->slot = find_slot(keeper->hash);
		slot = &table->slots[keeper->slot];
	}
	slot->used = ++table->uses;
	return &slot->budget;
}

static void
unlock_slot(void *arg)
{
	(void) arg;
	SpinLockRelease(&table->mutex);
}

/* ----- keepers ----- */

/* The API counts per token; another endpoint is another API. */
static bool
hash_token(const char *base_url, const char *token, uint8 *hash)
{
	pg_hmac_ctx *context = pg_hmac_create(PG_SHA256);
	uint8 digest[PG_SHA256_DIGEST_LENGTH];
	bool done;

	if (context == NULL)
		return false;
	done = pg_hmac_init(context, table->key, KEY_SIZE) == 0 &&
		   pg_hmac_update(context, (const uint8 *) base_url, strlen(base_url) + 1) == 0 &&
		   pg_hmac_update(context, (const uint8 *) token, strlen(token)) == 0 &&
		   pg_hmac_final(context, digest, sizeof(digest)) == 0;
	pg_hmac_free(context);
	if (done)
		memcpy(hash, digest, HASH_SIZE);
	return done;
}

OmfGatekeeper *
omf_gate_open(const char *base_url, const char *token, OmfGate *gate)
{
	uint8 hash[HASH_SIZE];
	OmfGatekeeper *keeper = NULL;

	(void) get_table();
	if (hash_token(base_url, token, hash))
		keeper = calloc(1, sizeof(OmfGatekeeper));
	if (keeper == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	memcpy(keeper->hash, hash, HASH_SIZE);
	gate->lock = lock_slot;
	gate->unlock = unlock_slot;
	gate->arg = keeper;
	return keeper;
}

OmfBudget
omf_gate_look(OmfGatekeeper *keeper)
{
	OmfBudget copy = *lock_slot(keeper);

	unlock_slot(keeper);
	return copy;
}
