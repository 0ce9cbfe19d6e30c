/*-------------------------------------------------------------------------
 *
 * config.h
 *	  What a control call can change about the API as a whole.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_CONFIG_H
#define SIMULATOR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Config
{
	int64_t latency_ms;	  /* before every answer of the API */
	int64_t max_streams;  /* of an HTTP/2 connection opened from now on */
	int64_t kickoff_ms;	  /* a started migration shows after that */
	int64_t running_ms;	  /* and is running for so long */
	int64_t syncing_ms;	  /* then syncing for so long */
	bool list_links;	  /* a listing has links.pages */
	bool list_total;	  /* a listing has meta.total */
	int64_t list_total_off; /* meta.total is wrong by so many */
	int64_t list_max_page; /* the most clusters on a page */
	bool list_shift;	  /* each page repeats the last cluster of the one before */
	int64_t list_loop;	  /* that page names itself as the next one; 0: none */
	bool list_other_host; /* links lead to another host */
} Config;

extern Config config;
extern const Config default_config;

#endif /* SIMULATOR_CONFIG_H */
