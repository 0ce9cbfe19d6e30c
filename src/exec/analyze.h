/*-------------------------------------------------------------------------
 *
 * analyze.h
 *	  ANALYZE of a foreign table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_ANALYZE_H
#define OMF_ANALYZE_H

#include "foreign/fdwapi.h"

extern bool omf_analyze_table(Relation relation,
							  AcquireSampleRowsFunc *acquire,
							  BlockNumber *pages);

#endif /* OMF_ANALYZE_H */
