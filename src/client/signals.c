/*-------------------------------------------------------------------------
 *
 * signals.c
 *	  Signals held off where threads begin.
 *
 *-------------------------------------------------------------------------
 */
#include "client/signals.h"

#include <stddef.h>

/* Raised by a fault of the code: blocked, they end the process just so. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
							 SIGABRT, SIGTRAP, SIGSYS};

void
omf_signals_hold(sigset_t *before, int except)
{
	sigset_t held;

	sigfillset(&held);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&held, faults[i]);
	if (except > 0)
		sigdelset(&held, except);
	pthread_sigmask(SIG_SETMASK, &held, before);
}

void
omf_signals_release(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}
