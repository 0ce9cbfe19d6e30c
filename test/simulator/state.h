/*-------------------------------------------------------------------------
 *
 * state.h
 *	  What the API knows: clusters and their migrations, tokens and their
 *	  rate limits; and how the simulator is set up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_STATE_H
#define SIMULATOR_STATE_H

#include "exchange.h"

/* How a migration moves on by itself. */
typedef struct Phases
{
	int64_t kickoff_ms; /* unknown to GET (404); -1 in any is the server's */
	int64_t running_ms; /* then "running" */
	int64_t syncing_ms; /* then "syncing" */
	char outcome[16];	/* then this; "none" is to stay syncing */
} Phases;

/* A cluster's most recent migration. */
typedef struct Migration
{
	bool exists;		/* was there any? */
	bool frozen;		/* its status does not move by itself */
	char *id;			/* as the API shows it */
	char *created_at;	/* as the API shows it */
	char *status;		/* of one that is frozen, canceled included */
	int64_t started_ms; /* on the monotonic clock */
} Migration;

typedef struct Cluster
{
	struct Cluster *next, *previous; /* in the order of the list */
	char *uuid;						 /* in lower case */
	char *account;					 /* whose it is */
	char *name;						 /* as the API shows it */
	char *engine;					 /* as the API shows it */
	json_object *fields;			 /* other fields to show, or NULL */
	int64_t latency_ms;				 /* of its answers; -1 for the server's */
	Phases phases;					 /* of its next migration */
	Migration migration;			 /* the most recent */
} Cluster;

typedef struct Token
{
	struct Token *next;
	char *text;			  /* the token */
	char *account;		  /* whose clusters it shows */
	bool readable;		  /* may it GET? */
	bool writable;		  /* may it PUT and DELETE? */
	bool enforce;		  /* is the limit enforced? */
	bool retry_after;	  /* does a 429 tell when to come again? */
	int64_t limit;		  /* requests in a window */
	int64_t window_ms;	  /* its length */
	int64_t *times;		  /* ring of the last requests' times, NULL if none */
	int64_t first, count; /* where the ring begins, how many are in use */
} Token;

typedef struct Config
{
	int64_t latency_ms;				/* of every answer */
	Phases phases;					/* of clusters that do not say */
	char *created_at;				/* of new migrations; NULL is now */
	bool list_links;				/* lists have "links" */
	bool list_meta;					/* lists have "meta" */
	int64_t list_per_page;			/* when the request does not say */
	int64_t list_max_per_page;		/* whatever it says */
	bool request_id_in_body;		/* errors have "request_id" */
	int64_t max_concurrent_streams; /* of new HTTP/2 connections */
} Config;

extern Config config;

/* state.c */
extern void state_reset(void);
extern void state_free(void);
extern const char *state_configure(json_object *settings);
extern json_object *state_config(void);
extern uint64_t state_next_request(void);

/* clusters.c */
extern void clusters_reset(void);
extern void clusters_free(void);
extern Cluster *clusters_first(void);
extern Cluster *clusters_find(const char *uuid);
extern Cluster *clusters_add(const char *uuid, const char *account, const char *engine);
extern const char *clusters_set(json_object *settings);
extern void clusters_remove(Cluster *cluster);
extern const char *clusters_populate(json_object *settings);
extern bool migration_status(const Cluster *cluster, const char **status);
extern bool migration_finished(const char *status);
extern void migration_start(Cluster *cluster);
extern void migration_cancel(Cluster *cluster);
extern json_object *migration_json(const char *id, const char *status, const char *created_at);
extern void phases_set(Phases *phases, json_object *settings);

/* render.c */
extern json_object *cluster_json(const Cluster *cluster);
extern bool cluster_tagged(const Cluster *cluster, const char *tag);

/* tokens.c */
extern void tokens_reset(void);
extern void tokens_free(void);
extern const char *tokens_set(json_object *settings);
extern json_object *tokens_json(void);
extern const char *tokens_account(const char *text);
extern Token *tokens_find(const Exchange *exchange);
extern bool tokens_admit(Token *token);
extern void tokens_headers(const Token *token, Reply *reply, bool refused);

#endif /* SIMULATOR_STATE_H */
