/*-------------------------------------------------------------------------
 *
 * name.c
 *	  Does a host name exist?
 *
 *-------------------------------------------------------------------------
 */
#include "client/name.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The longest name of a host, with the terminating NUL. */
#define NAME_SIZE 256

/* One question: two have it, and the last one frees it. */
typedef struct Question
{
	pthread_mutex_t mutex; /* for all of the below */
	pthread_cond_t over;   /* it is answered */
	int holders;           /* who asks, and the thread */
	bool answered;
	int answer; /* then: what getaddrinfo() says */
	char name[NAME_SIZE];
} Question;

/* Let go of a question whose mutex is held. */
static void
release(Question *question)
{
	bool last = --question->holders == 0;

	pthread_mutex_unlock(&question->mutex);
	if (!last)
		return;
	pthread_cond_destroy(&question->over);
	pthread_mutex_destroy(&question->mutex);
	free(question);
}

static void *
answer(void *arg)
{
	Question *question = arg;
	struct addrinfo hints;
	struct addrinfo *found = NULL;
	int result;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	result = getaddrinfo(question->name, NULL, &hints, &found);
	if (result == 0)
		freeaddrinfo(found);
	pthread_mutex_lock(&question->mutex);
	question->answered = true;
	question->answer = result;
	pthread_cond_signal(&question->over);
	release(question);
	return NULL;
}

/* Copy the host of a URL; false if it is none that is looked up. */
static bool
host_of(const char *url, char name[NAME_SIZE])
{
	const char *host = strstr(url, "://");
	size_t length;

	host = host != NULL ? host + 3 : url;
	length = strcspn(host, ":/?#");
	if (length == 0 || length >= NAME_SIZE || *host == '[')
		return false;
	memcpy(name, host, length);
	name[length] = '\0';
	return true;
}

/* The question, asked by a thread of its own; NULL when that can't be had. */
static Question *
ask(const char *url)
{
	Question *question = calloc(1, sizeof(Question));
	pthread_t thread;

	if (question == NULL)
		return NULL;
	pthread_mutex_init(&question->mutex, NULL);
	pthread_cond_init(&question->over, NULL);
	question->holders = 2;
	if (host_of(url, question->name) &&
		pthread_create(&thread, NULL, answer, question) == 0)
	{
		pthread_detach(thread);
		return question;
	}
	question->holders = 1;
	pthread_mutex_lock(&question->mutex);
	release(question);
	return NULL;
}

bool
omf_name_is_address(const char *url)
{
	const char *host = strstr(url, "://");
	char name[NAME_SIZE];
	struct in_addr address;

	if (host != NULL && host[3] == '[')
		return true;
	return host_of(url, name) && inet_pton(AF_INET, name, &address) == 1;
}

bool
omf_name_is_unknown(const char *url)
{
	Question *question = ask(url);
	struct timespec end;
	bool unknown;
	int late = 0;

	if (question == NULL)
		return false;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_nsec += OMF_NAME_PATIENCE_MS * 1000000L;
	end.tv_sec += end.tv_nsec / 1000000000L;
	end.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&question->mutex);
	while (!question->answered && late == 0)
		late = pthread_cond_timedwait(&question->over, &question->mutex, &end);
	unknown = question->answered && question->answer == EAI_NONAME;
#ifdef EAI_NODATA
	unknown |= question->answered && question->answer == EAI_NODATA;
#endif
	release(question);
	return unknown;
}
