/*-------------------------------------------------------------------------
 *
 * session.c
 *	  One engine per (server, user mapping), kept for the backend's life.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xact.h"
#include "catalog/pg_user_mapping.h"
#include "foreign/foreign.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "session/error.h"
#include "session/gate.h"
#include "session/log.h"
#include "session/options.h"
#include "session/session.h"
#include "session/stats.h"

/* Room for a token, for what may follow it in a file, and for a NUL byte. */
#define TOKEN_SIZE (OMF_TOKEN_MAX + 3)

/*
 * The longest name of a cluster that is remembered, with its NUL byte, and how
 * many: it is a service to readers, and must not grow with the account.
 */
#define NAME_SIZE 64
#define NAMES_MAX 10000

/* A cluster's name, as a listing has shown it. */
typedef struct ClusterName
{
	unsigned char uuid[OMF_UUID_SIZE]; /* the hash key */
	char name[NAME_SIZE];
} ClusterName;

/* What identifies the contents of a token file without reading it. */
typedef struct FileStamp
{
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
} FileStamp;

struct OmfSession
{
	dlist_node node;              /* in sessions */
	bool listed;                  /* is it in there? */
	Oid serverid;                 /* of the foreign server */
	Oid mapping;                  /* of the pg_user_mapping row */
	uint32 server_hash;           /* of the server's syscache entry */
	uint32 mapping_hash;          /* of the mapping's syscache entry */
	Oid user;                     /* of that row, or InvalidOid: PUBLIC */
	int holders;                  /* acquired and not yet released */
	TimestampTz used_by;          /* start of the last transaction with it */
	bool outdated;                /* no new holders: free with the last one */
	int nclusters;                /* that a listing has shown, or -1 */
	HTAB *names;                  /* of clusters that were listed, or NULL */
	bool no_tags;                 /* its token may not filter by tag */
	char *token_file;             /* malloc'd, or NULL */
	FileStamp stamp;              /* of the token file when it was read */
	uint8 account[OMF_HASH_SIZE]; /* stands for endpoint and token */
	OmfGatekeeper *keeper;        /* of the budget that the engine goes by */
	OmfEngine *engine;            /* ours */
	WaitEventSet *wait_set;       /* the latch, postmaster death, the engine */
};

/* Few: one for every server and role that this backend has used. */
static dlist_head sessions = DLIST_STATIC_INIT(sessions);

/* A pause that is longer than this is worth a word to who waits. */
#define LONG_PAUSE_MS 5000

/* What a backend that waits for us shows in pg_stat_activity. */
static struct
{
	const char *name;
	uint32 event; /* 0 until it was first needed */
} wait_events[] = {
	[OMF_WAITS_HTTP] = {"OnlineMigrationsHttp", 0},
	[OMF_WAITS_RETRY] = {"OnlineMigrationsRetry", 0},
	[OMF_WAITS_RATE_LIMIT] = {"OnlineMigrationsRateLimit", 0},
};

/* When the statement began in which a client was told of a pause. */
static TimestampTz told_statement = 0;

/* ----- token files ----- */

static void
report_token_file(const char *path, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("could not read the API token from its file"),
			 errdetail("File \"%s\": %s", path, problem),
			 errhint("The file holds the token and nothing else, and the operating system user of the PostgreSQL server can read it.")));
}

static FileStamp
stamp_of(const struct stat *status)
{
	FileStamp stamp;

	stamp.device = status->st_dev;
	stamp.inode = status->st_ino;
	stamp.size = status->st_size;
#ifdef __APPLE__
	stamp.modified = status->st_mtimespec;
#else
	stamp.modified = status->st_mtim;
#endif
	return stamp;
}

/* The bytes of an open token file, and its stamp; else why not, palloc'd. */
static const char *
read_open_file(int fd, char *token, ssize_t *length, FileStamp *stamp)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return psprintf("%m.");
	if (!S_ISREG(status.st_mode))
		return "It is not a regular file.";
	*stamp = stamp_of(&status);
	*length = read(fd, token, OMF_TOKEN_MAX + 2);
	return *length < 0 ? psprintf("%m.") : NULL;
}

