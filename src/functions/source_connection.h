/*-------------------------------------------------------------------------
 *
 * source_connection.h
 *	  A connection to a PostgreSQL server that is to be a source.
 *
 * Only what the source says is used to get in: no password file, certificate
 * or ticket of the account that PostgreSQL runs as.  All waiting is on the
 * latch, and has a deadline.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SOURCE_CONNECTION_H
#define OMF_SOURCE_CONNECTION_H

#include "postgres.h"

#include "functions/source.h"

/* How far a connection has come. */
typedef enum OmfConnectionStage
{
	OMF_STAGE_NAME,  /* the host's name is looked up */
	OMF_STAGE_REACH, /* TCP */
	OMF_STAGE_TLS,   /* a server is there, and asked for TLS */
	OMF_STAGE_LOGIN, /* it has been asked to let the user in */
	OMF_STAGE_CONNECTED
} OmfConnectionStage;

typedef struct OmfConnection OmfConnection;

/* Where to, and for how long. */
typedef struct OmfConnectionPlan
{
	const OmfSource *source; /* host, port, username and password */
	bool disable_ssl;        /* no TLS; else TLS, and nothing but TLS */
	int connect_timeout_ms;  /* from the look-up of the name to the login */
	int query_timeout_ms;    /* for one query */
} OmfConnectionPlan;

/*
 * Nothing is connected yet.  Throws only for lack of memory or descriptors;
 * to be closed whatever comes.
 */
extern OmfConnection *omf_connection_new(const OmfConnectionPlan *plan);

/* Connect to that database: the stage at which it ended. */
extern OmfConnectionStage omf_connection_open(OmfConnection *connection,
											  const char *dbname);

/* Was a password asked for to get in? */
extern bool omf_connection_used_password(const OmfConnection *connection);

/* The address that was tried last, or NULL: none. */
extern const char *omf_connection_address(const OmfConnection *connection);

/* Why the last step failed: one line, without the password; palloc'd. */
extern char *omf_connection_problem(const OmfConnection *connection);

/*
 * Run queries, separated by semicolons, in a transaction of their own: true
 * when all went well, and then there are the rows of the last one.
 */
extern bool omf_connection_query(OmfConnection *connection, const char *sql);

/*
 * The rows of the last query; a value is in the server's encoding, palloc'd.
 */
extern int omf_connection_rows(const OmfConnection *connection);
extern char *omf_connection_value(const OmfConnection *connection, int row,
								  int column);

/* Can it be asked any more? */
extern bool omf_connection_is_open(const OmfConnection *connection);

/* Let go of all; may be called again, and never throws. */
extern void omf_connection_close(OmfConnection *connection);

#endif /* OMF_SOURCE_CONNECTION_H */
