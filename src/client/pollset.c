/*-------------------------------------------------------------------------
 *
 * pollset.c
 *	  Many sockets and one timer behind a single pollable descriptor.
 *
 * An epoll or kqueue descriptor is itself pollable, and level-triggered when
 * nested in another one; both sides below rest on that.
 *
 *-------------------------------------------------------------------------
 */
#include "client/pollset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/timerfd.h>
#else
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#endif

/* Ready sockets taken from the kernel in one call. */
#define COLLECT_MAX 64

struct OmfPollset
{
	int fd;            /* the epoll or kqueue descriptor */
	int timer_fd;      /* Linux: the timerfd inside it, else -1 */
	int64_t timer_due; /* when the timer expires, or -1: it is off */
};

int64_t
omf_pollset_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
omf_pollset_now(void)
{
	return omf_pollset_now_us() / 1000;
}

/* Is the timer to be set anew?  If so, it is noted when it expires. */
static bool
change_timer(OmfPollset *set, int64_t ms)
{
	int64_t now = omf_pollset_now();
	int64_t due = ms < 0 ? -1 : now + ms;

	if (due == set->timer_due ||
		(ms == 0 && set->timer_due >= 0 && set->timer_due <= now))
		return false;
	set->timer_due = due;
	return true;
}

int
omf_pollset_fd(const OmfPollset *set)
{
	return set->fd;
}

void
omf_pollset_destroy(OmfPollset *set)
{
	if (set == NULL)
		return;
	if (set->timer_fd >= 0)
		close(set->timer_fd);
	if (set->fd >= 0)
		close(set->fd);
	free(set);
}

#if defined(__linux__)

OmfPollset *
omf_pollset_create(void)
{
	OmfPollset *set = malloc(sizeof(OmfPollset));
	struct epoll_event event;

	if (set == NULL)
		return NULL;
	set->timer_due = -1;
	set->fd = epoll_create1(EPOLL_CLOEXEC);
	set->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	memset(&event, 0, sizeof(event));
	event.events = EPOLLIN;
	event.data.fd = set->timer_fd;
	if (set->fd < 0 || set->timer_fd < 0 ||
		epoll_ctl(set->fd, EPOLL_CTL_ADD, set->timer_fd, &event) != 0)
	{
		int save_errno = errno;

		omf_pollset_destroy(set);
		errno = save_errno;
		return NULL;
	}
	return set;
}

bool
omf_pollset_watch(OmfPollset *set, int fd, unsigned int what, bool known)
{
	struct epoll_event event;

	memset(&event, 0, sizeof(event));
	if (what & OMF_POLL_READ)
		event.events |= EPOLLIN;
	if (what & OMF_POLL_WRITE)
		event.events |= EPOLLOUT;
	event.data.fd = fd;

	if (epoll_ctl(set->fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
				  &event) == 0)
		return true;

	/*
	 * The caller's word on `known` can be out of date: the kernel drops a
	 * descriptor that was closed, and its number comes back for another.
	 */
	if (errno == ENOENT)
		return epoll_ctl(set->fd, EPOLL_CTL_ADD, fd, &event) == 0;
	if (errno == EEXIST)
		return epoll_ctl(set->fd, EPOLL_CTL_MOD, fd, &event) == 0;
	return false;
}

void
omf_pollset_forget(OmfPollset *set, int fd)
{
	struct epoll_event event;

	/* kernels before 2.6.9 want an event even here */
	memset(&event, 0, sizeof(event));
	(void) epoll_ctl(set->fd, EPOLL_CTL_DEL, fd, &event);
}

bool
omf_pollset_set_timer(OmfPollset *set, int64_t ms)
{
	struct itimerspec spec;

	if (!change_timer(set, ms))
		return true;

	/* all zeroes disarms, so "now" is the smallest time that is not zero */
	memset(&spec, 0, sizeof(spec));
	if (ms > 0)
	{
		spec.it_value.tv_sec = (time_t) (ms / 1000);
		spec.it_value.tv_nsec = (long) (ms % 1000) * 1000000L;
	}
	else if (ms == 0)
		spec.it_value.tv_nsec = 1;
	return timerfd_settime(set->timer_fd, 0, &spec, NULL) == 0;
}

