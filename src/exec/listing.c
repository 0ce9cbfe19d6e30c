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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "exec/listing.h"

typedef struct ListedEntry
{
	const unsigned char *uuid; /* in the lookup; the hash key */
	int page;                  /* the page that had it first */
	char status;               /* simplehash's own */
} ListedEntry;

#define SH_PREFIX listed
#define SH_ELEMENT_TYPE ListedEntry
#define SH_KEY_TYPE const unsigned char *
#define SH_KEY uuid
#define SH_HASH_KEY(t, k) hash_bytes(k, OMF_UUID_SIZE)
#define SH_EQUAL(t, a, b) (memcmp(a, b, OMF_UUID_SIZE) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* One page that was asked for. */
typedef struct PageAsker
{
	OmfAsker asker; /* must be first */
	OmfListing *listing;
	int number; /* from 1 */
} PageAsker;

static void
free_answers(void *arg)
{
	OmfListing *listing = arg;

	free(listing->error);
	omf_api_page_free(listing->page);
}

static void settle_page(OmfAsker *asker, OmfRequest *request);

static void
ask_page(OmfListing *listing, int number)
{
	PageAsker *page = MemoryContextAlloc(listing->channel->context, sizeof(PageAsker));
	char path[OMF_PAGE_PATH_SIZE];

	page->asker.settle = settle_page;
	page->listing = listing;
	page->number = number;
	omf_api_page_path(path, number, listing->tag);
	omf_channel_ask(listing->channel, path, OMF_PAGE_BODY_MAX, &page->asker);
	listing->asked = Max(listing->asked, number);
	listing->requests++;
}

OmfListing *
omf_listing_get(OmfChannel *channel, const char *tag)
{
	OmfListing *listing;
	slist_iter iter;

	slist_foreach(iter, &channel->listings)
	{
		listing = slist_container(OmfListing, node, iter.cur);
		if (tag == NULL ? listing->tag == NULL : listing->tag != NULL && strcmp(listing->tag, tag) == 0)
			return listing;
	}
	listing = MemoryContextAllocZero(channel->context, sizeof(OmfListing));
	listing->channel = channel;
	listing->tag = tag != NULL ? MemoryContextStrdup(channel->context, tag) : NULL;
	listing->clusters = omf_topic_get(channel, omf_api_resource("clusters"));
	listing->uuids = listed_create(channel->context, OMF_PAGE_SIZE, NULL);
	listing->pages = -1;
	listing->cleanup.run = free_answers;
	listing->cleanup.arg = listing;
	omf_channel_cleanup(channel, &listing->cleanup);
	slist_push_head(&channel->listings, &listing->node);
	ask_page(listing, 1);
	return listing;
}

/* Take a cluster; the record is the listing's now.  False: known already. */
static bool
add_cluster(OmfListing *listing, OmfRecord *record, int page, bool *on_this_page)
{
	const char *engine = record->values[OMF_CLUSTER_ENGINE];
	bool can_migrate = omf_api_can_migrate(engine);
	unsigned char uuid[OMF_UUID_SIZE];
	ListedEntry *entry;
	OmfLookup *cluster;
	bool found;

	(void) omf_api_parse_uuid(record->values[OMF_CLUSTER_ID], uuid);
	cluster = omf_lookup_get(listing->clusters, uuid);
	omf_lookup_answer(cluster, record);
	entry = listed_insert(listing->uuids, cluster->uuid, &found);
	*on_this_page = found && entry->page == page;
	if (found)
		return false;
	entry->page = page;

	if (listing->nlisted == listing->room)
	{
		listing->room = Max(listing->room * 2, OMF_PAGE_SIZE);
		listing->listed = listing->listed == NULL
							  ? MemoryContextAlloc(listing->channel->context,
												   sizeof(OmfListed) * listing->room)
							  : repalloc_huge(listing->listed, sizeof(OmfListed) * listing->room);
	}
	listing->listed[listing->nlisted].cluster = cluster;
	listing->listed[listing->nlisted].can_migrate = can_migrate;
	listing->nlisted++;
	return true;
}

