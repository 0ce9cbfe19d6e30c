/*-------------------------------------------------------------------------
 *
 * self_check.c
 *	  The SQL function that looks whether all is well here: one row per thing
 *	  that can be wrong with the extension, its server and the API.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "executor/spi.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "client/http.h"
#include "functions/arguments.h"
#include "functions/attempt.h"
#include "functions/call.h"
#include "session/gate.h"
#include "session/options.h"
#include "session/shared.h"

PG_FUNCTION_INFO_V1(omf_self_check);

/*
 * A clock that is off by more makes times in answers and in here hard to
 * compare.
 */
#define CLOCK_TOLERANCE_S 30

/* What part of a limit is little. */
#define LITTLE_LEFT 10

static void
put(ReturnSetInfo *result, const char *check, const char *outcome,
	const char *detail, const char *hint)
{
	Datum values[] = {CStringGetTextDatum(check), CStringGetTextDatum(outcome),
					  CStringGetTextDatum(detail),
					  hint != NULL ? CStringGetTextDatum(hint) : (Datum) 0};
	bool nulls[] = {false, false, false, hint == NULL};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* ----- what is here ----- */

static void
check_version(ReturnSetInfo *result)
{
	char *installed = NULL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'online_migrations_fdw'", true, 1) ==
			SPI_OK_SELECT &&
		SPI_processed == 1)
		installed =
			SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (installed != NULL)
		installed = strcpy(SPI_palloc(strlen(installed) + 1), installed);
	SPI_finish();
	if (installed != NULL && strcmp(installed, OMF_VERSION) == 0)
		put(result, "version", "ok", psprintf("Extension and library are %s.", OMF_VERSION), NULL);
	else
		put(result, "version", "failed",
			psprintf("The extension is %s, the library %s.", installed != NULL ? installed : "not created", OMF_VERSION),
			"ALTER EXTENSION online_migrations_fdw UPDATE; and begin a new session where the library is an older one.");
}

static void
check_libcurl(ReturnSetInfo *result)
{
	OmfHttpLibrary library = omf_http_library();
	bool good = library.http2 && library.asynchronous_names;

	put(result, "libcurl", good ? "ok" : "warning",
		psprintf("libcurl %s with %s, %s HTTP/2, looks names up %s blocking.", library.version,
				 library.tls != NULL ? library.tls : "no TLS",
				 library.http2 ? "with" : "without",
				 library.asynchronous_names ? "without" : "with"),
		good ? NULL : "Many requests take longer without HTTP/2, and cancel waits for a look-up of a name that blocks.");
}

static void
check_shared_memory(ReturnSetInfo *result)
{
	bool common = omf_shared_is_common();

	put(result, "shared memory", common ? "ok" : "warning",
		common ? "All sessions share rate limits and what has been started."
			   : "Each session has rate limits of its own, and remembers only its own starts.",
		common ? NULL : "Set shared_preload_libraries = 'online_migrations_fdw', which takes a restart.");
}

/* ----- the API ----- */

/*
 * What came of a look at a cluster that nobody has: all but 404 tells of
 * trouble.
 */
static void
check_answer(ReturnSetInfo *result, const OmfCall *call)
{
	const OmfError *error = call->result == OMF_RESULT_ERROR ? call->error
															 : NULL;
	OmfErrorKind kind = error != NULL ? error->kind : OMF_ERROR_NOT_FOUND;
	const char *words = error != NULL ? omf_error_text(error) : "";
	bool refused = kind == OMF_ERROR_UNAUTHORIZED ||
				   kind == OMF_ERROR_FORBIDDEN;

	put(result, "API", error == NULL || refused ? "ok" : "failed",
		error == NULL || refused ? "It answers." : words,
		error == NULL || refused ? NULL
								 : omf_error_hint(OMF_ACTION_READ, error));
	if (error != NULL && !refused)
		return;
	put(result, "token", kind == OMF_ERROR_UNAUTHORIZED ? "failed" : "ok",
		kind == OMF_ERROR_UNAUTHORIZED ? words : "The API knows it.",
		kind == OMF_ERROR_UNAUTHORIZED ? "Set another one with ALTER USER MAPPING ... OPTIONS (SET token '...')." : NULL);
	if (kind != OMF_ERROR_UNAUTHORIZED)
		put(result, "scopes", kind == OMF_ERROR_FORBIDDEN ? "failed" : "ok",
			kind == OMF_ERROR_FORBIDDEN ? words : "The token may read. Whether it may start and stop, only a start and a stop tell.",
			kind == OMF_ERROR_FORBIDDEN ? "A status takes the scope database:read, a start database:update, a stop database:delete." : NULL);
}

