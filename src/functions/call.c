/*-------------------------------------------------------------------------
 *
 * call.c
 *	  One call of the API from an SQL function.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "client/api_time.h"
#include "client/retry.h"
#include "functions/call.h"
#include "session/cache.h"
#include "session/log.h"

/*
 * What of a migration is decided by: a time that is none is not said, and
 * harms nobody.
 */
#define DECISIVE_FIELDS                   \
	((OmfJsonSet) 1 << OMF_MIGRATION_ID | \
	 (OmfJsonSet) 1 << OMF_MIGRATION_STATUS)

/* Of a secret that is masked in an id or a status, in bytes. */
#define SHORTEST_SECRET 8

int64
omf_clock(void)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MILLISEC(now);
}

/* Could the server have done what the request asks for, answered or not? */
static bool
may_be_done(const OmfReply *reply)
{
	return reply->earlier_unknown ||
		   (reply->sent_at > 0 && omf_retry_maybe_done(reply));
}

static void
end_call(OmfCall *call)
{
	call->maybe_done = may_be_done(omf_request_reply(call->request));
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

/* What a start or a stop has come to, for the server's log. */
static void
log_outcome(const OmfCall *call)
{
	const char *id = NULL;
	bool is_done = call->result == OMF_RESULT_RECORD;

	if (call->method == OMF_GET ||
		(!is_done && !may_be_done(omf_request_reply(call->request))))
		return;
	if (is_done && call->method == OMF_PUT)
		id = omf_call_field(call, OMF_MIGRATION_ID);
	else if (call->method == OMF_DELETE)
		id = strrchr(call->path, '/') + 1;
	omf_log_lifecycle(call->method, call->path, !is_done, id, call->server,
					  call->role);
}

/*
 * What the API says of a migration is a part of messages, so a secret is masked
 * there as well: but not in a status that has a meaning, and not one so short
 * that an id may have it by chance.
 */
static char *
copy_value(const OmfCall *call, const char *value)
{
	char *copy;

	if (value == NULL)
		return NULL;
	copy = pstrdup(value);
	for (int i = 0; i < call->secrets.ntexts; i++)
	{
		const char *secret = call->secrets.texts[i];
		const OmfSecrets one = {&secret, 1};

		if (secret != NULL && strlen(secret) >= SHORTEST_SECRET &&
			omf_api_known_status(value) == NULL)
			omf_mask(copy, &one);
	}
	return copy;
}

static void
copy_answer(OmfCall *call, const OmfRecord *record, const OmfError *error)
{
	call->values = palloc0(call->resource->nfields * sizeof(char *));
	for (int i = 0; call->result == OMF_RESULT_RECORD && record != NULL &&
					i < record->nvalues;
		 i++)
		call->values[i] = copy_value(call, record->values[i]);
	if (error == NULL)
		return;
	call->error = palloc(sizeof(OmfError));
	*call->error = *error;
}

/* The path of what the call is about: that of a stop goes on with an id. */
static char *
resource_path(const OmfCall *call)
{
	char *path = pstrdup(call->path);

	if (call->method == OMF_DELETE)
		*strrchr(path, '/') = '\0';
	return path;
}

/*
 * What has been learnt is for all backends at once.  Of a start whose outcome
 * is unknown, or of a stop, it is only that what they know is not so any more.
 */
static void
share_answer(const OmfCall *call, const OmfRecord *record)
{
	const uint8 *account = omf_session_account(call->session);
	const char *path = resource_path(call);
	char *bytes = NULL;
	size_t length = 0;

	if (call->result == OMF_RESULT_RECORD && record != NULL &&
		omf_json_is_whole(record))
	{
		length = omf_json_pack(record, NULL);
		bytes = palloc(length);
		(void) omf_json_pack(record, bytes);
	}
	if (call->method != OMF_GET)
	{
		if (call->result != OMF_RESULT_ERROR ||
			may_be_done(omf_request_reply(call->request)))
			omf_cache_change(account, path, bytes, length);
	}
	else if (bytes != NULL || call->result == OMF_RESULT_NOT_FOUND)
		omf_cache_learn(account, path, call->asked, bytes != NULL, bytes,
						length);
}

/*
 * A start or a stop ends between sending and the answer: by an error, or with
 * its backend, where no error is caught.
 */
static void
end_unanswered(int code, Datum arg)
{
	OmfCall *call = (OmfCall *) DatumGetPointer(arg);

	(void) code;
	if (call->method == OMF_GET || call->request == NULL ||
		!may_be_done(omf_request_reply(call->request)))
		return;
	omf_cache_change(omf_session_account(call->session), resource_path(call),
					 NULL, 0);
	omf_log_lifecycle(call->method, call->path, true, NULL, call->server,
					  call->role);
}

static bool
is_word(const char *status)
{
	return status != NULL && status[strspn(status, " \t\r\n_-")] != '\0';
}

/* What the answer means, in memory that goes with an error. */
static void
take_answer(OmfCall *call)
{
	OmfRecord *record;
	OmfError *error;

	const OmfReply *reply = omf_request_reply(call->request);

	call->earlier_unknown = reply->earlier_unknown;
	call->date = reply->date;
	call->clock_ahead_ms = reply->clock_ahead_ms;
	call->wordless = omf_json_is_blank(omf_reply_body(reply),
									   reply->body_length);

	/* of a cluster, what is not of its type counts as not said */
	call->result = omf_api_result(call->resource, call->request,
								  call->resource->in_listing ? 0
															 : DECISIVE_FIELDS,
								  &call->secrets, &record, &error);
	if (call->wants_status && call->result == OMF_RESULT_RECORD &&
		!call->wordless && !is_word(record->values[OMF_MIGRATION_STATUS]))
	{
		error = omf_api_error(call->request, OMF_ERROR_REPLY,
							  "The answer has no status.", &call->secrets);
		call->result = OMF_RESULT_ERROR;
	}
	PG_TRY();
	{
		if (call->result == OMF_RESULT_ERROR)
			omf_session_note_failure(call->session, error);
		copy_answer(call, record, error);
		share_answer(call, record);
	}
	PG_FINALLY();
	{
		free(record);
		free(error);
	}
	PG_END_TRY();
}

void
omf_call_make(OmfCall *call, OmfMethod method, const char *path,
			  const char *body)
{
	call->method = method;
	call->path = path;
	call->body = body;
	call->maybe_done = false;
	call->values = NULL;
	call->asked = omf_cache_moment();
	if (method != OMF_GET)
	{
		call->server = omf_session_server_name(call->session);
		call->role = GetUserNameFromId(GetUserId(), true);
	}
	if (call->resource == NULL)
		call->resource = omf_api_resource("online_migrations");
	call->error = NULL;
	omf_inbox_init(&call->inbox);
	call->request = omf_engine_submit(omf_session_engine(call->session),
									  &call->inbox, method, path, body,
									  OMF_BODY_MAX, call);
	if (call->request == NULL)
		omf_raise(OMF_ACTION_READ, NULL);
	omf_request_make_urgent(call->request,
							method != OMF_GET || call->before_start);
	PG_TRY();
	{
		PG_ENSURE_ERROR_CLEANUP(end_unanswered, PointerGetDatum(call));
		{
			call->late = !await_answer(call);
			if (!call->late)
			{
				take_answer(call);
				log_outcome(call);
			}
		}
		PG_END_ENSURE_ERROR_CLEANUP(end_unanswered, PointerGetDatum(call));
	}
	PG_CATCH();
	{
		end_call(call);
		PG_RE_THROW();
	}
	PG_END_TRY();

	/* a cluster's holds passwords */
	omf_request_wipe_reply(call->request);
	end_call(call);
}

static void
submit_get(OmfCall *call, OmfSession *session, OmfInbox *inbox)
{
	call->session = session;
	call->method = OMF_GET;
	call->asked = omf_cache_moment();
	call->values = NULL;
	call->error = NULL;
	call->late = true;
	call->resource = omf_api_resource("online_migrations");
	call->request =
		omf_engine_submit(omf_session_engine(session), inbox, OMF_GET,
						  call->path, NULL, OMF_BODY_MAX, call);
	if (call->request == NULL)
		omf_raise(OMF_ACTION_READ, NULL);
	omf_request_make_urgent(call->request, false);
}

/* Take the answers as they come. */
static void
await_answers(OmfSession *session, OmfInbox *inbox, int nleft, int64 deadline)
{
	while (nleft > 0)
	{
		OmfRequest *request = omf_session_take(session, inbox);
		int64 left = deadline != 0 ? deadline - omf_clock() : -1;

		if (request != NULL)
		{
			OmfCall *call = omf_request_owner(request);

			take_answer(call);
			call->late = false;
			nleft--;
			continue;
		}
		if (deadline != 0 && left <= 0)
			return;
		omf_session_wait_at_most(session, inbox, left);
	}
}

void
omf_calls_get(OmfCall **calls, int ncalls, int64 deadline)
{
	OmfSession *session = calls[0]->session;
	OmfInbox inbox;

	omf_inbox_init(&inbox);
	PG_TRY();
	{
		for (int i = 0; i < ncalls; i++)
			submit_get(calls[i], session, &inbox);
		await_answers(session, &inbox, ncalls, deadline);
	}
	PG_FINALLY();
	{
		for (int i = 0; i < ncalls; i++)
			if (calls[i]->request != NULL)
				end_call(calls[i]);
	}
	PG_END_TRY();
}

bool
omf_call_maybe_done(const OmfCall *call)
{
	if (call->error != NULL)
		return call->error->maybe_done;
	return call->request != NULL
			   ? may_be_done(omf_request_reply(call->request))
			   : call->maybe_done;
}

void
omf_call_raise(const OmfCall *call, OmfAction action)
{
	omf_raise(action, call->error);
}

char *
omf_call_field(const OmfCall *call, int field)
{
	const char *value = call->values[field];

	return value != NULL ? omf_error_words(value) : NULL;
}

char *
omf_call_status(const OmfCall *call)
{
	return is_word(call->values[OMF_MIGRATION_STATUS])
			   ? omf_call_field(call, OMF_MIGRATION_STATUS)
			   : NULL;
}

char *
omf_call_created_at(const OmfCall *call)
{
	const char *value = call->values[OMF_MIGRATION_CREATED_AT];
	int64 ms = value != NULL ? omf_api_time_parse(value) : -1;
	TimestampTz created_at;

	if (ms < 0)
		return NULL;
	created_at = time_t_to_timestamptz((pg_time_t) (ms / 1000));
	created_at = TimestampTzPlusMilliseconds(created_at, ms % 1000);
	return pstrdup(timestamptz_to_str(created_at));
}
