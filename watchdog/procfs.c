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

bool
procfs_usage(pid_t pid, struct procfs_usage *u)
{
	char	 path[40], text[1024];
	ssize_t	 n;
	int	 fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	fd_close(&fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return parse_stat(text, u);
}
