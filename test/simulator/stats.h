/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  What tests ask about afterwards: counters, and a log of requests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_STATS_H
#define SIMULATOR_STATS_H

#include "exchange.h"

/* What a request asks for. */
typedef enum Kind
{
	KIND_GET_STATUS,
	KIND_PUT,
	KIND_DELETE_MIGRATION,
	KIND_LIST,
	KIND_GET_CLUSTER,
	KIND_DESTROY_CLUSTER,
	KIND_OTHER
} Kind;

#define KINDS (KIND_OTHER + 1)

extern void stats_connection(bool tls);
extern void stats_disconnection(void);
extern void stats_handshake(bool resumed);
extern void stats_handshake_failed(void);
extern void stats_stream(void);
extern void stats_request(Exchange *exchange, Kind kind);
extern void stats_answer(const Exchange *exchange);
extern void stats_done(void);

extern json_object *stats_counters(void);
extern void stats_reset_counters(void);
extern void stats_log_json(uint64_t since, Text *out);
extern void stats_log_text(uint64_t since, Text *out);
extern void stats_clear_log(void);

#endif /* SIMULATOR_STATS_H */
