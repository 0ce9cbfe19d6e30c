/*-------------------------------------------------------------------------
 *
 * barrier_search.h
 *	  An order to join in that asks for nothing a barrier hides.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_BARRIER_SEARCH_H
#define OMF_BARRIER_SEARCH_H

/* Take part in planning; to be called once when the library is loaded. */
extern void omf_barrier_search_init(void);

#endif /* OMF_BARRIER_SEARCH_H */
