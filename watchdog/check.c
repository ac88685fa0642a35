#include "watchdog/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "watchdog/check_private.h"
#include "watchdog/client.h"
#include "watchdog/operate.h"

#define ANSWER_LIMIT_MS	2000

void
check_found(struct check *c, enum finding kind, const char *fmt, ...)
{
	char	 text[2048];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->counts[kind]++;
	finding_print(kind, "%s", text);
}

bool
check_user_of(const struct site_process *p, struct program_user *u)
{
	*u = (struct program_user){ 0 };
	if (p->user == NULL)
		return true;
	if (!program_user_find(u, p->user))
		return false;
	if (u->uid == geteuid()) {
		program_user_clear(u);
		return true;
	}
	return geteuid() == 0;
}

static bool
have_watchdogs_rights(const struct site *s)
{
	struct program_user	 u;
	bool			 yes = true;

	for (size_t i = 0; i < s->count; i++) {
		yes = (check_user_of(&s->processes[i], &u) || u.name == NULL) && yes;	/* a user who is not there is told later */
		program_user_clear(&u);
	}
	return yes;
}

static void
check_state(struct check *c, const char *name, const char *state)
{
	static const char *const bad[] = { "crash-looping", "hung", "blocked" };
	const char		*log_dir = c->site.suite.log_dir;

	if (strcmp(state, "up") == 0)
		return;
	if (strcmp(state, "stopped") == 0) {
		check_found(c, FINDING_WARN, "process %s was stopped by somebody: `tocsin start %s` starts it", name, name);
		return;
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(state, bad[i]) == 0) {
			check_found(c, FINDING_FAIL, "process %s is %s: see %s/%s.log and %s/watchdog.log", name, state, log_dir, name, log_dir);
			return;
		}
	check_found(c, FINDING_WARN, "process %s is %s just now: see `tocsin status` in a moment", name, state);
}

/* The rows of the table behind its title and its heading: NAME STATE … */
static void
check_states(struct check *c, const char *table)
{
	char	 name[64], state[32];

	for (int row = 0; *table != '\0'; row++) {
		if (row >= 2 && sscanf(table, "%63s %31s", name, state) == 2)
			check_state(c, name, state);
		table += strcspn(table, "\n");
		table += *table == '\n';
	}
}

/* Does it run, and does it answer? */
static void
check_watchdog(struct check *c)
{
	const char	*dir = c->site.suite.runtime_dir;
	struct client	*client;
	char		*table;

	switch (client_state(dir)) {
	case CLIENT_STOPPED:
		check_found(c, FINDING_WARN, "the watchdog is not running: `tocsin start` starts it");
		return;
	case CLIENT_DEAD:
		check_found(c, FINDING_FAIL, "the watchdog is dead, its lock file is left in %s: see %s/watchdog.log, then `tocsin start`", dir,
		    c->site.suite.log_dir);
		return;
	case CLIENT_UNKNOWN:
		check_found(c, FINDING_WARN, "cannot tell whether the watchdog runs: %s/%s: %s: run `tocsin check` as root", dir, CLIENT_LOCK,
		    strerror(errno));
		return;
	case CLIENT_RUNNING:
		break;
	}
	if ((client = client_open(dir)) == NULL || client_send(client, "status", NULL) == -1)
		check_found(c, errno == EACCES ? FINDING_WARN : FINDING_FAIL, "the watchdog runs, but %s/%s: %s: %s", dir, CLIENT_SOCKET,
		    strerror(errno), errno == EACCES ? "run `tocsin check` as root" : "end it with SIGTERM, then `tocsin start`");
	else if (client_answer(client, ANSWER_LIMIT_MS) != CLIENT_SILENT) {
		check_found(c, FINDING_OK, "the watchdog runs and answers, pid %d", (int)client_pid(client));
		table = client_body(client, ANSWER_LIMIT_MS);
		check_states(c, table == NULL ? "" : table);
		free(table);
	} else
		check_found(c, FINDING_FAIL, "the watchdog (pid %d) runs but does not answer on %s/%s: `kill -CONT %d` if it was stopped, else `kill -KILL %d` and `tocsin start`",
		    (int)client_pid(client), dir, CLIENT_SOCKET, (int)client_pid(client), (int)client_pid(client));
	client_close(client);
}

static void
check_all(struct check *c)
{
	char	*errors = NULL;
	size_t	 size;
	FILE	*stream = open_memstream(&errors, &size);
	int	 rc;

	if (stream == NULL)
		fatal("check", "out of memory");
	rc = site_read(&c->site, c->site.conf_path, stream);
	fclose(stream);
	c->as_watchdog = have_watchdogs_rights(&c->site);
	if (!c->as_watchdog)
		check_found(c, FINDING_WARN, "run by user %d, so what needs the watchdog's rights is left out: run `tocsin check` as root", (int)geteuid());
	if (access(c->site.conf_path, R_OK) == -1)
		check_found(c, FINDING_FAIL, "configuration %s: %s: name one that can be read with -c FILE", c->site.conf_path, strerror(errno));
	else {
		check_conf_file(c);
		check_programs(c);
		/* What is wrong in [tocsin] the watchdog has told, if it was there to be asked. */
		if (rc == -1 && c->counts[FINDING_FAIL] == 0)
			check_found(c, FINDING_FAIL, "%.*s", (int)strcspn(errors, "\n"), errors);
		if (rc == 0) {
			check_folders(c);
			check_watchdog(c);
		}
	}
	free(errors);
}

int
check_run(const char *conf_path)
{
	/* site_read() makes its own copy of the path before it looks at anything else. */
	struct check	 c = { .site = { .conf_path = (char *)(uintptr_t)conf_path } };

	check_all(&c);
	site_release(&c.site);
	printf("tocsin check: %u ok, %u to look at (warn), %u wrong (FAIL)\n", c.counts[FINDING_OK], c.counts[FINDING_WARN],
	    c.counts[FINDING_FAIL]);
	return c.counts[FINDING_FAIL] == 0 ? EXIT_DONE : EXIT_NOT_DONE;
}
