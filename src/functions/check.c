/*-------------------------------------------------------------------------
 *
 * check.c
 *	  The SQL function that looks whether an online migration could work.
 *
 * The API gives no reason why a migration has ended in "error".  So what is
 * known to end it so is looked at before: the target through the API, with
 * GETs only, and the source by asking it.  Nothing is changed anywhere.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "functions/arguments.h"
#include "functions/call.h"
#include "functions/check_mysql.h"
#include "functions/check_postgres.h"
#include "functions/check_rows.h"
#include "functions/source_server.h"
#include "session/options.h"

PG_FUNCTION_INFO_V1(omf_check_online_migration);

/* The arguments, by position. */
enum
{
	ARG_CLUSTER,
	ARG_SOURCE,
	ARG_IGNORE_DBS,
	ARG_SOURCE_SERVER,
	ARG_SERVER,
	ARG_DISABLE_SSL
};

/* ----- the target ----- */

/* What the API says of the target; NULL: it did not. */
typedef struct Target
{
	char *engine;
	char *version;
	char *status;
	char *storage_mib;
} Target;

/* GET a resource of the cluster; false: the API has none. */
static bool
get_resource(OmfCall *call, const char *resource, const unsigned char *cluster)
{
	char path[OMF_PATH_SIZE];

	call->resource = omf_api_resource(resource);
	omf_api_path(path, call->resource, cluster);
	omf_call_make(call, OMF_GET, path, NULL);
	if (call->result == OMF_RESULT_ERROR)
		omf_call_raise(call, OMF_ACTION_READ);
	return call->result == OMF_RESULT_RECORD;
}

static char *
field_of(const OmfCall *call, const char *name)
{
	return omf_call_field(call, omf_api_field(call->resource, name));
}

static void
check_engine(OmfChecks *checks, const Target *target)
{
	bool can = omf_api_can_migrate(target->engine);

	omf_checks_put(checks, "target engine", target->engine == NULL ? OMF_CHECK_SKIPPED : can ? OMF_CHECK_OK
																							 : OMF_CHECK_FAILED,
				   psprintf("The cluster's engine is %s, version %s.",
							target->engine != NULL ? target->engine : "not said",
							target->version != NULL ? target->version : "not said"),
				   can ? NULL : "Clusters of this engine can't be migrated.",
				   "https://docs.digitalocean.com/products/databases/");
}

static void
check_status(OmfChecks *checks, const Target *target)
{
	bool online = target->status != NULL && strcmp(target->status, "online") == 0;

	omf_checks_put(checks, "target status", online ? OMF_CHECK_OK : OMF_CHECK_FAILED,
				   psprintf("The cluster is %s.", target->status != NULL ? target->status : "of an unknown status"),
				   online ? NULL : "Wait until it is online.",
				   "https://docs.digitalocean.com/reference/api/");
}

static void
check_migration(OmfChecks *checks, const char *id, const char *status)
{
	bool active = status != NULL && !omf_api_is_ended(status);

	omf_checks_put(checks, "target migration", active ? OMF_CHECK_FAILED : OMF_CHECK_OK,
				   active ? psprintf("Online migration \"%s\" of the cluster is %s.", id != NULL ? id : "", status)
						  : "No online migration of the cluster is under way.",
				   active ? "A start would be refused. Stop it with databases_delete_online_migration(), or wait for its end." : NULL,
				   "https://docs.digitalocean.com/reference/api/");
}

/* All that the API says of the target. */
static void
check_target(OmfChecks *checks, OmfCall *call, const unsigned char *cluster,
			 Target *target)
{
	if (!get_resource(call, "clusters", cluster))
	{
		omf_checks_put(checks, "target exists", OMF_CHECK_FAILED, "The API knows no such database cluster.",
					   "Look at the cluster's UUID, and whether the API token is one of the account that owns it.",
					   "https://docs.digitalocean.com/reference/api/");
		return;
	}
	target->engine = field_of(call, "engine");
	target->version = field_of(call, "version");
	target->status = field_of(call, "status");
	target->storage_mib = field_of(call, "storage_size_mib");
	omf_checks_put(checks, "target exists", OMF_CHECK_OK,
				   psprintf("The cluster's name is \"%s\".", field_of(call, "name") ? field_of(call, "name") : ""),
				   NULL, "https://docs.digitalocean.com/reference/api/");
	check_engine(checks, target);
	check_status(checks, target);
	if (!get_resource(call, "online_migrations", cluster))
		check_migration(checks, NULL, NULL);
	else if (call->wordless || omf_call_status(call) != NULL)
		check_migration(checks, field_of(call, "id"), omf_call_status(call));
	else
		omf_checks_put(checks, "target migration", OMF_CHECK_FAILED, "The API does not say the status of the cluster's online migration.",
					   "A start would be refused, for nobody can tell whether one is under way. Look into the cluster, or pass replace => true.",
					   "https://docs.digitalocean.com/reference/api/");
}

/* ----- the source ----- */

/* Kinds of engines between which nothing can be copied. */
typedef enum EngineKind
{
	ENGINE_UNKNOWN,
	ENGINE_POSTGRES,
	ENGINE_MYSQL,
	ENGINE_OTHER
} EngineKind;

static EngineKind
kind_of(const char *engine)
{
	if (engine == NULL)
		return ENGINE_UNKNOWN;
	if (strcmp(engine, "pg") == 0 || strcmp(engine, "advanced_pg") == 0)
		return ENGINE_POSTGRES;
	if (strcmp(engine, "mysql") == 0 || strcmp(engine, "advanced_mysql") == 0)
		return ENGINE_MYSQL;
	return ENGINE_OTHER;
}

