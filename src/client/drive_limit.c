/*-------------------------------------------------------------------------
 *
 * drive_limit.c
 *	  A bound on how long libcurl may keep control.
 *
 * The timer runs on this thread's CPU time, so a machine that stands still
 * ends nothing.  It is set at the start of a drive unless it is still set from
 * an earlier one, and so may expire too early in this one: the next time
 * counts.
 *
 *-------------------------------------------------------------------------
 */
#include "client/drive_limit.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "client/pollset.h"

#ifdef __linux__

/*
 * How much CPU time the timer waits for, in milliseconds, and how often it
 * expires without any progress before a drive is cut: handshakes take their
 * time, on a machine that has other things to do.
 */
#define TIMER_MS 50
#define EXPIRIES_MAX 5

/* What the signal's handler sees. */
static OmfSockets *volatile driven;    /* of the drive under way, or NULL */
static volatile int64_t driven_since;  /* when that began */
static volatile sig_atomic_t expiries; /* since then, without progress */
static volatile sig_atomic_t timer_is_set;

static timer_t timer;
static int signal_number = -1; /* 0: there is none */

static void
set_timer(void)
{
	struct itimerspec spec;

	memset(&spec, 0, sizeof(spec));
	spec.it_value.tv_nsec = TIMER_MS * 1000000L;
	timer_is_set = timer_settime(timer, 0, &spec, NULL) == 0;
}

/* Calls only what POSIX allows in a handler. */
static void
on_signal(int number)
{
	int save_errno = errno;

	(void) number;
	timer_is_set = 0;
	if (driven != NULL)
	{
		if (++expiries > EXPIRIES_MAX &&
			omf_pollset_now() - driven_since >= OMF_DRIVE_MAX_MS)
			omf_sockets_cut(driven);
		set_timer();
	}
	errno = save_errno;
}

/* A real-time signal that nobody in this process uses, or 0. */
static int
take_signal(void)
{
	for (int number = SIGRTMIN + 1; number <= SIGRTMAX; number++)
	{
		struct sigaction action;

		if (sigaction(number, NULL, &action) != 0 ||
			action.sa_handler != SIG_DFL)
			continue;
		memset(&action, 0, sizeof(action));
		action.sa_handler = on_signal;
		action.sa_flags = SA_RESTART;
		sigemptyset(&action.sa_mask);
		return sigaction(number, &action, NULL) == 0 ? number : 0;
	}
	return 0;
}

int
omf_drive_limit_signal(void)
{
	struct sigevent event;

	if (signal_number >= 0)
		return signal_number;
	signal_number = take_signal();
	memset(&event, 0, sizeof(event));
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = signal_number;
	if (signal_number > 0 &&
		timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0)
	{
		signal(signal_number, SIG_DFL);
		signal_number = 0;
	}
	return signal_number;
}

void
omf_drive_limit_begin(OmfSockets *sockets)
{
	if (omf_drive_limit_signal() == 0)
		return;
	driven_since = omf_pollset_now();
	expiries = 0;
	driven = sockets;
	if (!timer_is_set)
		set_timer();
}

void
omf_drive_limit_progress(void)
{
	expiries = 0;
}

void
omf_drive_limit_end(void)
{
	driven = NULL;
}

#else

/* Without timers of that kind, nothing bounds it. */
int
omf_drive_limit_signal(void)
{
	return 0;
}

void
omf_drive_limit_begin(OmfSockets *sockets)
{
	(void) sockets;
}

void
omf_drive_limit_progress(void)
{
}

void
omf_drive_limit_end(void)
{
}

#endif