int
omf_pollset_collect(OmfPollset *set, OmfPollEvent *events, int max)
{
	struct epoll_event ready[COLLECT_MAX];
	int nready;
	int nevents = 0;

	nready =
		epoll_wait(set->fd, ready, max < COLLECT_MAX ? max : COLLECT_MAX, 0);
	for (int i = 0; i < nready; i++)
	{
		OmfPollEvent *event = &events[nevents];

		if (ready[i].data.fd == set->timer_fd)
		{
			uint64_t expirations;

			if (read(set->timer_fd, &expirations, sizeof(expirations)) > 0)
				set->timer_due = -1;
			continue;
		}
		event->fd = ready[i].data.fd;
		event->what = 0;
		if (ready[i].events & EPOLLIN)
			event->what |= OMF_POLL_READ;
		if (ready[i].events & EPOLLOUT)
			event->what |= OMF_POLL_WRITE;
		if (ready[i].events & (EPOLLERR | EPOLLHUP))
			event->what |= OMF_POLL_ERROR;
		nevents++;
	}
	return nevents;
}

#else /* kqueue */

/* The timer among the events; sockets have filters of their own. */
#define TIMER_IDENT 1

OmfPollset *
omf_pollset_create(void)
{
	OmfPollset *set = malloc(sizeof(OmfPollset));

	if (set == NULL)
		return NULL;
	set->timer_due = -1;
	set->timer_fd = -1;
	set->fd = kqueue();
	if (set->fd < 0 || fcntl(set->fd, F_SETFD, FD_CLOEXEC) != 0)
	{
		int save_errno = errno;

		omf_pollset_destroy(set);
		errno = save_errno;
		return NULL;
	}
	return set;
}

/* Add or delete one filter of fd; deleting one that is not there is fine. */
static bool
change_filter(OmfPollset *set, int fd, int filter, bool wanted)
{
	struct kevent change;

	EV_SET(&change, fd, filter, wanted ? EV_ADD : EV_DELETE, 0, 0, NULL);
	return kevent(set->fd, &change, 1, NULL, 0, NULL) == 0 ||
		   (!wanted && (errno == ENOENT || errno == EBADF));
}

bool
omf_pollset_watch(OmfPollset *set, int fd, unsigned int what, bool known)
{
	(void) known;
	return change_filter(set, fd, EVFILT_READ, (what & OMF_POLL_READ) != 0) &&
		   change_filter(set, fd, EVFILT_WRITE, (what & OMF_POLL_WRITE) != 0);
}

void
omf_pollset_forget(OmfPollset *set, int fd)
{
	(void) omf_pollset_watch(set, fd, 0, true);
}

bool
omf_pollset_set_timer(OmfPollset *set, int64_t ms)
{
	struct kevent change;

	if (!change_timer(set, ms))
		return true;
	EV_SET(&change, TIMER_IDENT, EVFILT_TIMER,
		   ms >= 0 ? EV_ADD | EV_ONESHOT : EV_DELETE, 0, ms > 0 ? ms : 1,
		   NULL);
	return kevent(set->fd, &change, 1, NULL, 0, NULL) == 0 ||
		   (ms < 0 && errno == ENOENT);
}

int
omf_pollset_collect(OmfPollset *set, OmfPollEvent *events, int max)
{
	struct kevent ready[COLLECT_MAX];
	struct timespec now = {0, 0};
	int nready;
	int nevents = 0;

	nready = kevent(set->fd, NULL, 0, ready,
					max < COLLECT_MAX ? max : COLLECT_MAX, &now);
	for (int i = 0; i < nready; i++)
	{
		OmfPollEvent *event = &events[nevents];

		if (ready[i].filter == EVFILT_TIMER)
		{
			set->timer_due = -1;
			continue;
		}
		event->fd = (int) ready[i].ident;
		event->what =
			ready[i].filter == EVFILT_READ ? OMF_POLL_READ : OMF_POLL_WRITE;
		if (ready[i].flags & EV_ERROR)
			event->what |= OMF_POLL_ERROR;
		nevents++;
	}
	return nevents;
}

#endif
