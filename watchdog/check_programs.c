#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/command.h"
#include "watchdog/check_private.h"

#define VERSION_LIMIT_MS	5000
#define CONF_LIMIT_MS		30000	/* it may look users and host names up */
#define DATABASE_LIMIT_MS	15000	/* the programs give up after 10 s */

/* Hand each line of `text`, without its newline, to `line`; empty ones are left out. */
static void
each_line(char *text, void (*line)(struct check *, const char *who, const char *text), struct check *c, const char *who)
{
	char	*save;

	for (char *l = strtok_r(text, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save))
		line(c, who, l);
}

static void
failed_line(struct check *c, const char *who, const char *text)
{
	check_found(c, FINDING_FAIL, "%s: %s", who, text);
}

/* A finding of the program's own, or whatever else it said. */
static void
finding_line(struct check *c, const char *who, const char *text)
{
	int	 kind = finding_of(text);

	if (kind == -1)
		failed_line(c, who, text);
	else
		check_found(c, (enum finding)kind, "%s", text + FINDING_PREFIX_LEN);
}

/* The program's own word on the configuration, with the rights that it will have. */
static bool
conf_is_valid(struct check *c, const char *who, const char *program, const struct program_user *user)
{
	const char *const	 argv[] = { program, "-c", c->site.conf_path, "-n", NULL };
	char			*said;
	int			 code = program_run(argv, user, CONF_LIMIT_MS, &said);

	if (code == 0)
		check_found(c, FINDING_OK, "%s: %s finds the configuration valid", who, program);
	else if (code == PROGRAM_LATE)
		check_found(c, FINDING_FAIL, "%s: `%s -n` was still at work after %d s", who, program, CONF_LIMIT_MS / 1000);
	else if (*said == '\0')
		check_found(c, FINDING_FAIL, "%s: `%s -n` ended with code %d and said nothing", who, program, code);
	else
		each_line(said, failed_line, c, who);
	free(said);
	return code == 0;
}

static void
check_database(struct check *c, const char *who, const char *program, const struct program_user *user)
{
	const char *const	 argv[] = { program, "-c", c->site.conf_path, "check", NULL };
	unsigned		 failures = c->counts[FINDING_FAIL];
	char			*said;
	int			 code = program_run(argv, user, DATABASE_LIMIT_MS, &said);

	each_line(said, finding_line, c, who);
	free(said);
	if (code == PROGRAM_LATE)
		check_found(c, FINDING_FAIL, "%s: has found out nothing of its database within %d s: does a host name in database resolve?", who,
		    DATABASE_LIMIT_MS / 1000);
	else if (code != 0 && failures == c->counts[FINDING_FAIL])
		check_found(c, FINDING_FAIL, "%s: `%s check` ended with code %d and said nothing", who, program, code);
}

/* The two programs of the suite that work for the watchdog. */
static bool
is_ours(const char *program)
{
	const char	*name = strrchr(program, '/') + 1;

	return strcmp(name, "tocsin-generator") == 0 || strcmp(name, "tocsin-relay") == 0;
}

/* A path after -c, as the suite's programs read their words; without one, the default. */
static const char *
conf_of_command(char **argv)
{
	for (char **a = argv + 1; *a != NULL && **a == '-'; a++)
		if (strncmp(*a, "-c", 2) == 0)
			return (*a)[2] != '\0' ? *a + 2 : a[1] != NULL ? a[1] : "";
	return TOCSIN_CONF_DEFAULT;
}

static void
check_conf_path(struct check *c, const char *who, char **argv)
{
	const char	*path = conf_of_command(argv);
	char		 absolute[PATH_MAX];

	if (strcmp(realpath(path, absolute) == NULL ? path : absolute, c->site.conf_path) != 0)
		check_found(c, FINDING_WARN, "%s: reads the configuration %s, not %s: put -c %s into its command", who, path, c->site.conf_path,
		    c->site.conf_path);
}

/* A program of another version than this command is half an upgrade. */
static void
check_version(struct check *c, const char *who, const char *program, const struct program_user *user)
{
	const char *const	 argv[] = { program, "-V", NULL };
	char			*said;
	int			 code = program_run(argv, user, VERSION_LIMIT_MS, &said);

	said[strcspn(said, "\n")] = '\0';
	if (code == 0 && strcmp(said, "tocsin " TOCSIN_VERSION) != 0)
		check_found(c, FINDING_WARN, "%s: %s is of %.60s, this command of tocsin %s: install both from one release", who, program, said,
		    TOCSIN_VERSION);
	free(said);
}

/* Whoever may change the file decides what the watchdog starts. */
static bool
file_is_sane(struct check *c, const char *who, const char *program, const struct program_user *user)
{
	struct stat	 st;
	int		 error = program_access(program, X_OK, user);

	if (error == 0 && stat(program, &st) == 0 && S_ISDIR(st.st_mode))
		error = EISDIR;
	if (error != 0)
		check_found(c, FINDING_FAIL, "%s: %s cannot be executed%s%s: %s: install it, or mend command", who, program,
		    user == NULL ? "" : " by user ", user == NULL ? "" : user->name, strerror(error));
	else if (stat(program, &st) == 0 && (st.st_mode & 022))
		check_found(c, FINDING_FAIL, "%s: others than its owner may change %s (mode %04o): chmod go-w %s", who, program, st.st_mode & 07777,
		    program);
	else {
		check_found(c, FINDING_OK, "%s: %s%s%s", who, program, user == NULL ? "" : ", run as ", user == NULL ? "" : user->name);
		return true;
	}
	return false;
}

static void
check_process(struct check *c, const struct site_process *p)
{
	char			**argv = p->command == NULL ? NULL : command_split(p->command), who[64];
	struct program_user	 found;
	const struct program_user *user;
	bool			 allowed = check_user_of(p, &found);

	snprintf(who, sizeof(who), "process %s", p->name);
	user = found.name == NULL ? NULL : &found;
	if (p->user != NULL && !allowed && user == NULL)
		check_found(c, FINDING_FAIL, "%s: there is no user %s: useradd --system %s", who, p->user, p->user);
	else if (!allowed)
		check_found(c, FINDING_WARN, "%s: runs as %s, not looked at: run `tocsin check` as root", who, p->user);
	else if (argv != NULL && file_is_sane(c, who, argv[0], user) && is_ours(argv[0])) {	/* a bad command is told with the configuration */
		check_version(c, who, argv[0], user);
		check_conf_path(c, who, argv);
		if (conf_is_valid(c, who, argv[0], user))
			check_database(c, who, argv[0], user);
		else
			check_found(c, FINDING_WARN, "%s: its database is not looked at before its configuration is valid", who);
	}
	program_user_clear(&found);
	free(argv);
}

void
check_programs(struct check *c)
{
	char	 watchdog[PATH_MAX];

	if (program_find("tocsin-watchdog", watchdog) == -1)
		check_found(c, FINDING_FAIL, "watchdog: tocsin-watchdog is not where this command looks for it: install it beside");
	else if (c->as_watchdog)
		(void)conf_is_valid(c, "watchdog", watchdog, NULL);
	if (c->site.count == 0)
		check_found(c, FINDING_WARN, "no process to look at: see the [process NAME] sections of %s", c->site.conf_path);
	for (size_t i = 0; i < c->site.count; i++)
		check_process(c, &c->site.processes[i]);
}
