/*-------------------------------------------------------------------------
 *
 * async.c
 *	  Asynchronous execution of scans below an Append.
 *
 * See https://www.postgresql.org/docs/current/fdw-callbacks.html
 *
 * An Append waits for all of its scans at once.  Scans of one server share
 * one engine, whose descriptor can stand in a WaitEventSet only once; so each
 * scan waits on a pollset of its own around it.  Whoever drives the engine
 * also brings the others their answers.  Nobody drives it while the Append
 * waits, and before each wait it asks each scan: one that has answers then has
 * the timer of its pollset end the wait.  So does one that has asked the cache
 * again for what another backend is asking for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/execAsync.h"
#include "portability/instr_time.h"
#include "storage/fd.h"
#include "storage/latch.h"

#include "exec/async.h"
#include "client/pollset.h"
#include "exec/scan.h"

/*
 * An Append wakes for the latch, which is set when another backend has brought
 * an answer; those of older minor versions don't.
 */
#define LATCH_PATIENCE_MS 1000

/* What an asynchronous scan waits on. */
typedef struct Waiting
{
	OmfPollset *pollset;       /* the engine's descriptor, and a timer */
	int own_fds;               /* descriptors counted for it */
	OmfEngineWait what;        /* what the engine waits for */
	instr_time began;          /* when the wait began, where that counts */
	MemoryContextCallback end; /* closes it when the statement ends */
} Waiting;

static void
end_waiting(void *arg)
{
	Waiting *waiting = arg;

	omf_pollset_destroy(waiting->pollset);
	waiting->pollset = NULL;
	while (waiting->own_fds > 0)
	{
		omf_session_release_fd();
		waiting->own_fds--;
	}
}

static Waiting *
begin_waiting(OmfChannel *channel)
{
	Waiting *waiting = MemoryContextAllocZero(channel->context,
											  sizeof(Waiting));

	waiting->end.func = end_waiting;
	waiting->end.arg = waiting;
	MemoryContextRegisterResetCallback(channel->context, &waiting->end);
	while (waiting->own_fds < OMF_POLLSET_OWN_FDS && omf_session_acquire_fd(0))
		waiting->own_fds++;
	if (waiting->own_fds == OMF_POLLSET_OWN_FDS)
		waiting->pollset = omf_pollset_create();
	if (waiting->pollset == NULL ||
		!omf_pollset_watch(waiting->pollset, omf_engine_fd(channel->engine),
						   OMF_POLL_READ, false))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not wait for the API asynchronously: %m"),
				 errhint("ALTER SERVER ... OPTIONS (ADD async_capable 'false') does without.")));
	return waiting;
}

/* Have a row if there is one, else say that the Append has to wait. */
static void
produce(AsyncRequest *areq)
{
	ForeignScanState *node = (ForeignScanState *) areq->requestee;
	TupleTableSlot *slot = areq->requestee->ExecProcNodeReal(areq->requestee);

	if (TupIsNull(slot) && omf_scan_is_blocked(node))
		ExecAsyncRequestPending(areq);
	else
		ExecAsyncRequestDone(areq, slot);
}

void
omf_async_request(AsyncRequest *areq)
{
	produce(areq);
}

void
omf_async_configure_wait(AsyncRequest *areq)
{
	ForeignScanState *node = (ForeignScanState *) areq->requestee;
	AppendState *requestor = (AppendState *) areq->requestor;
	OmfFetch *fetch = omf_scan_fetch(node);
	OmfChannel *channel = omf_fetch_channel(fetch);
	void **place = omf_scan_waiting(node);
	Waiting *waiting;
	int64 others;

	if (*place == NULL)
		*place = begin_waiting(channel);
	waiting = *place;
	others = omf_channel_prepare_wait(channel);
	(void) omf_engine_prepare_wait(channel->engine, true);
	omf_session_tell_pause(channel->session);
	waiting->what = omf_engine_waits_for(channel->engine);
	if (omf_scan_counts(node)->instrument != NULL)
		INSTR_TIME_SET_CURRENT(waiting->began);
	if (omf_fetch_is_ready(fetch))
		(void) omf_pollset_set_timer(waiting->pollset, 0);
	else if (others >= 0)
		(void) omf_pollset_set_timer(waiting->pollset,
									 Min(others, LATCH_PATIENCE_MS));
	AddWaitEventToSet(requestor->as_eventset, WL_SOCKET_READABLE,
					  omf_pollset_fd(waiting->pollset), NULL, areq);
}

static void
count_wait(OmfInstrument *instrument, const Waiting *waiting)
{
	instr_time took;

	if (instrument == NULL)
		return;
	INSTR_TIME_SET_CURRENT(took);
	INSTR_TIME_SUBTRACT(took, waiting->began);
	omf_instrument_wait(instrument, waiting->what,
						INSTR_TIME_GET_MILLISEC(took));
}

void
omf_async_notify(AsyncRequest *areq)
{
	ForeignScanState *node = (ForeignScanState *) areq->requestee;
	OmfChannel *channel = omf_fetch_channel(omf_scan_fetch(node));
	Waiting *waiting = *omf_scan_waiting(node);
	OmfPollEvent event;

	omf_channel_end_wait(channel);
	count_wait(omf_scan_counts(node)->instrument, waiting);

	/* acknowledge the timer; the engine looks after its sockets itself */
	(void) omf_pollset_collect(waiting->pollset, &event, 1);
	omf_channel_drive(channel);
	produce(areq);
}