/*
 * Read a token into `token`, which has room for TOKEN_SIZE bytes; NULL, or
 * else why not.  The file is opened without blocking and looked at before it
 * is read: a pipe or a device would hang the backend.
 */
static const char *
read_token_file(const char *path, char *token, FileStamp *stamp)
{
	int fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	ssize_t length = 0;
	const char *problem;

	if (fd < 0)
		return psprintf("%m.");
	problem = read_open_file(fd, token, &length, stamp);
	CloseTransientFile(fd);
	if (problem != NULL)
		return problem;

	token[length] = '\0';
	if (length > 0 && token[length - 1] == '\n')
		token[--length] = '\0';
	if (length > 0 && token[length - 1] == '\r')
		token[--length] = '\0';
	problem = strlen(token) != (size_t) length ? "The token contains a NUL byte." : omf_token_problem(token);
	if (problem != NULL)
		explicit_bzero(token, TOKEN_SIZE);
	return problem;
}

/* Has the token file changed since it was read, or gone? */
static bool
token_file_changed(const OmfSession *session)
{
	struct stat status;
	FileStamp stamp;

	if (session->token_file == NULL)
		return false;
	if (stat(session->token_file, &status) != 0)
		return true;
	stamp = stamp_of(&status);
	return stamp.device != session->stamp.device ||
		   stamp.inode != session->stamp.inode ||
		   stamp.size != session->stamp.size ||
		   stamp.modified.tv_sec != session->stamp.modified.tv_sec ||
		   stamp.modified.tv_nsec != session->stamp.modified.tv_nsec;
}

/* ----- the life of a session ----- */

static void
destroy_session(OmfSession *session)
{
	if (session->listed)
		dlist_delete(&session->node);
	if (session->wait_set != NULL)
		FreeWaitEventSet(session->wait_set);
	if (session->names != NULL)
		hash_destroy(session->names);
	omf_engine_destroy(session->engine);
	free(session->keeper);
	free(session->token_file);
	free(session);
}

/* ----- descriptors that PostgreSQL is to know of ----- */

/* Those of a session with an asynchronous scan, without its connections. */
#define FDS_BESIDE_CONNECTIONS 8

static int acquired_fds = 0;

/* End the session that nobody has used for longest; false: all are in use. */
static bool
end_idle_session(void)
{
	dlist_node *node;

	for (node = dlist_is_empty(&sessions) ? NULL : dlist_tail_node(&sessions);
		 node != NULL;
		 node = dlist_has_prev(&sessions, node)
					? dlist_prev_node(&sessions, node)
					: NULL)
	{
		OmfSession *session = dlist_container(OmfSession, node, node);

		/* one without a wait set is being made */
		if (session->holders > 0 || session->wait_set == NULL)
			continue;
		destroy_session(session);
		return true;
	}
	return false;
}

static bool
acquire_fd(void)
{
	while (!AcquireExternalFD())
		if (!end_idle_session())
			return false;
	return true;
}

static int
count_held_sessions(void)
{
	dlist_iter iter;
	int held = 0;

	dlist_foreach(iter, &sessions)
		held += dlist_container(OmfSession, node, iter.cur)->holders > 0;
	return held;
}

bool
omf_session_acquire_fd(int others)
{
	/* PostgreSQL lends a third, of which this is two thirds */
	int shared = max_safe_fds * 2 / 9;

	if (others > 0)
	{
		if (others >=
			shared / Max(count_held_sessions(), 1) - FDS_BESIDE_CONNECTIONS)
			return false;
		while (acquired_fds >= shared)
			if (!end_idle_session())
				return false;
	}
	if (!acquire_fd())
		return false;
	acquired_fds++;

	/* the one that PostgreSQL takes itself when it waits: see session.h */
	if (acquire_fd())
		ReleaseExternalFD();
	return true;
}

void
omf_session_release_fd(void)
{
	ReleaseExternalFD();
	acquired_fds--;
}

/*
 * A server or a mapping has changed; hash value 0 stands for all of them.
 * Only marks: a callback can come at any time, also inside a wait of ours.
 */
