/*-------------------------------------------------------------------------
 *
 * drive_limit.h
 *	  A bound on how long libcurl may keep control.
 *
 * libcurl (7.88 for one) reads from an HTTP/2 connection for as long as frames
 * without contents keep coming, and nothing of ours is called meanwhile: no
 * interrupt is served, no timeout passes.  So a timer's signal ends the
 * connections after a while, which libcurl then finds closed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_DRIVE_LIMIT_H
#define OMF_DRIVE_LIMIT_H

#include <signal.h>

#include "client/sockets.h"

/*
 * So long a drive may take, in milliseconds, in which nothing is sent or
 * received that is of use; others take a few.
 */
#define OMF_DRIVE_MAX_MS 1000

/* The signal that must not be blocked during a drive, or 0: there is none. */
extern int omf_drive_limit_signal(void);

/* A drive of those sockets begins, and ends. */
extern void omf_drive_limit_begin(OmfSockets *sockets);
extern void omf_drive_limit_progress(void);
extern void omf_drive_limit_end(void);

#endif /* OMF_DRIVE_LIMIT_H */
