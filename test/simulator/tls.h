/*-------------------------------------------------------------------------
 *
 * tls.h
 *	  A certificate authority of our own, and TLS contexts of its making.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_TLS_H
#define SIMULATOR_TLS_H

#include <stdbool.h>

#include <openssl/ssl.h>

/* What is odd about a certificate, or about the TLS spoken. */
typedef enum TlsKind
{
	TLS_GOOD,
	TLS_EXPIRED,	/* the certificate ended yesterday */
	TLS_SELFSIGNED, /* by a key that no CA knows */
	TLS_WRONGHOST,	/* the certificate is for another name */
	TLS_OLD,		/* speaks TLS 1.1 only */
	TLS_HTTP1,		/* a good one that offers HTTP/1.1 only */
	TLS_CLIENT,		/* wants the client's certificate */
	TLS_CLIENT_12,	/* the same, and speaks TLS 1.2 only */
	TLS_NO_TICKETS	/* a good one that gives no session tickets */
} TlsKind;

/* Make the CA, and write its certificate to a file in PEM form. */
extern bool tls_make_ca(const char *path);

/* A server's context; NULL on failure. */
extern SSL_CTX *tls_context(TlsKind kind);

extern void tls_free(void);

#endif /* SIMULATOR_TLS_H */