static void
on_catalog_change(Datum arg, int cacheid, uint32 hash)
{
	dlist_iter iter;

	(void) arg;
	dlist_foreach(iter, &sessions)
	{
		OmfSession *session = dlist_container(OmfSession, node, iter.cur);

		if (hash == 0 ||
			(cacheid == FOREIGNSERVEROID && session->server_hash == hash) ||
			(cacheid == USERMAPPINGOID && session->mapping_hash == hash))
			session->outdated = true;
	}
}

/* What the libcurl of this machine lacks, once in the life of a backend. */
static void
tell_what_libcurl_lacks(unsigned int lacks)
{
	if (lacks & OMF_LACKS_HTTP2)
		ereport(LOG,
				(errmsg("online_migrations_fdw speaks HTTP/1.1 only"),
				 errdetail("libcurl was built without HTTP/2.")));
	if (lacks & OMF_LACKS_ASYNC_RESOLVER)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("online_migrations_fdw can't be interrupted while it looks up a host name"),
				 errdetail("libcurl was built without an asynchronous resolver."),
				 errhint("Install a libcurl that has the feature AsynchDNS.")));
}

void
omf_session_init(void)
{
	tell_what_libcurl_lacks(omf_http_init());
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, on_catalog_change,
								  (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, on_catalog_change,
								  (Datum) 0);
}

static void
report_no_token(Oid serverid, Oid userid)
{
	const char *server = GetForeignServer(serverid)->servername;
	const char *user = GetUserNameFromId(userid, true);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("no API token for this user"),
			 errdetail("Neither \"%s\" nor PUBLIC has a user mapping with a token for server \"%s\".",
					   user != NULL ? user : "unknown", server),
			 errhint("CREATE USER MAPPING FOR %s SERVER %s OPTIONS (token 'dop_v1_...');",
					 user != NULL ? quote_identifier(user) : "CURRENT_USER", quote_identifier(server))));
}

static const char *
user_agent(void)
{
	const char *server = GetConfigOption("server_version", false, false);

	return psprintf("online_migrations_fdw/" OMF_VERSION " PostgreSQL/%.*s",
					(int) strcspn(server, " "), server);
}

static void
report_engine(const char *reason)
{
	ereport(ERROR,
			(errcode(reason == omf_http_no_memory
						 ? ERRCODE_OUT_OF_MEMORY
						 : ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
			 errmsg("could not prepare connections to the API"),
			 errdetail("%s", reason),
			 reason == omf_http_no_descriptors
				 ? errhint("%s", omf_error_hint_descriptors)
				 : 0));
}

static void
create_engine(OmfSession *session, Oid serverid, Oid userid, const char *token)
{
	OmfServerOptions options = omf_options_of_server(serverid);
	OmfEngineConfig config;
	const char *reason;

	config.http.base_url = options.endpoint;
	config.http.ca_file = options.ca_file;
	config.http.token = token;
	config.http.user_agent = user_agent();
	config.http.version = options.http_version;
	config.http.connect_timeout_ms = options.connect_timeout_ms;
	config.http.max_concurrency = options.max_concurrency;
	config.http.acquire_fd = omf_session_acquire_fd;
	config.http.release_fd = omf_session_release_fd;
	config.request_timeout_ms = options.request_timeout_ms;
	config.max_retries = options.max_retries;
	config.max_retry_wait_ms = options.max_retry_wait_ms;
	config.reserve = options.rate_limit_reserve;
	omf_account_hash(options.endpoint, token, session->account);
	session->keeper = omf_gate_open(session->account, userid, &config.gate);

	session->engine = omf_engine_create(&config, &reason);
	if (session->engine == NULL)
		report_engine(reason);
}

/* The latch, postmaster death and the engine's descriptor, for every wait. */
static WaitEventSet *
create_wait_set(OmfEngine *engine)
{
	WaitEventSet *set;

	/* it takes one itself */
	if (!acquire_fd())
		report_engine(omf_http_no_descriptors);
	ReleaseExternalFD();
	set = omf_create_wait_event_set(3);
	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL,
						  NULL);
	AddWaitEventToSet(set, WL_SOCKET_READABLE, omf_engine_fd(engine), NULL,
					  NULL);
	return set;
}

