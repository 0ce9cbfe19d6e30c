/*-------------------------------------------------------------------------
 *
 * mysql_greeting.h
 *	  How a MySQL server greets who connects to it.
 *
 * It speaks first, before it has been told any name.  MySQL's own library,
 * which mysql_fdw connects with, waits for that in a way that sees no cancel
 * and no deadline: so a server that does not greet is told apart before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_MYSQL_GREETING_H
#define OMF_MYSQL_GREETING_H

#include "postgres.h"

typedef struct OmfMysqlGreeting
{
	bool connected;      /* somebody is there */
	bool greeted;        /* and it is a MySQL server that lets this one talk */
	bool takes_tls;      /* that it says it can */
	const char *address; /* the one that was tried last, or NULL */
	const char *problem; /* why it came no further, or NULL */
} OmfMysqlGreeting;

/*
 * Connect, hear the greeting, and hang up; palloc'd.  Throws when cancelled,
 * and for lack of memory or descriptors.
 *
 * Servers count who hangs up, and shut a host out that does so a hundred times
 * without ever logging in (max_connect_errors): to be followed by a login.
 */
extern OmfMysqlGreeting *omf_mysql_greeting(const char *host, int port,
											int timeout_ms);

#endif /* OMF_MYSQL_GREETING_H */
