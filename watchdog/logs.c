#include "watchdog/logs.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "watchdog/logfile.h"
#include "watchdog/logline.h"
#include "watchdog/logmerge.h"
#include "watchdog/operate.h"

#define ROUND_NS	50000000	/* a line waits one to two of these, see logmerge.h */
#define LINES_MAX	INT64_C(1000000000000)

struct log {
	struct logfile	*file;
	int		 told;		/* errno that was complained of */
};

struct logs {
	struct log		*logs;
	struct logmerge_head	*heads;
	size_t			 count;
	size_t			 last;		/* whose line was the last one, or LOGMERGE_NONE */
	int64_t			 skip;		/* lines of the merge before those asked for */
	bool			 safe;
	int			 code;
};

static volatile sig_atomic_t interrupted;

static void
interrupt_cb(int sig)
{
	(void)sig;
	interrupted = 1;
}

bool
logs_lines(const char *text, int64_t *lines)
{
	char		*end;
	long long	 n;

	if (strcmp(text, "all") == 0) {
		*lines = LOGFILE_ALL;
		return true;
	}
	if (*text < '0' || *text > '9')
		return false;
	n = strtoll(text, &end, 10);	/* beyond its range: LLONG_MAX */
	*lines = n > LINES_MAX ? LINES_MAX : n;
	return *end == '\0';
}

/* Which */

static void
add(struct logs *l, const struct site *s, const char *name)
{
	char	 path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.log", s->suite.log_dir, name);
	l->logs = xrealloc(l->logs, (l->count + 1) * sizeof(*l->logs));
	l->logs[l->count++] = (struct log){ .file = logfile_new(path) };
}

static bool
is_known(const struct site *s, const char *name)
{
	if (strcmp(name, "watchdog") == 0)
		return true;
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->processes[i].name, name) == 0)
			return true;
	return false;
}

static int
add_named(struct logs *l, const struct site *s, char **names)
{
	for (; *names != NULL; names++) {
		if (is_known(s, *names)) {
			add(l, s, *names);
			continue;
		}
		fprintf(stderr, "tocsin: no log \"%s\": there are watchdog", *names);
		for (size_t i = 0; i < s->count; i++)
			fprintf(stderr, ", %s", s->processes[i].name);
		fprintf(stderr, "\n");
		return -1;
	}
	return 0;
}

static void
add_all(struct logs *l, const struct site *s)
{
	add(l, s, "watchdog");
	for (size_t i = 0; i < s->count; i++)
		add(l, s, s->processes[i].name);
}

/* Reading */

static void
complain(struct logs *l, struct log *log)
{
	if (log->told == errno)
		return;
	log->told = errno;
	l->code = errno == EACCES ? EXIT_NOT_ALLOWED : EXIT_NOT_DONE;
	fprintf(stderr, "tocsin: cannot read %s: %s%s\n", logfile_path(log->file),
	    errno == EINVAL || errno == ELOOP ? "not a regular file" : strerror(errno),
	    errno == EACCES ? ": read it as root, or as a member of its group" : "");
}

/* To the last lines of each, which hold the last ones of all. */
static void
open_all(struct logs *l, const struct logs_options *o)
{
	struct log	*log;
	int64_t		 count, total = 0;
	size_t		 missing = 0;
	bool		 opened;

	for (size_t i = 0; i < l->count; i++) {
		log = &l->logs[i];
		opened = logfile_tail(log->file, o->lines, o->follow, &count) == 0;
		total += count;
		if (!opened && errno == ENOENT)
			missing++;
		if (!opened && (errno != ENOENT || *o->names != NULL) && !o->follow)
			complain(l, log);
	}
	if (missing == l->count && !o->follow && *o->names == NULL) {
		fprintf(stderr, "tocsin: no log yet: %s is not there: has it ever been started?\n", logfile_path(l->logs[0].file));
		l->code = EXIT_NOT_DONE;
	}
	l->skip = total > o->lines ? total - o->lines : 0;
}

/* Every line whose turn it is. */
static void
print_due(struct logs *l)
{
	struct logfile_line	 line;
	size_t			 next;

	while (!interrupted && !ferror(stdout)) {
		for (size_t i = 0; i < l->count; i++) {
			l->heads[i].there = logfile_peek(l->logs[i].file, &line);
			if (l->heads[i].there)
				l->heads[i] = line.head;
		}
		if ((next = logmerge_next(l->heads, l->count, l->last)) == LOGMERGE_NONE)
			break;
		(void)logfile_peek(l->logs[next].file, &line);	/* there, as seen above */
		if (l->skip == 0)
			logline_print(stdout, line.text, line.len, l->safe);
		else if (line.ends)
			l->skip--;
		logfile_drop(l->logs[next].file);
		l->last = next;
	}
	(void)fflush(stdout);	/* main() checks stdout */
}

static void
follow(struct logs *l)
{
	const struct timespec	 pause = { 0, ROUND_NS };

	while (!interrupted && !ferror(stdout)) {
		for (size_t i = 0; i < l->count; i++)
			if (logfile_follow(l->logs[i].file) == -1)
				complain(l, &l->logs[i]);
			else
				l->logs[i].told = 0;
		print_due(l);
		(void)nanosleep(&pause, NULL);
	}
	l->code = 0;		/* whoever follows ends it when he has seen enough */
}

int
logs_show(const struct site *s, const struct logs_options *o)
{
	struct sigaction	 interrupt = { .sa_handler = interrupt_cb };
	struct logs		 l = { .last = LOGMERGE_NONE, .safe = isatty(STDOUT_FILENO) == 1 };

	if (*o->names == NULL)
		add_all(&l, s);
	else if (add_named(&l, s, o->names) == -1) {
		l.code = EXIT_USAGE;
		goto out;
	}
	if (o->follow) {
		(void)sigaction(SIGINT, &interrupt, NULL);
		(void)sigaction(SIGTERM, &interrupt, NULL);
	}
	l.heads = xcalloc(l.count, sizeof(*l.heads));
	open_all(&l, o);
	print_due(&l);
	if (o->follow)
		follow(&l);
out:
	for (size_t i = 0; i < l.count; i++)
		logfile_free(l.logs[i].file);
	free(l.logs);
	free(l.heads);
	return l.code;
}
