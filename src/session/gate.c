/*-------------------------------------------------------------------------
 *
 * gate.c
 *	  One budget of requests per token, for all backends of the server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "client/pollset.h"
#include "session/gate.h"

/*
 * Tokens in use at the same time.  With more of them, the one that was used
 * longest ago is forgotten, and found out about anew; but not while it is held
 * back, or has requests under way.
 */
#define SLOTS 256

/*
 * Of these, one role has no more: it can't push out those of all others.  With
 * all of its own needed, a session has its own budget for another token, until
 * there is a slot for that.
 */
#define SLOTS_OF_ROLE (SLOTS / 4)

typedef struct Slot
{
	uint8 account[OMF_HASH_SIZE]; /* whose budget it is */
	Oid userid;                   /* the role that it was made for */
	uint64 used;                  /* when last, as a count; 0: never */
	OmfBudget budget;
} Slot;

typedef struct Table
{
	uint64 uses; /* how often a slot was used */
	Slot slots[SLOTS];
} Table;

struct OmfGatekeeper
{
	uint8 account[OMF_HASH_SIZE]; /* whose budget it is */
	Oid userid;                   /* the role that uses it */
	int slot;                     /* where it was found last */
	OmfBudget own;                /* where there is no slot to be had */
};

static OmfShared shared = {"OnlineMigrationsRateLimits", sizeof(Table), NULL};

void
omf_gate_init(void)
{
	omf_shared_add(&shared);
}

/* ----- slots; the table is locked ----- */

static bool
is_slot_of(const Slot *slot, const uint8 *account)
{
	return slot->used > 0 &&
		   memcmp(slot->account, account, OMF_HASH_SIZE) == 0;
}

/* The slot of that account, or -1. */
static int
find_slot(const Table *table, const uint8 *account)
{
	for (int i = 0; i < SLOTS; i++)
		if (is_slot_of(&table->slots[i], account))
			return i;
	return -1;
}

/*
 * A slot for another account, which that role is to use; -1 if there is none.
 */
static int
take_slot(Table *table, const uint8 *account, Oid userid)
{
	int64 now = omf_pollset_now();
	int oldest = -1;
	int oldest_own = -1;
	int nown = 0;
	int chosen;

	for (int i = 0; i < SLOTS; i++)
	{
		const Slot *slot = &table->slots[i];
		bool is_own = slot->used > 0 && slot->userid == userid;

		nown += is_own;
		if (slot->used > 0 && omf_budget_is_needed(&slot->budget, now))
			continue;
		if (oldest < 0 || slot->used < table->slots[oldest].used)
			oldest = i;
		if (is_own && (oldest_own < 0 ||
					   slot->used < table->slots[oldest_own].used))
			oldest_own = i;
	}
	chosen = nown < SLOTS_OF_ROLE ? oldest : oldest_own;
	if (chosen >= 0)
	{
		Slot *slot = &table->slots[chosen];

		memset(slot, 0, sizeof(Slot));
		memcpy(slot->account, account, OMF_HASH_SIZE);
		slot->userid = userid;
	}
	return chosen;
}

/* ----- what the engine goes by ----- */

/*
 * What its own budget has learnt goes along into a new slot; into one that
 * another session has made it does not, so it is kept as long as it is needed.
 */
static int
settle_slot(Table *table, OmfGatekeeper *keeper)
{
	int slot = find_slot(table, keeper->account);

	if (slot >= 0)
		return omf_budget_is_needed(&keeper->own, omf_pollset_now()) ? -1
																	 : slot;
	slot = take_slot(table, keeper->account, keeper->userid);
	if (slot >= 0)
	{
		table->slots[slot].budget = keeper->own;
		memset(&keeper->own, 0, sizeof(keeper->own));
	}
	return slot;
}

static OmfBudget *
lock_slot(void *arg)
{
	OmfGatekeeper *keeper = arg;
	Table *table = omf_shared_lock(&shared, LW_EXCLUSIVE);

	if (keeper->slot < 0 ||
		!is_slot_of(&table->slots[keeper->slot], keeper->account))
	{
		keeper->slot = settle_slot(table, keeper);
		if (keeper->slot < 0)
			return &keeper->own;
	}
	table->slots[keeper->slot].used = ++table->uses;
	return &table->slots[keeper->slot].budget;
}

static void
unlock_slot(void *arg)
{
	(void) arg;
	omf_shared_unlock(&shared);
}

OmfGatekeeper *
omf_gate_open(const uint8 *account, Oid userid, OmfGate *gate)
{
	OmfGatekeeper *keeper;

	(void) omf_shared_get(&shared);
	keeper = calloc(1, sizeof(OmfGatekeeper));
	if (keeper == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	memcpy(keeper->account, account, OMF_HASH_SIZE);
	keeper->userid = userid;
	keeper->slot = -1;
	gate->lock = lock_slot;
	gate->unlock = unlock_slot;
	gate->arg = keeper;
	return keeper;
}

/* ----- what users see of it ----- */

bool
omf_gate_look(const uint8 *account, OmfBudget *budget)
{
	const Table *table;
	int slot;

	(void) omf_shared_get(&shared);
	table = omf_shared_lock(&shared, LW_SHARED);
	slot = find_slot(table, account);
	if (slot >= 0)
		*budget = table->slots[slot].budget;
	omf_shared_unlock(&shared);
	return slot >= 0;
}

void
omf_gate_reset(const uint8 *account)
{
	Table *table;
	int slot;

	(void) omf_shared_get(&shared);
	table = omf_shared_lock(&shared, LW_EXCLUSIVE);
	slot = find_slot(table, account);
	if (slot >= 0)
		omf_budget_forget(&table->slots[slot].budget);
	omf_shared_unlock(&shared);
}

void
omf_account_hash(const char *base_url, const char *token,
				 uint8 hash[OMF_HASH_SIZE])
{
	const OmfHashInput inputs[] = {{base_url, strlen(base_url)},
								   {token, strlen(token)}};

	omf_shared_hash(hash, inputs, lengthof(inputs));
}
