/*-------------------------------------------------------------------------
 *
 * state.c
 *	  What the API keeps: tokens, clusters, and the most recent migration of
 *	  each cluster.
 *
 * Knows nothing of requests.
 *
 *-------------------------------------------------------------------------
 */
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/linkhash.h>

#include "config.h"

/* A password that must never be seen outside the answers that hold it. */
#define CANARY "canary-PaSsWoRd-5e1f"

const Config default_config = {
	.latency_ms = 0,
	.max_streams = 100,
	.kickoff_ms = 0,
	.running_ms = 400,
	.syncing_ms = 400,
	.list_links = true,
	.list_total = true,
	.list_max_page = 200};

Config config;

static Token *tokens;
static struct lh_table *by_uuid; /* of Cluster */
static Cluster **clusters;       /* in order of creation; NULL where removed */
static int nclusters;
static int clusters_size;
static uint64_t last_migration; /* number of the last one started */

/* ----- tokens ----- */

Token *
token_find(const char *name)
{
	for (Token *token = tokens; token != NULL; token = token->next)
		if (strcmp(token->name, name) == 0)
			return token;
	return NULL;
}

Token *
token_add(const char *name, const char *account)
{
	Token *token = token_find(name);

	if (token == NULL)
	{
		token = xcalloc(1, sizeof(Token));
		token->next = tokens;
		tokens = token;
		token->name = xstrdup(name);
		token->times = xcalloc(WINDOW_MAX, sizeof(int64_t));
	}
	free(token->account);
	token->account = xstrdup(account);
	token->can_read = true;
	token->can_write = true;
	token->enforce = false;
	token->retry_after = true;
	token->headers = true;
	token->limit = 5000;
	token->window_ms = 3600 * 1000;
	token->burst = 0;
	token->burst_ms = 60 * 1000;
	return token;
}

/* Forget the requests that have left the window. */
static void
slide(Token *token)
{
	int64_t now = monotonic_ms();

	while (token->oldest < token->requests &&
		   (token->requests - token->oldest > WINDOW_MAX ||
			token->times[token->oldest % WINDOW_MAX] + token->window_ms <= now))
		token->oldest++;
}

/* Milliseconds until the shorter window allows another request. */
static int64_t
burst_wait_ms(const Token *token)
{
	int64_t left;

	if (token->burst <= 0 || token->requests < (uint64_t) token->burst)
		return 0;
	left = token->times[(token->requests - (uint64_t) token->burst) % WINDOW_MAX] + token->burst_ms - monotonic_ms();
	return left > 0 ? left : 0;
}

bool
token_take(Token *token)
{
	slide(token);
	if ((token->enforce && (int64_t) (token->requests - token->oldest) >= token->limit) || burst_wait_ms(token) > 0)
		return false;
	token->times[token->requests++ % WINDOW_MAX] = monotonic_ms();
	return true;
}

int64_t
token_remaining(const Token *token)
{
	int64_t left = token->limit - (int64_t) (token->requests - token->oldest);

	/* a limit that is not enforced is no secret: there is always more */
	if (!token->enforce)
		return token->limit;
	return left > 0 ? left : 0;
}

/* Milliseconds until the oldest request leaves the window. */
int64_t
token_reset_ms(const Token *token)
{
	int64_t left;

	if (token->oldest == token->requests)
		return 0;
	left = token->times[token->oldest % WINDOW_MAX] + token->window_ms - monotonic_ms();
	return left > 0 ? left : 0;
}

/* Milliseconds until the token may be used again. */
int64_t
token_wait_ms(const Token *token)
{
	int64_t wait = burst_wait_ms(token);
	bool used_up = token->enforce && token_remaining(token) == 0;

	return used_up && token_reset_ms(token) > wait ? token_reset_ms(token) : wait;
}

static void
free_tokens(void)
{
	while (tokens != NULL)
	{
		Token *next = tokens->next;

		free(tokens->name);
		free(tokens->account);
		free(tokens->times);
		free(tokens);
		tokens = next;
	}
}

/* ----- clusters ----- */

static void
lower(char *target, const char *uuid)
{
	snprintf(target, 37, "%s", uuid);
	for (; *target != '\0'; target++)
		if (*target >= 'A' && *target <= 'F')
			*target = (char) (*target - 'A' + 'a');
}

Cluster *
cluster_find(const char *uuid, const char *account)
{
	char key[37];
	void *found = NULL;

	lower(key, uuid);
	if (!lh_table_lookup_ex(by_uuid, key, &found))
		return NULL;
	if (account != NULL && strcmp(((Cluster *) found)->account, account) != 0)
		return NULL;
	return found;
}