static OmfSession *
create_session(Oid serverid, Oid userid, const OmfUserOptions *user)
{
	OmfSession *session = calloc(1, sizeof(OmfSession));
	char token[TOKEN_SIZE];

	if (session == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	PG_TRY();
	{
		session->serverid = serverid;
		session->nclusters = -1;
		session->mapping = user->mapping;
		session->user = user->user;
		session->server_hash =
			GetSysCacheHashValue1(FOREIGNSERVEROID,
								  ObjectIdGetDatum(serverid));
		session->mapping_hash =
			GetSysCacheHashValue1(USERMAPPINGOID,
								  ObjectIdGetDatum(user->mapping));

		/* from here on a change of either is noticed */
		dlist_push_head(&sessions, &session->node);
		session->listed = true;
		if (user->token_file != NULL)
		{
			const char *problem;

			session->token_file = strdup(user->token_file);
			if (session->token_file == NULL)
				ereport(ERROR,
						(errcode(ERRCODE_OUT_OF_MEMORY),
						 errmsg("out of memory")));
			problem = read_token_file(user->token_file, token,
									  &session->stamp);
			if (problem != NULL)
				report_token_file(user->token_file, problem);
			create_engine(session, serverid, userid, token);
		}
		else
			create_engine(session, serverid, userid, user->token);
		session->wait_set = create_wait_set(session->engine);
	}
	PG_CATCH();
	{
		explicit_bzero(token, sizeof(token));
		destroy_session(session);
		PG_RE_THROW();
	}
	PG_END_TRY();
	explicit_bzero(token, sizeof(token));
	return session;
}

OmfSession *
omf_session_acquire(Oid serverid, Oid userid)
{
	OmfUserOptions user = omf_options_of_user(userid, serverid);
	OmfSession *session = NULL;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &sessions)
	{
		OmfSession *candidate = dlist_container(OmfSession, node, iter.cur);

		if (candidate->mapping == user.mapping &&
			token_file_changed(candidate))
			candidate->outdated = true;
		if (!candidate->outdated && candidate->mapping == user.mapping)
			session = candidate;
		else if (candidate->outdated && candidate->holders == 0)
			destroy_session(candidate);
	}
	if (user.token == NULL && user.token_file == NULL)
		report_no_token(serverid, userid);

	if (session == NULL)
		session = create_session(serverid, userid, &user);
	session->holders++;
	dlist_move_head(&sessions, &session->node);
	session->used_by = GetCurrentTransactionStartTimestamp();
	return session;
}

void
omf_session_release(OmfSession *session)
{
	if (--session->holders > 0)
		return;
	omf_engine_rest(session->engine);
	if (session->outdated)
		destroy_session(session);
}

List *
omf_session_states(void)
{
	List *states = NIL;
	dlist_iter iter;

	dlist_foreach(iter, &sessions)
	{
		const OmfSession *session = dlist_container(OmfSession, node,
													iter.cur);
		OmfSessionState *state = palloc(sizeof(OmfSessionState));

		state->serverid = session->serverid;
		state->user = session->user;
		state->valid = !session->outdated;
		state->used = session->used_by ==
					  GetCurrentTransactionStartTimestamp();
		state->now = omf_engine_state(session->engine);
		states = lappend(states, state);
	}
	return states;
}

int
omf_session_disconnect(Oid serverid, bool *held)
{
	int closed = 0;
	dlist_mutable_iter iter;

	*held = false;
	dlist_foreach_modify(iter, &sessions)
	{
		OmfSession *session = dlist_container(OmfSession, node, iter.cur);

		if (OidIsValid(serverid) && session->serverid != serverid)
			continue;
		if (session->holders > 0)
			*held = true;
		else
		{
			destroy_session(session);
			closed++;
		}
	}
	return closed;
}

