/*-------------------------------------------------------------------------
 *
 * tls.c
 *	  Certificates, good and bad, and the TLS set-up of the listeners.
 *
 * A certification authority is made at each start and forgotten at the
 * end; its key is never written anywhere.
 *
 *-------------------------------------------------------------------------
 */
#include "tls.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define DAY (24L * 60 * 60)

/* A key and the certificate for it. */
typedef struct Identity
{
	EVP_PKEY *key;
	X509 *certificate;
} Identity;

static Identity authority;		 /* signs what the listeners show */
static Identity other_authority; /* signs nothing: for trust in the wrong one */

static bool
add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool good;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	good = (extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
	X509_EXTENSION_free(extension);
	return good;
}

static bool
set_random_serial(X509 *certificate)
{
	unsigned char bytes[8];
	uint64_t number;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	memcpy(&number, bytes, sizeof(number));
	return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number >> 1) == 1;
}

/*
 * Make a key and a certificate for it, valid from and to so many days from
 * now.  It signs itself unless there is an issuer.
 */
static bool
make_identity(Identity *identity, const char *name, const Identity *issuer, long from_day, long to_day)
{
	X509_NAME *subject = X509_NAME_new();
	X509 *certificate = X509_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	const Identity *signer = issuer;
	bool good;

	identity->key = key;
	identity->certificate = certificate;
	if (signer == NULL)
		signer = identity;
	good = subject != NULL && certificate != NULL && key != NULL &&
		X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *) name, -1, -1, 0) == 1 &&
		X509_set_version(certificate, X509_VERSION_3) == 1 &&
		set_random_serial(certificate) &&
		X509_gmtime_adj(X509_getm_notBefore(certificate), from_day * DAY) != NULL &&
		X509_gmtime_adj(X509_getm_notAfter(certificate), to_day * DAY) != NULL &&
		X509_set_subject_name(certificate, subject) == 1 &&
		X509_set_issuer_name(certificate, (issuer != NULL) ? X509_get_subject_name(issuer->certificate) : subject) == 1 &&
		X509_set_pubkey(certificate, key) == 1;
	X509_NAME_free(subject);
	return good;
}

static bool
make_authority(Identity *identity, const char *name)
{
	return make_identity(identity, name, NULL, -1, 30) &&
		add_extension(identity->certificate, NID_basic_constraints, "critical,CA:TRUE") &&
		add_extension(identity->certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
		add_extension(identity->certificate, NID_subject_key_identifier, "hash") &&
		X509_sign(identity->certificate, identity->key, EVP_sha256()) > 0;
}

static bool
make_server(Identity *identity, Flaw flaw)
{
	const Identity *issuer = (flaw == FLAW_SELFSIGNED) ? NULL : &authority;
	const char *names = (flaw == FLAW_WRONG_HOST)
		? "DNS:elsewhere.example.com"
		: "DNS:localhost,IP:127.0.0.1,IP:::1";

	return make_identity(identity, "OnlineMigrations simulator", issuer,
						 (flaw == FLAW_EXPIRED) ? -20 : -1, (flaw == FLAW_EXPIRED) ? -1 : 20) &&
		add_extension(identity->certificate, NID_basic_constraints, "critical,CA:FALSE") &&
		add_extension(identity->certificate, NID_key_usage, "critical,digitalSignature") &&
		add_extension(identity->certificate, NID_ext_key_usage, "serverAuth") &&
		add_extension(identity->certificate, NID_subject_alt_name, names) &&
		X509_sign(identity->certificate, (issuer != NULL) ? issuer->key : identity->key, EVP_sha256()) > 0;
}

static void
forget_identity(Identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
	memset(identity, 0, sizeof(*identity));
}

/* Choose among what the client offers: HTTP/2 rather than HTTP/1.1. */
static int
select_protocol(SSL *tls, const unsigned char **out, unsigned char *out_length,
				const unsigned char *in, unsigned int in_length, void *ours)
{
	const char *wanted = ours;
	unsigned char *chosen = NULL;

	(void) tls;
	if (SSL_select_next_proto(&chosen, out_length, (const unsigned char *) wanted,
							  (unsigned int) strlen(wanted), in, in_length) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool
set_versions(SSL_CTX *context, Flaw flaw)
{
	if (flaw != FLAW_OLD_VERSION)
		return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
	/* what OpenSSL allows at its lowest security level only */
	SSL_CTX_set_security_level(context, 0);
	return SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0") == 1 &&
		SSL_CTX_set_min_proto_version(context, TLS1_1_VERSION) == 1 &&
		SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION) == 1;
}

/* The set-up of a listener, or NULL if OpenSSL cannot do it. */
SSL_CTX *
tls_context(Flaw flaw)
{
	static char both[] = "\002h2\010http/1.1";
	static char http1_only[] = "\010http/1.1";
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	Identity identity = {0};
	bool good;

	good = context != NULL &&
		set_versions(context, flaw) &&
		make_server(&identity, flaw) &&
		SSL_CTX_use_certificate(context, identity.certificate) == 1 &&
		SSL_CTX_use_PrivateKey(context, identity.key) == 1 &&
		SSL_CTX_set_session_id_context(context, (const unsigned char *) "simulator", 9) == 1;
	forget_identity(&identity);
	if (!good)
	{
		ERR_print_errors_fp(stderr);
		SSL_CTX_free(context);
		return NULL;
	}
	SSL_CTX_set_alpn_select_cb(context, select_protocol, (flaw == FLAW_HTTP1) ? http1_only : both);
	return context;
}

bool
tls_start(void)
{
	return make_authority(&authority, "OnlineMigrations simulator CA") &&
		make_authority(&other_authority, "Another CA");
}

/* Write the CA's certificate, or that of the one that signs nothing. */
bool
tls_write_ca(const char *path, bool other)
{
	FILE *file = fopen(path, "we");
	bool good;

	if (file == NULL)
		return false;
	good = PEM_write_X509(file, other ? other_authority.certificate : authority.certificate) == 1;
	return (fclose(file) == 0) && good;
}

void
tls_stop(void)
{
	forget_identity(&authority);
	forget_identity(&other_authority);
}
