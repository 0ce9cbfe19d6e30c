/*-------------------------------------------------------------------------
 *
 * listing.c
 *	  The clusters of an account, page by page.
 *
 * The API's rules promise links.pages and meta.total, the description of this
 * call names neither.  Where links come, they say how many pages there are.  A
 * total alone says how many to ask for at once, but not that there are no
 * more: pages are read until it is met, or until one brings no new cluster.
 * The list can shift while it is read, so a cluster may be on two pages: it
 * counts once.
 *
 * A list that is short of what it says of itself would be a wrong answer that
 * nobody notices.  It may have changed while it was read, so it is read once
 * more; what then does not agree is an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "session/error.h"
#include "exec/listing.h"

struct OmfListing
{
	slist_node node;           /* in the channel's listings */
	OmfChannel *channel;       /* that it belongs to */
	const char *tag;           /* only clusters that have it, or NULL */
	OmfTopic *clusters;        /* what the pages say of each cluster */
	OmfLookup **listed;        /* in the order of the pages, each once */
	int nlisted;               /* how many so far */
	int room;                  /* allocated */
	struct listed_hash *uuids; /* of the clusters listed */
	bool complete;             /* all pages are there */
	OmfError *error;           /* why the listing could not be had */
	bool failed;               /* error is set, or out of memory */
	MemoryContextCallback end; /* frees pages that have not been taken */
	OmfCounts *counts;         /* whom its pages count for */
	bool whole;                /* no field of a cluster is of another type */
	OmfCacheWait *wait;        /* the question to the cache, or NULL */
	TimestampTz fetched_at;    /* when the API said so */

	/* of the try that is under way */
	int number;       /* the first, the second */
	bool filtered;    /* is the API asked for the tag's clusters only? */
	slist_head pages; /* asked for and not taken, latest first */
	int asked;        /* highest page that was asked for */
	int taken;        /* highest page that was taken */
	int64 npages;     /* how many there are, or -1 as long as nobody said */
	int page_size;    /* clusters on the fullest page so far */
	int64 total;      /* clusters that there are, by the pages' word, or -1 */
	int64 last;       /* number of the last page, likewise */
	bool linked;      /* there were links, which show where the end is */
	bool has_links;   /* does the last page have any links? */
	int last_size;    /* clusters on the last page taken */
	int last_added;   /* of these, ones that no page before had */
	int seen;         /* different clusters on the pages so far */
	int filled;       /* highest page with clusters */
};

/* The tries that a listing has to agree with itself. */
#define TRIES 2

/*
 * As many pages are asked for beyond those that were taken, or as many as
 * those, if that is more: how many there are is only the API's word.
 */
#define PAGES_AHEAD 8

typedef struct ListedEntry
{
	const unsigned char *uuid; /* in the lookup; the hash key */
	int number;                /* the last try that has shown it */
	int page;                  /* and the page that had it first */
	char status;               /* simplehash's own */
} ListedEntry;

#define SH_PREFIX listed
#define SH_ELEMENT_TYPE ListedEntry
#define SH_KEY_TYPE const unsigned char *
#define SH_KEY uuid
#define SH_HASH_KEY(t, k) omf_uuid_hash(k)
#define SH_EQUAL(t, a, b) (memcmp(a, b, OMF_UUID_SIZE) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* One page that was asked for. */
typedef struct PageAsker
{
	OmfAsker asker;  /* must be first */
	slist_node node; /* in the listing's pages */
	OmfListing *listing;
	int number;    /* from 1 */
	OmfPage *page; /* malloc'd, once it has arrived */
} PageAsker;

static void
free_pages(void *arg)
{
	OmfListing *listing = arg;
	slist_iter iter;

	if (listing->wait != NULL)
		omf_cache_give_up(&listing->wait->question);
	slist_foreach(iter, &listing->pages)
		omf_api_page_free(slist_container(PageAsker, node, iter.cur)->page);
}

/* ----- asking ----- */

static void settle_page(OmfAsker *asker, OmfRequest *request);