/* The user mapping of that user for the server, be it PUBLIC's, or none. */
static Oid
mapping_of(Oid serverid, Oid userid)
{
	Oid mapping = GetSysCacheOid2(USERMAPPINGUSERSERVER,
								  Anum_pg_user_mapping_oid,
								  ObjectIdGetDatum(userid),
								  ObjectIdGetDatum(serverid));

	if (OidIsValid(mapping))
		return mapping;
	return GetSysCacheOid2(USERMAPPINGUSERSERVER, Anum_pg_user_mapping_oid,
						   ObjectIdGetDatum(InvalidOid),
						   ObjectIdGetDatum(serverid));
}

double
omf_session_clusters(Oid serverid, Oid userid)
{
	Oid mapping = mapping_of(serverid, userid);
	dlist_iter iter;

	dlist_foreach(iter, &sessions)
	{
		OmfSession *session = dlist_container(OmfSession, node, iter.cur);

		if (session->mapping == mapping && session->nclusters >= 0)
			return session->nclusters;
	}
	return -1;
}

void
omf_session_note_clusters(OmfSession *session, int nclusters)
{
	session->nclusters = nclusters;
}

void
omf_session_note_name(OmfSession *session, const unsigned char *uuid,
					  const char *name)
{
	ClusterName *known;
	HASHACTION action;

	if (strlen(name) >= NAME_SIZE)
		return;
	if (session->names == NULL)
	{
		HASHCTL control = {0};

		control.keysize = OMF_UUID_SIZE;
		control.entrysize = sizeof(ClusterName);
		session->names = hash_create("online_migrations_fdw names", 64,
									 &control, HASH_ELEM | HASH_BLOBS);
	}
	action = hash_get_num_entries(session->names) < NAMES_MAX ? HASH_ENTER
															  : HASH_FIND;
	known = hash_search(session->names, uuid, action, NULL);
	if (known != NULL)
		strcpy(known->name, name);
}

const char *
omf_session_cluster_name(const OmfSession *session, const unsigned char *uuid)
{
	const ClusterName *known = NULL;

	if (session->names != NULL)
		known = hash_search(session->names, uuid, HASH_FIND, NULL);
	return known != NULL ? known->name : NULL;
}

bool
omf_session_filters_by_tag(const OmfSession *session)
{
	return !session->no_tags;
}

void
omf_session_note_no_tags(OmfSession *session)
{
	session->no_tags = true;
}

OmfEngine *
omf_session_engine(OmfSession *session)
{
	return session->engine;
}

const char *
omf_session_server_name(const OmfSession *session)
{
	return GetForeignServer(session->serverid)->servername;
}

void
omf_session_note_hits(const OmfSession *session, OmfOperation operation,
					  int64 hits)
{
	omf_stats_hit(session->serverid, operation, hits);
}

const uint8 *
omf_session_account(const OmfSession *session)
{
	return session->account;
}

bool
omf_session_find_account(Oid serverid, Oid userid,
						 uint8 account[OMF_HASH_SIZE], const char **problem)
{
	OmfUserOptions user = omf_options_of_user(userid, serverid);
	const char *endpoint = omf_options_of_server(serverid).endpoint;
	char token[TOKEN_SIZE];
	FileStamp stamp;

	*problem = NULL;
	if (user.token != NULL)
	{
		omf_account_hash(endpoint, user.token, account);
		return true;
	}
	if (user.token_file == NULL)
		return false;
	*problem = read_token_file(user.token_file, token, &stamp);
	if (*problem == NULL)
		omf_account_hash(endpoint, token, account);
	explicit_bzero(token, sizeof(token));
	return *problem == NULL;
}

/* ----- waiting ----- */

static uint32
wait_event_of(const OmfEngine *engine)
{
	OmfEngineWait wait = omf_engine_waits_for(engine);

	if (wait_events[wait].event == 0)
		wait_events[wait].event = omf_new_wait_event(wait_events[wait].name);
	return wait_events[wait].event;
}

/* The same for what another backend has asked for. */
static uint32
others_event(void)
{
	static uint32 event = 0;

	if (event == 0)
		event = omf_new_wait_event("OnlineMigrationsCache");
	return event;
}

