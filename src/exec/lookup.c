/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  Within one statement, a cluster is asked about once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "exec/lookup.h"

struct OmfTopic
{
	slist_node node;              /* in the channel's topics */
	OmfChannel *channel;          /* that it belongs to */
	const OmfResource *resource;  /* what is asked about */
	OmfJsonSet fields;            /* of it, that some plan node looks at */
	OmfCacheTerms terms;          /* how old an answer may be */
	bool has_terms;               /* somebody has said so */
	MemoryContextCallback end;    /* others are not to wait for its answers */
	struct lookups_hash *lookups; /* by UUID */
};

typedef struct LookupEntry
{
	const unsigned char *uuid; /* in the lookup; the hash key */
	OmfLookup *lookup;
	char status; /* simplehash's own */
} LookupEntry;

static inline bool
same_uuid(const unsigned char *a, const unsigned char *b)
{
	return memcmp(a, b, OMF_UUID_SIZE) == 0;
}

#define SH_PREFIX lookups
#define SH_ELEMENT_TYPE LookupEntry
#define SH_KEY_TYPE const unsigned char *
#define SH_KEY uuid
#define SH_HASH_KEY(t, k) omf_uuid_hash(k)
#define SH_EQUAL(t, a, b) same_uuid(a, b)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Lookups that a topic has room for at first. */
#define FIRST_LOOKUPS 16

OmfTopic *
omf_topic_get(OmfChannel *channel, const OmfResource *resource)
{
	OmfTopic *topic;
	slist_iter iter;

	slist_foreach(iter, &channel->topics)
	{
		topic = slist_container(OmfTopic, node, iter.cur);
		if (topic->resource == resource)
			return topic;
	}
	topic = MemoryContextAllocZero(channel->context, sizeof(OmfTopic));
	topic->channel = channel;
	topic->resource = resource;
	topic->lookups = lookups_create(channel->context, FIRST_LOOKUPS, NULL);
	slist_push_head(&channel->topics, &topic->node);
	return topic;
}

void
omf_topic_look_at(OmfTopic *topic, const List *fields)
{
	ListCell *cell;

	foreach (cell, fields)
		if (lfirst_int(cell) >= 0 &&
			lfirst_int(cell) < topic->resource->nfields)
			topic->fields |= (OmfJsonSet) 1 << lfirst_int(cell);
}

OmfChannel *
omf_topic_channel(const OmfTopic *topic)
{
	return topic->channel;
}

const OmfResource *
omf_topic_resource(const OmfTopic *topic)
{
	return topic->resource;
}

OmfJsonSet
omf_topic_fields(const OmfTopic *topic)
{
	return topic->fields;
}

void
omf_topic_limit_age(OmfTopic *topic, OmfCacheTerms terms)
{
	if (!topic->has_terms)
		topic->terms = terms;
	topic->has_terms = true;
	topic->terms.ttl_ms = Min(topic->terms.ttl_ms, terms.ttl_ms);
	topic->terms.stale_ms = Min(topic->terms.stale_ms, terms.stale_ms);
}

OmfCacheTerms
omf_topic_terms(const OmfTopic *topic)
{
	return topic->terms;
}

/* ----- what is asked after an answer ----- */

typedef struct Follower
{
	slist_node node;   /* in the followers of the lookup that it waits for */
	bool if_found;     /* is it to be asked then, or else? */
	OmfLookup *lookup; /* that is to be asked */
	OmfCounts *counts; /* whom its request counts for */
} Follower;

static void
ask_if_due(const OmfLookup *first, const Follower *follower)
{
	if (first->state == (follower->if_found ? OMF_LOOKUP_FOUND
											: OMF_LOOKUP_NOT_FOUND))
		omf_lookup_ask(follower->lookup, follower->counts);
}

/* The lookup is answered, or has failed. */
static void
release_followers(OmfLookup *lookup)
{
	while (!slist_is_empty(&lookup->followers))
		ask_if_due(lookup,
				   slist_container(Follower, node,
								   slist_pop_head_node(&lookup->followers)));
}

/* Many rows may say the same. */
static bool
has_follower(OmfLookup *first, const Follower *follower)
{
	slist_iter iter;

	slist_foreach(iter, &first->followers)
	{
		const Follower *other = slist_container(Follower, node, iter.cur);

		if (other->lookup == follower->lookup &&
			other->if_found == follower->if_found)
			return true;
	}
	return false;
}

void
omf_lookup_follow(OmfLookup *first, bool if_found, OmfLookup *lookup,
				  OmfCounts *counts)
{
	Follower follower = {{NULL}, if_found, lookup, counts};
	Follower *kept;

	if (lookup->state != OMF_LOOKUP_NEW)
		return;
	if (first->state != OMF_LOOKUP_NEW && first->state != OMF_LOOKUP_ASKED)
	{
		ask_if_due(first, &follower);
		return;
	}
	if (has_follower(first, &follower))
		return;
	kept = MemoryContextAlloc(first->topic->channel->answers,
							  sizeof(Follower));
	*kept = follower;
	slist_push_head(&first->followers, &kept->node);
}

