/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  What one plan node wants of the API now, in the order of arrival.
 *
 * An Ask is a fetch's wish for one lookup.  Several asks, of several fetches,
 * can wait for one lookup; its answer goes to all of them.  Wishes are taken
 * up only as far as their requests would be sent at once, so a LIMIT that has
 * seen enough leaves the rest unasked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "session/error.h"
#include "exec/fetch.h"

typedef struct Ask
{
	OmfWaiter waiter;  /* must be first; its node also serves in ready lists */
	OmfFetch *fetch;   /* whose wish it is */
	OmfLookup *lookup; /* for which cluster */
	const OmfKey *key; /* as it is wanted */
} Ask;

struct OmfFetch
{
	OmfChannel *channel;    /* that it goes over */
	OmfTopic *topic;        /* of the resource */
	MemoryContext context;  /* of the asks; reset when the wishes change */
	const OmfKey *keys;     /* wanted, unless all are */
	int nkeys;              /* how many */
	OmfListing *listing;    /* of what is wanted, where all are; else NULL */
	Ask **asks;             /* those taken up */
	int nasks;              /* how many */
	int room;               /* allocated */
	int next;               /* of the keys or of the listing */
	int nwaiting;           /* asks that wait for their lookup */
	slist_head ready;       /* asks with an answer, newest first */
	slist_head ready_first; /* older ones in the order of arrival */
	int64 requests;         /* that it has caused */
	bool reports;           /* are failures answers? */
	OmfWaiter thirst;       /* for room, while there is none */
};

static void wake_thirsty(OmfWaiter *waiter);

/* ----- wishes ----- */

OmfFetch *
omf_fetch_create(OmfChannel *channel, const OmfResource *resource)
{
	OmfFetch *fetch = MemoryContextAllocZero(channel->context, sizeof(OmfFetch));

	fetch->channel = channel;
	fetch->thirst.wake = wake_thirsty;
	fetch->topic = omf_topic_get(channel, resource);
	fetch->context = AllocSetContextCreate(channel->context, "online_migrations_fdw fetch",
										   ALLOCSET_SMALL_SIZES);
	return fetch;
}

/* Begin again: no lookup and no listing must wake what is forgotten. */
static void
forget(OmfFetch *fetch)
{
	for (int i = 0; i < fetch->nasks && fetch->nwaiting > 0; i++)
	{
		Ask *ask = fetch->asks[i];

		if (ask->lookup->state == OMF_LOOKUP_ASKED)
		{
			omf_stop_waiting(&ask->lookup->waiters, &ask->waiter);
			fetch->nwaiting--;
		}
	}
	omf_stop_waiting(&fetch->channel->room_waiters, &fetch->thirst);
	MemoryContextReset(fetch->context);
	slist_init(&fetch->ready);
	slist_init(&fetch->ready_first);
	fetch->asks = NULL;
	fetch->nasks = 0;
	fetch->room = 0;
	fetch->next = 0;
}

void
omf_fetch_report_errors(OmfFetch *fetch)
{
	fetch->reports = true;
}

void
omf_fetch_rewind(OmfFetch *fetch)
{
	forget(fetch);
}

void
omf_fetch_set_keys(OmfFetch *fetch, const OmfKey *keys, int nkeys)
{
	forget(fetch);
	fetch->listing = NULL;
	fetch->keys = keys;
	fetch->nkeys = nkeys;
}

void
omf_fetch_set_all(OmfFetch *fetch, const char *tag)
{
	OmfListing *listing;

	forget(fetch);
	listing = omf_listing_get(fetch->channel, tag);
	fetch->listing = listing;
	if (listing->first == NULL)
		listing->first = fetch;
}

/* ----- asking ----- */

static void
wake_ask(OmfWaiter *waiter)
{
	Ask *ask = (Ask *) waiter;

	ask->fetch->nwaiting--;
	slist_push_head(&ask->fetch->ready, &ask->waiter.node);
}

/* Who waits for room has been told by its wait's end. */
static void
wake_thirsty(OmfWaiter *waiter)
{
	(void) waiter;
}

/* The next cluster that is wanted, or NULL if none is known at present. */
static OmfLookup *
peek_wish(OmfFetch *fetch)
{
	if (fetch->listing == NULL)
		return fetch->next < fetch->nkeys ? omf_lookup_get(fetch->topic, fetch->keys[fetch->next].uuid) : NULL;
	while (fetch->next < fetch->listing->nlisted)
	{
		const OmfListed *listed = &fetch->listing->listed[fetch->next];

		if (listed->can_migrate || !fetch->topic->resource->engines_only)
			return omf_lookup_get(fetch->topic, listed->cluster->uuid);
		fetch->next++;
	}
	return NULL;
}

