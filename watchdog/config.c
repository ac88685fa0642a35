#include "watchdog/config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/command.h"
#include "common/log.h"
#include "watchdog/listen.h"

#define GROUPS_MAX	256
#define HOUR_MS		3600000
#define RELOAD_BYTES	98304	/* below malloc's threshold for mappings of their own, so that it stays at hand */
#define RUNTIME_DIR_MAX	90	/* sockaddr_un has 108 bytes for it and the socket's name */

static const char *const health_choices[] = { "check", "change", "off", NULL };

static const struct conf_key watchdog_keys[] = {
	{ .name = "check_interval", .type = CONF_DURATION, .offset = offsetof(struct watchdog_conf, check_interval_ms),
	  .def = "5s", .min = 100, .max = 60000, .help = "time between two looks at every process, and two writes of status.json" },
	{ .name = "health_log", .type = CONF_ENUM, .offset = offsetof(struct watchdog_conf, health_log),
	  .def = "check", .choices = health_choices, .help = "when to log a health: line: at every check, on change only, never" },
	{ .name = "on_alert", .type = CONF_STR, .offset = offsetof(struct watchdog_conf, on_alert),
	  .def = "", .check = command_ok, .help = "program to run when a process hangs, crash-loops or has recovered, with the facts in TOCSIN_… variables" },
	{ .name = "hardware_watchdog", .type = CONF_STR, .offset = offsetof(struct watchdog_conf, hardware_watchdog),
	  .def = "", .check = suite_path_ok, .help = "device that resets the machine when the watchdog stops feeding it, as /dev/watchdog; empty: none" },
	{ .name = "hardware_timeout", .type = CONF_DURATION, .offset = offsetof(struct watchdog_conf, hardware_timeout_ms),
	  .def = "60s", .min = 2000, .max = HOUR_MS, .help = "not fed for so long, the device resets the machine" },
	{ .name = NULL }
};

static const struct conf_key process_keys[] = {
	{ .name = "command", .type = CONF_STR, .offset = offsetof(struct process_conf, command),
	  .def = NULL, .check = command_ok, .help = "program and arguments, split at blanks (\"…\" keeps them together), no shell" },
	{ .name = "user", .type = CONF_STR, .offset = offsetof(struct process_conf, user),
	  .def = "", .help = "user to run it as; empty: the watchdog's own" },
	{ .name = "listen", .type = CONF_LIST, .offset = offsetof(struct process_conf, listen),
	  .def = "", .check = listen_ok, .help = "addresses to listen on for it, handed down from descriptor 3 on" },
	{ .name = "heartbeat_timeout", .type = CONF_DURATION, .offset = offsetof(struct process_conf, times.heartbeat_timeout_ms),
	  .def = "10s", .min = 0, .max = HOUR_MS, .help = "no beat for so long: it hangs and is killed; 0: it sends none" },
	{ .name = "start_timeout", .type = CONF_DURATION, .offset = offsetof(struct process_conf, times.start_timeout_ms),
	  .def = "30s", .min = 100, .max = HOUR_MS, .help = "not READY for so long after its start: it hangs and is killed" },
	{ .name = "stable_after", .type = CONF_DURATION, .offset = offsetof(struct process_conf, times.stable_after_ms),
	  .def = "10s", .min = 100, .max = HOUR_MS, .help = "a run of so long was no failure, and the next start comes at once" },
	{ .name = "kill_grace", .type = CONF_DURATION, .offset = offsetof(struct process_conf, times.kill_grace_ms),
	  .def = "5s", .min = 0, .max = HOUR_MS, .help = "time to end after SIGTERM or SIGABRT, before SIGKILL" },
	{ .name = "max_open_files", .type = CONF_INT, .offset = offsetof(struct process_conf, max_open_files),
	  .def = "65536", .min = 256, .max = 1048576, .help = "how far it may raise its limit of open descriptors (RLIMIT_NOFILE, hard)" },
	{ .name = "max_memory", .type = CONF_SIZE, .offset = offsetof(struct process_conf, max_memory),
	  .def = "0", .min = 0, .max = 1099511627776, .help = "limit of its private memory (RLIMIT_DATA); 0: none" },
	{ .name = "max_cores", .type = CONF_INT, .offset = offsetof(struct process_conf, max_cores),
	  .def = "3", .min = 0, .max = 1000, .help = "core files kept in its folder STATE_DIR/NAME; with so many, it leaves no more" },
	{ .name = NULL }
};

static void
identity_clear(struct identity *id)
{
	free(id->groups);
	free(id->home);
	*id = (struct identity){ 0 };
}

