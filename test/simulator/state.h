/*-------------------------------------------------------------------------
 *
 * state.h
 *	  What the API keeps: tokens, clusters, and the most recent migration of
 *	  each cluster.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_STATE_H
#define SIMULATOR_STATE_H

#include "util.h"

/* Requests that a token's sliding window remembers at most. */
#define WINDOW_MAX 5000

typedef struct Token
{
	struct Token *next;
	char *name;        /* the token itself */
	char *account;     /* whose clusters it sees */
	bool can_read;     /* else 403 on everything */
	bool can_write;    /* else 403 on PUT and DELETE */
	bool enforce;      /* is the limit enforced? */
	bool retry_after;  /* does a 429 have retry-after? */
	bool headers;      /* does an answer tell of the limit? */
	int64_t limit;     /* requests in a window, up to WINDOW_MAX */
	int64_t window_ms; /* length of the sliding window */
	int64_t burst;     /* requests in a shorter window, or 0: any number */
	int64_t burst_ms;  /* its length; the headers do not tell of it */
	int64_t *times;    /* of the last requests, a ring of WINDOW_MAX */
	uint64_t requests; /* so far */
	uint64_t oldest;   /* the first one in the window */
} Token;

typedef struct Migration
{
	bool present; /* was there ever one? */
	char *id;
	char *created_at; /* ISO 8601 */
	char *frozen;     /* the status that it keeps, or NULL: it moves on */
	char *outcome;    /* of one that moves: done, error, or none */
	int64_t started;  /* monotonic_ms() */
	int64_t kickoff_ms;
	int64_t running_ms;
	int64_t syncing_ms;
} Migration;

typedef struct Cluster
{
	char uuid[37];          /* lower case */
	char *account;          /* that owns it */
	char *engine;           /* slug */
	json_object *overrides; /* fields set by a control call, or NULL */
	int64_t latency_ms;     /* of its calls, or -1: the common one */
	int64_t kickoff_ms;     /* of its migrations, or -1: the common one */
	int64_t running_ms;     /* likewise */
	int64_t syncing_ms;     /* likewise */
	char *outcome;          /* likewise, or NULL */
	int number;             /* in order of creation */
	Migration migration;
} Cluster;

extern void state_reset(void);

extern Token *token_find(const char *name);
extern Token *token_add(const char *name, const char *account);

/* Count a request against the token's limit; false when it is exhausted. */
extern bool token_take(Token *token);
extern int64_t token_remaining(const Token *token);
extern int64_t token_reset_ms(const Token *token);
extern int64_t token_wait_ms(const Token *token);

extern Cluster *cluster_find(const char *uuid, const char *account);
extern Cluster *cluster_add(const char *uuid, const char *account, const char *engine);
extern void cluster_remove(Cluster *cluster);
extern json_object *cluster_json(const Cluster *cluster);

/* The n-th cluster of an account, with that tag if not NULL; NULL at the end. */
extern Cluster *cluster_nth(const char *account, const char *tag, int n);

/*
 * The clusters number `first` and following of those, `count` at most, into
 * `page`; returns how many these are, and *total, how many there are in all.
 */
extern int cluster_slice(const char *account, const char *tag, int64_t first, int64_t count,
						 Cluster **page, int64_t *total);

/* The status that a GET shows, or NULL: not found. */
extern const char *migration_status(const Migration *migration);
extern void migration_start(Cluster *cluster);
extern void migration_freeze(Cluster *cluster, const char *status, const char *id, const char *created_at);

#endif /* SIMULATOR_STATE_H */