/* Take up the wish that peek_wish() has shown. */
static void
take_wish(OmfFetch *fetch, OmfLookup *lookup)
{
	Ask *ask = MemoryContextAlloc(fetch->context, sizeof(Ask));

	if (fetch->nasks == fetch->room)
	{
		fetch->room = fetch->room == 0 ? 1 : fetch->room * 2;
		fetch->asks = fetch->asks == NULL
						  ? MemoryContextAlloc(fetch->context, sizeof(Ask *) * fetch->room)
						  : repalloc_huge(fetch->asks, sizeof(Ask *) * fetch->room);
	}
	ask->waiter.waiting = false;
	ask->waiter.wake = wake_ask;
	ask->fetch = fetch;
	ask->lookup = lookup;
	if (fetch->listing == NULL)
		ask->key = &fetch->keys[fetch->next];
	else
	{
		OmfKey *key = MemoryContextAlloc(fetch->context, sizeof(OmfKey));

		memcpy(key->uuid, lookup->uuid, OMF_UUID_SIZE);
		ask->key = key;
	}
	fetch->asks[fetch->nasks++] = ask;
	fetch->next++;
	if (lookup->state == OMF_LOOKUP_ASKED)
	{
		fetch->nwaiting++;
		omf_wait_for(&lookup->waiters, &ask->waiter);
	}
	else
		slist_push_head(&fetch->ready, &ask->waiter.node);
}

/* Take up wishes as far as that sends at once, and get them on their way. */
static void
take_wishes(OmfFetch *fetch)
{
	int64 requests = fetch->requests;
	OmfLookup *lookup;

	while ((lookup = peek_wish(fetch)) != NULL)
	{
		if (lookup->state == OMF_LOOKUP_NEW && omf_engine_room(fetch->channel->engine) == 0)
		{
			omf_wait_for(&fetch->channel->room_waiters, &fetch->thirst);
			break;
		}
		if (omf_lookup_ask(lookup))
			fetch->requests++;
		take_wish(fetch, lookup);
	}
	if (fetch->requests > requests)
		omf_channel_drive(fetch->channel);
}

/* ----- answers ----- */

/* The next ask that has an answer, or NULL if none has one yet. */
static Ask *
pop_ready(OmfFetch *fetch)
{
	if (slist_is_empty(&fetch->ready_first))
		while (!slist_is_empty(&fetch->ready))
			slist_push_head(&fetch->ready_first, slist_pop_head_node(&fetch->ready));
	if (slist_is_empty(&fetch->ready_first))
		return NULL;
	return slist_container(Ask, waiter.node, slist_pop_head_node(&fetch->ready_first));
}

/* Is there nothing left to wait for? */
static bool
is_at_end(OmfFetch *fetch)
{
	return fetch->nwaiting == 0 && peek_wish(fetch) == NULL &&
		   (fetch->listing == NULL || fetch->listing->complete);
}

/* Is the lookup's failure an answer of that fetch?  If not, throw it. */
static void
report_or_raise(OmfFetch *fetch, OmfLookup *lookup)
{
	if (!fetch->reports || lookup->error == NULL || omf_api_concerns_all(lookup->error))
		omf_raise(OMF_ACTION_READ, lookup->error);
	if (!lookup->reported)
		fetch->channel->reported++;
	lookup->reported = true;
}

OmfFetchStep
omf_fetch_step(OmfFetch *fetch, OmfAnswer *answer)
{
	for (;;)
	{
		Ask *ask;

		if (fetch->listing != NULL && fetch->listing->failed)
			omf_raise(OMF_ACTION_LIST, fetch->listing->error);

		/* what is there goes first: who has seen enough leaves the rest unasked */
		ask = pop_ready(fetch);
		if (ask == NULL)
		{
			take_wishes(fetch);
			ask = pop_ready(fetch);
		}
		if (ask == NULL && is_at_end(fetch))
			return OMF_FETCH_END;
		if (ask == NULL)
		{
			/* what taking up wishes has driven may have brought more of them */
			if (peek_wish(fetch) != NULL && omf_engine_room(fetch->channel->engine) > 0)
				continue;
			return OMF_FETCH_BLOCKED;
		}
		if (ask->lookup->state == OMF_LOOKUP_FAILED)
			report_or_raise(fetch, ask->lookup);
		if (ask->lookup->state == OMF_LOOKUP_FOUND || ask->lookup->state == OMF_LOOKUP_FAILED)
		{
			answer->key = ask->key;
			answer->record = ask->lookup->record;
			answer->error = ask->lookup->error;
			return OMF_FETCH_ANSWER;
		}
	}
}

bool
omf_fetch_next(OmfFetch *fetch, OmfAnswer *answer)
{
	OmfFetchStep step;

	while ((step = omf_fetch_step(fetch, answer)) == OMF_FETCH_BLOCKED)
		omf_channel_wait(fetch->channel);
	return step == OMF_FETCH_ANSWER;
}

bool
omf_fetch_is_ready(OmfFetch *fetch)
{
	return !slist_is_empty(&fetch->ready) || !slist_is_empty(&fetch->ready_first) ||
		   (fetch->listing != NULL && fetch->listing->failed) || is_at_end(fetch) ||
		   (peek_wish(fetch) != NULL && omf_engine_room(fetch->channel->engine) > 0);
}

OmfChannel *
omf_fetch_channel(const OmfFetch *fetch)
{
	return fetch->channel;
}

int64
omf_fetch_requests(const OmfFetch *fetch)
{
	/* a listing that several share counts for the first one */
	if (fetch->listing != NULL && fetch->listing->first == fetch)
		return fetch->requests + fetch->listing->requests;
	return fetch->requests;
}
