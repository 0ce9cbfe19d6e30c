/*-------------------------------------------------------------------------
 *
 * scarce.c
 *	  Memory that runs out where a test wants it, for LD_PRELOAD into a server.
 *
 * The file that OMF_SCARCE names holds a Control, which the test writes and all
 * processes of the server share.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct Control
{
	int64_t pid;    /* of the process that meets it, or 0: none */
	int64_t first;  /* the first allocation to fail, counted from 1 */
	int64_t length; /* how many fail in a row */
	int64_t count;  /* allocations since the test wrote here */
} Control;

static Control *control;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

__attribute__((constructor)) static void
map_control(void)
{
	const char *path = getenv("OMF_SCARCE");
	int file = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *mapped;

	if (file < 0)
		return;
	mapped = mmap(NULL, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (mapped != MAP_FAILED)
		control = mapped;
}

/*
 * libnghttp2 1.52 falls over an allocation of its own that fails while it reads
 * (SIGSEGV in nghttp2_session_mem_recv()), so it gets what it asks for.
 */
static int
is_spared(void *caller)
{
	Dl_info info;

	return dladdr(caller, &info) != 0 && info.dli_fname != NULL &&
		   strstr(info.dli_fname, "libnghttp2") != NULL;
}

static int
is_denied(void *caller)
{
	int64_t number;

	if (control == NULL || control->pid == 0 || control->pid != getpid())
		return 0;
	number = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);
	if (number < control->first || number >= control->first + control->length)
		return 0;
	if (is_spared(caller))
		return 0;
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t size)
{
	return is_denied(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return is_denied(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return is_denied(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
