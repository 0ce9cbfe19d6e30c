/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  What one SQL statement has asked the API, and what it was answered.
 *
 * See statement.h for what this is for, and what it may and must not call.
 *
 * A Lookup is one cluster asked about in one statement.  An Ask is one
 * fetch's wish for one lookup.  Several asks, of several fetches, can wait
 * for one lookup; its answer goes to all of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "utils/memutils.h"

#include "error.h"
#include "session.h"
#include "statement.h"

typedef enum LookupState
{
	LOOKUP_NEW,       /* not asked yet */
	LOOKUP_ASKED,     /* its request is on the way */
	LOOKUP_FOUND,     /* record is set */
	LOOKUP_NOT_FOUND, /* 404 */
	LOOKUP_FAILED     /* error is set, or out of memory */
} LookupState;

typedef struct Lookup
{
	unsigned char uuid[OMF_UUID_SIZE];
	LookupState state;
	OmfRecord *record;  /* malloc'd */
	OmfError *error;    /* malloc'd */
	slist_head waiters; /* asks that wait for it */
} Lookup;

typedef struct Ask
{
	slist_node node;   /* in the lookup's waiters, or in the fetch's ready list */
	OmfFetch *fetch;   /* whose wish it is */
	Lookup *lookup;    /* for which cluster */
	const OmfKey *key; /* the caller's */
} Ask;

typedef struct LookupEntry
{
	const unsigned char *uuid; /* in the lookup; the hash key */
	Lookup *lookup;
	char status; /* simplehash's own */
} LookupEntry;

static inline uint32
hash_uuid(const unsigned char *uuid)
{
	return hash_bytes(uuid, OMF_UUID_SIZE);
}

static inline bool
same_uuid(const unsigned char *a, const unsigned char *b)
{
	return memcmp(a, b, OMF_UUID_SIZE) == 0;
}

#define SH_PREFIX lookups
#define SH_ELEMENT_TYPE LookupEntry
#define SH_KEY_TYPE const unsigned char *
#define SH_KEY uuid
#define SH_HASH_KEY(t, k) hash_uuid(k)
#define SH_EQUAL(t, a, b) same_uuid(a, b)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What the statement asked of one resource in one session. */
typedef struct Conversation
{
	slist_node node;             /* in the statement's conversations */
	const OmfResource *resource; /* what is asked about */
	OmfSession *session;         /* held */
	OmfInbox inbox;              /* where its requests arrive */
	lookups_hash *lookups;       /* by UUID */
} Conversation;

typedef struct Statement
{
	dlist_node node;             /* in statements */
	MemoryContext context;       /* the query's, which it goes with */
	slist_head conversations;    /* usually one */
	MemoryContextCallback reset; /* frees what is not palloc'd */
} Statement;

struct OmfFetch
{
	Conversation *conversation; /* that it takes part in */
	MemoryContext context;      /* of what outlives a rescan */
	Ask *asks;                  /* one for every key, in the keys' order */
	int nasks;                  /* how many */
	int next;                   /* the first one that has not been taken up */
	int nwaiting;               /* how many wait for their lookup */
	slist_head ready;           /* those with an answer, newest first */
	slist_head ready_first;     /* the same in the order of arrival */
	int64 requests;             /* that it has caused */
};

/* Statements under way in this backend: nested ones, and open cursors. */
static dlist_head statements = DLIST_STATIC_INIT(statements);

/* ----- statements and conversations ----- */

/* The query's memory goes: call off its requests.  Must not throw. */
static void
end_statement(void *arg)
{
	Statement *statement = arg;
	slist_iter iter;

	dlist_delete(&statement->node);
	slist_foreach(iter, &statement->conversations)
	{
		Conversation *conversation = slist_container(Conversation, node, iter.cur);
		lookups_iterator entries;
		LookupEntry *entry;

		omf_inbox_clear(&conversation->inbox);
		omf_session_release(conversation->session);
		lookups_start_iterate(conversation->lookups, &entries);
		while ((entry = lookups_iterate(conversation->lookups, &entries)) != NULL)
		{
			free(entry->lookup->record);
			free(entry->lookup->error);
		}
	}
}