/* Take all clusters of a page; the number of new ones, or -1: one is on it twice. */
static int
add_clusters(OmfListing *listing, OmfPage *page, int number)
{
	int added = 0;

	for (int i = 0; i < page->nrecords; i++)
	{
		OmfRecord *record = page->records[i];
		bool on_this_page;

		page->records[i] = NULL;
		if (add_cluster(listing, record, number, &on_this_page))
			added++;
		else if (on_this_page)
			return -1;
	}
	return added;
}

/* What is wrong with the page as a part of a list, or NULL. */
static const char *
page_problem(const OmfPage *page, int number)
{
	if (page->other_host)
		return "A link of the page is to another host.";
	if (page->next >= 0 && page->next <= number)
		return "The page's link to the next one does not lead on.";
	if (page->nrecords == 0 && number == 1 && page->total > 0)
		return "The page is empty, though the listing is said to have clusters.";
	if (page->total > (int64) OMF_PAGES_MAX * OMF_PAGE_SIZE || page->last > OMF_PAGES_MAX)
		return "The listing has too many pages.";
	return NULL;
}

/* Learn from a page how many there are, as far as it says. */
static void
learn_pages(OmfListing *listing, const OmfPage *page, int number)
{
	int64 pages = -1;

	/* the fullest page shows how many clusters the API puts on one */
	listing->page_size = Max(listing->page_size, page->nrecords);
	listing->total = page->total;
	listing->has_links = page->has_links;
	if (page->last > 0 || page->next > 0)
		listing->linked = true;
	if (page->last > 0)
		pages = page->last;
	else if (!listing->linked && page->total >= 0 && page->nrecords > 0)
		pages = Max(1, (page->total + listing->page_size - 1) / Max(listing->page_size, 1));
	if (page->next > 0)
		pages = Max(pages, number + 1);
	listing->pages = Max(listing->pages, pages);
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
	return listing->nlisted != listing->total || (listing->last_records >= full && !listing->has_links);
}

/* The page is good: ask for those that it tells of, or see the end. */
static void
go_on(OmfListing *listing, const OmfPage *page, int number, int added)
{
	learn_pages(listing, page, number);
	listing->pages = Min(listing->pages, OMF_PAGES_MAX + 1);
	if (number == listing->asked)
	{
		listing->last_records = page->nrecords;
		listing->last_added = added;
	}
	while (listing->asked < listing->pages)
		ask_page(listing, listing->asked + 1);
	if (listing->answered == listing->asked && may_have_more(listing))
		ask_page(listing, listing->asked + 1);
	listing->complete = listing->answered == listing->asked;
	if (listing->complete && listing->tag == NULL)
		omf_session_note_clusters(listing->channel->session, listing->nlisted);
}

static void
fail(OmfListing *listing, OmfError *error)
{
	if (listing->failed)
		free(error);
	else
		listing->error = error;
	listing->failed = true;
}

static void
settle_page(OmfAsker *asker, OmfRequest *request)
{
	PageAsker *asked = (PageAsker *) asker;
	OmfListing *listing = asked->listing;
	OmfChannel *channel = listing->channel;
	OmfError *error;
	OmfPage *page = omf_api_page(request, omf_engine_base_url(channel->engine), &channel->secrets,
								 &error);
	const char *problem;

	listing->answered++;
	listing->page = page;
	if (page == NULL)
		fail(listing, error);
	else
	{
		problem = page_problem(page, asked->number);
		if (problem == NULL)
		{
			int added = add_clusters(listing, page, asked->number);

			if (added < 0)
				problem = "A cluster is on the page twice.";
			else if (asked->number >= OMF_PAGES_MAX && added > 0)
				problem = "The listing has too many pages.";
			else
				go_on(listing, page, asked->number, added);
		}
		if (problem != NULL)
			fail(listing, omf_api_error(request, OMF_ERROR_REPLY, problem, &channel->secrets));
		listing->page = NULL;
		omf_api_page_free(page);
	}
}
