/*-------------------------------------------------------------------------
 *
 * tls.h
 *	  Certificates, good and bad, and the TLS set-up of the listeners.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_TLS_H
#define SIMULATOR_TLS_H

#include <stdbool.h>

#include <openssl/ssl.h>

/* What is special about a TLS listener. */
typedef enum Flaw
{
	FLAW_NONE,
	FLAW_EXPIRED,	  /* the certificate was valid until yesterday */
	FLAW_SELFSIGNED,  /* no CA has signed it */
	FLAW_WRONG_HOST,  /* it is for another host */
	FLAW_OLD_VERSION, /* TLS 1.1 only */
	FLAW_HTTP1		  /* ALPN offers HTTP/1.1 only */
} Flaw;

extern bool tls_start(void);
extern bool tls_write_ca(const char *path, bool other);
extern SSL_CTX *tls_context(Flaw flaw);
extern void tls_stop(void);

#endif /* SIMULATOR_TLS_H */
