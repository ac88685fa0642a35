#include "tests/bench/superv/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX	8192

int64_t
proc_now_ns(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void
proc_sleep_ms(int64_t ms)
{
	struct timespec	 left = { ms / 1000, ms % 1000 * 1000000 };

	while (ms > 0 && nanosleep(&left, &left) == -1 && errno == EINTR)
		;
}

void
proc_die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
	exit(2);
}

/* The file's text; false when it is not there or empty. */
static int
read_text(const char *path, char text[TEXT_MAX])
{
	int	 fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t	 n, len = 0;

	if (fd == -1)
		return -1;
	while (len < TEXT_MAX - 1 && (n = read(fd, text + len, (size_t)(TEXT_MAX - 1 - len))) > 0)
		len += n;
	close(fd);
	text[len] = '\0';
	return len > 0 ? 0 : -1;
}

/* The number behind `key` at the start of a line; 0 without one. */
static long
number_of(const char *text, const char *key)
{
	size_t	 len = strlen(key);

	for (; text != NULL && *text != '\0'; text = strchr(text, '\n'), text += text != NULL)
		if (strncmp(text, key, len) == 0)
			return strtol(text + len, NULL, 10);
	return 0;
}

static void
add_thread(struct proc_usage *u, const char *folder, const char *thread)
{
	char	 path[400], text[TEXT_MAX];

	snprintf(path, sizeof(path), "%s/%s/schedstat", folder, thread);
	if (read_text(path, text) == 0)
		u->cpu_ns += strtoll(text, NULL, 10);
	snprintf(path, sizeof(path), "%s/%s/status", folder, thread);
	if (read_text(path, text) == 0)
		u->wakeups += number_of(text, "voluntary_ctxt_switches:");
}

/* How many entries the folder has; `u` may be NULL, else they are its threads. */
static long
scan(const char *folder, struct proc_usage *u)
{
	DIR		*dir = opendir(folder);
	struct dirent	*entry;
	long		 count = 0;

	if (dir == NULL)
		proc_die(folder, strerror(errno));
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		if (u != NULL)
			add_thread(u, folder, entry->d_name);
	}
	closedir(dir);
	return count;
}

struct proc_usage
proc_usage(pid_t pid)
{
	struct proc_usage	 u = { 0 };
	char			 path[64], text[TEXT_MAX];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	scan(path, &u);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	u.descriptors = scan(path, NULL);
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	if (read_text(path, text) == -1)
		proc_die(path, "cannot be read");
	u.rss_kb = number_of(text, "Rss:");
	u.pss_kb = number_of(text, "Pss:");
	u.private_dirty_kb = number_of(text, "Private_Dirty:");
	return u;
}

char
proc_state(pid_t pid)
{
	char	 path[64], text[TEXT_MAX], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_text(path, text) == -1 || (end = strrchr(text, ')')) == NULL || end[1] == '\0')
		return 0;
	return end[2];
}

void
proc_kill_children(void)
{
	char	 path[64], text[TEXT_MAX], *at, *end;
	pid_t	 pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	while (read_text(path, text) == 0)
		for (at = text; (pid = (pid_t)strtol(at, &end, 10)) > 0; at = end) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
}