/* ----- what answers come to ----- */

/* What an answer in this statement has said of the cluster itself, or NULL. */
static const OmfRecord *
known_cluster(const OmfLookup *lookup)
{
	slist_iter iter;

	slist_foreach(iter, &lookup->topic->channel->topics)
	{
		OmfTopic *topic = slist_container(OmfTopic, node, iter.cur);
		LookupEntry *entry = topic->resource->in_listing
								 ? lookups_lookup(topic->lookups, lookup->uuid)
								 : NULL;

		if (entry != NULL && entry->lookup->record != NULL)
			return entry->lookup->record;
	}
	return NULL;
}

/*
 * The request failed.  A cluster that is known to be there, and of which the
 * API then says that this can't be asked, has no such thing; where all that is
 * known is a key, that is an error.
 */
static void
settle_failure(OmfLookup *lookup)
{
	lookup->state = OMF_LOOKUP_FAILED;
	omf_session_note_failure(lookup->topic->channel->session, lookup->error);
	if (lookup->error == NULL)
		return;
	if (omf_api_concerns_all(lookup->error))
		lookup->topic->channel->refused = lookup->error;
	if (!omf_api_is_unsupported(lookup->error) ||
		!lookup->topic->resource->engines_only ||
		known_cluster(lookup) == NULL)
		return;
	lookup->state = OMF_LOOKUP_NOT_FOUND;
	lookup->error = NULL;
}

/* ----- answers that backends share ----- */

static OmfOperation
operation_of(const OmfLookup *lookup)
{
	return lookup->topic->resource->in_listing ? OMF_OPERATION_GET_CLUSTER
											   : OMF_OPERATION_GET_MIGRATION;
}

static void
take_cached(OmfLookup *lookup, OmfCached *answer)
{
	const char *bytes = answer->bytes;

	lookup->fetched_at = answer->fetched_at;
	lookup->state = OMF_LOOKUP_NOT_FOUND;
	if (answer->found)
	{
		lookup->record = omf_channel_unpack_record(lookup->topic->channel,
												   &bytes,
												   bytes + answer->length);
		lookup->state = lookup->record != NULL ? OMF_LOOKUP_FOUND
											   : OMF_LOOKUP_FAILED;
	}
	pfree(answer->bytes);
}

/* The API can't be had: is there an old answer that does? */
static bool
take_old_answer(OmfLookup *lookup, const OmfError *error)
{
	OmfCached answer;

	if (error == NULL || !omf_api_is_absence(error) ||
		!omf_cache_fail(&lookup->wait->question, &answer))
		return false;
	omf_channel_count_hit(lookup->topic->channel, operation_of(lookup),
						  lookup->asker.counts, &answer);
	take_cached(lookup, &answer);
	return true;
}

/*
 * Let others have the answer, if all of its fields are as they should be.
 * True where an old one is to be taken instead, which is done then.
 */
static bool
share_answer(OmfLookup *lookup, OmfResult result, const OmfRecord *record,
			 const OmfError *error)
{
	OmfQuestion *question = &lookup->wait->question;

	if (result == OMF_RESULT_ERROR)
	{
		if (take_old_answer(lookup, error))
			return true;
	}
	else if (result == OMF_RESULT_NOT_FOUND)
		omf_cache_answer(question, false, NULL, 0);
	else if (omf_cache_is_wanted(question) && omf_json_is_whole(record))
	{
		size_t length = omf_json_pack(record, NULL);
		char *bytes = palloc_extended(length, MCXT_ALLOC_NO_OOM);

		if (bytes != NULL)
		{
			(void) omf_json_pack(record, bytes);
			omf_cache_answer(question, true, bytes, length);
			pfree(bytes);
		}
	}
	omf_cache_give_up(question);
	return false;
}

/* Ask the API, unless the cache or another backend has the answer. */
static void
pursue(OmfLookup *lookup)
{
	OmfChannel *channel = lookup->topic->channel;
	char path[OMF_PATH_SIZE];
	OmfCached answer;

	lookup->state = OMF_LOOKUP_ASKED;
	if (lookup->wait != NULL)
		switch (omf_channel_ask_cache(channel, lookup->wait,
									  operation_of(lookup),
									  lookup->asker.counts, &answer))
		{
			case OMF_CACHE_HIT:
				take_cached(lookup, &answer);
				release_followers(lookup);
				return;
			case OMF_CACHE_WAIT:
				return;
			case OMF_CACHE_ASK:
				break;
		}
	omf_api_path(path, lookup->topic->resource, lookup->uuid);
	omf_channel_ask(channel, path, OMF_BODY_MAX, &lookup->asker,
					lookup->asker.counts);
}

/* A lookup's part of a question to the cache. */
typedef struct LookupWait
{
	OmfCacheWait wait; /* must be first */
	OmfLookup *lookup;
} LookupWait;

static void
pursue_again(OmfCacheWait *wait)
{
	pursue(((LookupWait *) wait)->lookup);
}

