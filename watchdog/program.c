#include "watchdog/program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/suite.h"

#define GROUPS_MAX	256
#define OUTPUT_MAX	(1 << 20)	/* bytes; what is beyond is dropped */

/* Finding */

int
program_find(const char *name, char path[PATH_MAX])
{
	static const char *const places[] = { "", "/../sbin", "/../lib/tocsin" };
	char			 self[PATH_MAX], candidate[PATH_MAX];
	ssize_t			 n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0) {
		fprintf(stderr, "tocsin: cannot find the other programs, /proc/self/exe: %s: is /proc mounted?\n", strerror(errno));
		return -1;
	}
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (snprintf(candidate, sizeof(candidate), "%s%s/%s", self, places[i], name) < (int)sizeof(candidate) &&
		    realpath(candidate, path) != NULL)
			return 0;
	fprintf(stderr, "tocsin: %s is neither beside this program (%s) nor in ../sbin or ../lib/tocsin: install it there\n", name, self);
	return -1;
}

/* exec changes none of its words, its type only says so. */
static char *const *
words_of(const char *const *argv)
{
	return (char *const *)(uintptr_t)argv;
}

int
program_become(const char *path, const char *const *argv)
{
	execv(path, words_of(argv));
	fprintf(stderr, "tocsin: cannot run %s: %s\n", path, strerror(errno));
	return EXIT_TEMPORARY;
}

/* Users */

bool
program_user_find(struct program_user *u, const char *name)
{
	struct passwd	*pw = getpwnam(name);

	*u = (struct program_user){ 0 };
	if (pw == NULL)
		return false;
	*u = (struct program_user){
		.name = xstrdup(name), .home = xstrdup(pw->pw_dir), .uid = pw->pw_uid, .gid = pw->pw_gid,
		.groups = xcalloc(GROUPS_MAX, sizeof(gid_t)), .group_count = GROUPS_MAX
	};
	if (getgrouplist(name, u->gid, u->groups, &u->group_count) == -1) {
		u->groups[0] = u->gid;		/* in more than that: the first must do */
		u->group_count = 1;
	}
	return true;
}

void
program_user_clear(struct program_user *u)
{
	free(u->name);
	free(u->home);
	free(u->groups);
	*u = (struct program_user){ 0 };
}

/* In a child. */
static int
become_user(const struct program_user *u)
{
	if (u == NULL || (u->uid == geteuid() && u->gid == getegid()))
		return 0;
	if (setgroups((size_t)u->group_count, u->groups) == -1 || setgid(u->gid) == -1 || setuid(u->uid) == -1)
		return -1;
	/* As the watchdog gives it to its processes: libpq looks for ~/.pgpass. */
	return setenv("HOME", u->home, 1) | setenv("USER", u->name, 1) | setenv("LOGNAME", u->name, 1);
}

int
program_access(const char *path, int mode, const struct program_user *user)
{
	pid_t	 pid = fork();
	int	 status = 0;

	if (pid == -1)
		return errno;
	if (pid == 0)
		_exit(become_user(user) == -1 || access(path, mode) == -1 ? errno : 0);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

/* Running */

static void __attribute__((noreturn))
run_child(const char *const *argv, const struct program_user *user, int out)
{
	int	 nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (nothing == -1 || dup2(nothing, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 ||
	    dup2(out, STDERR_FILENO) == -1 || chdir("/") == -1)
		_exit(EXIT_TEMPORARY);
	/* This is our own single thread still: stdio is allowed. */
	if (become_user(user) == -1)
		dprintf(out, "cannot become user %s: %s\n", user->name, strerror(errno));
	else {
		execv(argv[0], words_of(argv));
		dprintf(out, "cannot run %s: %s\n", argv[0], strerror(errno));
	}
	_exit(EXIT_TEMPORARY);
}

/* Until the other end is closed; false when that did not come in time. */
static bool
gather(int fd, int timeout_ms, FILE *out)
{
	int64_t		 deadline_us = clock_mono_us() + (int64_t)timeout_ms * 1000, left_us;
	struct pollfd	 p = { .fd = fd, .events = POLLIN };
	char		 buf[4096];
	size_t		 total = 0;
	ssize_t		 n;

	for (;;) {
		if ((left_us = deadline_us - clock_mono_us()) <= 0)
			return false;
		if (poll(&p, 1, (int)(left_us / 1000) + 1) <= 0)
			continue;
		if ((n = read(fd, buf, sizeof(buf))) == 0 || (n == -1 && errno != EINTR))
			return true;
		if (n > 0 && (total += (size_t)n) <= OUTPUT_MAX)
			(void)fwrite(buf, 1, (size_t)n, out);	/* to memory */
	}
}

static int
run_into(FILE *out, const char *const *argv, const struct program_user *user, int timeout_ms)
{
	int	 pfd[2], status = 0;
	pid_t	 pid;
	bool	 ended;

	if (pipe2(pfd, O_CLOEXEC) == -1 || (pid = fork()) == -1) {
		fprintf(out, "cannot run %s: %s\n", argv[0], strerror(errno));
		return PROGRAM_FAILED;
	}
	if (pid == 0)
		run_child(argv, user, pfd[1]);
	fd_close(&pfd[1]);
	ended = gather(pfd[0], timeout_ms, out);
	fd_close(&pfd[0]);
	if (!ended)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (!ended)
		return PROGRAM_LATE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
program_run(const char *const *argv, const struct program_user *user, int timeout_ms, char **output)
{
	size_t	 size;
	FILE	*out;
	int	 code;

	*output = NULL;
	if ((out = open_memstream(output, &size)) == NULL)
		fatal("program", "out of memory");
	(void)fflush(stdout);	/* else the child has a copy of it */
	code = run_into(out, argv, user, timeout_ms);
	fclose(out);
	return code;
}
