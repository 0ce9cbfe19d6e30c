/*-------------------------------------------------------------------------
 *
 * robust.h
 *	  Scenarios of how the foreign table stands up to trouble, and to many at
 *	  the same time.
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

#endif /* BENCH_ROBUST_H */