/* The statement ends: nobody is to wait for what it has asked. */
static void
give_up(void *arg)
{
	OmfTopic *topic = arg;
	lookups_iterator entries;
	LookupEntry *entry;

	lookups_start_iterate(topic->lookups, &entries);
	while ((entry = lookups_iterate(topic->lookups, &entries)) != NULL)
		if (entry->lookup->wait != NULL)
			omf_cache_give_up(&entry->lookup->wait->question);
}

static OmfCacheWait *
make_wait(OmfLookup *lookup)
{
	OmfTopic *topic = lookup->topic;
	LookupWait *made = MemoryContextAllocZero(topic->channel->context,
											  sizeof(LookupWait));
	char path[OMF_PATH_SIZE];

	if (topic->end.func == NULL)
	{
		topic->end.func = give_up;
		topic->end.arg = topic;
		MemoryContextRegisterResetCallback(topic->channel->answers,
										   &topic->end);
	}
	omf_api_path(path, topic->resource, lookup->uuid);
	made->wait.question =
		omf_cache_question(omf_session_account(topic->channel->session), path,
						   topic->terms);
	made->wait.again = pursue_again;
	made->lookup = lookup;
	return &made->wait;
}

/* ----- one lookup ----- */

/* The request is over. */
static void
settle_lookup(OmfAsker *asker, OmfRequest *request)
{
	OmfLookup *lookup = (OmfLookup *) asker;
	OmfTopic *topic = lookup->topic;
	OmfResult result;
	OmfRecord *record;
	OmfError *error;

	result = omf_api_result(topic->resource, request, topic->fields,
							&topic->channel->secrets, &record, &error);
	lookup->fetched_at = GetCurrentTimestamp();
	if (lookup->wait != NULL && share_answer(lookup, result, record, error))
	{
		free(record);
		free(error);
		release_followers(lookup);
		return;
	}
	lookup->record = omf_channel_keep_record(topic->channel, record);
	if (result == OMF_RESULT_NOT_FOUND)
	{
		free(error);
		lookup->state = OMF_LOOKUP_NOT_FOUND;
	}
	else
	{
		lookup->error = omf_channel_keep_error(topic->channel, error);
		if (result == OMF_RESULT_RECORD && lookup->record != NULL)
			lookup->state = OMF_LOOKUP_FOUND;
		else
			settle_failure(lookup);
	}
	omf_instrument_answer(asker->counts->instrument,
						  lookup->state == OMF_LOOKUP_FOUND
							  ? OMF_ANSWER_FOUND
						  : lookup->state == OMF_LOOKUP_NOT_FOUND
							  ? OMF_ANSWER_NOT_FOUND
							  : OMF_ANSWER_FAILED);
	release_followers(lookup);
}

OmfLookup *
omf_lookup_get(OmfTopic *topic, const unsigned char *uuid)
{
	LookupEntry *entry = lookups_lookup(topic->lookups, uuid);
	OmfLookup *lookup;
	bool found;

	if (entry != NULL)
		return entry->lookup;
	lookup = MemoryContextAllocZero(topic->channel->answers,
									sizeof(OmfLookup));
	lookup->asker.settle = settle_lookup;
	lookup->topic = topic;
	memcpy(lookup->uuid, uuid, OMF_UUID_SIZE);
	entry = lookups_insert(topic->lookups, lookup->uuid, &found);
	entry->lookup = lookup;
	return lookup;
}

bool
omf_lookup_is_asked(const OmfTopic *topic, const unsigned char *uuid)
{
	LookupEntry *entry = lookups_lookup(topic->lookups, uuid);

	return entry != NULL && entry->lookup->state != OMF_LOOKUP_NEW;
}

void
omf_lookup_ask(OmfLookup *lookup, OmfCounts *counts)
{
	const OmfRecord *cluster = NULL;

	if (lookup->state != OMF_LOOKUP_NEW)
		return;
	if (lookup->topic->resource->engines_only)
		cluster = known_cluster(lookup);
	if (cluster != NULL &&
		!omf_api_can_migrate(cluster->values[OMF_CLUSTER_ENGINE]))
	{
		lookup->state = OMF_LOOKUP_NOT_FOUND;
		release_followers(lookup);
		return;
	}
	lookup->asker.counts = counts;
	if (lookup->topic->terms.ttl_ms > 0)
		lookup->wait = make_wait(lookup);
	pursue(lookup);
}

void
omf_lookup_answer(OmfLookup *lookup, OmfRecord *record, OmfError *error)
{
	OmfChannel *channel = lookup->topic->channel;
	bool failed = error != NULL;

	if (lookup->state != OMF_LOOKUP_NEW)
	{
		free(record);
		free(error);
		return;
	}
	lookup->record = omf_channel_keep_record(channel, record);
	lookup->error = omf_channel_keep_error(channel, error);
	lookup->state = lookup->record != NULL && !failed ? OMF_LOOKUP_FOUND
													  : OMF_LOOKUP_FAILED;
	release_followers(lookup);
}