/* All that getpwnam(3) and friends know is asked now: they are not allowed between fork and exec. */
static void
look_up_user(struct conf *c, const struct conf_section *s, struct process_conf *p)
{
	struct identity	*id = &p->identity;
	struct passwd	*pw;
	gid_t		 groups[GROUPS_MAX];

	errno = 0;
	if ((pw = getpwnam(p->user)) == NULL) {
		conf_error(c, s, "user", "\"%s\" does not exist on this machine%s%s", p->user,
		    errno == 0 ? "" : ": ", errno == 0 ? "" : strerror(errno));
		return;
	}
	if (geteuid() != 0) {
		if (pw->pw_uid != geteuid())
			conf_error(c, s, "user", "\"%s\" is not the user who runs this: only root may change users", p->user);
		return;
	}
	id->group_count = GROUPS_MAX;
	if (getgrouplist(p->user, pw->pw_gid, groups, &id->group_count) == -1) {
		conf_error(c, s, "user", "\"%s\" is in more than %d groups", p->user, GROUPS_MAX);
		id->group_count = 0;
		return;
	}
	id->change = true;
	id->uid = pw->pw_uid;
	id->gid = pw->pw_gid;
	id->home = xstrdup(pw->pw_dir);
	id->groups = xcalloc((size_t)id->group_count, sizeof(*groups));
	memcpy(id->groups, groups, (size_t)id->group_count * sizeof(*groups));
}

/* As `known` has it, where the name is the same. */
static bool
take_known_user(struct process_conf *p, const struct watchdog_conf *known)
{
	const struct identity	*id;

	for (size_t i = 0; known != NULL && i < known->count; i++) {
		id = &known->processes[i].identity;
		if (!id->change || strcmp(known->processes[i].user, p->user) != 0)
			continue;
		p->identity = *id;
		p->identity.home = xstrdup(id->home);
		p->identity.groups = xcalloc((size_t)id->group_count, sizeof(*id->groups));
		memcpy(p->identity.groups, id->groups, (size_t)id->group_count * sizeof(*id->groups));
		return true;
	}
	return false;
}

static void
check_process(struct conf *c, const struct conf_section *s, const struct suite_conf *suite, struct process_conf *p, const struct watchdog_conf *known)
{
	int64_t	 timeout = p->times.heartbeat_timeout_ms;

	if (!suite_name_ok(p->name) || strcmp(p->name, "watchdog") == 0)
		conf_error(c, s, NULL, "[process %s]: the name must be a letter, then up to 31 of a-z 0-9 _ -, and not \"watchdog\"", p->name);
	if (timeout != 0 && timeout < 2 * suite->heartbeat_interval_ms)
		conf_error(c, s, "heartbeat_timeout", "is less than two of heartbeat_interval in [tocsin]: "
		    "a healthy process would be killed");
	if (p->user != NULL && !take_known_user(p, known))
		look_up_user(c, s, p);
	if (p->command != NULL)
		p->argv = command_split(p->command);
}

/* An empty value is NULL, and without these there is nothing to work in. */
static void
check_suite(struct conf *c, const struct suite_conf *suite)
{
	const struct conf_section	*s = conf_section(c, "tocsin", NULL);

	if (suite->runtime_dir == NULL)
		conf_error(c, s, "runtime_dir", "is empty: an absolute path is needed");
	else if (strlen(suite->runtime_dir) > RUNTIME_DIR_MAX)
		conf_error(c, s, "runtime_dir", "is longer than %d bytes: the control socket in it could not be reached", RUNTIME_DIR_MAX);
	if (suite->log_dir == NULL)
		conf_error(c, s, "log_dir", "is empty: an absolute path is needed");
	if (suite->state_dir == NULL)
		conf_error(c, s, "state_dir", "is empty: an absolute path is needed");
}

static void
check_watchdog(struct conf *c, struct watchdog_conf *w)
{
	if (w->on_alert != NULL)
		w->alert_argv = command_split(w->on_alert);
	if (w->hardware_watchdog != NULL && w->hardware_timeout_ms < 2 * w->check_interval_ms)
		conf_error(c, conf_section(c, "watchdog", NULL), "hardware_timeout",
		    "is less than two of check_interval: a healthy machine would be reset");
}

static void
load_processes(struct conf *c, struct watchdog_conf *w, bool readable, const struct watchdog_conf *known)
{
	const struct conf_section	*s = NULL;
	struct process_conf		*p;

	while ((s = conf_next(c, "process", s)) != NULL) {
		w->processes = xrealloc(w->processes, (w->count + 1) * sizeof(*w->processes));
		p = &w->processes[w->count++];
		*p = (struct process_conf){ .name = xstrdup(conf_label(s) == NULL ? "" : conf_label(s)) };
		conf_fill(c, s, process_keys, p);
		check_process(c, s, &w->suite, p, known);
	}
	if (w->count == 0 && readable)
		conf_error(c, NULL, NULL, "no [process NAME] section: there is nothing to watch");
}