static void
ask_page(OmfListing *listing)
{
	PageAsker *page = MemoryContextAllocZero(listing->channel->context,
											 sizeof(PageAsker));
	char path[OMF_PAGE_PATH_SIZE];

	page->asker.settle = settle_page;
	page->listing = listing;
	page->number = listing->asked + 1;
	omf_api_page_path(path, page->number,
					  listing->filtered ? listing->tag : NULL);
	omf_channel_ask(listing->channel, path, OMF_PAGE_BODY_MAX, &page->asker,
					listing->counts);
	slist_push_head(&listing->pages, &page->node);
	listing->asked++;
}

/* Read the list from its first page on; none is under way. */
static void
begin_try(OmfListing *listing, bool filtered)
{
	listing->number++;
	listing->whole = true;
	listing->filtered = filtered;
	listing->asked = 0;
	listing->taken = 0;
	listing->npages = -1;
	listing->page_size = 0;
	listing->total = -1;
	listing->last = -1;
	listing->linked = false;
	listing->seen = 0;
	listing->filled = 0;
	ask_page(listing);
}

static void pursue(OmfListing *listing);

/* A listing's part of a question to the cache. */
typedef struct ListingWait
{
	OmfCacheWait wait; /* must be first */
	OmfListing *listing;
} ListingWait;

static void
pursue_again(OmfCacheWait *wait)
{
	pursue(((ListingWait *) wait)->listing);
}

/*
 * The question is about the list as a whole: pages of one time belong
 * together.
 */
static OmfCacheWait *
make_wait(OmfListing *listing, OmfCacheTerms terms)
{
	OmfChannel *channel = listing->channel;
	ListingWait *made = MemoryContextAllocZero(channel->context,
											   sizeof(ListingWait));
	char path[OMF_PAGE_PATH_SIZE];

	omf_api_page_path(path, 1, listing->tag);
	made->wait.question =
		omf_cache_question(omf_session_account(channel->session), path, terms);
	made->wait.again = pursue_again;
	made->listing = listing;
	return &made->wait;
}

OmfListing *
omf_listing_get(OmfChannel *channel, const char *tag, OmfCacheTerms terms,
				OmfCounts *counts)
{
	OmfListing *listing;
	slist_iter iter;

	if (!omf_session_filters_by_tag(channel->session))
		tag = NULL;
	slist_foreach(iter, &channel->listings)
	{
		listing = slist_container(OmfListing, node, iter.cur);
		if (tag == NULL
				? listing->tag == NULL
				: listing->tag != NULL && strcmp(listing->tag, tag) == 0)
			return listing;
	}
	listing = MemoryContextAllocZero(channel->context, sizeof(OmfListing));
	listing->channel = channel;
	listing->counts = counts;
	if (tag != NULL)
		listing->tag = MemoryContextStrdup(channel->context, tag);
	listing->filtered = (tag != NULL);
	listing->clusters = omf_topic_get(channel, omf_api_resource("clusters"));
	listing->uuids = listed_create(channel->context, OMF_PAGE_SIZE, NULL);
	listing->end.func = free_pages;
	listing->end.arg = listing;
	MemoryContextRegisterResetCallback(channel->context, &listing->end);
	slist_push_head(&channel->listings, &listing->node);
	if (terms.ttl_ms > 0)
		listing->wait = make_wait(listing, terms);
	pursue(listing);
	return listing;
}

int
omf_listing_count(const OmfListing *listing)
{
	return listing->nlisted;
}

const unsigned char *
omf_listing_uuid(const OmfListing *listing, int i)
{
	return listing->listed[i]->uuid;
}

bool
omf_listing_has(const OmfListing *listing, const unsigned char *uuid)
{
	return listed_lookup(listing->uuids, uuid) != NULL;
}

bool
omf_listing_is_complete(const OmfListing *listing)
{
	return listing->complete;
}

bool
omf_listing_has_failed(const OmfListing *listing)
{
	return listing->failed;
}

bool
omf_listing_is_filtered(const OmfListing *listing)
{
	return listing->filtered;
}

void
omf_listing_check(const OmfListing *listing)
{
	if (listing->failed)
		omf_raise(OMF_ACTION_LIST, listing->error);
}

/* ----- what the pages bring ----- */

static void
append_listed(OmfListing *listing, OmfLookup *cluster)
{
	if (listing->nlisted == listing->room)
	{
		Size size;

		listing->room = Max(listing->room * 2, OMF_PAGE_SIZE);
		size = sizeof(OmfLookup *) * listing->room;
		if (listing->listed == NULL)
			listing->listed = MemoryContextAlloc(listing->channel->context,
												 size);
		else
			listing->listed = repalloc_huge(listing->listed, size);
	}
	listing->listed[listing->nlisted++] = cluster;
}

