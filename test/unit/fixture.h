/*-------------------------------------------------------------------------
 *
 * fixture.h
 *	  An engine and a server that advance in turns, for one case each.
 *
 * begin_case() opens the server and fills in a configuration, the test may
 * change that, make_engine() makes the engine, and end_case() asserts that
 * nothing is left behind.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_FIXTURE_H
#define OMF_FIXTURE_H

#include "server.h"
#include "client/engine.h"

#define FINISHED_MAX 64
#define BODY_MAX 1000 /* cap of the bodies of answers */
#define PATIENCE 5000 /* milliseconds in which things happen, or never */

extern Server server;                      /* of the case */
extern OmfEngineConfig config;             /* of the case */
extern OmfBudget budget;                   /* that the engine goes by */
extern OmfEngine *engine;                  /* made by make_engine() */
extern OmfInbox inbox;                     /* that all requests arrive in */
extern OmfRequest *finished[FINISHED_MAX]; /* taken from it, in their order */
extern int nfinished;                      /* how many */
extern int turns;                          /* how often the engine was driven */
extern int fds_acquired(void);             /* descriptors that are open */
extern int fd_allowance;                   /* descriptors that may yet be opened */

extern void begin_case(const char *name);
extern void make_engine(void);
extern void end_case(void);

extern OmfRequest *submit(OmfMethod method, const char *path, const char *body);

/* Wait up to `ms` milliseconds for something to happen, and take note of it. */
extern void take_turn(int ms);

/* Take turns until so many requests finished, or arrived at the server. */
extern bool until_finished(int count);
extern bool until_seen(int count);

/* Take turns for so many milliseconds. */
extern void settle(int ms);

/* Sleep without a turn, as when a cursor rests. */
extern void rest(int ms);

/* The reply of a finished request, or of none at all. */
extern const OmfReply *reply_of(int number);

/* Handlers: answer at once, with 200 or 204. */
extern void answer_at_once(Server *answering, Seen *request);

#endif /* OMF_FIXTURE_H */
