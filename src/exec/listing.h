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

typedef struct OmfListing OmfListing;

/*
 * The channel's listing for that tag, whose answers may be so old.  If it is
 * made, the first page is asked for at once, and all pages count for `counts`.
 */
extern OmfListing *omf_listing_get(OmfChannel *channel, const char *tag,
								   OmfCacheTerms terms, OmfCounts *counts);

/* How many clusters are listed so far: each once, in the pages' order. */
extern int omf_listing_count(const OmfListing *listing);

/* The UUID of one of them, from 0. */
extern const unsigned char *omf_listing_uuid(const OmfListing *listing, int i);

/* Is that cluster among those listed so far? */
extern bool omf_listing_has(const OmfListing *listing,
							const unsigned char *uuid);

/* Are these all? */
extern bool omf_listing_is_complete(const OmfListing *listing);

extern bool omf_listing_has_failed(const OmfListing *listing);

/* Is it of the tag's clusters alone, and not of all, among which they are? */
extern bool omf_listing_is_filtered(const OmfListing *listing);

/* Throw what it has failed with, if it has. */
extern void omf_listing_check(const OmfListing *listing);

#endif /* OMF_LISTING_H */
