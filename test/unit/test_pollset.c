/*-------------------------------------------------------------------------
 *
 * test_pollset.c
 *	  Unit tests of src/client/pollset.c: sockets and a timer behind one descriptor.
 *
 *-------------------------------------------------------------------------
 */
#include "client/pollset.h"
#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>

#if defined(__linux__)
#include <sys/epoll.h>
#endif

static OmfPollset *set;
static OmfPollEvent events[100];

/* Is the pollset's descriptor readable within `ms` milliseconds? */
static bool
readable(int ms)
{
	struct pollfd waiter = {omf_pollset_fd(set), POLLIN, 0};

	return poll(&waiter, 1, ms) == 1;
}

static int
collect(void)
{
	return omf_pollset_collect(set, events, countof(events));
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int
open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

static int
inheritable(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) == 0;
	return count;
}

static void
test_readiness(void)
{
	int ends[2];
	char byte;

	if (pipe(ends) != 0)
		return;
	ok(!readable(0) && collect() == 0, "an empty set is not ready");
	ok(omf_pollset_watch(set, ends[0], OMF_POLL_READ, false), "watch a pipe");
	ok(!readable(0) && collect() == 0, "nothing in it: not ready");
	ok(write(ends[1], "x", 1) == 1 && readable(0), "something in it: ready");
	is_number(collect(), 1, "one event");
	ok(events[0].fd == ends[0] && events[0].what == OMF_POLL_READ, "to read, of the pipe");
	ok(readable(0) && collect() == 1, "it stays ready until it is read");
	ok(read(ends[0], &byte, 1) == 1 && !readable(0) && collect() == 0, "read: not ready");

	close(ends[1]);
	ok(readable(0) && collect() == 1 && events[0].fd == ends[0] && events[0].what != 0,
	   "the other end closed: ready");
	omf_pollset_forget(set, ends[0]);
	ok(!readable(0) && collect() == 0, "forgotten: not ready");
	omf_pollset_forget(set, ends[0]);
	close(ends[0]);
	omf_pollset_forget(set, ends[0]);
	omf_pollset_forget(set, -1);
	ok(!readable(0), "forgotten again, closed, never there: harmless");
	ok(!omf_pollset_watch(set, ends[0], OMF_POLL_READ, false) &&
		   !omf_pollset_watch(set, -1, OMF_POLL_READ, true),
	   "a closed descriptor can't be watched");
}

static void
test_directions(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return;
	ok(omf_pollset_watch(set, ends[0], OMF_POLL_READ | OMF_POLL_WRITE, false), "watch both ways");
	ok(collect() == 1 && events[0].what == OMF_POLL_WRITE, "ready to write only");
	ok(omf_pollset_watch(set, ends[0], OMF_POLL_READ, true) && !readable(0), "watch for reading");
	ok(write(ends[1], "x", 1) == 1 && collect() == 1 && events[0].what == OMF_POLL_READ,
	   "ready to read");
	ok(omf_pollset_watch(set, ends[0], OMF_POLL_WRITE, true) && collect() == 1 &&
		   events[0].what == OMF_POLL_WRITE,
	   "watch for writing");
	close(ends[1]);
	ok(collect() == 1 && (events[0].what & OMF_POLL_ERROR) != 0, "hung up: an error");
	close(ends[0]);
	ok(!readable(0), "closed: gone by itself");
}

/* `known` may be out of date both ways. */
static void
test_reuse(void)
{
	int ends[2];
	int others[2];
	int first;

	if (pipe(ends) != 0 || pipe(others) != 0)
		return;
	first = ends[0];
	ok(omf_pollset_watch(set, first, OMF_POLL_READ, true), "not known, said to be");
	ok(omf_pollset_watch(set, first, OMF_POLL_READ, false), "known, said not to be");
	close(ends[0]);
	close(ends[1]);
	ok(dup2(others[0], first) == first, "another pipe gets the same number");
	ok(write(others[1], "x", 1) == 1 && !readable(0), "and is not watched");
	ok(omf_pollset_watch(set, first, OMF_POLL_READ, true), "until it is said, as if known");
	ok(readable(0) && collect() == 1 && events[0].fd == first, "then it is");
	omf_pollset_forget(set, first);
	close(first);
	close(others[0]);
	close(others[1]);
}

