/*-------------------------------------------------------------------------
 *
 * robust.h
 *	  Scenarios of how the foreign table stands up to trouble.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_ROBUST_H
#define BENCH_ROBUST_H

extern void cancel_statements(void);
extern void kill_backends(void);
extern void soak(void);
extern void pace(void);

#endif /* BENCH_ROBUST_H */
