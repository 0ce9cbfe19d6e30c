/*-------------------------------------------------------------------------
 *
 * api.c
 *	  The vocabulary of DigitalOcean's managed databases API.
 *
 *-------------------------------------------------------------------------
 */
#include "client/api.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/retry.h"

#define lengthof_array(array) ((int) (sizeof(array) / sizeof((array)[0])))

/* ----- texts ----- */

/*
 * Copy text of the API's into a message: masked first, so that clipping can't
 * leave a part of a secret, then clipped between characters and freed of
 * control characters.
 */
static void
copy_text(char *target, size_t size, const char *text,
		  const OmfSecrets *secrets)
{
	char *masked = strdup(text);
	size_t length;

	target[0] = '\0';
	if (masked == NULL)
		return;
	omf_mask(masked, secrets);
	length = strlen(masked);
	if (length >= size)
	{
		length = size - 1;
		while (length > 0 && ((unsigned char) masked[length] & 0xC0) == 0x80)
			length--;
	}
	memcpy(target, masked, length);
	target[length] = '\0';
	for (char *next = target; *next != '\0'; next++)
		if ((unsigned char) *next < 0x20 || *next == 0x7F)
			*next = ' ';
	free(masked);
}

/* ----- answers ----- */

/* Statuses with a meaning of their own; for the others see http_error_kind. */
static const struct
{
	int http_status;
	OmfErrorKind kind;
} status_kinds[] = {
	{400, OMF_ERROR_INVALID},
	{401, OMF_ERROR_UNAUTHORIZED},
	{403, OMF_ERROR_FORBIDDEN},
	{404, OMF_ERROR_NOT_FOUND},
	{409, OMF_ERROR_CONFLICT},
	{412, OMF_ERROR_CONFLICT},
	{422, OMF_ERROR_INVALID},
	{429, OMF_ERROR_RATE_LIMIT},
};

static OmfErrorKind
http_error_kind(int http_status)
{
	for (int i = 0; i < lengthof_array(status_kinds); i++)
		if (status_kinds[i].http_status == http_status)
			return status_kinds[i].kind;
	return http_status >= 500 ? OMF_ERROR_SERVER : OMF_ERROR_HTTP;
}

/*
 * Has a start been answered, as far as the answer came, and not refused?  As
 * long as no migration is named, nobody knows what has come of it.
 */
static bool
is_start_not_refused(OmfMethod method, const OmfReply *reply)
{
	return method == OMF_PUT && reply->http_status < 300;
}

static OmfErrorKind
error_kind(OmfMethod method, const OmfReply *reply)
{
	switch (reply->outcome)
	{
		case OMF_ANSWERED:
			return is_start_not_refused(method, reply)
					   ? OMF_ERROR_UNKNOWN
					   : http_error_kind(omf_reply_status(reply));
		case OMF_UNREACHABLE:
			return OMF_ERROR_UNREACHABLE;
		case OMF_REFUSED:
			return OMF_ERROR_LOST;
		case OMF_LOST:
		case OMF_TIMED_OUT:
			return method == OMF_PUT ? OMF_ERROR_UNKNOWN : OMF_ERROR_LOST;
		case OMF_TOO_LARGE:
			return is_start_not_refused(method, reply) ? OMF_ERROR_UNKNOWN
													   : OMF_ERROR_TOO_LARGE;
		case OMF_HELD_BACK:
			return OMF_ERROR_RATE_LIMIT;
		case OMF_NO_MEMORY:
			break;
	}
	return OMF_ERROR_NO_MEMORY;
}

/* Seconds until the rate limit lets more through, or -1 if nobody said. */
static int64_t
limit_resets_in(const OmfReply *reply)
{
	int64_t pause = -1;

	if (reply->outcome == OMF_HELD_BACK)
		pause = reply->pause_ms;
	else if (reply->outcome == OMF_ANSWERED && omf_reply_status(reply) == 429)
		pause = omf_retry_asked_pause(reply);
	return pause >= 0 ? (pause + 999) / 1000 : -1;
}

/* Can a text have the secret in an encoding that is not UTF-8? */
static bool
is_secret_beyond_ascii(const OmfSecrets *secrets)
{
	for (int i = 0; i < secrets->ntexts; i++)
		for (const char *next = secrets->texts[i]; next != NULL && *next != '\0';
			 next++)
			if ((unsigned char) *next >= 0x80)
				return true;
	return false;
}

