/*-------------------------------------------------------------------------
 *
 * test_signals.c
 *	  Unit tests of src/client/signals.c.
 *
 *-------------------------------------------------------------------------
 */
#include "client/signals.h"
#include "tap.h"

#include <pthread.h>
#include <string.h>

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
							 SIGABRT, SIGTRAP, SIGSYS};
static const int others[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1,
							 SIGUSR2, SIGALRM, SIGURG, SIGCHLD, SIGPIPE};

static void *
note_mask(void *mask)
{
	pthread_sigmask(SIG_SETMASK, NULL, mask);
	return NULL;
}

/* What a thread that is started now has blocked. */
static sigset_t
mask_of_thread(void)
{
	pthread_t thread;
	sigset_t mask;

	sigemptyset(&mask);
	ok(pthread_create(&thread, NULL, note_mask, &mask) == 0 &&
		   pthread_join(thread, NULL) == 0,
	   "a thread is started");
	return mask;
}

static void
try_except(int except, const char *what)
{
	sigset_t before;
	sigset_t held;
	sigset_t after;
	bool fit = true;

	note("%s", what);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	sigaddset(&after, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &after, NULL);
	omf_signals_hold(&before, except);
	held = mask_of_thread();
	for (int i = 0; i < countof(others); i++)
		fit &= sigismember(&held, others[i]) == (others[i] != except);
	ok(fit, "the process's signals are not the thread's");
	for (int i = 0; i < countof(faults); i++)
		ok(sigismember(&held, faults[i]) == 0, "%s is no signal to hold off", strsignal(faults[i]));
	omf_signals_release(&before);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	ok(sigismember(&after, SIGUSR2) == 1 && sigismember(&after, SIGTERM) == 0, "all is as it was");
}

int
main(void)
{
	begin_tests();
	try_except(0, "all");
	try_except(SIGUSR1, "all but one");
	return finish_tests();
}
