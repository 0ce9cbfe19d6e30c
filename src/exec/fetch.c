/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  What one plan node asks the API for, and its answers in their order.
 *
 * What is wanted has an order: that of the keys, or of the listing.  Clusters
 * are asked about in that order, as far ahead as their requests would be sent
 * at once, and answered in it: an answer that arrives early stays in its
 * lookup until its turn.  So a slow answer holds up what is in flight and as
 * much again, and no more than that is ever asked in vain.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "session/error.h"
#include "exec/fetch.h"

/*
 * Clusters that are asked for and not answered yet, at most, as a multiple of
 * the requests in flight: those, and as many whose answers came early.
 */
#define WINDOWS 2

struct OmfFetch
{
	OmfChannel *channel;   /* that it goes over */
	OmfTopic *topic;       /* of the resource */
	OmfKey *keys;          /* wanted, unless all are */
	int nkeys;             /* how many */
	OmfListing *among;     /* that these have to be in, or NULL: they are */
	OmfListing *listing;   /* of what is wanted, where all are; else NULL */
	OmfFetchFilter passes; /* which of a listing are wanted; NULL: all */
	void *passes_arg;      /* its first argument */
	int *passing;          /* with it: their numbers in the listing */
	int npassing;          /* how many */
	int nexamined;         /* of the listing's clusters, for passing */
	int room;              /* length of passing */
	int asked;             /* how many of them have been asked for */
	int used;              /* how many of these are answered, or passed over */
	int window;            /* how many to ask for at first, or 0: all */
	int goal;              /* with a window: how many to ask for by now */
	OmfCounts counts;      /* of what it has caused */
	bool reports;          /* are failures answers? */
	bool passes_over;      /* have clusters that can't have it no row? */
};

/* ----- what is wanted ----- */

OmfFetch *
omf_fetch_create(OmfChannel *channel, const OmfResource *resource,
				 const List *fields)
{
	OmfFetch *fetch = MemoryContextAllocZero(channel->context,
											 sizeof(OmfFetch));

	fetch->channel = channel;
	fetch->topic = omf_topic_get(channel, resource);
	omf_topic_look_at(fetch->topic, fields);
	return fetch;
}

void
omf_fetch_limit_age(OmfFetch *fetch, OmfCacheTerms terms)
{
	omf_topic_limit_age(fetch->topic, terms);
}

void
omf_fetch_report_errors(OmfFetch *fetch)
{
	fetch->reports = true;
}

void
omf_fetch_pass_unsupported(OmfFetch *fetch, bool pass)
{
	fetch->passes_over = pass && omf_topic_resource(fetch->topic)->engines_only;
}

void
omf_fetch_instrument(OmfFetch *fetch, OmfInstrument *instrument)
{
	fetch->counts.instrument = instrument;
}

void
omf_fetch_rewind(OmfFetch *fetch)
{
	fetch->asked = 0;
	fetch->used = 0;
	fetch->goal = 0;
}

void
omf_fetch_set_keys(OmfFetch *fetch, OmfKey *keys, int nkeys)
{
	omf_fetch_rewind(fetch);
	fetch->listing = NULL;
	fetch->among = NULL;
	fetch->keys = keys;
	fetch->nkeys = nkeys;
}

void
omf_fetch_set_listed_keys(OmfFetch *fetch, OmfKey *keys, int nkeys,
						  const char *tag)
{
	omf_fetch_set_keys(fetch, keys, nkeys);
	fetch->among = omf_listing_get(fetch->channel, tag,
								   omf_topic_terms(fetch->topic),
								   &fetch->counts);
}

int
omf_fetch_count_unasked(const OmfFetch *fetch, const OmfKey *keys, int nkeys)
{
	int unasked = 0;

	for (int i = 0; i < nkeys; i++)
		if (!omf_lookup_is_asked(fetch->topic, keys[i].uuid))
			unasked++;
	return unasked;
}

void
omf_fetch_set_all(OmfFetch *fetch, const char *tag)
{
	omf_fetch_rewind(fetch);
	fetch->npassing = 0;
	fetch->nexamined = 0;
	fetch->among = NULL;
	fetch->listing = omf_listing_get(fetch->channel, tag,
									 omf_topic_terms(fetch->topic),
									 &fetch->counts);
}