/*
 * The API's own words, as far as they can be shown; an answer of a proxy in
 * between may have none, or be in another encoding.
 */
static void
read_error_body(OmfError *error, const OmfReply *reply,
				const OmfSecrets *secrets)
{
	static const OmfJsonMember members[] = {{"id", OMF_JSON_STRING},
											{"message", OMF_JSON_STRING},
											{"request_id", OMF_JSON_STRING}};
	struct
	{
		char *text;
		size_t size;
	} const targets[] = {{error->api_id, sizeof(error->api_id)},
						 {error->message, sizeof(error->message)},
						 {error->request_id, sizeof(error->request_id)}};
	char reason[OMF_JSON_REASON_SIZE];
	size_t length = reply->body_length;
	OmfRecord *record;
	char *body;

	if (reply->content_encoded || length == 0)
		return;
	body = malloc(length);
	if (body == NULL)
		return;
	memcpy(body, reply->body, length);
	/* a secret with a question mark in it would not be found */
	if (!is_secret_beyond_ascii(secrets))
		length = omf_json_make_legible(body, length);
	if (omf_json_decode(body, length, members, lengthof_array(members),
						&record, reason) == OMF_JSON_OK)
		for (int i = 0; i < record->nvalues; i++)
		{
			char *value = (char *) (uintptr_t) record->values[i];

			if (value == NULL)
				continue;
			copy_text(targets[i].text, targets[i].size, value, secrets);
			explicit_bzero(value, strlen(value));
		}
	free(record);
	explicit_bzero(body, reply->body_length);
	free(body);
}

bool
omf_api_concerns_all(const OmfError *error)
{
	switch (error->kind)
	{
		case OMF_ERROR_UNAUTHORIZED:
		case OMF_ERROR_FORBIDDEN:
		case OMF_ERROR_RATE_LIMIT:
		case OMF_ERROR_UNREACHABLE:
		case OMF_ERROR_NO_MEMORY:
			return true;
		default:
			return false;
	}
}

bool
omf_api_is_unsupported(const OmfError *error)
{
	return error->http_status == 412 || error->http_status == 422;
}

bool
omf_api_is_absence(const OmfError *error)
{
	switch (error->kind)
	{
		case OMF_ERROR_RATE_LIMIT:
		case OMF_ERROR_SERVER:
		case OMF_ERROR_UNREACHABLE:
		case OMF_ERROR_LOST:
			return true;
		default:
			return false;
	}
}

OmfError *
omf_api_error(const OmfRequest *request, OmfErrorKind kind, const char *words,
			  const OmfSecrets *secrets)
{
	const OmfReply *reply = omf_request_reply(request);
	OmfError *error = calloc(1, sizeof(OmfError));

	if (error == NULL)
		return NULL;
	error->kind = kind;
	error->method = omf_request_method(request);
	snprintf(error->path, sizeof(error->path), "%s",
			 omf_request_path(request));
	error->http_status = reply->http_status;
	error->maybe_done = error->method == OMF_PUT && reply->sent_at > 0 &&
						omf_retry_maybe_done(reply);
	error->passing = omf_retry_could_help(reply) ||
					 (reply->outcome == OMF_HELD_BACK && reply->pause_ms >= 0);
	error->tries = reply->tries;
	error->sent_at = reply->sent_at;
	error->http1_wanted = reply->http1_wanted;
	error->tls_disorder = reply->tls_disorder;
	error->no_descriptors = reply->no_descriptors;
	if (reply->proxy != NULL)
		copy_text(error->proxy, sizeof(error->proxy), reply->proxy, secrets);
	error->resets_in = limit_resets_in(reply);
	copy_text(error->words, sizeof(error->words), words, secrets);
	copy_text(error->request_id, sizeof(error->request_id), reply->request_id,
			  secrets);
	if (reply->outcome == OMF_ANSWERED && omf_reply_status(reply) >= 400)
		read_error_body(error, reply, secrets);
	return error;
}

