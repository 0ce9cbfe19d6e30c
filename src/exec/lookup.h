/*-------------------------------------------------------------------------
 *
 * lookup.h
 *	  Within one statement, a cluster is asked about once.
 *
 * A Topic is what a statement wants to know of one resource, a Lookup what it
 * asked, or is going to ask, about one cluster.  Whichever plan node asks and
 * however often it is rescanned, the first answer stands: a statement sees
 * one status per cluster.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_LOOKUP_H
#define OMF_LOOKUP_H

#include "common/hashfn.h"

#include "exec/statement.h"

typedef enum OmfLookupState
{
	OMF_LOOKUP_NEW,       /* not asked yet */
	OMF_LOOKUP_ASKED,     /* its request is on the way */
	OMF_LOOKUP_FOUND,     /* record is set */
	OMF_LOOKUP_NOT_FOUND, /* 404 */
	OMF_LOOKUP_FAILED     /* error is set, or out of memory; record may be */
} OmfLookupState;

/* For hash tables of clusters: each row looks into several. */
static inline uint32
omf_uuid_hash(const unsigned char *uuid)
{
	uint32 words[OMF_UUID_SIZE / sizeof(uint32)];
	uint32 hash = 0;

	memcpy(words, uuid, OMF_UUID_SIZE);
	for (size_t i = 0; i < lengthof(words); i++)
		hash = murmurhash32(hash ^ words[i]);
	return hash;
}

typedef struct OmfTopic OmfTopic;

typedef struct OmfLookup
{
	/* lookup.c's own */
	OmfAsker asker;       /* must be first */
	OmfTopic *topic;      /* that it belongs to */
	OmfCacheWait *wait;   /* the question to the cache, or NULL */
	slist_head followers; /* what is to be asked afterwards */

	/* whom it is about, and what came of it */
	unsigned char uuid[OMF_UUID_SIZE]; /* of the cluster */
	OmfLookupState state;
	bool reported;          /* its error has been shown in a row */
	OmfRecord *record;      /* in the channel's answers */
	OmfError *error;        /* likewise */
	TimestampTz fetched_at; /* when the API said so, or 0 */
} OmfLookup;

/* The channel's topic of that resource. */
extern OmfTopic *omf_topic_get(OmfChannel *channel,
							   const OmfResource *resource);

extern OmfChannel *omf_topic_channel(const OmfTopic *topic);
extern const OmfResource *omf_topic_resource(const OmfTopic *topic);

/*
 * A plan node looks at these fields, which are numbers as in row.h: answers
 * that arrive from now on must have them as they should be.
 */
extern void omf_topic_look_at(OmfTopic *topic, const List *fields);

/* The fields of the resource that are looked at so far. */
extern OmfJsonSet omf_topic_fields(const OmfTopic *topic);

/* The topic's lookup of that cluster, which is made if need be. */
extern OmfLookup *omf_lookup_get(OmfTopic *topic, const unsigned char *uuid);

/* Has that cluster been asked about? */
extern bool omf_lookup_is_asked(const OmfTopic *topic,
								const unsigned char *uuid);

/*
 * A plan node shows answers that old: of several, the strictest terms count.
 */
extern void omf_topic_limit_age(OmfTopic *topic, OmfCacheTerms terms);

/* How old an answer may be. */
extern OmfCacheTerms omf_topic_terms(const OmfTopic *topic);

/* Ask, if that has not been done; a request counts for `counts`. */
extern void omf_lookup_ask(OmfLookup *lookup, OmfCounts *counts);

/*
 * Ask as soon as `first` is answered, and only if it is found; or only if it
 * is not found.  Not at all if it fails, or is never asked.
 */
extern void omf_lookup_follow(OmfLookup *first, bool if_found,
							  OmfLookup *lookup, OmfCounts *counts);

/*
 * The answer is known without asking, if none is on the way; takes `record`,
 * and the error that goes with it, or NULL.
 */
extern void omf_lookup_answer(OmfLookup *lookup, OmfRecord *record,
							  OmfError *error);

#endif /* OMF_LOOKUP_H */