void
omf_fetch_set_filter(OmfFetch *fetch, OmfFetchFilter passes, void *arg)
{
	fetch->passes = passes;
	fetch->passes_arg = arg;
}

/* Look at what has been listed since: which of it is wanted? */
static void
filter_listing(OmfFetch *fetch)
{
	while (fetch->nexamined < omf_listing_count(fetch->listing))
	{
		int number = fetch->nexamined;

		if (fetch->npassing == fetch->room)
		{
			fetch->room = fetch->room == 0 ? OMF_PAGE_SIZE : fetch->room * 2;
			fetch->passing =
				fetch->passing == NULL
					? MemoryContextAlloc(fetch->channel->context,
										 sizeof(int) * fetch->room)
					: repalloc(fetch->passing, sizeof(int) * fetch->room);
		}
		if (fetch->passes(fetch->passes_arg,
						  omf_listing_uuid(fetch->listing, number)))
			fetch->passing[fetch->npassing++] = number;
		fetch->nexamined++;
	}
}

/* Is it still open which of the keys are listed?  If not, keep these. */
static bool
awaits_listing(OmfFetch *fetch)
{
	int kept = 0;

	if (fetch->among == NULL)
		return false;
	if (!omf_listing_has_failed(fetch->among))
	{
		if (!omf_listing_is_complete(fetch->among))
			return true;
		for (int i = 0; i < fetch->nkeys; i++)
			if (omf_listing_has(fetch->among, fetch->keys[i].uuid))
				fetch->keys[kept++] = fetch->keys[i];
		fetch->nkeys = kept;
	}
	fetch->among = NULL;
	return false;
}

/* How many clusters are wanted, as far as that is known. */
static int
wanted(OmfFetch *fetch)
{
	if (awaits_listing(fetch))
		return 0;
	if (fetch->listing == NULL)
		return fetch->nkeys;
	if (fetch->passes == NULL)
		return omf_listing_count(fetch->listing);
	filter_listing(fetch);
	return fetch->npassing;
}

/* The lookup of one of them. */
static OmfLookup *
lookup_of(OmfFetch *fetch, int i)
{
	if (fetch->listing == NULL)
		return omf_lookup_get(fetch->topic, fetch->keys[i].uuid);
	if (fetch->passes != NULL)
		i = fetch->passing[i];
	return omf_lookup_get(fetch->topic, omf_listing_uuid(fetch->listing, i));
}

/* ----- asking ----- */

/* How many may be asked for beyond those that are used. */
static int
ahead(const OmfFetch *fetch)
{
	return WINDOWS * omf_engine_concurrency(fetch->channel->engine);
}

bool
omf_fetch_needs_window(const OmfFetch *fetch)
{
	return fetch->asked == fetch->used &&
		   (fetch->asked == 0 || fetch->window > 0) &&
		   (fetch->listing != NULL || fetch->nkeys > 1);
}

void
omf_fetch_set_window(OmfFetch *fetch, int window)
{
	fetch->window = window < ahead(fetch) ? window : 0;
}

/* How many may have been asked for by now. */
static int
may_ask(OmfFetch *fetch)
{
	if (fetch->window > 0)
	{
		if (fetch->asked == fetch->used)
			fetch->goal = fetch->used + Max(fetch->window, fetch->used);
		return Min(fetch->goal, fetch->used + ahead(fetch));
	}
	return fetch->used + ahead(fetch);
}

/* Is there one that is to be asked for next? */
static bool
has_more_to_ask(OmfFetch *fetch)
{
	return fetch->asked < Min(wanted(fetch), may_ask(fetch));
}

/* Can one be asked for, without anything being driven before? */
static bool
can_ask(OmfFetch *fetch)
{
	return has_more_to_ask(fetch) &&
		   (omf_engine_room(fetch->channel->engine) > 0 ||
			lookup_of(fetch, fetch->asked)->state != OMF_LOOKUP_NEW);
}

/* Ask as far as the requests are sent at once, and get them on their way. */
static void
ask(OmfFetch *fetch)
{
	int64 requests = fetch->counts.requests;

	while (can_ask(fetch))
		omf_lookup_ask(lookup_of(fetch, fetch->asked++), &fetch->counts);
	if (fetch->counts.requests > requests)
		omf_channel_drive(fetch->channel);
}

