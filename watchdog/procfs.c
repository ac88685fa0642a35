#include "watchdog/procfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"

/* Fields of /proc/PID/stat, counted from 1 as proc(5) does. */
#define FIELD_STATE	3
#define FIELD_UTIME	14
#define FIELD_STIME	15
#define FIELD_RSS	24

static bool
parse_stat(const char *text, struct procfs_usage *u)
{
	/* The second field is the program's name, which may hold anything, also ") ". */
	const char	*at = strrchr(text, ')');
	int64_t		 value = 0, ticks = 0;
	char		*end;

	if (at == NULL || at[1] != ' ')
		return false;
	at += 2;
	u->state = *at;
	for (int field = FIELD_STATE; field <= FIELD_RSS; field++) {
		if (field == FIELD_STATE)
			end = strchr(at, ' ');
		else
			value = strtoll(at, &end, 10);
		if (end == NULL || end == at)
			return false;
		if (field == FIELD_UTIME || field == FIELD_STIME)
			ticks += value;
		at = end + (*end == ' ');
	}
	u->rss_kb = value * (sysconf(_SC_PAGESIZE) / 1024);
	u->cpu_ms = ticks * 1000 / sysconf(_SC_CLK_TCK);
	return true;
}

/* The text of a file of a process, with its NUL; false when there is none. */
static bool
read_file(pid_t pid, const char *name, char *text, size_t size)
{
	char	 path[48];
	ssize_t	 n;
	int	 fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	n = read(fd, text, size - 1);
	fd_close(&fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

bool
procfs_usage(pid_t pid, struct procfs_usage *u)
{
	char	 text[1024];

	if (read_file(pid, "stat", text, sizeof(text)) && parse_stat(text, u))
		return true;
	*u = (struct procfs_usage){ .state = '?', .rss_kb = -1, .cpu_ms = -1 };
	return false;
}

bool
procfs_turns(pid_t pid, struct procfs_turns *t)
{
	char	 text[96], *second, *end;

	*t = (struct procfs_turns){ 0 };
	if (!read_file(pid, "schedstat", text, sizeof(text)))
		return false;
	t->ran_us = strtoll(text, &second, 10) / 1000;
	t->waited_us = strtoll(second, &end, 10) / 1000;
	/* What has not run yet is no process; the kernel says 0 where it does not count (sched_info_on(), delayacct). */
	return second != text && end != second && (t->ran_us | t->waited_us) != 0;
}

bool
procfs_handles(pid_t pid, int sig)
{
	char		 text[4096], *ignored, *caught;
	uint64_t	 mask;

	if (!read_file(pid, "status", text, sizeof(text)) || (ignored = strstr(text, "\nSigIgn:")) == NULL ||
	    (caught = strstr(text, "\nSigCgt:")) == NULL)
		return true;
	mask = strtoull(ignored + 8, NULL, 16) | strtoull(caught + 8, NULL, 16);
	return (mask >> (sig - 1) & 1) != 0;
}
