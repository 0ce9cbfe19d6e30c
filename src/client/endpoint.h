/*-------------------------------------------------------------------------
 *
 * endpoint.h
 *	  What may be given as the server option "endpoint".
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_ENDPOINT_H
#define OMF_ENDPOINT_H

/* The longest endpoint that is accepted, in bytes. */
#define OMF_ENDPOINT_MAX 1024

/*
 * NULL if requests can be sent below this URL, else why not: a constant
 * sentence, fit for a DETAIL.  The syntax is that of RFC 3986, less what an
 * endpoint has no use for: user, query, fragment, dot segments and
 * percent-encoding.  Plain http is for a loopback host only.
 */
extern const char *omf_endpoint_problem(const char *endpoint);

/*
 * Bring one that is accepted to the form that all its spellings have, in
 * place: scheme and host in small letters, no port that the scheme has by
 * itself, and no slash at the end (RFC 3986, sections 6.2.2.1 and 6.2.3).
 */
extern void omf_endpoint_normalize(char *endpoint);

#endif /* OMF_ENDPOINT_H */
