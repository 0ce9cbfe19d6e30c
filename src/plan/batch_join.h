/*-------------------------------------------------------------------------
 *
 * batch_join.h
 *	  Planning joins that look up the keys of many outer rows at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_BATCH_JOIN_H
#define OMF_BATCH_JOIN_H

/* To be called once from _PG_init(). */
extern void omf_batch_join_init(void);

#endif /* OMF_BATCH_JOIN_H */
