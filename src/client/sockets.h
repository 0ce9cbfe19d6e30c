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
#include <sys/types.h>

typedef struct OmfSockets OmfSockets;

/*
 * Room for `max` sockets.  acquire() is asked before one is opened, and told
 * how many there are that what is to go over it could wait for instead;
 * release() is told when one is closed.  NULL when out of memory.
 */
extern OmfSockets *omf_sockets_create(int max, bool (*acquire)(int others),
									  void (*release)(void));

/* All sockets must have been closed. */
extern void omf_sockets_destroy(OmfSockets *sockets);

/*
 * As socket(2), close-on-exec; errno is EMFILE, too, when no more are allowed.
 * What is urgent waits for no other.
 */
extern int omf_sockets_open(OmfSockets *sockets, int family, int type,
							int protocol, bool urgent);

/* As close(2). */
extern int omf_sockets_close(OmfSockets *sockets, int fd);

/* What is remembered of an open socket, or NULL; until the next call. */
typedef struct OmfSocket
{
	int fd;
	unsigned int watched; /* OMF_POLL_...: what the pollset watches it for */
	bool kept;            /* libcurl keeps it, unused at present */
	bool urgent;          /* is for what can't wait */
	ino_t inode;          /* tells it from a later one of the same number */
} OmfSocket;

extern OmfSocket *omf_sockets_find(OmfSockets *sockets, int fd);

/*
 * End a kept connection whose server has spoken without having been asked:
 * libcurl finds it closed when it wants to use it again.
 */
extern void omf_sockets_end(OmfSocket *socket);

/* How many bytes have come over it that nobody has read yet. */
extern int omf_socket_unread(const OmfSocket *socket);

/* How many are open; after omf_sockets_sweep() that is exact. */
extern int omf_sockets_count(const OmfSockets *sockets);

/* End all connections; may be called from a signal's handler. */
extern void omf_sockets_cut(const OmfSockets *sockets);

/* Notice sockets that were closed without omf_sockets_close(). */
extern void omf_sockets_sweep(OmfSockets *sockets);

#endif /* OMF_SOCKETS_H */
