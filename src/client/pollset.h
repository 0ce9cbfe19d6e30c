/*-------------------------------------------------------------------------
 *
 * pollset.h
 *	  Many sockets and one timer behind a single pollable descriptor.
 *
 * PostgreSQL waits with WaitEventSets of a fixed size, libcurl opens and
 * closes sockets as it likes.  A pollset stands between them: libcurl's
 * sockets and its timer go in, one descriptor comes out, and that descriptor
 * is readable exactly as long as something inside it wants attention.
 *
 * epoll(7) with timerfd_create(2) on Linux, kqueue(2) elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_POLLSET_H
#define OMF_POLLSET_H

#include <stdbool.h>
#include <stdint.h>

typedef struct OmfPollset OmfPollset;

/* What is wanted of a socket, and what it is ready for: a bit mask. */
#define OMF_POLL_READ 0x01
#define OMF_POLL_WRITE 0x02
#define OMF_POLL_ERROR 0x04 /* reported only, never asked for */

typedef struct OmfPollEvent
{
	int fd;            /* the socket that is ready */
	unsigned int what; /* OMF_POLL_... */
} OmfPollEvent;

/* Descriptors that one pollset holds besides the sockets put into it. */
#define OMF_POLLSET_OWN_FDS 2

/* The monotonic clock in milliseconds, which all times here are on. */
extern int64_t omf_pollset_now(void);

/* The same in microseconds. */
extern int64_t omf_pollset_now_us(void);

/* NULL with errno set when the system has no more descriptors or memory. */
extern OmfPollset *omf_pollset_create(void);

/* Closes the pollset's own descriptors, not the sockets in it. */
extern void omf_pollset_destroy(OmfPollset *set);

/* The descriptor to wait on: readable while a socket or the timer is ready. */
extern int omf_pollset_fd(const OmfPollset *set);

/*
 * Watch fd for `what`, replacing what it was watched for before; `known`
 * says whether it is in the set already.  False with errno set on failure.
 */
extern bool omf_pollset_watch(OmfPollset *set, int fd, unsigned int what,
							  bool known);

/* Forget fd; harmless when it is not in the set or already closed. */
extern void omf_pollset_forget(OmfPollset *set, int fd);

/*
 * Make the descriptor readable in `ms` milliseconds (0 or more), or with -1
 * never by time.  A later call replaces an earlier one.
 */
extern bool omf_pollset_set_timer(OmfPollset *set, int64_t ms);

/*
 * Collect up to `max` ready sockets without waiting; the number of events
 * stored is returned.  An expired timer is acknowledged and not reported.
 */
extern int omf_pollset_collect(OmfPollset *set, OmfPollEvent *events, int max);

#endif /* OMF_POLLSET_H */
