/*-------------------------------------------------------------------------
 *
 * shared.h
 *	  The memory that all backends of the server share.
 *
 * One block, made of parts that belong to one module each.  It lies in a named
 * DSM segment from PostgreSQL 17 on, else in the main segment, if the module
 * is in shared_preload_libraries.  Where neither is so, each backend has a
 * block of its own.
 * https://www.postgresql.org/docs/current/xfunc-c.html#XFUNC-SHARED-ADDIN
 *
 * Neither a token nor a pointer is in there: what belongs to a token is known
 * by a keyed hash.  Its name has the version of the layout, so that an
 * upgraded library does not take an older one's block for its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SHARED_H
#define OMF_SHARED_H

#include "storage/lwlock.h"

/*
 * The layout of the block.  To be raised with every change of what any part
 * holds, or of what its values mean.
 */
#define OMF_SHARED_LAYOUT 9

#define OMF_HASH_SIZE 16 /* bytes of a hash that are kept */

/* A part of the block, one for every module that has one. */
typedef struct OmfShared
{
	const char *name;           /* of its lock, in pg_stat_activity */
	size_t size;                /* of the part, in bytes */
	void (*fill)(void *memory); /* what it is at first; NULL: all zeroes */
	size_t offset;              /* shared.c's own */
	int number;                 /* likewise */
} OmfShared;

/* Add a part to the block; to be called from _PG_init() only. */
extern void omf_shared_add(OmfShared *part);

/*
 * Besides, there is one arena: memory of a size that is a setting, in
 * kilobytes. `fill` makes it what it is at first, and is told its size in
 * bytes.
 */
extern void omf_shared_add_arena(const int *kilobytes,
								 void (*fill)(void *memory, size_t size));

/*
 * The arena, likewise to be called once the block is there.  Throws when there
 * is no memory.
 */
extern void *omf_shared_arena(void);

/* To be called once from _PG_init(), after all parts were added. */
extern void omf_shared_init(void);

/*
 * The memory of a part, which must have been asked for once before anything
 * else is done with it.  Throws when there is no memory.
 */
extern void *omf_shared_get(const OmfShared *part);

/* The same, locked against other backends until omf_shared_unlock(). */
extern void *omf_shared_lock(const OmfShared *part, LWLockMode mode);
extern void omf_shared_unlock(const OmfShared *part);

/* Is the block one of all backends, and not of this one alone? */
extern bool omf_shared_is_common(void);

/* A piece of what a hash is made of. */
typedef struct OmfHashInput
{
	const void *data;
	size_t length;
} OmfHashInput;

/*
 * A hash that is the same in all backends that share the block, and tells
 * nothing of what it was made of.  Throws when there is no memory.
 */
extern void omf_shared_hash(uint8 hash[OMF_HASH_SIZE],
							const OmfHashInput *inputs, int ninputs);

#endif /* OMF_SHARED_H */