static void
test_timer(void)
{
	int64_t start = now_ms();
	int64_t elapsed;

	ok(omf_pollset_set_timer(set, -1) && !readable(0), "no timer");
	ok(omf_pollset_set_timer(set, 0) && readable(1000), "now");
	ok(readable(0), "it stays ready");
	is_number(collect(), 0, "until it is acknowledged, which is no event");
	ok(!readable(0), "then it is not ready");

	start = now_ms();
	ok(omf_pollset_set_timer(set, 50) && !readable(0), "in 50 ms: not yet");
	ok(readable(5000), "ready in time");
	elapsed = now_ms() - start;
	ok(elapsed >= 49 && elapsed < 4000, "that was %lld ms", (long long) elapsed);
	ok(omf_pollset_set_timer(set, -1) && !readable(0), "called off after it expired");

	ok(omf_pollset_set_timer(set, 20) && omf_pollset_set_timer(set, 60000), "replaced by a later");
	ok(!readable(60), "only the later one counts");
	ok(omf_pollset_set_timer(set, 10) && readable(5000), "replaced by an earlier one");
	collect();
	ok(omf_pollset_set_timer(set, 20) && omf_pollset_set_timer(set, -1) && !readable(60),
	   "called off before it expired");
	ok(omf_pollset_set_timer(set, INT64_MAX / 1000000) && !readable(0), "in 300 years");
	ok(omf_pollset_set_timer(set, -1), "called off");
	ok(omf_pollset_set_timer(set, 999) && !readable(0) && omf_pollset_set_timer(set, 1000) &&
		   !readable(0) && omf_pollset_set_timer(set, -1),
	   "at the seam of a second");
}

/* More ready than fit: none is lost, and the set stays ready. */
static void
test_many(void)
{
	int ends[80][2];
	bool seen[1024] = {false};
	int opened = 0;
	int different = 0;
	char byte;

	while (opened < countof(ends) && pipe(ends[opened]) == 0)
	{
		if (write(ends[opened][1], "x", 1) != 1 ||
			!omf_pollset_watch(set, ends[opened][0], OMF_POLL_READ, false))
			break;
		opened++;
	}
	is_number(opened, countof(ends), "eighty pipes");
	omf_pollset_set_timer(set, 0);
	for (int round = 0; round < 100 && readable(0); round++)
	{
		int nevents = omf_pollset_collect(set, events, 3);

		if (nevents > 3)
			break;
		for (int i = 0; i < nevents; i++)
		{
			different += !seen[events[i].fd];
			seen[events[i].fd] = true;
			if (read(events[i].fd, &byte, 1) != 1)
				break;
		}
	}
	is_number(different, opened, "all are collected, three at a time");
	ok(!readable(0), "and then none is left");
	for (int i = 0; i < opened; i++)
	{
		close(ends[i][0]);
		close(ends[i][1]);
	}
}

/* PostgreSQL waits with an epoll set of its own. */
static void
test_nested(void)
{
#if defined(__linux__)
	int outer = epoll_create1(0);
	struct epoll_event event = {EPOLLIN, {.fd = 0}};
	int ends[2];
	char byte;

	if (pipe(ends) != 0)
		return;
	ok(epoll_ctl(outer, EPOLL_CTL_ADD, omf_pollset_fd(set), &event) == 0, "nested");
	omf_pollset_watch(set, ends[0], OMF_POLL_READ, false);
	ok(epoll_wait(outer, &event, 1, 0) == 0, "not ready");
	ok(write(ends[1], "x", 1) == 1 && epoll_wait(outer, &event, 1, 0) == 1, "ready");
	ok(epoll_wait(outer, &event, 1, 0) == 1, "still ready when asked again");
	collect();
	ok(epoll_wait(outer, &event, 1, 0) == 1, "still ready after it was collected");
	ok(read(ends[0], &byte, 1) == 1 && epoll_wait(outer, &event, 1, 0) == 0, "not after the read");
	omf_pollset_set_timer(set, 0);
	ok(epoll_wait(outer, &event, 1, 1000) == 1, "ready by the timer");
	ok(epoll_wait(outer, &event, 1, 0) == 1, "still");
	collect();
	ok(epoll_wait(outer, &event, 1, 0) == 0, "until it is acknowledged");
	omf_pollset_forget(set, ends[0]);
	close(ends[0]);
	close(ends[1]);
	close(outer);
#endif
}

int
main(void)
{
	int before = open_descriptors();
	int inheritable_before = inheritable();

	begin_tests();
	set = omf_pollset_create();
	if (!ok(set != NULL, "create"))
		return finish_tests();
	ok(open_descriptors() - before <= OMF_POLLSET_OWN_FDS, "no more descriptors than it says");
	is_number(inheritable(), inheritable_before, "no other program inherits them");
	test_readiness();
	test_directions();
	test_reuse();
	test_timer();
	test_many();
	test_nested();
	omf_pollset_destroy(set);
	is_number(open_descriptors(), before, "destroyed: no descriptor is left");
	omf_pollset_destroy(NULL);
	return finish_tests();
}