/* Take a cluster; false if it is on that page twice. */
static bool
add_cluster(OmfListing *listing, OmfPageCluster *answer, int page)
{
	OmfLookup *cluster = omf_lookup_get(listing->clusters, answer->uuid);
	ListedEntry *entry;
	bool found;

	if (cluster->state == OMF_LOOKUP_NEW)
		cluster->fetched_at = listing->fetched_at;
	listing->whole &= answer->record != NULL &&
					  omf_json_is_whole(answer->record);
	omf_lookup_answer(cluster, answer->record, answer->error);
	answer->record = NULL;
	answer->error = NULL;
	entry = listed_insert(listing->uuids, cluster->uuid, &found);
	if (found && entry->number == listing->number)
		return entry->page != page;
	entry->number = listing->number;
	entry->page = page;
	listing->seen++;
	listing->last_added++;
	if (!found)
		append_listed(listing, cluster);
	return true;
}

/* Learn from a page how many there are, as far as it says. */
static void
learn_pages(OmfListing *listing, const OmfPage *page, int number)
{
	int64 npages = -1;

	/* the fullest page shows how many clusters the API puts on one */
	listing->page_size = Max(listing->page_size, page->nclusters);
	listing->has_links = page->has_links;
	listing->last_size = page->nclusters;
	if (page->nclusters > 0)
		listing->filled = number;
	/* one behind the end may say nothing */
	if (page->total >= 0)
		listing->total = page->total;
	listing->last = Max(listing->last, page->last);
	if (page->last > 0 || page->next >= 0)
		listing->linked = true;
	if (page->last > 0)
		npages = page->last;
	else if (!listing->linked && page->total >= 0 && page->nclusters > 0)
		npages = (page->total + listing->page_size - 1) / listing->page_size;
	if (page->next >= 0 && page->nclusters > 0)
		npages = Max(npages, number + 1);
	listing->npages = Min(Max(listing->npages, npages), OMF_PAGES_MAX + 1);
}

/*
 * Can there be a page behind the last one?  A total that is met says that
 * there is none, unless that page is full and there are no links at all: then
 * it may be wrong, and met only so far.
 */
static bool
may_have_more(const OmfListing *listing)
{
	int full = listing->asked > 1 ? listing->page_size : OMF_PAGE_SIZE;

	if (listing->linked || listing->last_added == 0)
		return false;
	return listing->seen != listing->total ||
		   (listing->last_size >= full && !listing->has_links);
}

/* Let messages call the clusters by their names. */
static void
note_names(const OmfListing *listing)
{
	int field = omf_api_field(omf_api_resource("clusters"), "name");

	for (int i = 0; i < listing->nlisted; i++)
	{
		const OmfRecord *record = listing->listed[i]->record;

		if (record != NULL && record->values[field] != NULL)
			omf_session_note_name(listing->channel->session,
								  listing->listed[i]->uuid,
								  record->values[field]);
	}
}

/* ----- answers that backends share ----- */

/* As the answer of the API that this stands for was decoded. */
static void *
allocate_record(void *arg, size_t size)
{
	(void) arg;
	return malloc(size);
}

/* A list that was whole: the records of its clusters, one behind the other. */
static void
take_cached(OmfListing *listing, OmfCached *answer)
{
	const char *next = answer->bytes;
	const char *end = next + answer->length;

	listing->number = 1;
	listing->fetched_at = answer->fetched_at;
	while (next < end && !listing->failed)
	{
		OmfPageCluster cluster = {0};

		cluster.record = omf_json_unpack(&next, end, allocate_record, NULL);
		if (cluster.record == NULL)
			listing->failed = true;
		else if (omf_api_parse_uuid(cluster.record->values[OMF_CLUSTER_ID],
									cluster.uuid))
			(void) add_cluster(listing, &cluster, 1);
		else
			free(cluster.record);
	}
	listing->complete = !listing->failed;
	if (listing->complete)
		note_names(listing);
	if (listing->complete && listing->tag == NULL)
		omf_session_note_clusters(listing->channel->session, listing->nlisted);
	pfree(answer->bytes);
}

