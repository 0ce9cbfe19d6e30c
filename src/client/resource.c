/*-------------------------------------------------------------------------
 *
 * resource.c
 *	  The API's resources, their fields, and the paths of its calls.
 *
 *-------------------------------------------------------------------------
 */
#include "client/resource.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define lengthof_array(array) ((int) (sizeof(array) / sizeof((array)[0])))

/* In the order of enum OmfMigrationField. */
static const OmfField migration_fields[] = {
	{"database_cluster_uuid", "uuid", {NULL, OMF_JSON_STRING}},
	{"id", "text", {"id", OMF_JSON_STRING}}, /* the API says string */
	{"created_at", "timestamptz", {"created_at", OMF_JSON_TIME}},
	{"status", "text", {"status", OMF_JSON_STRING}},
};

/*
 * It begins in the order of enum OmfClusterField.  Of the connections only
 * what names the place: user, password and uri are never read.
 */
static const OmfField cluster_fields[] = {
	{"id", "uuid", {"id", OMF_JSON_STRING}},
	{"name", "text", {"name", OMF_JSON_STRING}},
	{"engine", "text", {"engine", OMF_JSON_STRING}},
	{"version", "text", {"version", OMF_JSON_STRING}},
	{"status", "text", {"status", OMF_JSON_STRING}},
	{"region", "text", {"region", OMF_JSON_STRING}},
	{"size", "text", {"size", OMF_JSON_STRING}},
	{"num_nodes", "int", {"num_nodes", OMF_JSON_INTEGER}},
	{"db_names", "text[]", {"db_names", OMF_JSON_STRINGS}},
	{"tags", "text[]", {"tags", OMF_JSON_STRINGS}},
	{"created_at", "timestamptz", {"created_at", OMF_JSON_TIME}},
	{"project_id", "uuid", {"project_id", OMF_JSON_ID}},
	{"private_network_uuid", "uuid", {"private_network_uuid", OMF_JSON_ID}},
	{"storage_size_mib", "bigint", {"storage_size_mib", OMF_JSON_INTEGER}},
	{"host", "text", {"connection.host", OMF_JSON_STRING}},
	{"port", "int", {"connection.port", OMF_JSON_INTEGER}},
	{"private_host", "text", {"private_connection.host", OMF_JSON_ID}},
	{"standby_host", "text", {"standby_connection.host", OMF_JSON_ID}},
	{"database", "text", {"connection.database", OMF_JSON_ID}},
	{"ssl", "boolean", {"connection.ssl", OMF_JSON_BOOLEAN}},
	{"semantic_version", "text", {"semantic_version", OMF_JSON_ID}},
	{"version_end_of_life",
	 "timestamptz",
	 {"version_end_of_life", OMF_JSON_TIME}},
	{"version_end_of_availability",
	 "timestamptz",
	 {"version_end_of_availability", OMF_JSON_TIME}},
	{"maintenance_day", "text", {"maintenance_window.day", OMF_JSON_ID}},
	{"maintenance_hour", "time", {"maintenance_window.hour", OMF_JSON_ID}},
};

#define CLUSTER_TAGS 9 /* index in cluster_fields */

const OmfResource omf_resources[] = {
	{"online_migrations",
	 "/v2/databases/{database_cluster_uuid}/online-migration",
	 "/online-migration", "", migration_fields,
	 lengthof_array(migration_fields), OMF_MIGRATION_CLUSTER, -1, false, true},
	{"clusters", "/v2/databases/{database_cluster_uuid}", "", "database",
	 cluster_fields, lengthof_array(cluster_fields), OMF_CLUSTER_ID,
	 CLUSTER_TAGS, true, false},
};
const int omf_nresources = lengthof_array(omf_resources);

/* Engines whose clusters can't be migrated; one that is not known may be. */
static const char *const other_engines[] = {"mongodb", "kafka", "opensearch"};

bool
omf_api_can_migrate(const char *engine)
{
	for (int i = 0; engine != NULL && i < lengthof_array(other_engines); i++)
		if (strcmp(other_engines[i], engine) == 0)
			return false;
	return true;
}

const OmfResource *
omf_api_resource(const char *name)
{
	for (int i = 0; i < omf_nresources; i++)
		if (strcmp(omf_resources[i].name, name) == 0)
			return &omf_resources[i];
	return NULL;
}

int
omf_api_field(const OmfResource *resource, const char *name)
{
	for (int i = 0; i < resource->nfields + OMF_NEXTRA_FIELDS; i++)
		if (strcmp(omf_api_field_name(resource, i), name) == 0)
			return i;
	return -1;
}

const char *
omf_api_field_name(const OmfResource *resource, int field)
{
	static const char *const extra[OMF_NEXTRA_FIELDS] = {"error", "server",
														 "fetched_at"};

	return field < resource->nfields ? resource->fields[field].name
									 : extra[field - resource->nfields];
}

/* ----- paths ----- */

