/*-------------------------------------------------------------------------
 *
 * shared.c
 *	  The memory that all backends of the server share.
 *
 * A backend that is killed while it holds a lock takes all others and the
 * block with it, as with any lock of PostgreSQL's: no part is ever seen half
 * changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "compat.h"
#include "session/shared.h"

#define PARTS_MAX 4
#define KEY_SIZE 32 /* bytes of the key of all hashes */

typedef struct Block
{
	bool common;             /* do others share it? */
	uint8 key[KEY_SIZE];     /* random, set before anyone sees the block */
	LWLock locks[PARTS_MAX]; /* of the parts, each of a tranche of its own */
	size_t arena_size;       /* as the setting was when the block was made */
} Block;

static OmfShared *parts[PARTS_MAX];
static int nparts = 0;
static size_t block_size = MAXALIGN(sizeof(Block));
static Block *block = NULL;

static const int *arena_kilobytes;
static void (*arena_fill)(void *memory, size_t size);
static void *arena = NULL;

#if OMF_HAS_SHMEM_HOOKS
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;
#endif

void
omf_shared_add(OmfShared *part)
{
	Assert(nparts < PARTS_MAX && block == NULL);
	part->number = nparts;
	part->offset = block_size;
	block_size += MAXALIGN(part->size);
	parts[nparts++] = part;
}

void
omf_shared_add_arena(const int *kilobytes,
					 void (*fill)(void *memory, size_t size))
{
	arena_kilobytes = kilobytes;
	arena_fill = fill;
}

static const char *
name_of(const char *what)
{
	static char name[64];

	snprintf(name, sizeof(name), "online_migrations_fdw %s, layout %d", what, OMF_SHARED_LAYOUT);
	return name;
}

/* ----- making the block ----- */

/* It is all zeroes so far. */
static void
fill_block(Block *fresh, bool common)
{
	fresh->common = common;
	fresh->arena_size = (size_t) *arena_kilobytes * 1024;
	if (!pg_strong_random(fresh->key, KEY_SIZE))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random numbers")));
	for (int i = 0; common && i < nparts; i++)
		LWLockInitialize(&fresh->locks[i], omf_new_tranche(parts[i]->name));
	for (int i = 0; i < nparts; i++)
		if (parts[i]->fill != NULL)
			parts[i]->fill((char *) fresh + parts[i]->offset);
}

/* What pg_stat_activity calls its locks, in this process. */
static void
name_locks(const Block *common)
{
	for (int i = 0; i < nparts; i++)
		omf_name_tranche(common->locks[i].tranche, parts[i]->name);
}

static void
fill_common_block(void *memory)
{
	memset(memory, 0, block_size);
	fill_block(memory, true);
}

#if OMF_HAS_SHMEM_HOOKS

static void
request_shared_memory(void)
{
	if (previous_request_hook != NULL)
		previous_request_hook();
	RequestAddinShmemSpace(
		add_size(MAXALIGN(block_size), (Size) *arena_kilobytes * 1024));
}

static void
start_shared_memory(void)
{
	bool found;
	Block *common;

	if (previous_startup_hook != NULL)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	common = ShmemInitStruct(name_of("block"), block_size, &found);
	if (!found)
		fill_common_block(common);
	arena = ShmemInitStruct(name_of("arena"), common->arena_size, &found);
	if (!found)
		arena_fill(arena, common->arena_size);
	LWLockRelease(AddinShmemInitLock);
	name_locks(common);
	block = common;
}

#endif

/*
 * A process's first HMAC has OpenSSL look for its digest, in 600,000
 * instructions.  Done once before the backends are forked, all have it.
 */
static void
prepare_hash(void)
{
	static const uint8 any_key[KEY_SIZE];
	ResourceOwner old = CurrentResourceOwner;
	ResourceOwner own = ResourceOwnerCreate(NULL, "online_migrations_fdw");
	pg_hmac_ctx *context;

	CurrentResourceOwner = own;
	context = pg_hmac_create(PG_SHA256);
	if (context != NULL)
	{
		(void) pg_hmac_init(context, any_key, KEY_SIZE);
		pg_hmac_free(context);
	}
	CurrentResourceOwner = old;
	ResourceOwnerDelete(own);
}

void
omf_shared_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	prepare_hash();
#if OMF_HAS_SHMEM_HOOKS
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shared_memory;
#endif
}

static void
find_block(void)
{
	if (block == NULL && IsUnderPostmaster)
	{
		block = omf_named_shared_memory(name_of("block"), block_size, fill_common_block);
		if (block != NULL)
			name_locks(block);
	}
	if (block == NULL)
	{
		/* the system's own zeroes: what is not used takes no memory */
		Block *own = calloc(1, block_size);

		if (own == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory")));
		fill_block(own, false);
		block = own;
	}
}

static void
fill_common_arena(void *memory)
{
	arena_fill(memory, block->arena_size);
}

void *
omf_shared_arena(void)
{
	find_block();
	if (arena == NULL && block->common)
		arena = omf_named_shared_memory(name_of("arena"), block->arena_size, fill_common_arena);
	if (arena == NULL)
	{
		void *own = MemoryContextAllocHuge(TopMemoryContext,
										   block->arena_size);

		arena_fill(own, block->arena_size);
		arena = own;
	}
	return arena;
}

/* ----- using it ----- */

void *
omf_shared_get(const OmfShared *part)
{
	find_block();
	return (char *) block + part->offset;
}

void *
omf_shared_lock(const OmfShared *part, LWLockMode mode)
{
	if (block->common)
		LWLockAcquire(&block->locks[part->number], mode);
	return (char *) block + part->offset;
}

void
omf_shared_unlock(const OmfShared *part)
{
	if (block->common)
		LWLockRelease(&block->locks[part->number]);
}

bool
omf_shared_is_common(void)
{
	find_block();
	return block->common;
}

static bool
hash_inputs(pg_hmac_ctx *context, const OmfHashInput *inputs, int ninputs,
			uint8 *digest)
{
	if (pg_hmac_init(context, block->key, KEY_SIZE) != 0)
		return false;
	for (int i = 0; i < ninputs; i++)
	{
		uint64 length = inputs[i].length;

		/* with its length, so that no two lists of pieces read alike */
		if (pg_hmac_update(context, (const uint8 *) &length, sizeof(length)) !=
				0 ||
			pg_hmac_update(context, inputs[i].data, inputs[i].length) != 0)
			return false;
	}
	return pg_hmac_final(context, digest, PG_SHA256_DIGEST_LENGTH) == 0;
}

void
omf_shared_hash(uint8 hash[OMF_HASH_SIZE], const OmfHashInput *inputs,
				int ninputs)
{
	uint8 digest[PG_SHA256_DIGEST_LENGTH];
	pg_hmac_ctx *context;
	bool done;

	find_block();
	context = pg_hmac_create(PG_SHA256);
	done = context != NULL && hash_inputs(context, inputs, ninputs, digest);
	if (context != NULL)
		pg_hmac_free(context);
	if (!done)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	memcpy(hash, digest, OMF_HASH_SIZE);
}
