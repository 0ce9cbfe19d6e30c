/*-------------------------------------------------------------------------
 *
 * listing.h
 *	  The clusters of an account, page by page.
 *
 * One listing for every statement, account and tag.  Clusters are there to be
 * used as soon as their page and those before it are; the other pages are
 * asked for together as soon as the first one tells how many there are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_LISTING_H
#define OMF_LISTING_H

#include "exec/lookup.h"

/* The most pages that are read: 200,000 clusters. */
#define OMF_PAGES_MAX 1000

/* A cluster of the listing. */
typedef struct OmfListed
{
	OmfLookup *cluster; /* in the topic of the resource clusters */
	bool can_migrate;   /* its engine can be migrated */
} OmfListed;

typedef struct OmfListing
{
	slist_node node;           /* in the channel's listings */
	OmfChannel *channel;       /* that it belongs to */
	const char *tag;           /* only clusters that have it, or NULL */
	OmfTopic *clusters;        /* what the pages say of each cluster */
	OmfListed *listed;         /* in the order of the pages, each cluster once */
	int nlisted;               /* how many so far */
	int room;                  /* allocated */
	struct listed_hash *uuids; /* of the clusters listed */
	bool complete;             /* all pages are there */
	OmfError *error;           /* why the listing could not be had */
	bool failed;               /* error is set, or out of memory */
	MemoryContextCallback end; /* frees pages that have not been taken */
	OmfCounts *counts;         /* whom its pages count for */
	bool whole;                /* all fields of all clusters are as they should be */
	OmfCacheWait *wait;        /* the question to the cache, or NULL */
	TimestampTz fetched_at;    /* when the API said so */

	/* of the try that is under way */
	int number;       /* the first, the second */
	bool filtered;    /* is the API asked for the tag's clusters only? */
	slist_head pages; /* listing.c's: asked for and not taken, latest first */
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
} OmfListing;

/*
 * The channel's listing for that tag, whose answers may be so old.  If it is
 * made, the first page is asked for at once, and all pages count for `counts`.
 */
extern OmfListing *omf_listing_get(OmfChannel *channel, const char *tag, OmfCacheTerms terms,
								   OmfCounts *counts);

#endif /* OMF_LISTING_H */