static void
format_uuid(char text[OMF_UUID_TEXT + 1],
			const unsigned char uuid[OMF_UUID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *next = text;

	for (int i = 0; i < OMF_UUID_SIZE; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*next++ = '-';
		*next++ = digits[uuid[i] >> 4];
		*next++ = digits[uuid[i] & 0x0F];
	}
	*next = '\0';
}

bool
omf_api_parse_uuid(const char *text, unsigned char uuid[OMF_UUID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	int ndigits = 0;

	if (strlen(text) != OMF_UUID_TEXT)
		return false;
	for (int i = 0; i < OMF_UUID_TEXT; i++)
	{
		const char *digit = strchr(digits, tolower((unsigned char) text[i]));

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (text[i] != '-')
				return false;
			continue;
		}
		if (digit == NULL)
			return false;
		if (ndigits % 2 == 0)
			uuid[ndigits / 2] = (unsigned char) ((digit - digits) << 4);
		else
			uuid[ndigits / 2] |= (unsigned char) (digit - digits);
		ndigits++;
	}
	return true;
}

void
omf_api_path(char path[OMF_PATH_SIZE], const OmfResource *resource,
			 const unsigned char uuid[OMF_UUID_SIZE])
{
	static const char prefix[] = OMF_CLUSTERS_PATH;
	char *text = path + sizeof(prefix) - 1;

	/* every answer from the cache is found by its path: this is to be quick */
	memcpy(path, prefix, sizeof(prefix));
	format_uuid(text, uuid);
	memcpy(text + OMF_UUID_TEXT, resource->path_suffix,
		   strlen(resource->path_suffix) + 1);
}

void
omf_api_page_path(char path[OMF_PAGE_PATH_SIZE], int page, const char *tag)
{
	int length = snprintf(path, OMF_PAGE_PATH_SIZE,
						  OMF_LISTING_TEMPLATE "?page=%d&per_page=%d%s",
						  page, OMF_PAGE_SIZE,
						  tag != NULL ? "&tag_name=" : "");

	if (tag == NULL)
		return;
	for (; *tag != '\0' && length < OMF_PAGE_PATH_SIZE - 4; tag++)
	{
		unsigned char byte = (unsigned char) *tag;
		bool plain = byte < 0x80 && isalnum(byte);

		length += snprintf(path + length,
						   (size_t) (OMF_PAGE_PATH_SIZE - length),
						   plain ? "%c" : "%%%02X", byte);
	}
}

void
omf_api_migration_id_path(char path[OMF_PATH_SIZE],
						  const unsigned char uuid[OMF_UUID_SIZE],
						  const char *migration_id)
{
	char text[OMF_UUID_TEXT + 1];

	format_uuid(text, uuid);
	snprintf(path, OMF_PATH_SIZE, OMF_CLUSTERS_PATH "%s/online-migration/%s", text,
			 migration_id);
}

bool
omf_api_is_migration_id(const char *migration_id)
{
	size_t length = strspn(migration_id, "0123456789_-"
										 "abcdefghijklmnopqrstuvwxyz"
										 "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return length >= 1 && length <= OMF_MIGRATION_ID_MAX &&
		   migration_id[length] == '\0';
}

/* Those of a migration that is going on come first. */
const char *const omf_statuses[OMF_NSTATUSES] = {
	"running", "syncing", "canceled", "error", "done"};

#define NACTIVE 2

/* Other words that clearly mean one of them, without what parts words. */
static const struct
{
	const char *word;
	int status; /* index in omf_statuses */
} other_words[] = {
	{"pending", 0},
	{"queued", 0},
	{"created", 0},
	{"starting", 0},
	{"started", 0},
	{"active", 0},
	{"inprogress", 0},
	{"creating", 0},
	{"provisioning", 0},
	{"preparing", 0},
	{"initializing", 0},
	{"initialising", 0},
	{"migrating", 0},
	{"copying", 0},
	{"resuming", 0},
	{"synchronizing", 1},
	{"synchronising", 1},
	{"replicating", 1},
	{"cancelled", 2},
	{"aborted", 2},
	{"stopped", 2},
	{"errored", 3},
	{"failed", 3},
	{"failure", 3},
	{"finished", 4},
	{"complete", 4},
	{"completed", 4},
	{"success", 4},
	{"succeeded", 4},
	{"successful", 4},
};

/*
 * Are these the same word, whatever its case, what parts its parts, and what
 * white space is around it?
 */
static bool
is_word(const char *text, const char *word)
{
	for (; *text != '\0'; text++)
	{
		if (strchr(" \t\r\n_-", *text) != NULL)
			continue;
		if (tolower((unsigned char) *text) != *word)
			return false;
		word++;
	}
	return *word == '\0';
}

/* The index in omf_statuses of what the status means, or -1: unknown. */
static int
meaning_of(const char *status)
{
	for (int i = 0; i < OMF_NSTATUSES; i++)
		if (is_word(status, omf_statuses[i]))
			return i;
	for (size_t i = 0; i < sizeof(other_words) / sizeof(other_words[0]); i++)
		if (is_word(status, other_words[i].word))
			return other_words[i].status;
	return -1;
}

const char *
omf_api_known_status(const char *status)
{
	int meaning = meaning_of(status);

	return meaning >= 0 ? omf_statuses[meaning] : NULL;
}

bool
omf_api_is_ended(const char *status)
{
	return meaning_of(status) >= NACTIVE;
}
