/*-------------------------------------------------------------------------
 *
 * import.c
 *	  IMPORT FOREIGN SCHEMA.
 *
 * One foreign table for every resource, declared from the same table of
 * resources that the scan follows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "client/api.h"
#include "plan/import.h"

/*
 * Every row has the key that it was asked by: newer planners make use of that.
 * Of the other fields the API may leave out any.
 */
static char *
create_table_command(const OmfResource *resource,
					 const ImportForeignSchemaStmt *stmt)
{
	StringInfoData command;

	initStringInfo(&command);
	appendStringInfo(&command, "CREATE FOREIGN TABLE %s.%s (",
					 quote_identifier(stmt->local_schema),
					 quote_identifier(resource->name));
	for (int i = 0; i < resource->nfields; i++)
		appendStringInfo(&command, "%s%s %s%s", i > 0 ? ", " : "",
						 quote_identifier(resource->fields[i].name),
						 resource->fields[i].sql_type,
						 i == resource->key ? " NOT NULL" : "");
	appendStringInfo(&command, ") SERVER %s OPTIONS (resource %s)",
					 quote_identifier(stmt->server_name),
					 quote_literal_cstr(resource->name));
	return command.data;
}

List *
omf_import_schema(ImportForeignSchemaStmt *stmt, Oid serverid)
{
	List *commands = NIL;

	(void) serverid;
	if (strcmp(stmt->remote_schema, OMF_API_SCHEMA) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("the API has no such section to import"),
				 errdetail("There is no remote schema \"%s\".",
						   stmt->remote_schema),
				 errhint("The remote schema is \"%s\": IMPORT FOREIGN SCHEMA %s FROM SERVER %s INTO %s;",
						 OMF_API_SCHEMA, OMF_API_SCHEMA,
						 quote_identifier(stmt->server_name),
						 quote_identifier(stmt->local_schema))));
	if (stmt->options != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option for online_migrations_fdw"),
				 errdetail("There is no option \"%s\" for IMPORT FOREIGN SCHEMA.",
						   linitial_node(DefElem, stmt->options)->defname),
				 errhint("There are no valid options in this place.")));

	for (int i = 0; i < omf_nresources; i++)
		if (IsImportableForeignTable(omf_resources[i].name, stmt))
			commands = lappend(commands,
							   create_table_command(&omf_resources[i], stmt));
	return commands;
}
