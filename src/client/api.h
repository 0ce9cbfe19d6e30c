/*-------------------------------------------------------------------------
 *
 * api.h
 *	  The vocabulary of DigitalOcean's managed databases API.
 *
 * What the answers to its calls mean; the calls themselves are in resource.h.
 * https://docs.digitalocean.com/reference/api/
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_API_H
#define OMF_API_H

#include "client/engine.h"
#include "client/mask.h"
#include "client/resource.h"

/* Cap of the body of an answer about one cluster, in bytes. */
#define OMF_BODY_MAX (1024 * 1024)

/* Cap of the body of one page of a listing, in bytes. */
#define OMF_PAGE_BODY_MAX (16 * 1024 * 1024)

/*
 * Cap of the clusters on one page: each takes memory beyond its bytes.  The
 * API puts no more than OMF_PAGE_SIZE there; one that does not know "per_page"
 * may put all of an account's.
 */
#define OMF_PAGE_CLUSTERS_MAX 10000

/* What went wrong, in the terms in which users are told. */
typedef enum OmfErrorKind
{
	OMF_ERROR_UNAUTHORIZED, /* 401 */
	OMF_ERROR_FORBIDDEN,    /* 403 */
	OMF_ERROR_NOT_FOUND,    /* 404 */
	OMF_ERROR_CONFLICT,     /* 409, 412 */
	OMF_ERROR_INVALID,      /* 400, 422 */
	OMF_ERROR_RATE_LIMIT,   /* 429 */
	OMF_ERROR_HTTP,         /* any other status that was not expected */
	OMF_ERROR_SERVER,       /* 5xx */
	OMF_ERROR_UNREACHABLE,  /* no connection */
	OMF_ERROR_LOST,         /* connection lost, or no answer in time */
	OMF_ERROR_UNKNOWN,      /* a start of which nobody knows the outcome */
	OMF_ERROR_REPLY,        /* an answer that makes no sense */
	OMF_ERROR_TOO_LARGE,    /* an answer over a cap */
	OMF_ERROR_NO_MEMORY
} OmfErrorKind;

#define OMF_API_ID_SIZE 64
#define OMF_API_MESSAGE_SIZE 512
#define OMF_PROXY_HOST_SIZE 256 /* no host name is longer */

/*
 * A failed call: one malloc'd block, released by free().  Its strings are
 * UTF-8 (clipped between characters), without control characters, and with
 * the secrets masked.
 */
typedef struct OmfError
{
	OmfErrorKind kind;
	OmfMethod method;                     /* of the request */
	char path[OMF_PAGE_PATH_SIZE];        /* of the request */
	int http_status;                      /* or 0: not answered */
	char api_id[OMF_API_ID_SIZE];         /* the API's "id", or empty */
	char message[OMF_API_MESSAGE_SIZE];   /* the API's "message", or empty */
	char request_id[OMF_REQUEST_ID_SIZE]; /* for the API's support, or empty */
	char words[OMF_WORDS_SIZE];           /* libcurl's or json.c's, or empty */
	bool maybe_done;                      /* a start, perhaps carried out */
	bool passing;                         /* the call could do better later */
	int tries;                            /* how often it was sent */
	int64_t resets_in;                    /* seconds to its end, or -1 */
	int64_t sent_at;                      /* epoch seconds, last time, or 0 */
	bool http1_wanted;                    /* the server wants HTTP/1.1 */
	bool tls_disorder;                    /* the TLS library fails in itself */
	bool no_descriptors;                  /* this process may have no more */
	char proxy[OMF_PROXY_HOST_SIZE];      /* environment's proxy, or empty */
} OmfError;

typedef enum OmfResult
{
	OMF_RESULT_RECORD,    /* a resource, or for DELETE: done */
	OMF_RESULT_NOT_FOUND, /* 404 */
	OMF_RESULT_ERROR
} OmfResult;

/*
 * What a finished request came to.  For OMF_RESULT_RECORD of a GET or PUT,
 * *record holds a value for every field of the resource (the key's is NULL);
 * *error is set for OMF_RESULT_NOT_FOUND and OMF_RESULT_ERROR (and may be NULL
 * when even that could not be had for lack of memory).  A record of which one
 * of `fields` is not of its type is an error; *record then holds the others.
 * The caller free()s both.
 */
extern OmfResult omf_api_result(const OmfResource *resource,
								const OmfRequest *request, OmfJsonSet fields,
								const OmfSecrets *secrets,
								OmfRecord **record, OmfError **error);

/* Does the failure concern all that is asked with that token? */
extern bool omf_api_concerns_all(const OmfError *error);

/* Does a cluster's failure say that it can't have an online migration? */
extern bool omf_api_is_unsupported(const OmfError *error);

/*
 * Could the API not be had, for now or at all?  (It had nothing against the
 * request.)
 */
extern bool omf_api_is_absence(const OmfError *error);

/* An error of our own about a finished request; NULL when out of memory. */
extern OmfError *omf_api_error(const OmfRequest *request, OmfErrorKind kind,
							   const char *words, const OmfSecrets *secrets);

/* The error that answers make no sense together, of that path; likewise. */
extern OmfError *omf_api_misfit(const char *path, const char *words);

/* A cluster on a page. */
typedef struct OmfPageCluster
{
	unsigned char uuid[OMF_UUID_SIZE];
	OmfRecord *record; /* of the resource clusters, malloc'd */
	OmfError *error;   /* likewise, or NULL: a field is not of its type */
} OmfPageCluster;

/* One page of the listing of clusters. */
typedef struct OmfPage
{
	OmfPageCluster *clusters; /* who takes a record or error puts NULL */
	int nclusters;
	int64_t total;  /* meta.total: clusters in all, or -1: not said */
	int64_t last;   /* the page that links.pages.last names, or -1: none */
	int64_t next;   /* likewise links.pages.next; 0: a link without a number */
	bool has_links; /* there are links, be it to no other page */
} OmfPage;

/*
 * What a finished request for a page came to: NULL and *error set (or NULL
 * for lack of memory) on failure.  Freed by omf_api_page_free().  The body,
 * which holds the passwords of clusters, is wiped before this returns.  A page
 * may be long: must_stop() is asked now and then, and once it says so, there
 * is neither a page nor an error.
 */
extern OmfPage *omf_api_page(OmfRequest *request, OmfJsonSet fields,
							 const OmfSecrets *secrets,
							 bool (*must_stop)(void), OmfError **error);

extern void omf_api_page_free(OmfPage *page);

#endif /* OMF_API_H */
