/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  Answers of the API that backends share.
 *
 * The arena (shared.h) is cut into entries, by hash, and chunks of one size
 * that an entry's bytes are strung together from; who waits for an entry has a
 * note at it.  All of it is under the lock of a small part of the block.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "client/pollset.h"
#include "compat.h"
#include "session/cache.h"

#define CHUNK_SIZE 256
#define CHUNK_BYTES (CHUNK_SIZE - sizeof(int32))

/* The most of the arena that one answer may take. */
#define LARGEST_SHARE 4

/*
 * And the most that may be for what backends wait for: where they are more, the
 * rest is taken not to wait.
 */
#define ATTENDED_SHARE 16

/* Those who can wait for the same, where all that is there is waited for. */
#define NOTES_PER_ENTRY 8

#define NONE (-1)

/*
 * For how long one who has just waited is believed to come back: it does what
 * has woken it, and others may look at that very moment.
 */
#define MOMENT_MS 1000

/* A piece of an answer. */
typedef struct Chunk
{
	int32 next; /* of the answer, or of those that are free */
	char bytes[CHUNK_BYTES];
} Chunk;

/* What a backend waits for itself. */
typedef struct Attention
{
	uint64 channel; /* 0: for nothing */
	int64 left_at;  /* when it last stopped or said so; 0: it waits */
} Attention;

/* Somebody who waits for an entry. */
typedef struct Note
{
	int32 next;       /* at the entry, or of those that are free */
	int32 procnumber; /* whose latch is to be set */
} Note;

typedef struct Entry
{
	OmfCacheKey key;
	int32 next;             /* with the same bucket, or of those that are free */
	int32 older;            /* in the order of use */
	int32 newer;            /* likewise */
	bool answered;          /* is there an answer? */
	bool found;             /* then: is it more than a 404? */
	int32 first;            /* its first chunk, or NONE */
	uint32 length;          /* of its bytes */
	int64 at;               /* when it came, on the steady clock */
	TimestampTz fetched_at; /* the same on the calendar */
	int64 failed_at;        /* when the API was last asked in vain, or 0 */
	uint64 flight;          /* number of the flight that is to answer it, or 0 */
	int64 flight_at;        /* when that began */
	int flight_pid;         /* whose it is */
	int32 flight_proc;      /* likewise */
	uint64 flight_channel;  /* likewise */
	uint64 latest;          /* number of the last flight or change */
	int32 notes;            /* the first one, or NONE */
} Entry;

/*
 * What the arena begins with; what each backend waits for, buckets, entries,
 * chunks and notes follow.
 */
typedef struct Arena
{
	int32 nattended; /* of backends, by the number of their PGPROC */
	int32 nentries;  /* and as many buckets */
	int32 nchunks;
	int32 nnotes;
	int32 free_entry;
	int32 free_chunk;
	int32 free_note;
	int32 nfree_chunks;
	int32 oldest; /* entry in the order of use */
	int32 newest;
	uint64 seed;    /* of the hashes of paths */
	uint64 flights; /* number of the last flight, or of another moment */
} Arena;

/* The part of the block whose lock is for the arena. */
typedef struct Used
{
	bool used; /* has anybody asked for anything? */
} Used;

static OmfShared shared = {"OnlineMigrationsAnswers", sizeof(Used), NULL};

static int cache_size = 4096; /* kilobytes */
static bool cache_on = true;
static bool exits_cleanly = false;
static int nflights = 0; /* of this backend that have not ended */

static Arena *arena = NULL;
static volatile Attention *attended;
static int32 *buckets;
static Entry *entries;
static Chunk *chunks;
static Note *notes;

/* ----- the arena ----- */