static void
free_migration(Migration *migration)
{
	free(migration->id);
	free(migration->created_at);
	free(migration->frozen);
	free(migration->outcome);
	memset(migration, 0, sizeof(*migration));
}

static void
free_cluster(Cluster *cluster)
{
	free_migration(&cluster->migration);
	free(cluster->account);
	free(cluster->engine);
	free(cluster->outcome);
	json_object_put(cluster->overrides);
	free(cluster);
}

void
cluster_remove(Cluster *cluster)
{
	lh_table_delete(by_uuid, cluster->uuid);
	clusters[cluster->number] = NULL;
	free_cluster(cluster);
}

Cluster *
cluster_add(const char *uuid, const char *account, const char *engine)
{
	Cluster *cluster = cluster_find(uuid, NULL);

	if (cluster == NULL)
	{
		cluster = xcalloc(1, sizeof(Cluster));
		lower(cluster->uuid, uuid);
		cluster->latency_ms = -1;
		cluster->kickoff_ms = -1;
		cluster->running_ms = -1;
		cluster->syncing_ms = -1;
		if (nclusters == clusters_size)
		{
			clusters_size = clusters_size * 2 + 64;
			clusters = xrealloc(clusters, (size_t) clusters_size * sizeof(Cluster *));
		}
		cluster->number = nclusters;
		clusters[nclusters++] = cluster;
		lh_table_insert(by_uuid, cluster->uuid, cluster);
	}
	if (account != NULL || cluster->account == NULL)
	{
		free(cluster->account);
		cluster->account = xstrdup(account != NULL ? account : "dop_v1_simulator");
	}
	if (engine != NULL || cluster->engine == NULL)
	{
		free(cluster->engine);
		cluster->engine = xstrdup(engine != NULL ? engine : "pg");
	}
	return cluster;
}

static bool
has_tag(const Cluster *cluster, const char *tag)
{
	json_object *tags = json_get(cluster->overrides, "tags");

	if (tag == NULL)
		return true;
	for (size_t i = 0; tags != NULL && i < json_object_array_length(tags); i++)
		if (strcmp(json_object_get_string(json_object_array_get_idx(tags, i)), tag) == 0)
			return true;
	return false;
}

static bool
is_listed(const Cluster *cluster, const char *account, const char *tag)
{
	/* the clusters of the magic UUIDs are none of the account's */
	return cluster != NULL && strcmp(cluster->account, account) == 0 &&
		   strncmp(cluster->uuid, "0badc0de", 8) != 0 && has_tag(cluster, tag);
}

int
cluster_slice(const char *account, const char *tag, int64_t first, int64_t count, Cluster **page,
			  int64_t *total)
{
	int found = 0;

	*total = 0;
	for (int i = 0; i < nclusters; i++)
		if (is_listed(clusters[i], account, tag))
		{
			if (*total >= first && found < count)
				page[found++] = clusters[i];
			(*total)++;
		}
	return found;
}

Cluster *
cluster_nth(const char *account, const char *tag, int n)
{
	for (int i = 0; i < nclusters; i++)
		if (is_listed(clusters[i], account, tag) && n-- == 0)
			return clusters[i];
	return NULL;
}

static json_object *
connection_json(const Cluster *cluster, const char *prefix)
{
	json_object *result = json_object_new_object();
	char *host = format("%scluster-%d.db.example.com", prefix, cluster->number);
	char *uri = format("postgres://doadmin:" CANARY "@%s:25060/defaultdb?sslmode=require", host);

	json_put(result, "uri", uri);
	json_put(result, "database", "defaultdb");
	json_put(result, "host", host);
	json_object_object_add(result, "port", json_object_new_int(25060));
	json_put(result, "user", "doadmin");
	json_put(result, "password", CANARY);
	json_object_object_add(result, "ssl", json_object_new_boolean(true));
	free(host);
	free(uri);
	return result;
}

static json_object *
string_array(const char *element)
{
	json_object *array = json_object_new_array();

	if (element != NULL)
		json_object_array_add(array, json_object_new_string(element));
	return array;
}

static json_object *
users_json(void)
{
	json_object *users = json_object_new_array();
	json_object *user = json_object_new_object();

	json_put(user, "name", "doadmin");
	json_put(user, "role", "primary");
	json_put(user, "password", CANARY);
	json_object_array_add(users, user);
	return users;
}

