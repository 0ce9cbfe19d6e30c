/*-------------------------------------------------------------------------
 *
 * request.c
 *	  Requests and inboxes, as who has submitted something sees them.
 *
 * See transfer.h for what these are, and what may and must not be called.
 *
 *-------------------------------------------------------------------------
 */
#include "transfer_internal.h"

void *
omf_request_owner(const OmfRequest *request)
{
	return request->owner;
}

OmfMethod
omf_request_method(const OmfRequest *request)
{
	return request->exchange.method;
}

const char *
omf_request_path(const OmfRequest *request)
{
	return request->path;
}

const OmfReply *
omf_request_reply(const OmfRequest *request)
{
	return &request->exchange.reply;
}

void
omf_request_wipe_reply(OmfRequest *request)
{
	omf_reply_wipe(&request->exchange.reply);
}

void
omf_inbox_init(OmfInbox *inbox)
{
	TAILQ_INIT(&inbox->pending);
	TAILQ_INIT(&inbox->done);
}

OmfRequest *
omf_inbox_take(OmfInbox *inbox)
{
	OmfRequest *request = TAILQ_FIRST(&inbox->done);

	if (request != NULL)
	{
		TAILQ_REMOVE(&inbox->done, request, inbox_link);
		request->inbox = NULL;
	}
	return request;
}

void
omf_inbox_clear(OmfInbox *inbox)
{
	OmfRequest *request;

	while ((request = TAILQ_FIRST(&inbox->pending)) != NULL ||
		   (request = TAILQ_FIRST(&inbox->done)) != NULL)
		omf_request_free(request);
}
