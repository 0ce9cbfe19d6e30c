/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  What one SQL statement has under way with the API.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "client/pollset.h"
#include "session/error.h"
#include "exec/statement.h"

typedef struct Statement
{
	dlist_node node;             /* in statements */
	MemoryContext context;       /* the query's, which it goes with */
	uint32 number;               /* of all so far, that no other has */
	int nchannels;               /* usually one */
	slist_head channels;         /* these */
	MemoryContextCallback reset; /* frees what is not palloc'd */
} Statement;

/* Statements under way in this backend: nested ones, and open cursors. */
static dlist_head statements = DLIST_STATIC_INIT(statements);
static uint32 nstatements = 0; /* so far */

/* The query's memory goes: call off its requests.  Must not throw. */
static void
end_statement(void *arg)
{
	Statement *statement = arg;
	slist_iter iter;

	dlist_delete(&statement->node);
	slist_foreach(iter, &statement->channels)
	{
		OmfChannel *channel = slist_container(OmfChannel, node, iter.cur);

		omf_inbox_clear(&channel->inbox);
		omf_session_release(channel->session);
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
	statement->number = ++nstatements;
	slist_init(&statement->channels);
	statement->reset.func = end_statement;
	statement->reset.arg = statement;
	MemoryContextRegisterResetCallback(context, &statement->reset);
	dlist_push_head(&statements, &statement->node);
	return statement;
}

OmfChannel *
omf_channel_get(EState *estate, Oid serverid, Oid userid)
{
	Statement *statement;
	OmfChannel *channel;
	OmfSession *session;
	slist_iter iter;

	/* a recheck after a concurrent update belongs to the statement it is in */
	while (estate->es_epq_active != NULL)
		estate = estate->es_epq_active->parentestate;
	statement = get_statement(estate->es_query_cxt);

	/* the memory first: from the push on, end_statement() has the session */
	channel = MemoryContextAllocZero(statement->context, sizeof(OmfChannel));
	session = omf_session_acquire(serverid, userid);
	slist_foreach(iter, &statement->channels)
	{
		OmfChannel *other = slist_container(OmfChannel, node, iter.cur);

		if (other->session == session)
		{
			omf_session_release(session);
			pfree(channel);
			return other;
		}
	}
	channel->context = statement->context;
	channel->number = (uint64) statement->number << 32;
	channel->number |= (uint64) ++statement->nchannels;
	channel->answers = GenerationContextCreate(statement->context,
											   "online_migrations_fdw answers",
											   ALLOCSET_DEFAULT_SIZES);
	channel->session = session;
	channel->engine = omf_session_engine(session);
	channel->token = omf_engine_token(channel->engine);
	channel->secrets.texts = &channel->token;
	channel->secrets.ntexts = 1;
	omf_inbox_init(&channel->inbox);
	slist_push_head(&statement->channels, &channel->node);
	return channel;
}

void
omf_channel_begin_scan(OmfChannel *channel)
{
	channel->nscans++;
}

/* Let the statistics have the hits, all at once. */
static void
tell_hits(OmfChannel *channel)
{
	for (int i = 0; i < OMF_OPERATIONS; i++)
	{
		if (channel->hits[i] > 0)
			omf_session_note_hits(channel->session, i, channel->hits[i]);
		channel->hits[i] = 0;
	}
}

void
omf_channel_end_scan(OmfChannel *channel)
{
	int reported = channel->reported;

	if (--channel->nscans > 0)
		return;
	tell_hits(channel);
	if (reported == 0)
		return;
	channel->reported = 0;
	ereport(WARNING,
			(errcode(ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION),
			 errmsg("could not read all database clusters from the API"),
			 errdetail_plural("%d cluster failed.", "%d clusters failed.", reported, reported),
			 errhint("The column \"error\" of their rows says why.")));
}

/* In the statement's memory, or NULL. */
static void *
allocate_answer(void *arg, size_t size)
{
	OmfChannel *channel = arg;

	return MemoryContextAllocExtended(channel->answers, size,
									  MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

OmfRecord *
omf_channel_unpack_record(OmfChannel *channel, const char **bytes,
						  const char *end)
{
	return omf_json_unpack(bytes, end, allocate_answer, channel);
}

/* A record is one block; its values point to what follows them. */
OmfRecord *
omf_channel_keep_record(OmfChannel *channel, OmfRecord *record)
{
	OmfRecord *kept;
	size_t size;
	char *text;

	if (record == NULL)
		return NULL;
	size = offsetof(OmfRecord, values) + sizeof(char *) * record->nvalues;
	for (int i = 0; i < record->nvalues; i++)
		if (record->values[i] != NULL)
			size += strlen(record->values[i]) + 1;
	kept = allocate_answer(channel, size);
	if (kept != NULL)
	{
		kept->nvalues = record->nvalues;
		text = (char *) &kept->values[record->nvalues];
		for (int i = 0; i < record->nvalues; i++)
		{
			kept->values[i] = record->values[i] != NULL ? text : NULL;
			if (record->values[i] != NULL)
				text = stpcpy(text, record->values[i]) + 1;
		}
	}
	free(record);
	return kept;
}

OmfError *
omf_channel_keep_error(OmfChannel *channel, OmfError *error)
{
	OmfError *kept = NULL;

	if (error != NULL)
		kept = MemoryContextAllocExtended(channel->answers, sizeof(OmfError),
										  MCXT_ALLOC_NO_OOM);
	if (kept != NULL)
		memcpy(kept, error, sizeof(OmfError));
	free(error);
	return kept;
}

OmfCacheStep
omf_channel_ask_cache(OmfChannel *channel, OmfCacheWait *wait,
					  OmfOperation operation, OmfCounts *counts,
					  OmfCached *answer)
{
	OmfCacheStep step;

	wait->question.channel = channel->number;
	step = omf_cache_ask(&wait->question, true, answer);
	if (step == OMF_CACHE_WAIT)
		slist_push_head(&channel->waits, &wait->node);
	if (step == OMF_CACHE_HIT)
		omf_channel_count_hit(channel, operation, counts, answer);
	return step;
}

void
omf_channel_count_hit(OmfChannel *channel, OmfOperation operation,
					  OmfCounts *counts, const OmfCached *answer)
{
	channel->hits[operation]++;
	counts->hits++;
	counts->oldest = Max(counts->oldest, answer->age_ms);
}

void
omf_channel_ask(OmfChannel *channel, const char *path, size_t body_max,
				OmfAsker *asker, OmfCounts *counts)
{
	asker->counts = counts;
	if (omf_engine_submit(channel->engine, &channel->inbox, OMF_GET, path,
						  NULL, body_max, asker) == NULL)
		omf_raise(OMF_ACTION_READ, NULL);
	counts->requests++;
	omf_instrument_request(counts->instrument);
}

/*
 * Hand a finished request to who asked.  It is freed also when that throws,
 * for lack of memory.
 */
static void
settle_request(OmfRequest *request)
{
	OmfAsker *asker = omf_request_owner(request);

	PG_TRY();
	{
		omf_instrument_reply(asker->counts->instrument,
							 omf_request_reply(request));
		asker->settle(asker, request);
	}
	PG_FINALLY();
	{
		omf_request_free(request);
	}
	PG_END_TRY();
}

static void
settle(OmfChannel *channel)
{
	OmfRequest *request;

	while ((request = omf_session_take(channel->session, &channel->inbox)) !=
		   NULL)
		settle_request(request);
}

/*
 * Ask again for all that another backend was asking for; true: something has
 * come of it.
 */
static bool
ask_others_again(OmfChannel *channel)
{
	slist_head waits = channel->waits;
	bool changed = false;

	slist_init(&channel->waits);
	while (!slist_is_empty(&waits))
	{
		OmfCacheWait *wait = slist_container(OmfCacheWait, node,
											 slist_pop_head_node(&waits));

		wait->again(wait);
		if (wait->question.waits_till == 0)
			changed = true;
	}
	return changed;
}

/* How long the others are waited for before asking again. */
static int64
patience(OmfChannel *channel)
{
	int64 till = INT64_MAX;
	slist_iter iter;

	slist_foreach(iter, &channel->waits)
		till = Min(till, slist_container(OmfCacheWait, node, iter.cur)
							 ->question.waits_till);
	return Max(till - omf_pollset_now(), 0);
}

void
omf_channel_wait(OmfChannel *channel, bool for_room, const OmfCounts *counts)
{
	instr_time began;
	instr_time took;

	/* somebody may have reset the latch since the last look */
	if (!slist_is_empty(&channel->waits) && ask_others_again(channel))
		return;
	if (counts->instrument != NULL)
		INSTR_TIME_SET_CURRENT(began);
	omf_cache_attend(channel->number);
	if (slist_is_empty(&channel->waits))
		omf_session_wait(channel->session, &channel->inbox, for_room);
	else
		omf_session_wait_for_others(channel->session, &channel->inbox,
									for_room, patience(channel));
	omf_cache_look_up(channel->number);
	if (counts->instrument != NULL)
	{
		/* nobody has driven it since: it still waits for the same */
		INSTR_TIME_SET_CURRENT(took);
		INSTR_TIME_SUBTRACT(took, began);
		omf_instrument_wait(counts->instrument,
							omf_engine_waits_for(channel->engine),
							INSTR_TIME_GET_MILLISEC(took));
	}
	settle(channel);
	(void) ask_others_again(channel);
}

int64
omf_channel_prepare_wait(OmfChannel *channel)
{
	/* another statement of the session may have brought answers meanwhile */
	settle(channel);
	(void) ask_others_again(channel);
	omf_cache_look_up(channel->number & OMF_CACHE_CHANNELS_OF_ONE);
	return slist_is_empty(&channel->waits) ? -1 : patience(channel);
}

void
omf_channel_end_wait(OmfChannel *channel)
{
	omf_cache_look_up(channel->number & OMF_CACHE_CHANNELS_OF_ONE);
	omf_session_end_waits();
}

void
omf_channel_drive(OmfChannel *channel)
{
	omf_engine_drive(channel->engine);
	settle(channel);
}
