/*-------------------------------------------------------------------------
 *
 * main.c
 *	  A stand-in for DigitalOcean's managed databases API, for tests.
 *
 * Keeps clusters and migrations in memory, answers over HTTP/1.1, TLS and
 * HTTP/2 on the loopback address only, and goes wrong in many ways when it
 * is asked to.  README.md tells how.
 *
 * One process, one thread, one event loop: whatever happens to one
 * connection must never hold up the others.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"
#include "server.h"
#include "state.h"
#include "stats.h"
#include "tls.h"

/* The command line. */
typedef struct Options
{
	int http_port;			 /* 0 for any */
	int https_port;			 /* 0 for any */
	char *directory;		 /* for files; owned */
	bool temporary;			 /* remove the directory at the end */
	int64_t latency_ms;		 /* of every answer */
	bool until_stdin_closes; /* end with the standard input */
} Options;

/* The TLS listeners there are besides the good one. */
static const struct
{
	const char *name;
	Flaw flaw;
} flawed[] = {
	{"https_expired", FLAW_EXPIRED},
	{"https_selfsigned", FLAW_SELFSIGNED},
	{"https_wronghost", FLAW_WRONG_HOST},
	{"https_tls11", FLAW_OLD_VERSION},
	{"https_h1", FLAW_HTTP1},
};

static const char *const files[] = {"ca.pem", "other_ca.pem"};

static void
usage(FILE *stream)
{
	fputs("usage: simulator [--http PORT] [--https PORT] [--directory DIR]\n"
		  "                 [--latency MS] [--until-stdin-closes]\n",
		  stream);
}

/* A number in a range, or the end of the program. */
static int
number(const char *option, const char *text, int most)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end != '\0' || value < 0 || value > most)
	{
		fprintf(stderr, "simulator: --%s needs a number from 0 to %d\n", option, most);
		exit(2);
	}
	return (int) value;
}

static void
read_options(int argc, char **argv, Options *options)
{
	static const struct option known[] = {
		{"http", required_argument, NULL, 'p'},
		{"https", required_argument, NULL, 's'},
		{"directory", required_argument, NULL, 'd'},
		{"latency", required_argument, NULL, 'l'},
		{"until-stdin-closes", no_argument, NULL, 'u'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
	{
		switch (option)
		{
			case 'p':
				options->http_port = number("http", optarg, 65535);
				break;
			case 's':
				options->https_port = number("https", optarg, 65535);
				break;
			case 'd':
				free(options->directory);
				options->directory = xstrdup(optarg);
				break;
			case 'l':
				options->latency_ms = number("latency", optarg, 3600000);
				break;
			case 'u':
				options->until_stdin_closes = true;
				break;
			case 'h':
				usage(stdout);
				exit(0);
			default:
				usage(stderr);
				exit(2);
		}
	}
	if (optind < argc)
	{
		usage(stderr);
		exit(2);
	}
}

static bool
prepare_directory(Options *options)
{
	const char *parent = getenv("TMPDIR");

	if (options->directory != NULL)
		return mkdir(options->directory, 0755) == 0 || errno == EEXIST;
	options->directory = format("%s/simulator-XXXXXX", (parent != NULL) ? parent : "/tmp");
	options->temporary = (mkdtemp(options->directory) != NULL);
	/* a server of another user may have to read the CA's certificate */
	return options->temporary && chmod(options->directory, 0755) == 0;
}

static char *
file_path(const Options *options, const char *name)
{
	return format("%s/%s", options->directory, name);
}

static bool
write_files(const Options *options)
{
	bool good = true;

	for (size_t i = 0; good && i < lengthof(files); i++)
	{
		char *path = file_path(options, files[i]);

		good = tls_write_ca(path, i > 0);
		free(path);
	}
	return good;
}

static void
remove_files(const Options *options)
{
	for (size_t i = 0; i < lengthof(files); i++)
	{
		char *path = file_path(options, files[i]);

		unlink(path);
		free(path);
	}
	if (options->temporary)
		rmdir(options->directory);
}

/* Open all ports and print where they are; false if that fails. */
static bool
listen_everywhere(const Options *options)
{
	SSL_CTX *context = tls_context(FLAW_NONE);
	Listener *listener;
	char *ca_file = file_path(options, files[0]);

	if (context == NULL || (listener = server_listen("http", options->http_port, NULL, false)) == NULL)
		return false;
	printf("http http://127.0.0.1:%d\n", listener->port);
	if ((listener = server_listen("https", options->https_port, context, false)) == NULL)
		return false;
	printf("https https://localhost:%d\n", listener->port);
	printf("ca_file %s\n", ca_file);
	free(ca_file);
	ca_file = file_path(options, files[1]);
	printf("other_ca_file %s\n", ca_file);
	free(ca_file);
	for (size_t i = 0; i < lengthof(flawed); i++)
	{
		context = tls_context(flawed[i].flaw);
		if (context == NULL)
			continue; /* this OpenSSL cannot do that wrong */
		if ((listener = server_listen(flawed[i].name, 0, context, false)) == NULL)
			return false;
		printf("%s https://localhost:%d\n", flawed[i].name, listener->port);
	}
	if ((listener = server_refuse("refused")) == NULL)
		return false;
	printf("refused https://localhost:%d\n", listener->port);
	if ((listener = server_listen("blackhole", 0, NULL, true)) == NULL)
		return false;
	printf("blackhole https://localhost:%d\n", listener->port);
	return true;
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
stdin_readable(evutil_socket_t input, short what, void *argument)
{
	char buffer[4096];
	ssize_t length = read(input, buffer, sizeof(buffer));

	(void) what;
	(void) argument;
	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
		event_base_loopbreak(event_base);
}

/* A connection needs a descriptor: have as many as we may. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Serve until told to end; false if the loop could not even begin. */
static bool
serve(const Options *options)
{
	struct event *events[3] = {
		evsignal_new(event_base, SIGTERM, stop, NULL),
		evsignal_new(event_base, SIGINT, stop, NULL),
		event_new(event_base, STDIN_FILENO, EV_READ | EV_PERSIST, stdin_readable, NULL)};
	bool good = event_add(events[0], NULL) == 0 && event_add(events[1], NULL) == 0;

	/* a standard input that cannot be waited for is as good as closed */
	if (good && options->until_stdin_closes)
		good = event_add(events[2], NULL) == 0;
	if (good)
	{
		puts("ready");
		fflush(stdout);
		event_base_dispatch(event_base);
	}
	for (size_t i = 0; i < lengthof(events); i++)
		event_free(events[i]);
	return good;
}

int
main(int argc, char **argv)
{
	Options options = {0};
	bool good;

	read_options(argc, argv, &options);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	event_base = event_base_new();
	state_reset();
	config.latency_ms = options.latency_ms;
	good = event_base != NULL && prepare_directory(&options) && tls_start() &&
		write_files(&options) && listen_everywhere(&options);
	if (!good)
		fprintf(stderr, "simulator: cannot start: %s\n", strerror(errno));
	else
		good = serve(&options);

	server_shutdown();
	if (options.directory != NULL)
		remove_files(&options);
	free(options.directory);
	state_free();
	faults_clear();
	stats_free();
	tls_stop();
	if (event_base != NULL)
		event_base_free(event_base);
	libevent_global_shutdown();
	return good ? 0 : 1;
}