json_object *
cluster_json(const Cluster *cluster)
{
	json_object *result = json_object_new_object();
	char *name = format("cluster-%d", cluster->number);

	json_put(result, "id", cluster->uuid);
	json_put(result, "name", name);
	json_put(result, "engine", cluster->engine);
	json_put(result, "version", "15");
	json_put(result, "semantic_version", "15.4");
	json_object_object_add(result, "connection", connection_json(cluster, ""));
	json_object_object_add(result, "private_connection", connection_json(cluster, "private-"));
	json_object_object_add(result, "users", users_json());
	json_object_object_add(result, "db_names", string_array("defaultdb"));
	json_object_object_add(result, "num_nodes", json_object_new_int(1));
	json_put(result, "region", "nyc3");
	json_put(result, "status", "online");
	json_put(result, "created_at", "2019-01-11T18:37:36Z");
	json_put(result, "size", "db-s-2vcpu-4gb");
	json_object_object_add(result, "tags", string_array(NULL));
	json_put(result, "private_network_uuid", "d455e75d-4858-4eec-8c95-da2f0a5f93a7");
	json_put(result, "project_id", "9cc10173-e9ea-4176-9dbc-a4cee4c4ff31");
	json_object_object_add(result, "storage_size_mib", json_object_new_int(61440));
	if (cluster->overrides != NULL)
	{
		json_object_object_foreach(cluster->overrides, key, value)
			json_object_object_add(result, key, json_object_get(value));
	}
	free(name);
	return result;
}

/* ----- migrations ----- */

const char *
migration_status(const Migration *migration)
{
	int64_t age = monotonic_ms() - migration->started;

	if (!migration->present)
		return NULL;
	if (migration->frozen != NULL)
		return migration->frozen;
	if (age < migration->kickoff_ms)
		return NULL;
	age -= migration->kickoff_ms;
	if (age < migration->running_ms)
		return "running";
	if (age < migration->running_ms + migration->syncing_ms || strcmp(migration->outcome, "none") == 0)
		return "syncing";
	return migration->outcome;
}

void
migration_start(Cluster *cluster)
{
	Migration *migration = &cluster->migration;

	free_migration(migration);
	migration->present = true;
	migration->id = format("77b28fc8-19ff-11eb-8c9c-%012llx", (unsigned long long) ++last_migration);
	migration->created_at = iso8601(time(NULL));
	migration->outcome = xstrdup(cluster->outcome != NULL ? cluster->outcome : "done");
	migration->started = monotonic_ms();
	migration->kickoff_ms = cluster->kickoff_ms >= 0 ? cluster->kickoff_ms : config.kickoff_ms;
	migration->running_ms = cluster->running_ms >= 0 ? cluster->running_ms : config.running_ms;
	migration->syncing_ms = cluster->syncing_ms >= 0 ? cluster->syncing_ms : config.syncing_ms;
}

/* Give the cluster a migration of that status, which does not move. */
void
migration_freeze(Cluster *cluster, const char *status, const char *id, const char *created_at)
{
	Migration *migration = &cluster->migration;
	char *kept_id = migration->id != NULL ? xstrdup(migration->id) : NULL;

	free_migration(migration);
	if (status != NULL)
	{
		migration->present = true;
		migration->frozen = xstrdup(status);
		migration->id = xstrdup(id != NULL ? id : kept_id != NULL ? kept_id
																  : "77b28fc8-19ff-11eb-8c9c-c68e24557488");
		migration->created_at = xstrdup(created_at != NULL ? created_at : "2020-10-29T15:57:38Z");
	}
	free(kept_id);
}

/* ----- all of it ----- */

static void
free_clusters(void)
{
	for (int i = 0; i < nclusters; i++)
		if (clusters[i] != NULL)
			free_cluster(clusters[i]);
	nclusters = 0;
	if (by_uuid != NULL)
		lh_table_free(by_uuid);
	by_uuid = NULL;
}

void
state_reset(void)
{
	/* in the order of the README's table */
	static const char *const engines[] = {"pg", "mysql", "redis", "valkey", "mongodb", "kafka",
										  "opensearch", "advanced_pg", "advanced_mysql"};

	free_tokens();
	free_clusters();
	config = default_config;
	last_migration = 0;
	by_uuid = lh_kchar_table_new(1024, NULL);
	token_add("dop_v1_simulator", "dop_v1_simulator");
	token_add("dop_v1_readonly", "dop_v1_simulator")->can_write = false;
	token_add("dop_v1_noscope", "dop_v1_simulator")->can_read = false;
	token_add("dop_v1_second", "dop_v1_second");
	cluster_add("9cc10173-e9ea-4176-9dbc-a4cee4c4ff30", "dop_v1_simulator", "pg");
	for (size_t i = 0; i < lengthof(engines); i++)
	{
		char uuid[37];

		snprintf(uuid, sizeof(uuid), "e0000000-0000-4000-8000-%012zx", i + 1);
		cluster_add(uuid, "dop_v1_simulator", engines[i]);
	}
	cluster_add("5ec0d000-0000-4000-8000-000000000001", "dop_v1_second", "pg");
}
