/*-------------------------------------------------------------------------
 *
 * robust.h
 *	  Scenarios of how the foreign table stands up to trouble, to many at the
 *	  same time, and to queries of all kinds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_ROBUST_H
#define BENCH_ROBUST_H

extern void cancel_statements(void);
extern void kill_backends(void);
extern void soak(void);
extern void pace(void);
extern void dashboard(void);
extern void sessions(void);
extern void relieve_askers(void);
extern void plans(void);

#endif /* BENCH_ROBUST_H */