static Statement *
get_statement(MemoryContext context)
{
	Statement *statement;
	dlist_iter iter;

	dlist_foreach(iter, &statements)
	{
		statement = dlist_container(Statement, node, iter.cur);
		if (statement->context == context)
			return statement;
	}
	statement = MemoryContextAllocZero(context, sizeof(Statement));
	statement->context = context;
	slist_init(&statement->conversations);
	statement->reset.func = end_statement;
	statement->reset.arg = statement;
	MemoryContextRegisterResetCallback(context, &statement->reset);
	dlist_push_head(&statements, &statement->node);
	return statement;
}

static Conversation *
get_conversation(Statement *statement, const OmfResource *resource,
				 Oid serverid, Oid userid)
{
	OmfSession *session = omf_session_acquire(serverid, userid);
	Conversation *conversation;
	slist_iter iter;

	slist_foreach(iter, &statement->conversations)
	{
		conversation = slist_container(Conversation, node, iter.cur);
		if (conversation->resource == resource && conversation->session == session)
		{
			omf_session_release(session);
			return conversation;
		}
	}

	/* from the push on, end_statement() releases the session */
	PG_TRY();
	{
		conversation = MemoryContextAllocZero(statement->context, sizeof(Conversation));
		conversation->resource = resource;
		conversation->session = session;
		omf_inbox_init(&conversation->inbox);
		conversation->lookups = lookups_create(statement->context, 16, NULL);
	}
	PG_CATCH();
	{
		omf_session_release(session);
		PG_RE_THROW();
	}
	PG_END_TRY();
	slist_push_head(&statement->conversations, &conversation->node);
	return conversation;
}

OmfFetch *
omf_fetch_create(EState *estate, const OmfResource *resource, Oid serverid,
				 Oid userid)
{
	Statement *statement;
	OmfFetch *fetch;

	/* a recheck after a concurrent update belongs to the statement it is in */
	while (estate->es_epq_active != NULL)
		estate = estate->es_epq_active->parentestate;
	statement = get_statement(estate->es_query_cxt);

	fetch = MemoryContextAllocZero(statement->context, sizeof(OmfFetch));
	fetch->conversation = get_conversation(statement, resource, serverid, userid);
	fetch->context = statement->context;
	return fetch;
}

/* ----- requests ----- */

/* The request is over: settle its lookup, and wake those who wait for it. */
static void
settle_lookup(Conversation *conversation, OmfRequest *request)
{
	Lookup *lookup = omf_request_owner(request);
	const char *token = omf_engine_token(omf_session_engine(conversation->session));
	OmfSecrets secrets = {&token, 1};

	switch (omf_api_result(conversation->resource, request, &secrets,
						   &lookup->record, &lookup->error))
	{
		case OMF_RESULT_RECORD:
			lookup->state = LOOKUP_FOUND;
			break;
		case OMF_RESULT_NOT_FOUND:
			lookup->state = LOOKUP_NOT_FOUND;
			free(lookup->error);
			lookup->error = NULL;
			break;
		case OMF_RESULT_ERROR:
			lookup->state = LOOKUP_FAILED;
			break;
	}
	omf_request_free(request);

	while (!slist_is_empty(&lookup->waiters))
	{
		Ask *ask = slist_container(Ask, node, slist_pop_head_node(&lookup->waiters));

		ask->fetch->nwaiting--;
		slist_push_head(&ask->fetch->ready, &ask->node);
	}
}

static void
settle_finished(Conversation *conversation)
{
	OmfRequest *request;

	while ((request = omf_inbox_take(&conversation->inbox)) != NULL)
		settle_lookup(conversation, request);
}

static Lookup *
get_lookup(Conversation *conversation, const unsigned char *uuid, MemoryContext context)
{
	LookupEntry *entry = lookups_lookup(conversation->lookups, uuid);
	Lookup *lookup;
	bool found;

	if (entry != NULL)
		return entry->lookup;
	lookup = MemoryContextAllocZero(context, sizeof(Lookup));
	memcpy(lookup->uuid, uuid, OMF_UUID_SIZE);
	slist_init(&lookup->waiters);
	entry = lookups_insert(conversation->lookups, lookup->uuid, &found);
	entry->lookup = lookup;
	return lookup;
}

