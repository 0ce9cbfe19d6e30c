/*-------------------------------------------------------------------------
 *
 * check_rows.c
 *	  The rows of databases_check_online_migration().
 *
 *-------------------------------------------------------------------------
 */
#include "functions/check_rows.h"

#include "utils/builtins.h"
#include "utils/tuplestore.h"

/* Columns of the result, in its order. */
enum
{
	COLUMN_CHECK,
	COLUMN_RESULT,
	COLUMN_DETAIL,
	COLUMN_HINT,
	NCOLUMNS
};

void
omf_checks_put(OmfChecks *checks, const char *check, const char *result,
			   const char *detail, const char *hint, const char *document)
{
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS] = {false};

	values[COLUMN_CHECK] = CStringGetTextDatum(check);
	values[COLUMN_RESULT] = CStringGetTextDatum(result);
	values[COLUMN_DETAIL] = CStringGetTextDatum(detail);
	values[COLUMN_HINT] = CStringGetTextDatum(hint != NULL ? psprintf("%s See %s", hint, document)
														   : psprintf("See %s", document));
	tuplestore_putvalues(checks->result->setResult, checks->result->setDesc,
						 values, nulls);
}
