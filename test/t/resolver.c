/*-------------------------------------------------------------------------
 *
 * resolver.c
 *	  Name look-ups that go wrong, for 017_faults.pl: preloaded into a server.
 *
 * Names below simulator.test have a fate of their own; all others are looked up
 * as ever.  127.0.0.1 is where the simulator listens, 127.0.0.2 has nobody, and
 * at 127.0.0.3 the suite has a listener that never accepts.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

typedef int (*Lookup)(const char *node, const char *service, const struct addrinfo *hints,
					  struct addrinfo **result);

static const struct
{
	const char *name;
	const char *first;	/* its addresses, or NULL */
	const char *second;
	int error;			/* without an address */
	unsigned int ms;	/* that it takes */
} fates[] = {
	{"nowhere.simulator.test", NULL, NULL, EAI_NONAME, 0},
	{"unsure.simulator.test", NULL, NULL, EAI_AGAIN, 0},
	{"slow.simulator.test", "127.0.0.1", NULL, 0, 20000},
	{"late.simulator.test", "127.0.0.1", NULL, 0, 250},
	{"source.simulator.test", "127.0.0.1", NULL, 0, 0},
	{"dead.simulator.test", "127.0.0.2", NULL, 0, 0},
	{"deadfirst.simulator.test", "127.0.0.2", "127.0.0.1", 0, 0},
	{"deaffirst.simulator.test", "127.0.0.3", "127.0.0.1", 0, 0},
};

/* glibc frees each entry of a list by itself, so that lists can be joined. */
static int
look_up_both(Lookup look_up, const char *first, const char *second, const char *service,
			 const struct addrinfo *hints, struct addrinfo **result)
{
	struct addrinfo *last;
	int error = look_up(first, service, hints, result);

	if (error != 0 || second == NULL)
		return error;
	for (last = *result; last->ai_next != NULL;)
		last = last->ai_next;
	return look_up(second, service, hints, &last->ai_next);
}

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
			struct addrinfo **result)
{
	Lookup look_up = (Lookup) dlsym(RTLD_NEXT, "getaddrinfo");

	for (size_t i = 0; node != NULL && i < sizeof(fates) / sizeof(fates[0]); i++)
	{
		if (strcmp(node, fates[i].name) != 0)
			continue;
		if (fates[i].ms > 0)
			usleep(fates[i].ms * 1000);
		if (fates[i].first == NULL)
			return fates[i].error;
		return look_up_both(look_up, fates[i].first, fates[i].second, service, hints, result);
	}
	return look_up(node, service, hints, result);
}
