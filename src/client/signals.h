/*-------------------------------------------------------------------------
 *
 * signals.h
 *	  Signals held off where threads begin.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SIGNALS_H
#define OMF_SIGNALS_H

#include <signal.h>

/*
 * A thread that is started now leaves the process's signals to the thread that
 * PostgreSQL runs in.  Only `except` gets through, if it is not 0, and what a
 * fault of the code itself raises: that can't be held off.
 */
extern void omf_signals_hold(sigset_t *before, int except);

/* As it was. */
extern void omf_signals_release(const sigset_t *before);

#endif /* OMF_SIGNALS_H */