static void
check_clock(ReturnSetInfo *result, const OmfCall *call)
{
	int64 ahead = (int64) time(NULL) - call->date;
	bool good = ahead <= CLOCK_TOLERANCE_S && ahead >= -CLOCK_TOLERANCE_S;

	if (call->date <= 0)
		put(result, "clock", "skipped", "The API did not say what time it is.", NULL);
	else
		put(result, "clock", good ? "ok" : "warning",
			good ? "It agrees with the API's."
				 : psprintf("It is " INT64_FORMAT " s %s the API's.", ahead > 0 ? ahead : -ahead, ahead > 0 ? "ahead of" : "behind"),
			good ? NULL : "Set this machine's clock: TLS and the times of migrations go by it.");
}

static void
check_limit(ReturnSetInfo *result, OmfSession *session)
{
	OmfBudget budget;

	if (!omf_gate_look(omf_session_account(session), &budget) || !budget.known)
		put(result, "rate limit", "skipped", "The API has not said how much of it is left.", NULL);
	else
	{
		int64 left = omf_budget_left(&budget);
		bool good = left * LITTLE_LEFT >= budget.limit;

		put(result, "rate limit", good ? "ok" : "warning",
			psprintf(INT64_FORMAT " of " INT64_FORMAT " requests are left.", left, (int64) budget.limit),
			good ? NULL : "Look at the view online_migrations_fdw_stats for who asks so much.");
	}
}

typedef struct Acquisition
{
	Oid serverid;
	OmfSession *session;
} Acquisition;

static void
acquire(void *arg)
{
	Acquisition *acquisition = arg;

	acquisition->session = omf_session_acquire(acquisition->serverid,
											   GetUserId());
}

/*
 * A session, or NULL and a row that says why there is none: it may be the
 * token's file.
 */
static OmfSession *
session_or_row(ReturnSetInfo *result, Oid serverid)
{
	Acquisition acquisition = {serverid};
	ErrorData *error = omf_attempt(acquire, &acquisition, true);

	if (error == NULL)
		return acquisition.session;
	if (error->sqlerrcode != ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION)
		ReThrowError(error);
	put(result, "token", "failed",
		psprintf("%s: %s", error->message, error->detail != NULL ? error->detail : ""),
		error->hint);
	return NULL;
}

static void
check_api(ReturnSetInfo *result, OmfSession *session)
{
	static const unsigned char nobody[OMF_UUID_SIZE] = {0};
	const char *token = omf_engine_token(omf_session_engine(session));
	char path[OMF_PATH_SIZE];
	OmfCall call = {session};

	call.secrets.texts = &token;
	call.secrets.ntexts = 1;
	call.resource = omf_api_resource("clusters");
	omf_api_path(path, call.resource, nobody);
	omf_call_make(&call, OMF_GET, path, NULL);
	check_answer(result, &call);
	check_clock(result, &call);
	check_limit(result, session);
}

/* By what the API answers; without a session there is a row that says why. */
static void
check_from_here(ReturnSetInfo *result, Oid serverid)
{
	OmfSession *session = session_or_row(result, serverid);

	if (session == NULL)
		return;
	PG_TRY();
	{
		check_api(result, session);
	}
	PG_FINALLY();
	{
		omf_session_release(session);
	}
	PG_END_TRY();
}

/* online_migrations_fdw_check(server) */
Datum
omf_self_check(PG_FUNCTION_ARGS)
{
	Oid serverid = omf_server_argument(fcinfo, 0);
	OmfUserOptions user = omf_options_of_user(GetUserId(), serverid);
	ReturnSetInfo *result;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	check_version(result);
	check_libcurl(result);
	check_shared_memory(result);
	if (user.token != NULL || user.token_file != NULL)
		check_from_here(result, serverid);
	else
		put(result, "token", "failed",
			psprintf("Neither %s nor PUBLIC has a token for server \"%s\".", GetUserNameFromId(GetUserId(), false),
					 GetForeignServer(serverid)->servername),
			"CREATE USER MAPPING FOR CURRENT_USER SERVER ... OPTIONS (token '...');");
	return (Datum) 0;
}