/* The error that a document which makes no sense amounts to. */
static OmfErrorKind
json_error_kind(OmfJsonStatus status)
{
	switch (status)
	{
		case OMF_JSON_TOO_LARGE:
			return OMF_ERROR_TOO_LARGE;
		case OMF_JSON_NO_MEMORY:
			return OMF_ERROR_NO_MEMORY;
		default:
			return OMF_ERROR_REPLY;
	}
}

OmfError *
omf_api_misfit(const char *path, const char *words)
{
	OmfError *error = calloc(1, sizeof(OmfError));

	if (error == NULL)
		return NULL;
	error->kind = OMF_ERROR_REPLY;
	error->method = OMF_GET;
	error->http_status = 200;
	error->tries = 1;
	error->resets_in = -1;
	snprintf(error->path, sizeof(error->path), "%s", path);
	snprintf(error->words, sizeof(error->words), "%s", words);
	return error;
}

/* Check the body of a 200. */
static OmfJsonStatus
check_body(const OmfReply *reply, OmfJson *document,
		   char reason[OMF_JSON_REASON_SIZE])
{
	if (reply->content_encoded)
	{
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "The answer has a Content-Encoding, which was not asked for.");
		return OMF_JSON_MALFORMED;
	}
	return omf_json_check(omf_reply_body(reply), reply->body_length, document,
						  reason);
}

/* The members of the resource's fields. */
static void
field_members(const OmfResource *resource,
			  OmfJsonMember members[OMF_JSON_MAX_MEMBERS])
{
	for (int i = 0; i < resource->nfields; i++)
		members[i] = resource->fields[i].member;
}

/*
 * Decode the body of a 200.  The record may be there although one of `fields`
 * is not of its type.
 */
static OmfJsonStatus
read_record(const OmfResource *resource, const OmfReply *reply,
			OmfJsonSet fields, OmfRecord **record,
			char reason[OMF_JSON_REASON_SIZE])
{
	OmfJsonMember members[OMF_JSON_MAX_MEMBERS];
	OmfJson document = {"{}", 2};
	OmfJsonStatus status = OMF_JSON_OK;

	/* an empty body on a finished migration: nothing is known about it */
	if (reply->content_encoded || resource->item[0] != '\0' ||
		!omf_json_is_blank(omf_reply_body(reply), reply->body_length))
		status = check_body(reply, &document, reason);
	if (status != OMF_JSON_OK)
		return status;
	field_members(resource, members);
	status = omf_json_record(omf_json_find(document, resource->item),
							 resource->item, members, resource->nfields,
							 record, reason);
	if (status == OMF_JSON_OK &&
		omf_json_misfit(*record, members, fields, reason))
		status = OMF_JSON_MISFIT;
	return status;
}

/* Does the status say that it was done?  A start has several. */
static bool
is_success(OmfMethod method, int http_status)
{
	switch (method)
	{
		case OMF_GET:
			return http_status == 200;
		case OMF_PUT:
			return http_status >= 200 && http_status <= 202;
		case OMF_DELETE:
			return http_status == 200 || http_status == 202 ||
				   http_status == 204;
	}
	return false;
}

/*
 * Does an answer of success name the migration that was started, by an id that
 * can be one?
 */
static bool
names_migration(const OmfRecord *record)
{
	const char *id = record->values[OMF_MIGRATION_ID];

	return id != NULL && omf_api_is_migration_id(id);
}

/*
 * Is it of another cluster than the one in the path?  A cluster says which one
 * it is; a migration does not.
 */
static bool
is_of_another(const OmfResource *resource, const OmfRequest *request,
			  const OmfRecord *record)
{
	const char *id = record->values[resource->key];
	const char *asked = omf_request_path(request) + strlen(OMF_CLUSTERS_PATH);

	return id != NULL && strncasecmp(id, asked, OMF_UUID_TEXT) != 0;
}

/*
 * What a record that was read, or was not, amounts to.  A start is one only if
 * the answer says of what migration; else nobody knows, whatever kept it from
 * being read.
 */
static OmfErrorKind
record_error_kind(OmfMethod method, OmfJsonStatus status)
{
	return method == OMF_PUT && status != OMF_JSON_NO_MEMORY
			   ? OMF_ERROR_UNKNOWN
			   : json_error_kind(status);
}