static void
find_parts(Arena *all)
{
	attended = (Attention *) ((char *) all + MAXALIGN(sizeof(Arena)));
	buckets = (int32 *) ((char *) all + MAXALIGN(sizeof(Arena)) +
						 sizeof(Attention) * all->nattended);
	entries = (Entry *) ((char *) buckets +
						 MAXALIGN(sizeof(int32) * all->nentries));
	chunks = (Chunk *) ((char *) entries +
						MAXALIGN(sizeof(Entry) * all->nentries));
	notes = (Note *) ((char *) chunks +
					  MAXALIGN(sizeof(Chunk) * all->nchunks));
}

static void
fill_arena(void *memory, size_t size)
{
	Arena *fresh = memory;
	size_t unit = 2 * sizeof(Chunk) + sizeof(Entry) + sizeof(int32) +
				  NOTES_PER_ENTRY * sizeof(Note);
	size_t nattended = Min(ProcGlobal->allProcCount,
						   size / ATTENDED_SHARE / sizeof(Attention));
	size_t units = (size - MAXALIGN(sizeof(Arena)) -
					sizeof(Attention) * nattended - 4 * MAXIMUM_ALIGNOF) /
				   unit;

	memset(fresh, 0, MAXALIGN(sizeof(Arena)) + sizeof(Attention) * nattended);
	if (!pg_strong_random(&fresh->seed, sizeof(fresh->seed)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random numbers")));
	fresh->nattended = (int32) nattended;
	fresh->nentries = (int32) units;
	fresh->nnotes = (int32) (NOTES_PER_ENTRY * units);
	fresh->nchunks = fresh->nfree_chunks = (int32) (2 * units);
	fresh->oldest = fresh->newest = NONE;
	find_parts(fresh);
	for (int32 i = 0; i < fresh->nentries; i++)
	{
		buckets[i] = NONE;
		memset(&entries[i], 0, sizeof(Entry));
		entries[i].next = i + 1 < fresh->nentries ? i + 1 : NONE;
	}
	for (int32 i = 0; i < fresh->nchunks; i++)
		chunks[i].next = i + 1 < fresh->nchunks ? i + 1 : NONE;
	for (int32 i = 0; i < fresh->nnotes; i++)
		notes[i].next = i + 1 < fresh->nnotes ? i + 1 : NONE;
}

void
omf_cache_init(void)
{
	DefineCustomIntVariable("online_migrations_fdw.cache_size",
							"Sets the memory for answers of the API that all sessions share.",
							NULL, &cache_size, 4096, 256, 1024 * 1024,
							process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomBoolVariable("online_migrations_fdw.cache",
							 "Shows answers of the API that sessions share.",
							 "As far as the server option \"cache_ttl\" allows it; off: ask the API.",
							 &cache_on, true, PGC_USERSET, 0, NULL, NULL, NULL);
	omf_shared_add(&shared);
	omf_shared_add_arena(&cache_size, fill_arena);
}

bool
omf_cache_is_on(const OmfCacheTerms *terms)
{
	return cache_on && terms->ttl_ms > 0;
}

static void
find_arena(void)
{
	if (arena != NULL)
		return;
	arena = omf_shared_arena();
	find_parts(arena);
}

static void
lock_arena(void)
{
	find_arena();
	((Used *) omf_shared_get(&shared))->used = true;
	(void) omf_shared_lock(&shared, LW_EXCLUSIVE);
}

static void
unlock_arena(void)
{
	omf_shared_unlock(&shared);
}

/* ----- entries; from here on the arena is locked ----- */

/* Of all accounts alike, so that what belongs to a path is found together. */
static int32 *
bucket_of(const OmfCacheKey *key)
{
	return &buckets[key->place % (uint32) arena->nentries];
}

static void
leave_order(Entry *entry)
{
	if (entry->older != NONE)
		entries[entry->older].newer = entry->newer;
	else
		arena->oldest = entry->newer;
	if (entry->newer != NONE)
		entries[entry->newer].older = entry->older;
	else
		arena->newest = entry->older;
}

static void
enter_order(Entry *entry)
{
	entry->older = arena->newest;
	entry->newer = NONE;
	if (arena->newest != NONE)
		entries[arena->newest].newer = (int32) (entry - entries);
	else
		arena->oldest = (int32) (entry - entries);
	arena->newest = (int32) (entry - entries);
}

static void
forget_answer(Entry *entry)
{
	while (entry->first != NONE)
	{
		int32 chunk = entry->first;

		entry->first = chunks[chunk].next;
		chunks[chunk].next = arena->free_chunk;
		arena->free_chunk = chunk;
		arena->nfree_chunks++;
	}
	entry->answered = false;
	entry->length = 0;
}

static void
free_entry(Entry *entry)
{
	int32 number = (int32) (entry - entries);
	int32 *link = bucket_of(&entry->key);

	forget_answer(entry);
	leave_order(entry);
	while (*link != number)
		link = &entries[*link].next;
	*link = entry->next;
	entry->next = arena->free_entry;
	arena->free_entry = number;
}

/* Somebody asks for it, or waits for that. */
static bool
is_busy(const Entry *entry)
{
	return entry->flight != 0 || entry->notes != NONE;
}

static Entry *
find_entry(const OmfCacheKey *key)
{
	for (int32 i = *bucket_of(key); i != NONE; i = entries[i].next)
		if (entries[i].key.halves[0] == key->halves[0] &&
			entries[i].key.halves[1] == key->halves[1])
			return &entries[i];
	return NULL;
}

/* A new entry of that key, or NULL: all are busy. */
static Entry *
make_entry(const OmfCacheKey *key)
{
	int32 *bucket;
	Entry *entry;

	for (int32 i = arena->oldest; arena->free_entry == NONE && i != NONE;)
	{
		Entry *old = &entries[i];

		i = old->newer;
		if (!is_busy(old))
			free_entry(old);
	}
	if (arena->free_entry == NONE)
		return NULL;
	entry = &entries[arena->free_entry];
	arena->free_entry = entry->next;
	memset(entry, 0, sizeof(Entry));
	entry->key = *key;
	entry->first = entry->notes = NONE;
	bucket = bucket_of(key);
	entry->next = *bucket;
	*bucket = (int32) (entry - entries);
	enter_order(entry);
	return entry;
}

/* Free chunks for so many, without that entry; false: there can't be. */
static bool
make_room(int32 nchunks, const Entry *keeper)
{
	if (nchunks > arena->nchunks / LARGEST_SHARE)
		return false;
	for (int32 i = arena->oldest; arena->nfree_chunks < nchunks && i != NONE;)
	{
		Entry *old = &entries[i];

		i = old->newer;
		if (old == keeper)
			continue;
		if (is_busy(old))
			forget_answer(old);
		else
			free_entry(old);
	}
	return arena->nfree_chunks >= nchunks;
}

static void
set_answer(Entry *entry, bool found, const char *bytes, size_t length)
{
	int32 *link = &entry->first;

	forget_answer(entry);
	if (!make_room((int32) ((length + CHUNK_BYTES - 1) / CHUNK_BYTES), entry))
		return;
	for (size_t done = 0; done < length; done += CHUNK_BYTES)
	{
		Chunk *chunk = &chunks[arena->free_chunk];

		*link = arena->free_chunk;
		arena->free_chunk = chunk->next;
		arena->nfree_chunks--;
		memcpy(chunk->bytes, bytes + done, Min(length - done, CHUNK_BYTES));
		chunk->next = NONE;
		link = &chunk->next;
	}
	entry->answered = true;
	entry->found = found;
	entry->length = (uint32) length;
	entry->at = omf_pollset_now();
	entry->fetched_at = GetCurrentTimestamp();
	entry->failed_at = 0;
}

/* Into memory that is there already, for nothing may throw under the lock. */
static void
copy_answer(const Entry *entry, int64 now, OmfCached *answer)
{
	char *target = answer->bytes;
	size_t left = entry->length;

	answer->fetched_at = entry->fetched_at;
	answer->age_ms = now - entry->at;
	answer->found = entry->found;
	answer->length = entry->length;
	for (int32 i = entry->first; i != NONE; i = chunks[i].next)
	{
		size_t length = Min(left, CHUNK_BYTES);

		memcpy(target, chunks[i].bytes, length);
		target += length;
		left -= length;
	}
}

/* ----- flights, and who waits for them ----- */

/* Leave a note at the entry; false: there are none left. */
static bool
leave_note(Entry *entry)
{
	int32 me = omf_my_proc_number();
	int32 note = arena->free_note;

	for (int32 i = entry->notes; i != NONE; i = notes[i].next)
		if (notes[i].procnumber == me)
			return true;
	if (note == NONE)
		return false;
	arena->free_note = notes[note].next;
	notes[note].procnumber = me;
	notes[note].next = entry->notes;
	entry->notes = note;
	return true;
}

/* Tell all who wait: of those that are gone by now, nobody minds. */
static void
wake_all(Entry *entry)
{
	while (entry->notes != NONE)
	{
		int32 note = entry->notes;

		entry->notes = notes[note].next;
		SetLatch(&ProcGlobal->allProcs[notes[note].procnumber].procLatch);
		notes[note].next = arena->free_note;
		arena->free_note = note;
	}
}

static void
begin_flight(Entry *entry, int64 now, OmfQuestion *question)
{
	entry->flight = entry->latest = ++arena->flights;
	entry->flight_at = now;
	entry->flight_pid = MyProcPid;
	entry->flight_proc = omf_my_proc_number();
	entry->flight_channel = question->channel;
	question->flight = entry->flight;
	nflights++;
}

static void
end_flight(Entry *entry)
{
	entry->flight = 0;
	wake_all(entry);
}

/*
 * The entry of the question, if its flight is still the one that is to answer.
 */
static Entry *
own_entry(OmfQuestion *question)
{
	Entry *entry;

	if (question->flight == 0)
		return NULL;
	entry = find_entry(&question->key);
	if (entry != NULL && entry->flight != question->flight)
		entry = NULL;
	question->flight = 0;
	nflights--;
	return entry;
}

/*
 * Does its backend wait for the answer itself, so that it takes as long as it
 * takes?  A look without a lock.  An Append does not tell when its wait ends,
 * so that of one it is looked at as pg_stat_activity does.
 */
static bool
is_attended(const Entry *entry, int64 now)
{
	volatile const PGPROC *proc = &ProcGlobal->allProcs[entry->flight_proc];
	uint64 channel;
	int64 left_at;

	if (entry->flight_proc >= arena->nattended ||
		proc->pid != entry->flight_pid)
		return false;

	/* each once: they may change meanwhile */
	channel = attended[entry->flight_proc].channel;
	left_at = attended[entry->flight_proc].left_at;
	if (channel == entry->flight_channel)
		return left_at == 0 || now - left_at < MOMENT_MS;
	if (channel == (entry->flight_channel & OMF_CACHE_CHANNELS_OF_ONE))
		return proc->wait_event_info == WAIT_EVENT_APPEND_READY ||
			   now - left_at < MOMENT_MS;
	return false;
}

/* The backend goes: nobody is to wait for what it has asked. */
static void
release_all(int code, Datum arg)
{
	(void) code, (void) arg;
	if (nflights == 0)
		return;
	lock_arena();
	for (int32 i = arena->oldest; i != NONE; i = entries[i].newer)
		if (entries[i].flight != 0 && entries[i].flight_pid == MyProcPid)
			end_flight(&entries[i]);
	unlock_arena();
}

/*
 * Before this backend's first flight, and not earlier: a start, which begins
 * none, has a clean-up of its own registered while it asks for moments, and that
 * must be the latest one.
 */
static void
prepare_exit(void)
{
	if (exits_cleanly)
		return;
	before_shmem_exit(release_all, (Datum) 0);
	exits_cleanly = true;

	/* what an earlier backend of this number has left there */
	omf_cache_attend(0);
}

/* ----- questions; here it is not locked ----- */

/* Has anybody ever asked for anything?  If not, there need be no arena. */
static bool
is_used(void)
{
	return ((const Used *) omf_shared_get(&shared))->used;
}

static OmfCacheKey
make_key(const uint8 *account, const char *path)
{
	const unsigned char *bytes = (const unsigned char *) path;
	OmfCacheKey key;

	/*
	 * what an account is known by is secret, so nobody makes keys meet on
	 * purpose
	 */
	find_arena();
	memcpy(key.halves, account, OMF_HASH_SIZE);
	key.place = hash_bytes_extended(bytes, (int) strlen(path), arena->seed);
	key.halves[1] ^= hash_bytes_extended(bytes, (int) strlen(path),
										 key.halves[1]);
	key.halves[0] ^= key.place;
	return key;
}

OmfQuestion
omf_cache_question(const uint8 *account, const char *path, OmfCacheTerms terms)
{
	OmfQuestion question = {0};

	question.key = make_key(account, path);
	question.terms = terms;
	return question;
}

static void
set_attention(uint64 channel, int64 left_at)
{
	if (arena == NULL || omf_my_proc_number() >= arena->nattended)
		return;
	attended[omf_my_proc_number()].channel = channel;
	attended[omf_my_proc_number()].left_at = left_at;
}

void
omf_cache_attend(uint64 channel)
{
	set_attention(channel, 0);
}

void
omf_cache_look_up(uint64 channel)
{
	set_attention(channel, omf_pollset_now());
}

/* What the entry has for the question, now that it is locked. */
static OmfCacheStep
judge(Entry *entry, int64 now, OmfQuestion *question, bool may_wait)
{
	int64 age = now - entry->at;
	bool is_new = now - entry->flight_at < OMF_CACHE_PATIENCE_MS;
	bool asked = entry->flight != 0 && (is_new || is_attended(entry, now));
	bool failed = entry->failed_at != 0 &&
				  now - entry->failed_at < OMF_CACHE_REST_MS;

	if (question->waits_from == 0)
		question->waits_from = now;

	if (entry->answered && age <= question->terms.ttl_ms)
		return OMF_CACHE_HIT;
	if (entry->answered && question->waits_for != 0 &&
		entry->at > question->waits_from && age <= OMF_CACHE_NEWS_MS)
		return OMF_CACHE_HIT;
	if (entry->answered && (asked || failed) &&
		age <= (int64) question->terms.ttl_ms + question->terms.stale_ms)
		return OMF_CACHE_HIT;
	if (asked && entry->flight_pid == MyProcPid)
		return OMF_CACHE_ASK;
	if (asked)
	{
		if (question->waits_for != entry->flight && question->waits_for != 0)
			question->vain++;
		question->waits_for = entry->flight;
		if (!may_wait ||
			(question->vain >= OMF_CACHE_VAIN_FLIGHTS &&
			 now - question->waits_from > OMF_CACHE_PATIENCE_IN_ALL_MS) ||
			!leave_note(entry))
			return OMF_CACHE_ASK;
		question->waits_till = (is_new ? entry->flight_at : now) +
							   OMF_CACHE_PATIENCE_MS;
		return OMF_CACHE_WAIT;
	}
	begin_flight(entry, now, question);
	return OMF_CACHE_ASK;
}

OmfCacheStep
omf_cache_ask(OmfQuestion *question, bool may_wait, OmfCached *answer)
{
	size_t room = CHUNK_BYTES;
	OmfCacheStep step;

	if (!cache_on)
	{
		question->waits_till = 0;
		question->asked = omf_cache_moment();
		return OMF_CACHE_ASK;
	}
	question->asked = 0;
	prepare_exit();
	answer->bytes = palloc(room);
	for (;;)
	{
		int64 now;
		Entry *entry;
		size_t length = 0;

		lock_arena();
		now = omf_pollset_now();
		question->waits_till = 0;
		entry = find_entry(&question->key);
		if (entry == NULL)
			entry = make_entry(&question->key);
		step = entry != NULL ? judge(entry, now, question, may_wait)
							 : OMF_CACHE_ASK;
		if (step == OMF_CACHE_HIT)
		{
			length = entry->length;
			if (length <= room)
				copy_answer(entry, now, answer);
			leave_order(entry);
			enter_order(entry);
		}
		unlock_arena();
		if (length <= room)
			break;

		/* most answers are small; of a large one, once more */
		pfree(answer->bytes);
		room = length;
		answer->bytes = MemoryContextAllocHuge(CurrentMemoryContext, room);
	}
	if (step != OMF_CACHE_HIT)
		pfree(answer->bytes);
	return step;
}

bool
omf_cache_is_wanted(const OmfQuestion *question)
{
	return question->flight != 0 || question->asked != 0;
}

/* An answer of somebody who has asked whatever the cache has. */
static void
learn(const OmfCacheKey *key, uint64 asked, bool found, const char *bytes,
	  size_t length)
{
	Entry *entry;

	lock_arena();
	entry = find_entry(key);
	if (entry != NULL && entry->latest < asked)
	{
		/* what was asked before it is older, whenever it comes */
		entry->latest = asked;
		set_answer(entry, found, bytes, length);
		end_flight(entry);
	}
	unlock_arena();
}

void
omf_cache_answer(OmfQuestion *question, bool found, const char *bytes,
				 size_t length)
{
	Entry *entry;

	if (question->asked != 0)
		learn(&question->key, question->asked, found, bytes, length);
	if (question->flight == 0)
		return;
	lock_arena();
	entry = own_entry(question);
	if (entry != NULL)
	{
		set_answer(entry, found, bytes, length);
		end_flight(entry);
	}
	unlock_arena();
}

bool
omf_cache_fail(OmfQuestion *question, OmfCached *answer)
{
	bool was_ours = question->flight != 0;
	Entry *entry;

	if (!was_ours)
		return false;
	lock_arena();
	entry = own_entry(question);
	if (entry != NULL)
	{
		entry->failed_at = omf_pollset_now();
		end_flight(entry);
	}
	unlock_arena();

	/* with a failure just noted, an old answer does where one is allowed */
	if (question->terms.stale_ms == 0)
		return false;
	if (omf_cache_ask(question, false, answer) == OMF_CACHE_HIT)
		return true;
	omf_cache_give_up(question);
	return false;
}

void
omf_cache_give_up(OmfQuestion *question)
{
	Entry *entry;

	if (question->flight == 0)
		return;
	lock_arena();
	entry = own_entry(question);
	if (entry != NULL)
		end_flight(entry);
	unlock_arena();
}

uint64
omf_cache_moment(void)
{
	uint64 moment;

	if (!is_used())
		return 0;
	lock_arena();
	moment = ++arena->flights;
	unlock_arena();
	return moment;
}

void
omf_cache_learn(const uint8 *account, const char *path, uint64 asked,
				bool found, const char *bytes, size_t length)
{
	OmfCacheKey key;

	if (!is_used())
		return;
	key = make_key(account, path);
	learn(&key, asked, found, bytes, length);
}

void
omf_cache_change(const uint8 *account, const char *path, const char *bytes,
				 size_t length)
{
	OmfCacheKey key;

	if (!is_used())
		return;
	key = make_key(account, path);
	lock_arena();
	for (int32 i = *bucket_of(&key); i != NONE; i = entries[i].next)
	{
		Entry *entry = &entries[i];

		if (entry->key.place != key.place)
			continue;
		entry->latest = ++arena->flights;
		forget_answer(entry);
		end_flight(entry);
	}
	if (bytes != NULL)
	{
		Entry *own = find_entry(&key);

		if (own != NULL)
			set_answer(own, true, bytes, length);
	}
	unlock_arena();
}
