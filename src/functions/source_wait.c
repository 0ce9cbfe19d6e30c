/*-------------------------------------------------------------------------
 *
 * source_wait.c
 *	  Waiting on the way to a server that is to be a source.
 *
 *-------------------------------------------------------------------------
 */
#include "functions/source_wait.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/wait_event.h"

#include "client/mask.h"
#include "compat.h"
#include "functions/call.h"
#include "session/error.h"
#include "session/session.h"

/* The longest text of a library's or the source's in a message, in bytes. */
#define WORDS_MAX 500

void
omf_source_count_descriptor(OmfSourceWay *way)
{
	if (!omf_session_acquire_fd(0))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("could not connect to the source"),
				 errdetail("There are too many open files on this server."),
				 errhint("%s", omf_error_hint_descriptors)));
	way->nfds++;
}

void
omf_source_uncount_descriptor(OmfSourceWay *way)
{
	omf_session_release_fd();
	way->nfds--;
}

bool
omf_source_wait(int fd, int events, int64 deadline)
{
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = omf_new_wait_event("OnlineMigrationsSource");
	for (;;)
	{
		int64 left = deadline - omf_clock();
		int occurred;

		CHECK_FOR_INTERRUPTS();
		if (left <= 0)
			return false;
		occurred = WaitLatchOrSocket(MyLatch,
									 events | WL_LATCH_SET | WL_TIMEOUT |
										 WL_EXIT_ON_PM_DEATH,
									 fd, (long) left, wait_event);
		if (occurred & WL_LATCH_SET)
			ResetLatch(MyLatch);
		if (occurred & events)
			return true;
	}
}

const char *
omf_source_look_up(OmfSourceWay *way, const char *host, int64 deadline)
{
	char(*addresses)[OMF_ADDRESS_SIZE];
	const char *problem;

	if (way->lookup == NULL)
	{
		omf_source_count_descriptor(way);
		way->lookup = omf_resolver_begin(host);
		if (way->lookup == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory")));
	}
	if (!omf_source_wait(omf_resolver_fd(way->lookup), WL_SOCKET_READABLE,
						 deadline))
		return "its name was not looked up within connect_timeout";
	if (omf_resolver_addresses(way->lookup, &addresses, &problem) > 0)
		return NULL;
	return problem;
}

/*
 * Who answers may not be who it should be: its words can be in any encoding,
 * and hold what it was sent.
 */
char *
omf_source_presentable(const char *text, const char *password)
{
	const OmfSecrets secrets = {&password, 1};
	char *copy = pstrdup(text);

	omf_mask(copy, &secrets);
	if (!pg_verify_mbstr(GetDatabaseEncoding(), copy, (int) strlen(copy),
						 true))
		for (char *next = copy; *next != '\0'; next++)
			if (IS_HIGHBIT_SET(*next))
				*next = '?';
	return copy;
}

char *
omf_source_words(const char *text, const char *password)
{
	char *words = omf_source_presentable(text, password);
	int length = (int) strlen(words);

	if (length >= WORDS_MAX)
		length = pg_mbcliplen(words, length, WORDS_MAX - 1);
	while (length > 0 && isspace((unsigned char) words[length - 1]))
		length--;
	words[length] = '\0';
	for (char *next = words; *next != '\0'; next++)
		if ((unsigned char) *next < 0x20 || *next == 0x7F)
			*next = ' ';
	return words;
}

void
omf_source_way_close(OmfSourceWay *way)
{
	omf_resolver_free(way->lookup);
	way->lookup = NULL;
	for (; way->nfds > 0; way->nfds--)
		omf_session_release_fd();
}