OmfResult
omf_api_result(const OmfResource *resource, const OmfRequest *request,
			   OmfJsonSet fields, const OmfSecrets *secrets,
			   OmfRecord **record, OmfError **error)
{
	const OmfReply *reply = omf_request_reply(request);
	OmfMethod method = omf_request_method(request);
	char reason[OMF_JSON_REASON_SIZE];
	OmfJsonStatus status;
	OmfErrorKind kind;

	*record = NULL;
	*error = NULL;
	if (reply->outcome != OMF_ANSWERED ||
		!is_success(method, omf_reply_status(reply)))
	{
		kind = error_kind(method, reply);
		*error = omf_api_error(request, kind, reply->words, secrets);
		return kind == OMF_ERROR_NOT_FOUND ? OMF_RESULT_NOT_FOUND
										   : OMF_RESULT_ERROR;
	}
	if (method == OMF_DELETE)
		return OMF_RESULT_RECORD;
	status = read_record(resource, reply, fields, record, reason);
	if (status == OMF_JSON_OK && method == OMF_PUT &&
		!names_migration(*record))
	{
		snprintf(reason, sizeof(reason), "The answer names no migration.");
		status = OMF_JSON_MISFIT;
	}
	if (status == OMF_JSON_OK && is_of_another(resource, request, *record))
	{
		snprintf(reason, sizeof(reason), "The answer is of another cluster.");
		status = OMF_JSON_MISFIT;
	}
	if (status == OMF_JSON_OK)
		return OMF_RESULT_RECORD;
	*error = omf_api_error(request, record_error_kind(method, status), reason,
						   secrets);
	return OMF_RESULT_ERROR;
}

/* ----- pages of the listing ----- */

/* A longer link is none that anybody would follow, in bytes. */
#define LINK_MAX 8192

/*
 * The number of the page that a link names: 0 if there is a link that names
 * none, -1 without a link.  Whatever host it leads to, it is never followed.
 */
static int64_t
page_of_link(const char *link)
{
	const char *query;
	int64_t number = 0;

	if (link == NULL)
		return -1;
	if (strlen(link) > LINK_MAX)
		return 0;
	for (query = strchr(link, '?'); query != NULL;
		 query = strchr(query + 1, '&'))
		if (strncmp(query + 1, "page=", 5) == 0)
			number = strtoll(query + 6, NULL, 10);
	return number > 0 ? number : 0;
}

/*
 * Take what the page says of the listing as a whole.  What is of another type
 * counts as not said: then pages are read until one is empty.
 */
static OmfJsonStatus
read_links(OmfPage *page, OmfJson document, char *reason)
{
	static const OmfJsonMember members[] = {
		{"meta.total", OMF_JSON_INTEGER},
		{"links.pages.next", OMF_JSON_ID},
		{"links.pages.last", OMF_JSON_ID}};
	OmfRecord *record;
	OmfJsonStatus status = omf_json_record(document, "", members,
										   lengthof_array(members), &record,
										   reason);

	if (status != OMF_JSON_OK)
		return status;
	page->total = -1;
	if (record->values[0] != NULL)
		page->total = strtoll(record->values[0], NULL, 10);
	page->next = page_of_link(record->values[1]);
	page->last = page_of_link(record->values[2]);
	page->has_links = omf_json_find(document, "links").text != NULL;
	free(record);
	return OMF_JSON_OK;
}

/* Take a cluster, which must have a UUID. */
static OmfJsonStatus
read_cluster(OmfPage *page, OmfJson element, const OmfJsonMember *members,
			 int nmembers, char *reason)
{
	OmfPageCluster *cluster = &page->clusters[page->nclusters];
	OmfJsonStatus status = omf_json_record(element, "databases", members,
										   nmembers, &cluster->record, reason);
	const char *id;

	if (status != OMF_JSON_OK)
		return status;
	page->nclusters++;
	id = cluster->record->values[OMF_CLUSTER_ID];
	if (id != NULL && omf_api_parse_uuid(id, cluster->uuid))
		return OMF_JSON_OK;
	snprintf(reason, OMF_JSON_REASON_SIZE,
			 "Cluster %d of the page has no UUID for an id.", page->nclusters);
	return OMF_JSON_MISFIT;
}

/* The length of an array, or one more than the page may have. */
static int
count_clusters(OmfJson databases)
{
	OmfJson element = {NULL, 0};
	int count = 0;

	while (count <= OMF_PAGE_CLUSTERS_MAX &&
		   omf_json_next(databases, &element))
		count++;
	return count;
}

