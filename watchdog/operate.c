#include "watchdog/operate.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/clock.h"
#include "watchdog/client.h"
#include "watchdog/launch.h"

#define STATUS_LIMIT_MS	2000
#define ANSWER_LIMIT_MS	5000		/* to what is answered at once */
#define RELOAD_LIMIT_MS	30000		/* it looks users up, which may ask another machine */
#define PATIENCE_MS	10000		/* then we say what we wait for */
#define POLL_NS		20000000
#define BURY_TRIES	5		/* `tocsin status` holds the lock for a moment */
#define SOCKET_TRIES	50

/* Trouble, in one line */

static int
not_running(const struct site *s, enum client_state state)
{
	if (state == CLIENT_DEAD)
		fprintf(stderr, "tocsin: the watchdog is dead, it did not stop cleanly (its lock file is in %s): `tocsin start` starts it\n",
		    s->suite.runtime_dir);
	else
		fprintf(stderr, "tocsin: not running: `tocsin start` starts it\n");
	return EXIT_NOT_RUNNING;
}

static int
cannot_tell(const struct site *s)
{
	fprintf(stderr, "tocsin: cannot tell whether the watchdog runs: %s/%s: %s: ask as root, or as a member of that folder's group\n",
	    s->suite.runtime_dir, CLIENT_LOCK, strerror(errno));
	return EXIT_NOT_ALLOWED;
}

/* The lock is held, yet nobody can be asked; `c` NULL: not even connected. */
static int
no_answer(const struct site *s, const struct client *c)
{
	pid_t	 pid = c == NULL ? -1 : client_pid(c);

	if (c == NULL && errno == EACCES) {
		fprintf(stderr, "tocsin: not allowed: %s/%s is for root and its group: ask as one of these\n", s->suite.runtime_dir, CLIENT_SOCKET);
		return EXIT_NOT_ALLOWED;
	}
	fprintf(stderr, "tocsin: the watchdog runs but does not answer on %s/%s: ", s->suite.runtime_dir, CLIENT_SOCKET);
	if (c == NULL)
		fprintf(stderr, "%s: ", errno == EAGAIN ? "it accepts no connection" : strerror(errno));
	else if (errno == ECONNRESET)
		fprintf(stderr, "it closed the connection: ");
	else if (errno == EPROTO)
		fprintf(stderr, "what came is no answer of this version: ");
	else
		fprintf(stderr, "%s: ", errno == ETIMEDOUT ? "frozen, or the machine is" : strerror(errno));
	if (pid == -1)
		fprintf(stderr, "see `tocsin status` and %s/watchdog.log; SIGTERM to tocsin-watchdog stops all\n", s->suite.log_dir);
	else
		fprintf(stderr, "`kill -CONT %d` wakes it if it was stopped, `kill -KILL %d` ends it, and its processes then end by themselves\n",
		    (int)pid, (int)pid);
	return EXIT_NOT_DONE;
}

/* Asking */

/* Connected and asked; else NULL, with the line said and the exit code in `*code`. */
static struct client *
ask(const struct site *s, const char *word, const char *name, int *code)
{
	const struct timespec	 pause = { 0, POLL_NS };
	enum client_state	 state;
	struct client		*c = NULL;

	/* At its start and its end the watchdog holds the lock for a moment without a socket. */
	for (int i = 0; c == NULL && i < SOCKET_TRIES; i++) {
		if ((state = client_state(s->suite.runtime_dir)) != CLIENT_RUNNING) {
			*code = state == CLIENT_UNKNOWN ? cannot_tell(s) : not_running(s, state);
			return NULL;
		}
		if ((c = client_open(s->suite.runtime_dir)) != NULL || (errno != ENOENT && errno != ECONNREFUSED))
			break;
		(void)nanosleep(&pause, NULL);
	}
	if (c != NULL && client_send(c, word, name) == 0)
		return c;
	*code = no_answer(s, c);
	client_close(c);
	return NULL;
}

/* What came, told; the exit code. */
static int
tell(const struct site *s, const struct client *c, enum client_answer answer)
{
	const char	*text = client_text(c);

	switch (answer) {
	case CLIENT_OK:
		printf("tocsin: %s\n", *text == '\0' ? "done" : text);
		return EXIT_DONE;
	case CLIENT_ERROR:
		fprintf(stderr, "tocsin: %s\n", text);
		/* A word that was never right, and a try that failed, are two things. */
		return strncmp(text, "no process ", 11) == 0 ? EXIT_USAGE : EXIT_NOT_DONE;
	case CLIENT_DENIED:
		fprintf(stderr, "tocsin: %s: ask as root\n", text);
		return EXIT_NOT_ALLOWED;
	case CLIENT_SILENT:
		break;
	}
	return no_answer(s, c);
}

