/*-------------------------------------------------------------------------
 *
 * resolver.h
 *	  Addresses of a host's name, looked up without blocking.
 *
 * getaddrinfo() can take minutes where a name server swallows packets, and
 * can't be called off.  So a thread calls it, which touches nothing but the
 * look-up's own memory, and is left to itself when nobody waits any more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_RESOLVER_H
#define OMF_RESOLVER_H

#include <stdbool.h>

/* The most addresses of a name that are worth a try. */
#define OMF_ADDRESSES_MAX 8

/* Room for one in numbers, with a zone. */
#define OMF_ADDRESS_SIZE 64

typedef struct OmfNameLookup OmfNameLookup;

/* Begin to look up a name, or an address in numbers; NULL: out of memory. */
extern OmfNameLookup *omf_resolver_begin(const char *host);

/* The descriptor that is readable when the look-up has ended. */
extern int omf_resolver_fd(const OmfNameLookup *lookup);

/*
 * What the look-up came to once it has ended: how many addresses, or 0 with
 * *problem set to the resolver's words.  Both live as long as the look-up.
 * Before its end: -1.
 */
extern int omf_resolver_addresses(OmfNameLookup *lookup,
								  char (**addresses)[OMF_ADDRESS_SIZE],
								  const char **problem);

/* Free it, whether it has ended or not. */
extern void omf_resolver_free(OmfNameLookup *lookup);

#endif /* OMF_RESOLVER_H */