/*
 * Has the page no clusters, by what it says?  An account without any, and a
 * page behind the last one, may have null for them; or nothing at all, where
 * the rest of the page says that there are none.
 */
static bool
has_no_clusters(const OmfPage *page, OmfJson databases)
{
	return databases.text == NULL &&
		   (databases.length > 0 ||
			(page->total == 0 && page->next < 0 && page->last <= 1));
}

static OmfJsonStatus
read_clusters(OmfPage *page, OmfJson document, const OmfRequest *request,
			  OmfJsonSet fields, const OmfSecrets *secrets, char *reason)
{
	const OmfResource *resource = omf_api_resource("clusters");
	OmfJsonMember members[OMF_JSON_MAX_MEMBERS];
	OmfJson databases = omf_json_find(document, "databases");
	OmfJson element = {NULL, 0};
	int count;

	if (has_no_clusters(page, databases))
		return OMF_JSON_OK;
	if (!omf_json_is_array(databases))
	{
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "The answer has no array \"databases\".");
		return OMF_JSON_MISFIT;
	}
	count = count_clusters(databases);
	if (count > OMF_PAGE_CLUSTERS_MAX)
	{
		snprintf(reason, OMF_JSON_REASON_SIZE,
				 "The page has more than %d clusters.", OMF_PAGE_CLUSTERS_MAX);
		return OMF_JSON_TOO_LARGE;
	}
	page->clusters = calloc((size_t) count + 1, sizeof(OmfPageCluster));
	if (page->clusters == NULL)
		return OMF_JSON_NO_MEMORY;
	field_members(resource, members);
	while (omf_json_next(databases, &element))
	{
		OmfPageCluster *cluster = &page->clusters[page->nclusters];
		OmfJsonStatus status = read_cluster(page, element, members,
											resource->nfields, reason);

		if (status != OMF_JSON_OK)
			return status;
		if (!omf_json_misfit(cluster->record, members, fields, reason))
			continue;
		cluster->error = omf_api_error(request, OMF_ERROR_REPLY, reason,
									   secrets);
		if (cluster->error == NULL)
			return OMF_JSON_NO_MEMORY;
	}
	return OMF_JSON_OK;
}

/* The page of an answer of success, or NULL and an error, likewise. */
static OmfPage *
read_page(const OmfRequest *request, OmfJsonSet fields,
		  const OmfSecrets *secrets, OmfError **error)
{
	const OmfReply *reply = omf_request_reply(request);
	char reason[OMF_JSON_REASON_SIZE] = "";
	OmfJsonStatus status = OMF_JSON_NO_MEMORY;
	OmfJson document;
	OmfPage *page;

	*error = NULL;
	page = calloc(1, sizeof(OmfPage));
	if (page != NULL)
		status = check_body(reply, &document, reason);
	if (status == OMF_JSON_OK)
		status = read_links(page, document, reason);
	if (status == OMF_JSON_OK)
		status = read_clusters(page, document, request, fields, secrets,
							   reason);
	if (status == OMF_JSON_OK)
		return page;
	*error = omf_api_error(request, json_error_kind(status), reason, secrets);
	omf_api_page_free(page);
	return NULL;
}

OmfPage *
omf_api_page(OmfRequest *request, OmfJsonSet fields, const OmfSecrets *secrets,
			 bool (*must_stop)(void), OmfError **error)
{
	const OmfReply *reply = omf_request_reply(request);
	OmfPage *page;

	if (reply->outcome != OMF_ANSWERED || omf_reply_status(reply) != 200)
	{
		*error = omf_api_error(request, error_kind(OMF_GET, reply),
							   reply->words, secrets);
		return NULL;
	}
	omf_json_watch(must_stop);
	page = read_page(request, fields, secrets, error);
	omf_request_wipe_reply(request);
	if (!omf_json_unwatch())
		return page;
	free(*error);
	*error = NULL;
	omf_api_page_free(page);
	return NULL;
}

void
omf_api_page_free(OmfPage *page)
{
	if (page == NULL)
		return;
	for (int i = 0; i < page->nclusters; i++)
	{
		free(page->clusters[i].record);
		free(page->clusters[i].error);
	}
	free(page->clusters);
	free(page);
}