void
omf_session_tell_pause(OmfSession *session)
{
	OmfEngineWait wait = omf_engine_waits_for(session->engine);
	TimestampTz statement = GetCurrentStatementStartTimestamp();
	TimestampTz until;
	int64 pause;

	if (wait == OMF_WAITS_HTTP || whereToSendOutput != DestRemote ||
		told_statement == statement)
		return;
	pause = omf_engine_pause(session->engine);
	if (pause <= LONG_PAUSE_MS)
		return;
	told_statement = statement;
	until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause);
	ereport(NOTICE,
			(wait == OMF_WAITS_RETRY
				 ? errmsg("waiting before the API is tried again")
				 : errmsg("waiting for the API's rate limit"),
			 errdetail("The pause lasts " INT64_FORMAT " s, until %s.",
					   (pause + 999) / 1000, timestamptz_to_str(until))));
}

/* What a wait waits for besides the engine. */
typedef struct WaitTerms
{
	bool for_room;   /* a request could be sent at once */
	bool for_others; /* the latch, which another backend sets */
	int64 at_most;   /* for so many milliseconds, or -1: for however long */
} WaitTerms;

static void
wait_for(OmfSession *session, const OmfInbox *inbox, WaitTerms terms)
{
	OmfEngine *engine = session->engine;
	bool for_others = false;
	WaitEvent event;
	int64 timeout;

	CHECK_FOR_INTERRUPTS();
	omf_engine_drive(engine);

	/*
	 * what the drive may have been cut short for goes before what it brought
	 */
	CHECK_FOR_INTERRUPTS();
	if (!TAILQ_EMPTY(&inbox->done) ||
		(terms.for_room && omf_engine_room(engine) > 0))
		return;
	timeout = omf_engine_prepare_wait(engine, false);
	if (timeout < 0)
		for_others = terms.for_others;
	if (terms.at_most >= 0 && (timeout < 0 || timeout > terms.at_most))
		timeout = terms.at_most;
	omf_session_tell_pause(session);
	if (timeout != 0 &&
		WaitEventSetWait(session->wait_set, (long) Min(timeout, INT_MAX),
						 &event, 1,
						 for_others ? others_event() : wait_event_of(engine)) >
			0 &&
		(event.events & WL_LATCH_SET))
		ResetLatch(MyLatch);
	omf_engine_end_wait(engine);
	CHECK_FOR_INTERRUPTS();
}

void
omf_session_wait(OmfSession *session, const OmfInbox *inbox, bool for_room)
{
	wait_for(session, inbox, (WaitTerms){for_room, false, -1});
}

void
omf_session_wait_for_others(OmfSession *session, const OmfInbox *inbox,
							bool for_room, int64 milliseconds)
{
	wait_for(session, inbox, (WaitTerms){for_room, true, milliseconds});
}

void
omf_session_wait_at_most(OmfSession *session, const OmfInbox *inbox,
						 int64 milliseconds)
{
	wait_for(session, inbox, (WaitTerms){false, false, milliseconds});
}

OmfRequest *
omf_session_take(OmfSession *session, OmfInbox *inbox)
{
	const OmfRequest *request = TAILQ_FIRST(&inbox->done);

	/* before it is taken: what the inbox has is freed if this throws */
	if (request != NULL)
	{
#ifndef OMF_WITHOUT_STATISTICS /* test/bench/instructions: what they cost */
		omf_stats_count(session->serverid, omf_request_method(request),
						omf_request_path(request), omf_request_reply(request));
#endif
		omf_log_request(request);
	}
	return omf_inbox_take(inbox);
}

void
omf_session_note_failure(OmfSession *session, const OmfError *error)
{
	if (error != NULL)
		omf_stats_fail(session->serverid, error->method, error->path,
					   omf_error_sqlstate(error), error->api_id);
}

void
omf_session_end_waits(void)
{
	dlist_iter iter;

	dlist_foreach(iter, &sessions)
	{
		OmfSession *session = dlist_container(OmfSession, node, iter.cur);

		if (session->engine != NULL)
			omf_engine_end_wait(session->engine);
	}
}
