/*-------------------------------------------------------------------------
 *
 * proxy.h
 *	  The proxy that the environment names for https.
 *
 * libcurl would look at the environment itself, for every connection, and
 * quote what it finds there, password and all, in its error texts.  So it is
 * told of a proxy's address and of its user apart, and looks no more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_PROXY_H
#define OMF_PROXY_H

#include <stdbool.h>

typedef struct OmfProxy
{
	char *url;      /* without user and password; "" where there is no proxy */
	char *host;     /* of it, for messages; NULL where there is no proxy */
	bool malformed; /* behind the host stands no port, which is in no part, or
					 * before it a byte of zero */
	char *user;     /* or NULL */
	char *password; /* or NULL; wiped when done with */
	char *except;   /* hosts that are reached without it, or "" */
} OmfProxy;

/* False when out of memory; to be freed in either case. */
extern bool omf_proxy_from_environment(OmfProxy *proxy);

extern void omf_proxy_free(OmfProxy *proxy);

/*
 * Take what stands between "://" and "@" out of a text, up to the next white
 * space or quotation mark: nobody's user information is for messages.
 */
extern void omf_proxy_scrub(char *text);

#endif /* OMF_PROXY_H */
