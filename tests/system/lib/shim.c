/*
 * shim: what no other program can do to one from outside, by LD_PRELOAD.
 *
 *	SIGUSR2			the event loop is wedged: never returns from the handler
 *	$TOCSIN_SHIM/fork-fails	as long as there is such a file, fork() has no process left
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
spin_cb(int sig)
{
	volatile int	 turns = 0;

	(void)sig;
	for (;;)
		turns = !turns;
}

__attribute__((constructor)) static void
prepare(void)
{
	const struct sigaction	 sa = { .sa_handler = spin_cb };

	(void)sigaction(SIGUSR2, &sa, NULL);
}

pid_t
fork(void)
{
	pid_t		 (*real)(void);
	char		 path[PATH_MAX];
	const char	*folder = getenv("TOCSIN_SHIM");

	snprintf(path, sizeof(path), "%s/fork-fails", folder != NULL ? folder : "");
	if (access(path, F_OK) == 0) {
		errno = EAGAIN;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "fork");
	return real();
}