/* Does it answer anybody at all?  Its table, owned; NULL with errno. */
static char *
ask_table(const struct site *s, const char *word)
{
	struct client		*c = client_open(s->suite.runtime_dir);
	char			*table = NULL;
	enum client_answer	 answer;

	if (c != NULL && client_send(c, word, NULL) == 0) {
		if ((answer = client_answer(c, STATUS_LIMIT_MS)) == CLIENT_OK)
			table = client_body(c, STATUS_LIMIT_MS);
		else if (answer != CLIENT_SILENT)
			errno = EACCES;
	}
	client_close(c);
	return table;
}

/* Status */

static void
show_old_status(const struct site *s, int error)
{
	const char	*why = error == ETIMEDOUT || error == EAGAIN ? "does not answer, it or the machine is frozen" :
			    error == EACCES ? "does not let this user ask it" : strerror(error);
	char		 path[PATH_MAX], buf[4096];
	struct stat	 st;
	size_t		 n;
	FILE		*f;

	snprintf(path, sizeof(path), "%s/status.json", s->suite.runtime_dir);
	if ((f = fopen(path, "re")) == NULL || fstat(fileno(f), &st) == -1) {
		fprintf(stderr, "tocsin: the watchdog runs, but on %s/%s: %s; and cannot read %s: %s\n", s->suite.runtime_dir,
		    CLIENT_SOCKET, why, path, strerror(errno));
		if (f != NULL)
			fclose(f);
		return;
	}
	fprintf(stderr, "tocsin: the watchdog runs, but on %s/%s: %s; this is %s of %lld s ago\n", s->suite.runtime_dir, CLIENT_SOCKET,
	    why, path, (long long)(clock_wall_us() / 1000000 - st.st_mtim.tv_sec));
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		(void)fwrite(buf, 1, n, stdout);	/* main() checks stdout */
	fclose(f);
}

int
operate_status(const struct site *s, bool json)
{
	enum client_state	 state = client_state(s->suite.runtime_dir);
	char			*table;

	switch (state) {
	case CLIENT_RUNNING:
		if ((table = ask_table(s, json ? "status-json" : "status")) != NULL)
			(void)fputs(table, stdout);	/* main() checks stdout */
		else
			show_old_status(s, errno);
		free(table);
		return STATUS_RUNNING;
	case CLIENT_DEAD:
		(void)not_running(s, state);	/* says so */
		return STATUS_DEAD;
	case CLIENT_STOPPED:
		(void)not_running(s, state);
		return STATUS_STOPPED;
	case CLIENT_UNKNOWN:
		break;
	}
	(void)cannot_tell(s);
	return STATUS_UNKNOWN;
}

/* One process */

int
operate_process(const struct site *s, const char *word, const char *name)
{
	enum client_answer	 answer;
	struct client		*c;
	char			*table;
	bool			 said = false;
	int			 code;

	if ((c = ask(s, word, name, &code)) == NULL)
		return code;
	/* A start may take its start_timeout; as long as the watchdog answers others it has not forgotten us. */
	while ((answer = client_answer(c, PATIENCE_MS)) == CLIENT_SILENT && errno == ETIMEDOUT) {
		if ((table = ask_table(s, "status")) == NULL) {
			errno = ETIMEDOUT;
			break;
		}
		if (!said)
			fprintf(stderr, "tocsin: still waiting for the %s of %s; Ctrl-C ends only the waiting\n%s", word, name, table);
		said = true;
		free(table);
	}
	code = tell(s, c, answer);
	client_close(c);
	return code;
}

/* All of it */

int
operate_start(const struct site *s)
{
	int	 code;

	switch (client_state(s->suite.runtime_dir)) {
	case CLIENT_RUNNING:
		printf("tocsin: already running\n");
		return EXIT_DONE;
	case CLIENT_UNKNOWN:
		return cannot_tell(s);
	case CLIENT_DEAD:
	case CLIENT_STOPPED:
		break;
	}
	code = launch_watchdog(s->conf_path);
	/* Somebody else's start may have been faster than ours, which has said so. */
	return code == EXIT_TEMPORARY && client_state(s->suite.runtime_dir) == CLIENT_RUNNING ? EXIT_DONE : code;
}

/* Another watchdog listens there by now. */
static bool
is_another(const struct site *s, pid_t ours)
{
	struct client	*c = client_open(s->suite.runtime_dir);
	pid_t		 pid = c == NULL ? -1 : client_pid(c);

	client_close(c);
	return pid != -1 && pid != ours;
}