/* Ask the API, unless the cache or another backend has the answer. */
static void
pursue(OmfListing *listing)
{
	OmfCached answer;

	if (listing->wait != NULL)
		switch (omf_channel_ask_cache(listing->channel, listing->wait,
									  OMF_OPERATION_LIST_CLUSTERS,
									  listing->counts, &answer))
		{
			case OMF_CACHE_HIT:
				take_cached(listing, &answer);
				return;
			case OMF_CACHE_WAIT:
				return;
			case OMF_CACHE_ASK:
				break;
		}
	begin_try(listing, listing->tag != NULL);
}

/* Can others have it?  Only what has all of its fields as they should be. */
static bool
is_sharable(const OmfListing *listing)
{
	for (int i = 0; i < listing->nlisted; i++)
	{
		const OmfRecord *record = listing->listed[i]->record;

		if (record == NULL || record->values[OMF_CLUSTER_ID] == NULL)
			return false;
	}
	return listing->whole && listing->number == 1 &&
		   listing->filtered == (listing->tag != NULL);
}

/* Let others have the list. */
static void
share_list(OmfListing *listing)
{
	size_t length = 0;
	size_t done = 0;
	char *bytes;

	if (listing->wait == NULL ||
		!omf_cache_is_wanted(&listing->wait->question))
		return;
	if (!is_sharable(listing))
	{
		omf_cache_give_up(&listing->wait->question);
		return;
	}
	for (int i = 0; i < listing->nlisted; i++)
		length += omf_json_pack(listing->listed[i]->record, NULL);
	bytes = MemoryContextAllocHuge(CurrentMemoryContext, Max(length, 1));
	for (int i = 0; i < listing->nlisted; i++)
		done += omf_json_pack(listing->listed[i]->record, bytes + done);
	omf_cache_answer(&listing->wait->question, true, bytes, length);
	pfree(bytes);
}

/*
 * The API can't be had: is there an old list that does?  Not once rows have
 * been shown.
 */
static bool
take_old_list(OmfListing *listing, const OmfError *error)
{
	OmfCached answer;

	if (listing->wait == NULL || error == NULL || listing->nlisted > 0 ||
		listing->failed || !omf_api_is_absence(error) ||
		!omf_cache_fail(&listing->wait->question, &answer))
		return false;
	omf_channel_count_hit(listing->channel, OMF_OPERATION_LIST_CLUSTERS,
						  listing->counts, &answer);
	take_cached(listing, &answer);
	return true;
}

/* ----- the end ----- */

static void
fail(OmfListing *listing, OmfError *error)
{
	if (listing->wait != NULL)
		omf_cache_give_up(&listing->wait->question);
	error = omf_channel_keep_error(listing->channel, error);
	if (!listing->failed)
		listing->error = error;
	listing->failed = true;
	omf_session_note_failure(listing->channel->session, listing->error);
}

/* What the listing says of itself, where that is not what it has brought. */
static const char *
disagreement(const OmfListing *listing)
{
	if (listing->total >= 0 && listing->total != listing->seen)
		return psprintf("The listing says that there are " INT64_FORMAT " clusters, but %d are on its pages.",
						listing->total, listing->seen);
	if (listing->total < 0 && listing->last > listing->filled)
		return psprintf("The listing says that it has " INT64_FORMAT " pages, but only %d have clusters.",
						listing->last, listing->filled);
	return NULL;
}

/* All pages are there. */
static void
end_try(OmfListing *listing)
{
	const char *problem = disagreement(listing);

	if (problem == NULL)
	{
		listing->complete = true;
		share_list(listing);
		note_names(listing);
		if (!listing->filtered)
			omf_session_note_clusters(listing->channel->session,
									  listing->seen);
	}
	/* the total of a list with a filter may be that of the list without */
	else if (listing->number < TRIES)
		begin_try(listing, false);
	else
		fail(listing, omf_api_misfit(OMF_LISTING_TEMPLATE, problem));
}

/* ----- pages ----- */

/* What is wrong with the page as a part of a list, or NULL. */
static const char *
page_problem(const OmfPage *page, int number)
{
	if (page->next > 0 && page->next <= number)
		return "The page's link to the next one does not lead on.";
	if (page->total > (int64) OMF_PAGES_MAX * OMF_PAGE_SIZE ||
		page->last > OMF_PAGES_MAX ||
		(number >= OMF_PAGES_MAX && page->nclusters > 0))
		return "The listing has too many pages.";
	return NULL;
}