static struct watchdog_conf *
load(const char *path, FILE *errors, const struct watchdog_conf *known)
{
	static const char *const own[] = { "watchdog", "process", NULL };
	struct conf		*c = conf_read(path);
	struct watchdog_conf	*w = xcalloc(1, sizeof(*w));
	int			 count;

	conf_fill(c, conf_section(c, "tocsin", NULL), suite_keys, &w->suite);
	conf_fill(c, conf_section(c, "watchdog", NULL), watchdog_keys, w);
	check_suite(c, &w->suite);
	check_watchdog(c, w);
	load_processes(c, w, access(path, R_OK) == 0, known);	/* else that is the one error to report */
	suite_ignore_others(c, own);
	count = conf_finish(c, errors);
	conf_free(c);
	if (count == 0)
		return w;
	config_free(w);
	return NULL;
}

struct watchdog_conf *
config_load(const char *path, FILE *errors)
{
	return load(path, errors, NULL);
}

void
config_free(struct watchdog_conf *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->count; i++) {
		free(w->processes[i].name);
		free(w->processes[i].argv);
		identity_clear(&w->processes[i].identity);
		conf_clear(process_keys, &w->processes[i]);
	}
	free(w->processes);
	free(w->alert_argv);
	conf_clear(watchdog_keys, w);
	conf_clear(suite_keys, &w->suite);
	free(w);
}

void
config_print(const struct watchdog_conf *w, FILE *out)
{
	conf_print(out, "tocsin", NULL, suite_keys, &w->suite);
	conf_print(out, "watchdog", NULL, watchdog_keys, w);
	for (size_t i = 0; i < w->count; i++)
		conf_print(out, "process", w->processes[i].name, process_keys, &w->processes[i]);
}

static bool
lists_equal(const struct conf_list *a, const struct conf_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

static void
adopt_process(struct process_conf *p, struct process_conf *fresh)
{
	struct process_conf	 old = *p;

	*p = *fresh;
	p->name = old.name;
	p->listen = old.listen;
	old.name = fresh->name;
	old.listen = fresh->listen;
	*fresh = old;
}

static const char *
text_of(const char *value)
{
	return value == NULL ? "" : value;
}

/* What `c` had goes the other way.  False: some of it has to wait for a new start. */
static bool
adopt(struct watchdog_conf *w, struct watchdog_conf *fresh)
{
	bool	 all = w->count == fresh->count &&
	    strcmp(w->suite.runtime_dir, fresh->suite.runtime_dir) == 0 &&
	    strcmp(w->suite.log_dir, fresh->suite.log_dir) == 0 &&
	    strcmp(w->suite.state_dir, fresh->suite.state_dir) == 0 &&
	    w->hardware_timeout_ms == fresh->hardware_timeout_ms &&
	    strcmp(text_of(w->hardware_watchdog), text_of(fresh->hardware_watchdog)) == 0;
	char	*on_alert = w->on_alert, **alert_argv = w->alert_argv;

	w->suite.log_level = fresh->suite.log_level;
	w->suite.log_max_size = fresh->suite.log_max_size;
	w->check_interval_ms = fresh->check_interval_ms;
	w->health_log = fresh->health_log;
	w->on_alert = fresh->on_alert;
	w->alert_argv = fresh->alert_argv;
	fresh->on_alert = on_alert;
	fresh->alert_argv = alert_argv;
	for (size_t i = 0; i < w->count; i++) {
		size_t	 j = 0;

		while (j < fresh->count && strcmp(w->processes[i].name, fresh->processes[j].name) != 0)
			j++;
		/* The order counts too: it is the order of starts and stops. */
		all = all && j == i;
		if (j == fresh->count)
			continue;
		all = all && lists_equal(&w->processes[i].listen, &fresh->processes[j].listen);
		adopt_process(&w->processes[i], &fresh->processes[j]);
	}
	return all;
}

/* With memory for a whole configuration at hand none of the many small pieces can fail, and failing would be the end. */
static bool
memory_left(void)
{
	void	*reserve = malloc(RELOAD_BYTES);

	free(reserve);
	return reserve != NULL;
}

bool
config_reread(struct watchdog_conf *c, const char *path, FILE *errors, struct watchdog_conf **stale)
{
	struct watchdog_conf	*fresh;

	if (!memory_left()) {
		fprintf(errors, "out of memory\n");
		return false;
	}
	if ((fresh = load(path, errors, c)) == NULL)
		return false;
	if (!adopt(c, fresh))
		log_warnx("config", "processes, listen, folders or the hardware watchdog changed: "
		    "they need a restart of the watchdog path=%s", path);
	*stale = fresh;
	return true;
}