/*
 * The connection lasts as long as the watchdog's loop.  Its processes may take
 * their kill_grace each: no limit.  Then its lock goes, unless the next one
 * (of a `tocsin restart` beside ours) has it already.
 */
static void
wait_for_end(const struct site *s, struct client *c)
{
	const struct timespec	 pause = { 0, POLL_NS };
	enum client_state	 state;
	bool			 said = false;
	char			*rest, *table;

	while ((rest = client_body(c, PATIENCE_MS)) == NULL && errno == ETIMEDOUT) {
		if (said)
			continue;
		said = true;
		table = ask_table(s, "status");
		fprintf(stderr, "tocsin: waiting until the watchdog frees %s/%s, its processes have their kill_grace to end; "
		    "Ctrl-C ends only the waiting\n%s", s->suite.runtime_dir, CLIENT_LOCK, table == NULL ? "" : table);
		free(table);
	}
	free(rest);
	while (((state = client_state(s->suite.runtime_dir)) == CLIENT_RUNNING || state == CLIENT_UNKNOWN) && !is_another(s, client_pid(c)))
		(void)nanosleep(&pause, NULL);
}

/* The first process that still runs; NULL: none. */
static const char *
survivor(const struct site *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (client_process_runs(s->suite.runtime_dir, s->processes[i].name))
			return s->processes[i].name;
	return NULL;
}

/*
 * Its processes end by themselves.  Then its lock file goes: left behind it
 * would say "dead, start it again" to whoever looks after that.
 */
static int
stop_dead(const struct site *s)
{
	const struct timespec	 pause = { 0, POLL_NS };
	int64_t			 limit_us = clock_mono_us() + PATIENCE_MS * INT64_C(1000);
	const char		*name;
	int			 rc, tries = BURY_TRIES;

	while ((name = survivor(s)) != NULL && clock_mono_us() < limit_us)
		(void)nanosleep(&pause, NULL);
	if (name != NULL) {
		fprintf(stderr, "tocsin: the watchdog had died, and %s still runs: `tocsin start`, then `tocsin stop` ends it\n", name);
		return EXIT_NOT_DONE;
	}
	while ((rc = client_bury(s->suite.runtime_dir)) == -1 && errno == EWOULDBLOCK && --tries > 0)
		(void)nanosleep(&pause, NULL);
	if (rc == -1) {
		fprintf(stderr, "tocsin: the watchdog had died, but its lock file %s/%s cannot be removed: %s\n", s->suite.runtime_dir,
		    CLIENT_LOCK, errno == EWOULDBLOCK ? "another one has just started" : strerror(errno));
		return errno == EACCES || errno == EPERM ? EXIT_NOT_ALLOWED : EXIT_NOT_DONE;
	}
	printf("tocsin: not running: the watchdog had died\n");
	return EXIT_DONE;
}

int
operate_stop(const struct site *s)
{
	enum client_state	 state = client_state(s->suite.runtime_dir);
	enum client_answer	 answer;
	struct client		*c;
	int			 code;

	if (state == CLIENT_DEAD)
		return stop_dead(s);
	if (state == CLIENT_STOPPED) {
		printf("tocsin: not running\n");
		return EXIT_DONE;
	}
	if ((c = ask(s, "stop", NULL, &code)) == NULL)
		return code == EXIT_NOT_RUNNING ? EXIT_DONE : code;	/* it ended meanwhile, and that was said */
	answer = client_answer(c, ANSWER_LIMIT_MS);
	/* Closed without a word: somebody else's stop was faster than ours. */
	if (answer != CLIENT_OK && (answer != CLIENT_SILENT || errno != ECONNRESET)) {
		code = tell(s, c, answer);
		client_close(c);
		return code;
	}
	wait_for_end(s, c);
	client_close(c);
	printf("tocsin: stopped\n");
	return EXIT_DONE;
}

int
operate_restart(const struct site *s)
{
	/* Where one has died there is nobody to wait for: the new one ends what is left of its processes. */
	int	 code = client_state(s->suite.runtime_dir) == CLIENT_DEAD ? EXIT_DONE : operate_stop(s);

	return code != EXIT_DONE ? code : operate_start(s);
}

int
operate_reload(const struct site *s)
{
	enum client_answer	 answer;
	struct client		*c;
	char			*errors;
	int			 code;

	if ((c = ask(s, "reload", NULL, &code)) == NULL)
		return code;
	answer = client_answer(c, RELOAD_LIMIT_MS);
	code = tell(s, c, answer);
	if (answer == CLIENT_ERROR && (errors = client_body(c, ANSWER_LIMIT_MS)) != NULL) {
		(void)fputs(errors, stderr);
		free(errors);
	}
	client_close(c);
	return code;
}
