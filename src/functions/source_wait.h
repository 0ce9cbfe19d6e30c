/*-------------------------------------------------------------------------
 *
 * source_wait.h
 *	  Waiting on the way to a server that is to be a source.
 *
 * All waiting is on the latch, and has a deadline on omf_clock().
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_SOURCE_WAIT_H
#define OMF_SOURCE_WAIT_H

#include "postgres.h"

#include "storage/latch.h"

#include "client/resolver.h"

/* What is open on the way to a source, zeroed at first; to be closed. */
typedef struct OmfSourceWay
{
	OmfNameLookup *lookup; /* kept, for its addresses, or NULL */
	int nfds;              /* descriptors that PostgreSQL has been told of */
} OmfSourceWay;

/* PostgreSQL counts what others open; throws when there are too many. */
extern void omf_source_count_descriptor(OmfSourceWay *way);
extern void omf_source_uncount_descriptor(OmfSourceWay *way);

/* Wait for the descriptor: false when the deadline has passed. */
extern bool omf_source_wait(int fd, int events, int64 deadline);

/* Look the host up: NULL when it has addresses, else why not. */
extern const char *omf_source_look_up(OmfSourceWay *way, const char *host,
									  int64 deadline);

/*
 * What the source or a library says, in the server's encoding and without the
 * password (or NULL); and as a message has it: one line, clipped.  palloc'd.
 */
extern char *omf_source_presentable(const char *text, const char *password);
extern char *omf_source_words(const char *text, const char *password);

/* May be called again, and never throws. */
extern void omf_source_way_close(OmfSourceWay *way);

#endif /* OMF_SOURCE_WAIT_H */