static void
send_lookup(OmfFetch *fetch, Lookup *lookup)
{
	Conversation *conversation = fetch->conversation;
	char path[OMF_PATH_SIZE];

	omf_api_migration_path(path, lookup->uuid);
	if (omf_engine_submit(omf_session_engine(conversation->session),
						  &conversation->inbox, OMF_GET, path, NULL,
						  OMF_BODY_MAX, lookup) == NULL)
		omf_raise(OMF_ACTION_READ, NULL);
	lookup->state = LOOKUP_ASKED;
	fetch->requests++;
}

/*
 * Take up wishes as long as their requests would be sent at once, and get
 * those on their way.
 */
static void
take_up_asks(OmfFetch *fetch)
{
	Conversation *conversation = fetch->conversation;
	OmfEngine *engine = omf_session_engine(conversation->session);
	int64 requests = fetch->requests;

	while (fetch->next < fetch->nasks)
	{
		const OmfKey *key = fetch->asks[fetch->next].key;
		Lookup *lookup = get_lookup(conversation, key->uuid, fetch->context);
		Ask *ask = &fetch->asks[fetch->next];

		if (lookup->state == LOOKUP_NEW)
		{
			if (omf_engine_room(engine) == 0)
				break;
			send_lookup(fetch, lookup);
		}
		fetch->next++;
		ask->lookup = lookup;
		if (lookup->state == LOOKUP_ASKED)
		{
			fetch->nwaiting++;
			slist_push_head(&lookup->waiters, &ask->node);
		}
		else
			slist_push_head(&fetch->ready, &ask->node);
	}
	if (fetch->requests > requests)
		omf_engine_drive(engine);
}

/* ----- fetches ----- */

/* Leave the waiters' lists of lookups that are still on their way. */
static void
forget_asks(OmfFetch *fetch)
{
	for (int i = 0; i < fetch->next && fetch->nwaiting > 0; i++)
	{
		Ask *ask = &fetch->asks[i];

		if (ask->lookup->state == LOOKUP_ASKED)
		{
			slist_delete(&ask->lookup->waiters, &ask->node);
			fetch->nwaiting--;
		}
	}
	slist_init(&fetch->ready);
	slist_init(&fetch->ready_first);
	fetch->next = 0;
}

void
omf_fetch_set_keys(OmfFetch *fetch, const OmfKey *keys, int nkeys)
{
	forget_asks(fetch);
	if (fetch->asks != NULL)
		pfree(fetch->asks);
	fetch->asks = MemoryContextAllocHuge(fetch->context, sizeof(Ask) * Max(nkeys, 1));
	fetch->nasks = nkeys;
	for (int i = 0; i < nkeys; i++)
	{
		fetch->asks[i].fetch = fetch;
		fetch->asks[i].key = &keys[i];
		fetch->asks[i].lookup = NULL;
	}
}

void
omf_fetch_rewind(OmfFetch *fetch)
{
	forget_asks(fetch);
}

/* The next ask that has an answer, or NULL if none has one yet. */
static Ask *
pop_ready(OmfFetch *fetch)
{
	if (slist_is_empty(&fetch->ready_first))
		while (!slist_is_empty(&fetch->ready))
			slist_push_head(&fetch->ready_first, slist_pop_head_node(&fetch->ready));
	if (slist_is_empty(&fetch->ready_first))
		return NULL;
	return slist_container(Ask, node, slist_pop_head_node(&fetch->ready_first));
}

bool
omf_fetch_next(OmfFetch *fetch, OmfAnswer *answer)
{
	Conversation *conversation = fetch->conversation;

	for (;;)
	{
		Ask *ask;

		take_up_asks(fetch);
		ask = pop_ready(fetch);
		if (ask == NULL)
		{
			if (fetch->nwaiting == 0 && fetch->next == fetch->nasks)
				return false;
			omf_session_wait(conversation->session, &conversation->inbox);
			settle_finished(conversation);
			continue;
		}
		if (ask->lookup->state == LOOKUP_FAILED)
			omf_raise(OMF_ACTION_READ, ask->lookup->error);
		if (ask->lookup->state == LOOKUP_FOUND)
		{
			answer->key = ask->key;
			answer->record = ask->lookup->record;
			return true;
		}
	}
}

int64
omf_fetch_requests(const OmfFetch *fetch)
{
	return fetch->requests;
}
