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
 * waits, and before each wait it asks each scan: one that has answers then
 * rings by the timer of its pollset.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/execAsync.h"
#include "storage/fd.h"
#include "storage/latch.h"

#include "exec/async.h"
#include "client/pollset.h"
#include "exec/scan.h"

/* What an asynchronous scan waits on. */
typedef struct Bell
{
	OmfPollset *pollset; /* the engine's descriptor, and a timer to ring by */
	int own_fds;         /* descriptors counted for it */
	OmfCleanup cleanup;  /* closes it when the statement ends */
} Bell;

static void
close_bell(void *arg)
{
	Bell *bell = arg;

	omf_pollset_destroy(bell->pollset);
	bell->pollset = NULL;
	while (bell->own_fds > 0)
	{
		ReleaseExternalFD();
		bell->own_fds--;
	}
}

static Bell *
hang_bell(OmfChannel *channel)
{
	Bell *bell = MemoryContextAllocZero(channel->context, sizeof(Bell));

	bell->cleanup.run = close_bell;
	bell->cleanup.arg = bell;
	omf_channel_cleanup(channel, &bell->cleanup);
	while (bell->own_fds < OMF_POLLSET_OWN_FDS && AcquireExternalFD())
		bell->own_fds++;
	if (bell->own_fds == OMF_POLLSET_OWN_FDS)
		bell->pollset = omf_pollset_create();
	if (bell->pollset == NULL ||
		!omf_pollset_watch(bell->pollset, omf_engine_fd(channel->engine), OMF_POLL_READ, false))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not wait for the API asynchronously: %m"),
				 errhint("ALTER SERVER ... OPTIONS (ADD async_capable 'false') does without.")));
	return bell;
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
	void **place = omf_scan_bell(node);
	Bell *bell;

	if (*place == NULL)
		*place = hang_bell(channel);
	bell = *place;
	(void) omf_engine_prepare_wait(channel->engine, true);
	omf_session_tell_pause(channel->session);
	if (omf_fetch_is_ready(fetch))
		(void) omf_pollset_set_timer(bell->pollset, 0);
	AddWaitEventToSet(requestor->as_eventset, WL_SOCKET_READABLE,
					  omf_pollset_fd(bell->pollset), NULL, areq);
}

void
omf_async_notify(AsyncRequest *areq)
{
	ForeignScanState *node = (ForeignScanState *) areq->requestee;
	Bell *bell = *omf_scan_bell(node);
	OmfPollEvent event;

	omf_session_end_waits();

	/* acknowledge the timer; the engine looks after its sockets itself */
	(void) omf_pollset_collect(bell->pollset, &event, 1);
	omf_channel_drive(omf_fetch_channel(omf_scan_fetch(node)));
	produce(areq);
}
