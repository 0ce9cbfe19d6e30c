/*-------------------------------------------------------------------------
 *
 * batch_subselect.h
 *	  Sub-selects that look up the keys of many rows at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_BATCH_SUBSELECT_H
#define OMF_BATCH_SUBSELECT_H

/* To be called once from _PG_init(). */
extern void omf_batch_subselect_init(void);

#endif /* OMF_BATCH_SUBSELECT_H */