/* ----- answers ----- */

/* The lookup whose turn it is, if it is over, else NULL. */
static OmfLookup *
next_answered(OmfFetch *fetch)
{
	OmfLookup *lookup;

	if (fetch->used == fetch->asked)
		return NULL;
	lookup = lookup_of(fetch, fetch->used);
	return lookup->state != OMF_LOOKUP_ASKED ? lookup : NULL;
}

/* Is there nothing left to wait for? */
static bool
is_at_end(OmfFetch *fetch)
{
	return !awaits_listing(fetch) && fetch->used == wanted(fetch) &&
		   (fetch->listing == NULL || omf_listing_is_complete(fetch->listing));
}

/* Is the lookup's failure an answer of that fetch?  If not, throw it. */
static void
report_or_raise(OmfFetch *fetch, OmfLookup *lookup)
{
	if (!fetch->reports || lookup->error == NULL ||
		omf_api_concerns_all(lookup->error))
		omf_raise(OMF_ACTION_READ, lookup->error);
	if (!lookup->reported)
		fetch->channel->reported++;
	lookup->reported = true;
}

/* Is there no row of what the lookup is about? */
static bool
has_no_row(const OmfFetch *fetch, const OmfLookup *lookup)
{
	return lookup->state == OMF_LOOKUP_NOT_FOUND ||
		   (fetch->passes_over && lookup->state == OMF_LOOKUP_FAILED &&
			lookup->error != NULL && omf_api_is_unsupported(lookup->error));
}

/* Make an answer of the lookup whose turn it was; false if it is none. */
static bool
use(OmfFetch *fetch, OmfLookup *lookup, OmfAnswer *answer)
{
	fetch->used++;
	if (has_no_row(fetch, lookup))
		return false;
	if (lookup->state == OMF_LOOKUP_FAILED)
		report_or_raise(fetch, lookup);
	answer->uuid = lookup->uuid;
	answer->record = lookup->record;
	answer->error = lookup->error;
	answer->fetched_at = lookup->state == OMF_LOOKUP_FOUND ? lookup->fetched_at
														   : 0;
	return true;
}

OmfFetchStep
omf_fetch_step(OmfFetch *fetch, OmfAnswer *answer)
{
	for (;;)
	{
		OmfLookup *lookup;

		if (fetch->listing != NULL)
			omf_listing_check(fetch->listing);

		/* what is there goes first: who has enough leaves the rest unasked */
		lookup = next_answered(fetch);
		if (lookup == NULL)
		{
			ask(fetch);
			lookup = next_answered(fetch);
		}
		if (lookup != NULL)
		{
			if (use(fetch, lookup, answer))
				return OMF_FETCH_ANSWER;
		}
		else if (is_at_end(fetch))
			return OMF_FETCH_END;
		else if (fetch->channel->refused != NULL)
			omf_raise(OMF_ACTION_READ, fetch->channel->refused);
		else if (!can_ask(fetch))
			return OMF_FETCH_BLOCKED;
	}
}

bool
omf_fetch_next(OmfFetch *fetch, OmfAnswer *answer)
{
	OmfFetchStep step;

	while ((step = omf_fetch_step(fetch, answer)) == OMF_FETCH_BLOCKED)
		omf_channel_wait(fetch->channel, has_more_to_ask(fetch),
						 &fetch->counts);
	return step == OMF_FETCH_ANSWER;
}

bool
omf_fetch_is_ready(OmfFetch *fetch)
{
	return next_answered(fetch) != NULL || is_at_end(fetch) ||
		   (fetch->listing != NULL &&
			omf_listing_has_failed(fetch->listing)) ||
		   fetch->channel->refused != NULL || can_ask(fetch);
}

OmfChannel *
omf_fetch_channel(const OmfFetch *fetch)
{
	return fetch->channel;
}

bool
omf_fetch_is_filtered(const OmfFetch *fetch)
{
	const OmfListing *listing = fetch->listing != NULL ? fetch->listing
													   : fetch->among;

	return listing != NULL && omf_listing_is_filtered(listing);
}

const OmfCounts *
omf_fetch_counts(const OmfFetch *fetch)
{
	return &fetch->counts;
}
