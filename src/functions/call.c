/*-------------------------------------------------------------------------
 *
 * call.c
 *	  One call of the API from an SQL function.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "portability/instr_time.h"

#include "client/retry.h"
#include "functions/call.h"
#include "session/log.h"

int64
omf_clock(void)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MILLISEC(now);
}

static void
end_call(OmfCall *call)
{
	omf_request_free(call->request);
	call->request = NULL;
}

/* Wait for the answer; false when the deadline has passed before. */
static bool
await_answer(OmfCall *call)
{
	while (omf_session_take(call->session, &call->inbox) == NULL)
	{
		int64 left = call->deadline != 0 ? call->deadline - omf_clock() : -1;

		if (call->deadline != 0 && left <= 0)
			return false;
		omf_session_wait_at_most(call->session, &call->inbox, left);
	}
	return true;
}

/* Has the last or an earlier try been sent, and nobody knows what came of it? */
static bool
is_unknown(const OmfReply *reply)
{
	return reply->sent_at > 0 &&
		   (reply->earlier_unknown || omf_retry_maybe_done(reply));
}

/* What a start or a stop has come to, for the server's log. */
static void
log_outcome(const OmfCall *call, const char *server)
{
	const char *id = NULL;
	bool unknown = false;

	if (call->method == OMF_GET)
		return;
	if (call->result == OMF_RESULT_RECORD && call->method == OMF_PUT)
		id = omf_call_field(call, OMF_MIGRATION_ID);
	else if (call->method == OMF_DELETE)
		id = strrchr(call->path, '/') + 1;
	if (call->result != OMF_RESULT_RECORD)
	{
		unknown = is_unknown(omf_request_reply(call->request));
		if (!unknown)
			return;
	}
	omf_log_lifecycle(call->method, call->path, unknown, id, server);
}

void
omf_call_make(OmfCall *call, OmfMethod method, const char *path, const char *body)
{
	const char *server = method != OMF_GET ? omf_session_server_name(call->session) : NULL;

	call->method = method;
	call->path = path;
	call->body = body;
	call->record = NULL;
	call->error = NULL;
	omf_inbox_init(&call->inbox);
	call->request = omf_engine_submit(omf_session_engine(call->session), &call->inbox,
									  method, path, body, OMF_BODY_MAX, call);
	if (call->request == NULL)
		omf_raise(OMF_ACTION_READ, NULL);
	omf_request_make_urgent(call->request);
	PG_TRY();
	{
		call->late = !await_answer(call);
	}
	PG_CATCH();
	{
		/* cancelled between sending and the answer */
		if (method != OMF_GET && omf_request_reply(call->request)->sent_at > 0)
			omf_log_lifecycle(method, path, true, NULL, server);
		end_call(call);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (call->late)
	{
		end_call(call);
		return;
	}
	call->earlier_unknown = omf_request_reply(call->request)->earlier_unknown;
	if (call->resource == NULL)
		call->resource = omf_api_resource("online_migrations");
	/* of a cluster, what is not of its type counts as not said */
	call->result = omf_api_result(call->resource, call->request,
								  call->resource->in_listing ? 0 : OMF_JSON_ALL,
								  &call->secrets, &call->record, &call->error);
	if (call->result != OMF_RESULT_RECORD)
	{
		free(call->record);
		call->record = NULL;
	}
	log_outcome(call, server);

	/* a cluster's holds passwords */
	omf_request_wipe_reply(call->request);
	end_call(call);
}

void
omf_call_reset(OmfCall *call)
{
	free(call->record);
	free(call->error);
	call->record = NULL;
	call->error = NULL;
}

/* From memory that goes with the error. */
void
omf_call_raise(const OmfCall *call, OmfAction action)
{
	OmfError *error = NULL;

	if (call->error != NULL)
	{
		error = palloc_extended(sizeof(OmfError), MCXT_ALLOC_NO_OOM);
		if (error != NULL)
			memcpy(error, call->error, sizeof(OmfError));
		free(call->error);
	}
	omf_raise(action, error);
}

char *
omf_call_field(const OmfCall *call, int field)
{
	const char *value = call->record->values[field];

	return value != NULL ? pg_any_to_server(pstrdup(value), (int) strlen(value), PG_UTF8) : NULL;
}
