#include "watchdog/holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"

#define PROC_PATH_MAX	64
#define COMM_MAX	64	/* 16 by proc(5), more for the kernel's own threads */

/* What is looked for, and what is done about it. */
struct search {
	struct stat	 lock;
	int		 sig, count;
	uid_t		 user;
	void		(*told)(pid_t pid, const char *comm, void *arg);
	void		*arg;
};

/* The beginning of a file of /proc as a string, or false. */
static bool
read_text(const char *path, char *text, size_t size)
{
	ssize_t	 n;
	int	 fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	n = read(fd, text, size - 1);
	fd_close(&fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* A name of digits only, as /proc gives to processes and descriptors; else -1. */
static int
number(const char *name)
{
	char	*end;
	long	 value;

	if (*name < '0' || *name > '9')
		return -1;
	value = strtol(name, &end, 10);
	return *end == '\0' && value <= INT_MAX ? (int)value : -1;
}

/* `lock:	1: FLOCK  ADVISORY  WRITE 412 00:19:1055 0 EOF`: the line is there for the lock's own open file only. */
static bool
has_flock(pid_t pid, int fd)
{
	char	 path[PROC_PATH_MAX], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, fd);
	if (!read_text(path, text, sizeof(text)))
		return false;
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "lock:", 5) == 0 && memmem(line, strcspn(line, "\n"), " FLOCK ", 7) != NULL)
			return true;
	}
	return false;
}

/* The lock before the file: asking a file system that hangs about its file would hang us too. */
static bool
holds(const struct search *s, pid_t pid, int fd)
{
	char		 path[PROC_PATH_MAX];
	struct stat	 st;

	if (!has_flock(pid, fd))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	return stat(path, &st) == 0 && st.st_dev == s->lock.st_dev && st.st_ino == s->lock.st_ino;
}

/* By its status: a process that may not be dumped has root's files in /proc. */
static bool
is_of_user(const struct search *s, pid_t pid)
{
	char	 path[PROC_PATH_MAX], text[1024], *line;

	if (s->user == (uid_t)-1)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return read_text(path, text, sizeof(text)) && (line = strstr(text, "\nUid:")) != NULL &&
	    strtoul(line + 5, NULL, 10) == (unsigned long)s->user;
}

static void
read_comm(pid_t pid, char comm[COMM_MAX])
{
	char	 path[PROC_PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (!read_text(path, comm, COMM_MAX))
		comm[0] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
}

/* `fd` of `pid` held the lock a moment ago.  false only when the kernel has no pidfds. */
static bool
signal_holder(struct search *s, pid_t pid, int fd)
{
	char	 comm[COMM_MAX];
	int	 pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd == -1)
		return errno != ENOSYS;		/* it has ended */
	/* From here on the number may change hands, the pidfd does not. */
	if (holds(s, pid, fd) && is_of_user(s, pid)) {
		read_comm(pid, comm);
		if (syscall(SYS_pidfd_send_signal, pidfd, s->sig, NULL, 0) == 0) {
			s->count++;
			if (s->sig != 0)	/* a stopped one hears it only when it goes on */
				(void)syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, NULL, 0);
			if (s->told != NULL)
				s->told(pid, comm, s->arg);
		}
	}
	fd_close(&pidfd);
	return true;
}

/* One signal, however many of its descriptors are the lock. */
static bool
visit(struct search *s, pid_t pid)
{
	char		 path[PROC_PATH_MAX];
	struct dirent	*entry;
	DIR		*fds;
	bool		 able = true, found = false;
	int		 fd;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if ((fds = opendir(path)) == NULL)
		return true;	/* ended, or not ours to look at */
	while (!found && (entry = readdir(fds)) != NULL)
		if ((fd = number(entry->d_name)) != -1 && holds(s, pid, fd)) {
			found = true;
			able = signal_holder(s, pid, fd);
		}
	closedir(fds);
	return able;
}

int
holders_signal(const char *lock_path, uid_t user, int sig, void (*told)(pid_t pid, const char *comm, void *arg), void *arg)
{
	struct search	 s = { .sig = sig, .user = user, .told = told, .arg = arg };
	struct dirent	*entry;
	DIR		*proc;
	bool		 able = true;
	pid_t		 self = getpid(), pid;

	if (lstat(lock_path, &s.lock) == -1 || (proc = opendir("/proc")) == NULL)
		return -1;
	while (able && (entry = readdir(proc)) != NULL)
		if ((pid = number(entry->d_name)) > 1 && pid != self)
			able = visit(&s, pid);
	closedir(proc);
	if (!able)
		errno = ENOSYS;
	return able ? s.count : -1;
}