/*
 * Ask for the pages that there are by what is known, not too far ahead, and
 * for none behind the end, which an empty one is.
 */
static void
ask_pages(OmfListing *listing)
{
	int64 ahead = listing->taken + Max(PAGES_AHEAD, listing->taken);
	int64 wanted = Min(listing->npages, ahead);

	if (listing->last_size == 0)
		return;
	while (listing->asked < wanted)
		ask_page(listing);
	if (listing->taken == listing->asked && may_have_more(listing))
		ask_page(listing);
}

/* A page whose turn has come. */
static void
take_page(OmfListing *listing, OmfPage *page, int number)
{
	listing->taken = number;
	listing->last_added = 0;
	listing->fetched_at = GetCurrentTimestamp();
	for (int i = 0; i < page->nclusters; i++)
		if (!add_cluster(listing, &page->clusters[i], number))
		{
			char path[OMF_PAGE_PATH_SIZE];

			omf_api_page_path(path, number,
							  listing->filtered ? listing->tag : NULL);
			fail(listing,
				 omf_api_misfit(path, "A cluster is on the page twice."));
			return;
		}
	learn_pages(listing, page, number);
	ask_pages(listing);
}

/* The page that is to be taken next, if it has arrived. */
static PageAsker *
next_page(OmfListing *listing)
{
	slist_iter iter;

	slist_foreach(iter, &listing->pages)
	{
		PageAsker *page = slist_container(PageAsker, node, iter.cur);

		if (page->number == listing->taken + 1)
			return page->page != NULL ? page : NULL;
	}
	return NULL;
}

/* Take what has arrived, in the order of the pages. */
static void
take_pages(OmfListing *listing)
{
	PageAsker *asked;

	while (!listing->failed && (asked = next_page(listing)) != NULL)
	{
		take_page(listing, asked->page, asked->number);
		slist_delete(&listing->pages, &asked->node);
		omf_api_page_free(asked->page);
		pfree(asked);
	}
	if (!listing->failed && listing->taken == listing->asked)
		end_try(listing);
}

/* Is it the filter that a token without the scope tag:read may not use? */
static bool
is_refused_filter(const PageAsker *asked, const OmfError *error)
{
	return asked->listing->filtered && asked->number == 1 && error != NULL &&
		   error->kind == OMF_ERROR_FORBIDDEN;
}

/* Would CHECK_FOR_INTERRUPTS() end the statement? */
static bool
is_interrupted(void)
{
	return (QueryCancelPending || ProcDiePending) &&
		   InterruptHoldoffCount == 0 && QueryCancelHoldoffCount == 0 &&
		   CritSectionCount == 0;
}

static void
settle_page(OmfAsker *asker, OmfRequest *request)
{
	PageAsker *asked = (PageAsker *) asker;
	OmfListing *listing = asked->listing;
	const OmfSecrets *secrets = &listing->channel->secrets;
	const char *problem;
	OmfError *error;

	asked->page = omf_api_page(request, omf_topic_fields(listing->clusters),
							   secrets, is_interrupted, &error);
	if (asked->page == NULL && error == NULL)
		CHECK_FOR_INTERRUPTS();
	omf_instrument_answer(asker->counts->instrument,
						  asked->page != NULL ? OMF_ANSWER_PAGE
											  : OMF_ANSWER_FAILED);
	if (asked->page == NULL && is_refused_filter(asked, error))
	{
		/* PostgreSQL filters anyway */
		free(error);
		omf_session_note_no_tags(listing->channel->session);
		slist_delete(&listing->pages, &asked->node);
		listing->number = 0;
		begin_try(listing, false);
		return;
	}
	if (asked->page == NULL && take_old_list(listing, error))
	{
		free(error);
		return;
	}
	if (asked->page == NULL)
	{
		fail(listing, error);
		return;
	}
	problem = page_problem(asked->page, asked->number);
	if (problem != NULL)
		fail(listing,
			 omf_api_error(request, OMF_ERROR_REPLY, problem, secrets));
	else
		take_pages(listing);
}
