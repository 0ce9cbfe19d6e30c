/*-------------------------------------------------------------------------
 *
 * sockets.h
 *	  libcurl's sockets, counted.
 *
 * PostgreSQL wants to know of descriptors that it did not open itself, and a
 * program started by COPY ... PROGRAM must not inherit them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SOCKETS_H
#define OMF_SOCKETS_H

#include <stdbool.h>

typedef struct OmfSockets OmfSockets;

/*
 * Room for `max` sockets.  acquire() is asked before one is opened, release()
 * told when one is closed.  NULL when out of memory.
 */
extern OmfSockets *omf_sockets_create(int max, bool (*acquire)(void), void (*release)(void));

/* All sockets must have been closed. */
extern void omf_sockets_destroy(OmfSockets *sockets);

/* As socket(2), close-on-exec; -1 when that fails or no more are allowed. */
extern int omf_sockets_open(OmfSockets *sockets, int family, int type, int protocol);

/* As close(2). */
extern int omf_sockets_close(OmfSockets *sockets, int fd);

/* Notice sockets that were closed without omf_sockets_close(). */
extern void omf_sockets_sweep(OmfSockets *sockets);

#endif /* OMF_SOCKETS_H */
