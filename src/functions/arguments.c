/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Arguments that several SQL functions take, and how they are checked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_proc.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "functions/arguments.h"
#include "compat.h"
#include "client/pollset.h"
#include "client/resource.h"

void
omf_refuse_nulls(FunctionCallInfo fcinfo, const char *const *names, int nnames)
{
	for (int i = 0; i < nnames; i++)
		if (names[i] != NULL && PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument must not be NULL"),
					 errdetail("Argument \"%s\" is NULL.", names[i])));
}

char *
omf_migration_id_argument(FunctionCallInfo fcinfo, int argument)
{
	char *migration_id = text_to_cstring(PG_GETARG_TEXT_PP(argument));

	if (!omf_api_is_migration_id(migration_id))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid migration_id"),
				 errdetail("It must be 1 to %d letters, digits, \"_\" or \"-\".", OMF_MIGRATION_ID_MAX),
				 errhint("It is the \"id\" that the start returned, and that the foreign table shows.")));
	return migration_id;
}

/* ----- the server ----- */

char *
omf_wrapper_handler(Oid wrapper)
{
	Oid handler = GetForeignDataWrapper(wrapper)->fdwhandler;
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(handler));
	char *name = NULL;
	bool isnull;
	Datum source;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	if (!isnull)
		name = TextDatumGetCString(source);
	ReleaseSysCache(tuple);
	return name;
}

/* Is it a server of this wrapper, whatever name the wrapper has been given? */
static bool
is_own_wrapper(Oid wrapper)
{
	const char *handler = omf_wrapper_handler(wrapper);

	return handler != NULL && strcmp(handler, "online_migrations_fdw_handler") == 0;
}

List *
omf_own_servers(void)
{
	Relation relation = table_open(ForeignServerRelationId, AccessShareLock);
	SysScanDesc scan =
		systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	List *servers = NIL;
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_server found =
			(Form_pg_foreign_server) GETSTRUCT(tuple);
		ForeignServer *server = NULL;

		if (is_own_wrapper(found->srvfdw))
			server = GetForeignServerExtended(found->oid, FSV_MISSING_OK);
		if (server != NULL)
			servers = lappend(servers, server);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return servers;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(((ForeignServer *) lfirst(a))->servername,
				  ((ForeignServer *) lfirst(b))->servername);
}

static const char *
only_server(void)
{
	List *servers = omf_own_servers();
	StringInfoData listed;
	ListCell *cell;

	if (list_length(servers) == 1)
		return ((ForeignServer *) linitial(servers))->servername;
	if (servers == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no server of online_migrations_fdw"),
				 errhint("CREATE SERVER digitalocean FOREIGN DATA WRAPPER online_migrations_fdw;")));
	list_sort(servers, compare_names);
	initStringInfo(&listed);
	foreach (cell, servers)
		appendStringInfo(&listed, "%s\"%s\"", listed.len > 0 ? ", " : "", ((ForeignServer *) lfirst(cell))->servername);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there are several servers of online_migrations_fdw"),
			 errdetail("Servers are %s.", listed.data),
			 errhint("Say which one: server => %s.", quote_literal_cstr(((ForeignServer *) linitial(servers))->servername))));
	return NULL;
}

static void
check_usage(Oid serverid, const char *name, Oid userid)
{
	AclResult aclresult = omf_server_aclcheck(serverid, userid);

	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FOREIGN_SERVER, name);
}

void
omf_server_check(Oid serverid, const char *name, Oid userid)
{
	if (GetForeignServerExtended(serverid, FSV_MISSING_OK) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server does not exist any more"),
				 errdetail("Foreign server \"%s\" has been dropped.", name)));
	check_usage(serverid, name, userid);
}

Oid
omf_server_argument(FunctionCallInfo fcinfo, int argument)
{
	const char *name = PG_ARGISNULL(argument)
						   ? only_server()
						   : text_to_cstring(PG_GETARG_TEXT_PP(argument));
	ForeignServer *server = GetForeignServerByName(name, true);

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server does not exist"),
				 errdetail("There is no foreign server \"%s\".", name)));
	if (!is_own_wrapper(server->fdwid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server is not one of online_migrations_fdw"),
				 errdetail("Server \"%s\" is of the foreign data wrapper \"%s\".", name,
						   GetForeignDataWrapper(server->fdwid)->fdwname)));
	check_usage(server->serverid, name, GetUserId());
	return server->serverid;
}

Datum
omf_calendar_time(int64 monotonic_ms)
{
	return TimestampTzGetDatum(
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									monotonic_ms - omf_pollset_now()));
}
