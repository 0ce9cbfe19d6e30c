/*-------------------------------------------------------------------------
 *
 * resource.h
 *	  The API's resources, their fields, and the paths of its calls.
 *
 * Resources are data: the scan, IMPORT FOREIGN SCHEMA, hints and errors all
 * follow the table below.  https://docs.digitalocean.com/reference/api/
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_RESOURCE_H
#define OMF_RESOURCE_H

#include <stdbool.h>

#include "client/json.h"

/* The API's section, which IMPORT FOREIGN SCHEMA knows as a remote schema. */
#define OMF_API_SCHEMA "databases"

#define OMF_UUID_SIZE 16 /* bytes of a UUID */
#define OMF_UUID_TEXT 36 /* characters of its canonical form */

/* What the path of each cluster begins with; its UUID follows. */
#define OMF_CLUSTERS_PATH "/v2/databases/"

/* The longest path of a call, with the terminating NUL. */
#define OMF_PATH_SIZE 192

/* The same for a page of the listing, whose tag may be percent-encoded. */
#define OMF_PAGE_PATH_SIZE (64 + 3 * OMF_TAG_MAX)

/* The longest migration_id that is ever sent. */
#define OMF_MIGRATION_ID_MAX 64

/* Clusters on one page of the listing: the most that the API allows. */
#define OMF_PAGE_SIZE 200

/* The longest tag that a listing is narrowed by, in bytes; the API's bound. */
#define OMF_TAG_MAX 255

/* One field of a resource. */
typedef struct OmfField
{
	const char *name;     /* of the column */
	const char *sql_type; /* that IMPORT FOREIGN SCHEMA declares */
	OmfJsonMember member; /* where the body has it; the key is in none */
} OmfField;

/*
 * One API resource that a foreign table can be: one object for every database
 * cluster.  Another one of that kind is another row of omf_resources.
 */
typedef struct OmfResource
{
	const char *name;          /* of the table option "resource" */
	const char *path_template; /* as the API's description writes it */
	const char *path_suffix;   /* of /v2/databases/{uuid} */
	const char *item;          /* member of the body that it is, or "" */
	const OmfField *fields;    /* in the order that IMPORT declares */
	int nfields;               /* how many, the key included */
	int key;                   /* index of the cluster's UUID among them */
	int tags;                  /* index of the cluster's tags, or -1 */
	bool in_listing;           /* the listing of the clusters has all of it */
	bool engines_only;         /* only engines that can be migrated have it */
} OmfResource;

extern const OmfResource omf_resources[];
extern const int omf_nresources;

/* The fields of the resource online_migrations, in its order. */
enum OmfMigrationField
{
	OMF_MIGRATION_CLUSTER,
	OMF_MIGRATION_ID,
	OMF_MIGRATION_CREATED_AT,
	OMF_MIGRATION_STATUS
};

/* The first fields of the resource clusters. */
enum OmfClusterField
{
	OMF_CLUSTER_ID,
	OMF_CLUSTER_NAME,
	OMF_CLUSTER_ENGINE
};

/* The call that lists the clusters, as the API's description writes it. */
#define OMF_LISTING_TEMPLATE "/v2/databases"

/*
 * What every resource has besides its own fields, and is not the API's: their
 * indexes follow those of the resource's own.
 */
typedef enum OmfExtraField
{
	OMF_EXTRA_ERROR,      /* why nothing is known of a cluster, or NULL */
	OMF_EXTRA_SERVER,     /* name of the foreign server that was asked */
	OMF_EXTRA_FETCHED_AT, /* when the API said so */
	OMF_NEXTRA_FIELDS
} OmfExtraField;

/* The resource of that name, or NULL. */
extern const OmfResource *omf_api_resource(const char *name);

/* The index of the field of that name, an extra one too, or -1. */
extern int omf_api_field(const OmfResource *resource, const char *name);

/* The name of the field with that index, which may be an extra one. */
extern const char *omf_api_field_name(const OmfResource *resource, int field);

/* The path of one cluster's resource, for GET and PUT. */
extern void omf_api_path(char path[OMF_PATH_SIZE], const OmfResource *resource,
						 const unsigned char uuid[OMF_UUID_SIZE]);

/* The path of a page of the listing, from 1; `tag` may be NULL. */
extern void omf_api_page_path(char path[OMF_PAGE_PATH_SIZE], int page,
							  const char *tag);

/* Can clusters of that engine have an online migration?  NULL: who knows. */
extern bool omf_api_can_migrate(const char *engine);

/* The bytes of a UUID from its text in canonical form; false if it is not. */
extern bool omf_api_parse_uuid(const char *text,
							   unsigned char uuid[OMF_UUID_SIZE]);

/* The path of a migration, for DELETE; the id must be valid. */
extern void omf_api_migration_id_path(char path[OMF_PATH_SIZE],
									  const unsigned char uuid[OMF_UUID_SIZE],
									  const char *migration_id);

/*
 * May this be sent as a migration's id?  Nothing but letters, digits, "_" and
 * "-": with ".." for an id, a path could name the cluster itself, and DELETE
 * on a cluster destroys it.
 */
extern bool omf_api_is_migration_id(const char *migration_id);

/* The statuses of a migration that are known. */
#define OMF_NSTATUSES 5
extern const char *const omf_statuses[OMF_NSTATUSES];

/*
 * The one of them that a status of the API's means: its letters may be of
 * another case, and it may be another word for it.  NULL if nobody knows.
 */
extern const char *omf_api_known_status(const char *status);

/*
 * Has a migration of that status ended?  One whose status is not known has
 * not: it may be going on.
 */
extern bool omf_api_is_ended(const char *status);

#endif /* OMF_RESOURCE_H */
