/*-------------------------------------------------------------------------
 *
 * import.h
 *	  IMPORT FOREIGN SCHEMA.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_IMPORT_H
#define OMF_IMPORT_H

#include "foreign/fdwapi.h"

extern List *omf_import_schema(ImportForeignSchemaStmt *stmt, Oid serverid);

#endif /* OMF_IMPORT_H */