/*
 * A host of DigitalOcean's own: their pages are at odds about that, so it is
 * worth a word.
 */
static void
check_provider(OmfChecks *checks)
{
	static const char domain[] = ".ondigitalocean.com";
	const char *host = checks->plan.source->host;
	size_t length = strlen(host);

	if (length > 0 && host[length - 1] == '.')
		length--;
	if (length >= strlen(domain) &&
		pg_strncasecmp(host + length - strlen(domain), domain,
					   strlen(domain)) == 0)
		omf_checks_put(checks, "source provider", OMF_CHECK_WARNING,
					   psprintf("The source, %s, is a managed database of DigitalOcean.", host),
					   "DigitalOcean says that its own clusters can't be migrated online into others: fork the cluster, or restore a backup.",
					   "https://docs.digitalocean.com/products/databases/postgresql/details/limits/");
}

/* The engines must be of one kind, as far as both are known. */
static void
check_source(OmfChecks *checks, const Target *target)
{
	EngineKind wanted = kind_of(target->engine);
	EngineKind given = kind_of(checks->plan.source->engine);

	if (wanted != ENGINE_UNKNOWN && given != ENGINE_UNKNOWN)
		omf_checks_put(checks, "source engine", wanted == given ? OMF_CHECK_OK : OMF_CHECK_FAILED,
					   psprintf("The source server is one of %s, the cluster's engine is %s.",
								given == ENGINE_MYSQL ? "MySQL" : "PostgreSQL", target->engine),
					   wanted == given ? NULL : "Migrate into a cluster of the source's engine.",
					   given == ENGINE_MYSQL ? OMF_MYSQL_GUIDE : OMF_POSTGRES_GUIDE);
	if (given != ENGINE_UNKNOWN && wanted != ENGINE_UNKNOWN && given != wanted)
		return;
	check_provider(checks);
	if (given == ENGINE_MYSQL || wanted == ENGINE_MYSQL)
		omf_check_mysql_source(checks);
	else if (wanted == ENGINE_OTHER)
		omf_checks_put(checks, "source", OMF_CHECK_SKIPPED, "A source of this engine is not asked from here.", NULL,
					   "https://docs.digitalocean.com/products/databases/");
	else
		omf_check_postgres_source(checks);
}

/* ----- the function ----- */

/* The statement may hold the source's password. */
static void
check_context(void *arg)
{
	(void) arg;
	errhidestmt(true);
	errhidecontext(true);
}

static char *
text_of_ignore_dbs(ArrayType *ignore_dbs)
{
	Oid output;
	bool is_varlena;

	omf_source_check_ignore_dbs(ignore_dbs);
	getTypeOutputInfo(TEXTARRAYOID, &output, &is_varlena);
	return OidOutputFunctionCall(output, PointerGetDatum(ignore_dbs));
}

static void
run_checks(OmfChecks *checks, OmfCall *call, const unsigned char *cluster)
{
	const char *secrets[] = {
		omf_engine_token(omf_session_engine(call->session)),
		checks->plan.source->password};
	Target target = {NULL};

	call->secrets.texts = secrets;
	call->secrets.ntexts = lengthof(secrets);
	check_target(checks, call, cluster, &target);
	if (target.version != NULL)
		checks->target_major = atoi(target.version);
	if (target.storage_mib != NULL)
		checks->target_mib = strtoll(target.storage_mib, NULL, 10);
	check_source(checks, &target);
}

/*
 * databases_check_online_migration(database_cluster_uuid, source, ignore_dbs,
 * source_server, server, disable_ssl)
 */
Datum
omf_check_online_migration(PG_FUNCTION_ARGS)
{
	static const char *const required[] = {"database_cluster_uuid", NULL, "ignore_dbs", NULL, NULL,
										   "disable_ssl"};
	OmfChecks checks = {.target_mib = -1};
	ErrorContextCallback callback;
	OmfServerOptions options;
	OmfCall call = {0};
	OmfSource source;
	Oid serverid;

	callback.callback = check_context;
	callback.arg = NULL;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	omf_refuse_nulls(fcinfo, required, lengthof(required));
	source = omf_source_argument(fcinfo, ARG_SOURCE, ARG_SOURCE_SERVER,
								 PG_GETARG_BOOL(ARG_DISABLE_SSL));
	checks.ignore_dbs =
		text_of_ignore_dbs(PG_GETARG_ARRAYTYPE_P(ARG_IGNORE_DBS));
	serverid = omf_server_argument(fcinfo, ARG_SERVER);
	options = omf_options_of_server(serverid);
	checks.plan.source = &source;
	checks.plan.disable_ssl = PG_GETARG_BOOL(ARG_DISABLE_SSL);
	checks.plan.connect_timeout_ms = options.connect_timeout_ms;
	checks.plan.query_timeout_ms = options.request_timeout_ms;
	InitMaterializedSRF(fcinfo, 0);
	checks.result = (ReturnSetInfo *) fcinfo->resultinfo;

	call.session = omf_session_acquire(serverid, GetUserId());
	PG_TRY();
	{
		run_checks(&checks, &call, PG_GETARG_UUID_P(ARG_CLUSTER)->data);
	}
	PG_FINALLY();
	{
		omf_session_release(call.session);
		omf_source_wipe(&source);
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
	return (Datum) 0;
}
