/*-------------------------------------------------------------------------
 *
 * sockets.c
 *	  libcurl's sockets, counted.
 *
 * libcurl (7.88 for one) closes a socket that never got connected by itself,
 * without calling back.  A table of what is open makes up for that: the inode
 * tells a socket from a later one of the same number.
 *
 *-------------------------------------------------------------------------
 */
#include "client/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct OmfSockets
{
	bool (*acquire)(int others);
	void (*release)(void);
	int max;          /* length of open */
	int nopen;        /* how many of them */
	OmfSocket open[]; /* acquired, and not released */
};

OmfSockets *
omf_sockets_create(int max, bool (*acquire)(int others),
				   void (*release)(void))
{
	OmfSockets *sockets =
		malloc(sizeof(OmfSockets) + sizeof(OmfSocket) * (size_t) max);

	if (sockets == NULL)
		return NULL;
	sockets->acquire = acquire;
	sockets->release = release;
	sockets->max = max;
	sockets->nopen = 0;
	return sockets;
}

void
omf_sockets_destroy(OmfSockets *sockets)
{
	if (sockets == NULL)
		return;
	omf_sockets_sweep(sockets);
	free(sockets);
}

int
omf_sockets_count(const OmfSockets *sockets)
{
	return sockets->nopen;
}

void
omf_sockets_sweep(OmfSockets *sockets)
{
	int kept = 0;

	for (int i = 0; i < sockets->nopen; i++)
	{
		struct stat status;

		if (fstat(sockets->open[i].fd, &status) == 0 &&
			status.st_ino == sockets->open[i].inode)
			sockets->open[kept++] = sockets->open[i];
		else
			sockets->release();
	}
	sockets->nopen = kept;
}

/* How many are there that what can wait could go over next? */
static int
count_others(const OmfSockets *sockets)
{
	int others = 0;

	for (int i = 0; i < sockets->nopen; i++)
		others += !sockets->open[i].urgent;
	return others;
}

int
omf_sockets_open(OmfSockets *sockets, int family, int type, int protocol,
				 bool urgent)
{
	OmfSocket *opened;
	struct stat status;
	int problem;
	int fd;

	if (sockets->nopen == sockets->max)
		omf_sockets_sweep(sockets);
	if (sockets->nopen == sockets->max ||
		!sockets->acquire(urgent ? 0 : count_others(sockets)))
	{
		errno = EMFILE;
		return -1;
	}
#ifdef SOCK_CLOEXEC
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
#else
	fd = socket(family, type, protocol);
	if (fd >= 0)
		(void) fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
	if (fd < 0 || fstat(fd, &status) != 0)
	{
		problem = errno;
		sockets->release();
		errno = problem;
		return fd;
	}
	opened = &sockets->open[sockets->nopen++];
	*opened = (OmfSocket){fd, 0, false, urgent, status.st_ino};
	return fd;
}

OmfSocket *
omf_sockets_find(OmfSockets *sockets, int fd)
{
	for (int i = 0; i < sockets->nopen; i++)
		if (sockets->open[i].fd == fd)
			return &sockets->open[i];
	return NULL;
}

int
omf_socket_unread(const OmfSocket *socket)
{
	int unread = 0;

	return ioctl(socket->fd, FIONREAD, &unread) == 0 ? unread : 0;
}

int
omf_sockets_close(OmfSockets *sockets, int fd)
{
	OmfSocket *socket = omf_sockets_find(sockets, fd);

	if (socket != NULL)
	{
		*socket = sockets->open[--sockets->nopen];
		sockets->release();
	}
	return close(fd);
}

void
omf_sockets_cut(const OmfSockets *sockets)
{
	for (int i = 0; i < sockets->nopen; i++)
		(void) shutdown(sockets->open[i].fd, SHUT_RDWR);
}

void
omf_sockets_end(OmfSocket *socket)
{
	char unasked[4096];

	/* what comes after this resets the connection, so there is an end to it */
	(void) shutdown(socket->fd, SHUT_RDWR);
	while (recv(socket->fd, unasked, sizeof(unasked), MSG_DONTWAIT) > 0)
		;
	socket->kept = false;
}
