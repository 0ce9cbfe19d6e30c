/*-------------------------------------------------------------------------
 *
 * listing.h
 *	  The clusters of an account, page by page.
 *
 * One listing for every statement, account and tag.  Clusters are there to be
 * used as soon as their page is; the other pages are asked for together as
 * soon as the first one tells how many there are.
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

typedef struct OmfListing OmfListing;

struct OmfListing
{
	slist_node node;           /* in the channel's listings */
	OmfChannel *channel;       /* that it belongs to */
	const char *tag;           /* only clusters that have it, or NULL */
	OmfTopic *clusters;        /* what the pages say of each cluster */
	OmfListed *listed;         /* in the order of arrival, each cluster once */
	int nlisted;               /* how many so far */
	int room;                  /* allocated */
	int asked;                 /* highest page that was asked for */
	int answered;              /* number of pages that have arrived */
	int64 pages;               /* how many there are, or -1 as long as nobody said */
	int page_size;             /* clusters on the fullest page so far */
	int64 total;               /* clusters that there are, by the last page's word, or -1 */
	bool has_links;            /* does the last page have any links? */
	bool linked;               /* there were links, which show where the end is */
	int last_records;          /* clusters on the highest page that was asked for */
	int last_added;            /* of these, new ones */
	OmfPage *page;             /* the one being taken in, if any */
	bool complete;             /* all pages are there */
	OmfError *error;           /* malloc'd: why a page could not be had */
	bool failed;               /* error is set, or out of memory */
	struct listed_hash *uuids; /* of the clusters listed */
	OmfCleanup cleanup;        /* frees error */
	int64 requests;            /* pages asked for */
	const void *first;         /* the fetch that it was made for */
};

/* The channel's listing for that tag; the first page is asked for at once. */
extern OmfListing *omf_listing_get(OmfChannel *channel, const char *tag);

#endif /* OMF_LISTING_H */
