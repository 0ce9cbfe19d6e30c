/*-------------------------------------------------------------------------
 *
 * resolver.c
 *	  Addresses of a host's name, looked up without blocking.
 *
 *-------------------------------------------------------------------------
 */
#include "client/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/signals.h"

/* Shared by the thread and its owner; the last of them to let go frees it. */
struct OmfNameLookup
{
	pthread_mutex_t lock; /* of what follows */
	int owners;           /* of the two, those that hold it */
	int event;            /* eventfd, or -1: nobody waits */
	bool ended;           /* the results are there */
	const char *problem;  /* of static storage, or NULL */
	int naddresses;       /* how many there are, in numbers: */
	char addresses[OMF_ADDRESSES_MAX][OMF_ADDRESS_SIZE];
	char host[]; /* that is looked up */
};

/* Let go of it, with the lock held. */
static void
let_go(OmfNameLookup *lookup)
{
	bool last = --lookup->owners == 0;

	pthread_mutex_unlock(&lookup->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&lookup->lock);
	free(lookup);
}

static void
keep_addresses(OmfNameLookup *lookup, const struct addrinfo *found)
{
	for (; found != NULL && lookup->naddresses < OMF_ADDRESSES_MAX;
		 found = found->ai_next)
		if (getnameinfo(found->ai_addr, found->ai_addrlen,
						lookup->addresses[lookup->naddresses],
						OMF_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) == 0)
			lookup->naddresses++;
}

static void *
look_up(void *arg)
{
	OmfNameLookup *lookup = arg;
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
							 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int error = getaddrinfo(lookup->host, NULL, &hints, &found);
	uint64_t one = 1;

	pthread_mutex_lock(&lookup->lock);
	if (error == 0)
		keep_addresses(lookup, found);
	if (lookup->naddresses == 0)
		lookup->problem = error != 0 ? gai_strerror(error) : "the name has no address";
	lookup->ended = true;

	/* an eventfd that was never written to takes one */
	if (lookup->event >= 0 && write(lookup->event, &one, sizeof(one)) < 0)
		lookup->problem = "the look-up could not be told of";
	let_go(lookup);
	if (found != NULL)
		freeaddrinfo(found);
	return NULL;
}

/* The process's signals are for its own thread. */
static bool
start_thread(OmfNameLookup *lookup)
{
	pthread_t thread;
	sigset_t before;
	bool started;

	omf_signals_hold(&before, 0);
	started = pthread_create(&thread, NULL, look_up, lookup) == 0;
	omf_signals_release(&before);
	if (started)
		pthread_detach(thread);
	return started;
}

OmfNameLookup *
omf_resolver_begin(const char *host)
{
	OmfNameLookup *lookup = calloc(1,
								   sizeof(OmfNameLookup) + strlen(host) + 1);

	if (lookup == NULL)
		return NULL;
	strcpy(lookup->host, host);
	lookup->owners = 2;
	lookup->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lookup->event < 0 || pthread_mutex_init(&lookup->lock, NULL) != 0)
	{
		if (lookup->event >= 0)
			close(lookup->event);
		free(lookup);
		return NULL;
	}
	if (!start_thread(lookup))
	{
		lookup->owners = 1;
		omf_resolver_free(lookup);
		return NULL;
	}
	return lookup;
}

int
omf_resolver_fd(const OmfNameLookup *lookup)
{
	return lookup->event;
}

int
omf_resolver_addresses(OmfNameLookup *lookup,
					   char (**addresses)[OMF_ADDRESS_SIZE],
					   const char **problem)
{
	bool ended;

	pthread_mutex_lock(&lookup->lock);
	ended = lookup->ended;
	pthread_mutex_unlock(&lookup->lock);
	if (!ended)
		return -1;
	*addresses = lookup->addresses;
	*problem = lookup->problem;
	return lookup->naddresses;
}

void
omf_resolver_free(OmfNameLookup *lookup)
{
	if (lookup == NULL)
		return;
	pthread_mutex_lock(&lookup->lock);
	close(lookup->event);
	lookup->event = -1;
	let_go(lookup);
}
