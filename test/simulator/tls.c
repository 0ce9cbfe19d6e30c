/*-------------------------------------------------------------------------
 *
 * tls.c
 *	  A certificate authority of our own, and TLS contexts of its making.
 *
 * Everything is made at start and lives in memory only, but for the CA's
 * certificate, which clients have to read.
 *
 *-------------------------------------------------------------------------
 */
#include "tls.h"

#include <stdio.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define DAY (24L * 60 * 60)

static EVP_PKEY *ca_key;
static X509 *ca_certificate;
static long last_serial;

static bool
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool added;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return added;
}

/* A certificate that is valid from a day ago until so many days from now. */
static X509 *
new_certificate(EVP_PKEY *key, const char *name, long days)
{
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_NAME_new();

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++last_serial);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -10 * DAY);
	X509_gmtime_adj(X509_getm_notAfter(certificate), days * DAY);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *) name, -1, -1, 0);
	X509_set_subject_name(certificate, subject);
	X509_NAME_free(subject);
	return certificate;
}

bool
tls_make_ca(const char *path)
{
	FILE *file = fopen(path, "w");
	bool made;

	ca_key = EVP_EC_gen("P-256");
	ca_certificate = new_certificate(ca_key, "Simulator CA", 3650);
	X509_set_issuer_name(ca_certificate, X509_get_subject_name(ca_certificate));
	made = file != NULL &&
		   add_extension(ca_certificate, ca_certificate, NID_basic_constraints, "critical,CA:TRUE") &&
		   add_extension(ca_certificate, ca_certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
		   add_extension(ca_certificate, ca_certificate, NID_subject_key_identifier, "hash") &&
		   X509_sign(ca_certificate, ca_key, EVP_sha256()) > 0 &&
		   PEM_write_X509(file, ca_certificate) == 1;
	if (file != NULL)
		made &= fclose(file) == 0;
	return made;
}

static X509 *
server_certificate(TlsKind kind, EVP_PKEY *key)
{
	X509 *certificate = new_certificate(key, "simulator", kind == TLS_EXPIRED ? -1 : 365);
	bool own = kind == TLS_SELFSIGNED;
	X509 *issuer = own ? certificate : ca_certificate;
	const char *names = kind == TLS_WRONGHOST ? "DNS:elsewhere.example.com"
											  : "DNS:localhost,DNS:*.simulator.test,IP:127.0.0.1,IP:::1";

	X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
	if (add_extension(certificate, issuer, NID_subject_alt_name, names) &&
		add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth") &&
		X509_sign(certificate, own ? key : ca_key, EVP_sha256()) > 0)
		return certificate;
	X509_free(certificate);
	return NULL;
}

/* Choose the protocol: h2 if the client offers it and we do, else HTTP/1.1. */
static int
select_protocol(SSL *tls, const unsigned char **out, unsigned char *out_length,
				const unsigned char *in, unsigned int in_length, void *http1_only)
{
	static const unsigned char both[] = "\x02h2\x08http/1.1";
	static const unsigned char one[] = "\x08http/1.1";
	unsigned char *chosen;

	(void) tls;
	if (SSL_select_next_proto(&chosen, out_length,
							  http1_only != NULL ? one : both,
							  http1_only != NULL ? sizeof(one) - 1 : sizeof(both) - 1,
							  in, in_length) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *
tls_context(TlsKind kind)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = server_certificate(kind, key);
	bool good = context != NULL && certificate != NULL &&
				SSL_CTX_use_certificate(context, certificate) == 1 &&
				SSL_CTX_use_PrivateKey(context, key) == 1;

	X509_free(certificate);
	EVP_PKEY_free(key);
	if (!good)
	{
		SSL_CTX_free(context);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(context, kind == TLS_OLD ? TLS1_1_VERSION : TLS1_2_VERSION);
	if (kind == TLS_OLD)
	{
		SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
		SSL_CTX_set_security_level(context, 0);
		SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
	}
	if (kind == TLS_CLIENT || kind == TLS_CLIENT_12)
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (kind == TLS_NO_TICKETS)
	{
		SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(context, 0);
	}
	if (kind == TLS_CLIENT_12)
		SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(context, select_protocol, kind == TLS_HTTP1 ? context : NULL);
	return context;
}

void
tls_free(void)
{
	X509_free(ca_certificate);
	EVP_PKEY_free(ca_key);
}
