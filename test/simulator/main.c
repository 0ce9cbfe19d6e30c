/*-------------------------------------------------------------------------
 *
 * main.c
 *	  Options, listeners, and the loop.
 *
 *-------------------------------------------------------------------------
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "faults.h"
#include "server.h"
#include "state.h"
#include "tls.h"

/* What the command line asks for. */
typedef struct Options
{
	int http;			  /* ports, 0 for any free one */
	int https;
	char *directory;	  /* of ca.pem, or NULL: a temporary one */
	bool until_eof;		  /* end when standard input does */
	int64_t latency_ms;	  /* before every answer of the API */
} Options;

static const char usage[] =
	"Usage: simulator [--http PORT] [--https PORT] [--directory DIR] [--latency MS] [--until-stdin-closes]\n";

static void
parse_options(int argc, char **argv, Options *options)
{
	static const struct option known[] = {
		{"http", required_argument, NULL, 'h'},
		{"https", required_argument, NULL, 's'},
		{"directory", required_argument, NULL, 'd'},
		{"latency", required_argument, NULL, 'l'},
		{"until-stdin-closes", no_argument, NULL, 'u'},
		{NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
	{
		switch (option)
		{
			case 'h':
				options->http = atoi(optarg);
				break;
			case 's':
				options->https = atoi(optarg);
				break;
			case 'd':
				options->directory = xstrdup(optarg);
				break;
			case 'l':
				options->latency_ms = atoll(optarg);
				break;
			case 'u':
				options->until_eof = true;
				break;
			default:
				fputs(usage, stderr);
				exit(2);
		}
	}
}

static void
give_up(const char *what)
{
	fprintf(stderr, "simulator: %s\n", what);
	exit(1);
}

/* Say where something listens, under its name. */
static void
announce(const Listener *listener, const char *scheme, const char *host)
{
	if (listener == NULL)
		give_up("cannot listen");
	printf("%s %s://%s:%d\n", listener->name, scheme, host, listener->port);
}

static void
listen_all(const Options *options)
{
	static const struct
	{
		const char *name;
		TlsKind kind;
	} odd[] = {{"https_expired", TLS_EXPIRED},
			   {"https_selfsigned", TLS_SELFSIGNED},
			   {"https_wronghost", TLS_WRONGHOST},
			   {"https_tls11", TLS_OLD},
			   {"https_h1", TLS_HTTP1},
			   {"https_client", TLS_CLIENT},
			   {"https_client12", TLS_CLIENT_12},
			   {"https_no_tickets", TLS_NO_TICKETS}};

	announce(server_listen("http", options->http, NULL, &http1_protocol), "http", "127.0.0.1");
	announce(server_listen("https", options->https, tls_context(TLS_GOOD), NULL), "https", "localhost");
	printf("ca_file %s/ca.pem\n", options->directory);
	for (size_t i = 0; i < lengthof(odd); i++)
		announce(server_listen(odd[i].name, 0, tls_context(odd[i].kind), NULL), "https", "localhost");
	announce(server_listen("http2", 0, NULL, &http2_protocol), "http", "127.0.0.1");
	announce(server_refuse("refused"), "https", "localhost");
	announce(server_listen("blackhole", 0, NULL, NULL), "https", "localhost");
	announce(server_hang_up("hangup"), "https", "localhost");
	puts("ready");
	fflush(stdout);
}

static void
stop(evutil_socket_t unused, short what, void *argument)
{
	(void) unused;
	(void) what;
	(void) argument;
	event_base_loopbreak(event_base);
}

static void
input_readable(evutil_socket_t input, short what, void *argument)
{
	char buffer[256];

	if (read(input, buffer, sizeof(buffer)) <= 0)
		stop(input, what, argument);
}

/* Signals, and the end of standard input if that was asked for. */
static void
watch_for_end(const Options *options)
{
	event_add(evsignal_new(event_base, SIGTERM, stop, NULL), NULL);
	event_add(evsignal_new(event_base, SIGINT, stop, NULL), NULL);
	if (options->until_eof)
		event_add(event_new(event_base, STDIN_FILENO, EV_READ | EV_PERSIST, input_readable, NULL), NULL);
}

int
main(int argc, char **argv)
{
	Options options = {0};
	bool temporary;
	char *ca_file;
	struct event_config *settings = event_config_new();

	parse_options(argc, argv, &options);
	signal(SIGPIPE, SIG_IGN);
	temporary = options.directory == NULL;
	if (temporary)
	{
		options.directory = xstrdup("/tmp/simulator-XXXXXX");
		if (mkdtemp(options.directory) == NULL)
			give_up("cannot make a temporary directory");
		chmod(options.directory, 0755);
	}
	ca_file = format("%s/ca.pem", options.directory);
	if (!tls_make_ca(ca_file))
		give_up("cannot make a certificate authority");
	/* epoll does not know files, which standard input may be */
	event_config_require_features(settings, options.until_eof ? EV_FEATURE_FDS : 0);
	event_base = event_base_new_with_config(settings);
	if (event_base == NULL)
		event_base = event_base_new();
	event_config_free(settings);
	state_reset();
	config.latency_ms = options.latency_ms;
	listen_all(&options);
	watch_for_end(&options);
	event_base_dispatch(event_base);
	server_shutdown();
	faults_reset();
	tls_free();
	if (temporary)
	{
		unlink(ca_file);
		rmdir(options.directory);
	}
	return 0;
}
