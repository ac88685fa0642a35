#include "watchdog/site.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* "password=…", or postgresql://user:password@host. */
static bool
has_password(const char *conninfo)
{
	const char	*authority = conninfo == NULL ? NULL : strstr(conninfo, "://"), *at, *colon;

	if (conninfo == NULL)
		return false;
	if (strcasestr(conninfo, "password") != NULL)
		return true;
	if (authority == NULL || (at = strchr(authority + 3, '@')) == NULL)
		return false;
	colon = strchr(authority + 3, ':');
	return colon != NULL && colon < at;
}

static void
look_for_password(struct site *s, const struct conf *c)
{
	static const char *const	 kinds[] = { "tocsin", "generator", "relay" };
	const struct conf_section	*section;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((section = conf_section(c, kinds[i], NULL)) != NULL && has_password(conf_text(section, "database")))
			s->holds_password = true;
}

static char *
copy_text(const struct conf_section *section, const char *key)
{
	const char	*text = conf_text(section, key);

	return text == NULL || *text == '\0' ? NULL : xstrdup(text);
}

static void
add_processes(struct site *s, const struct conf *c)
{
	const struct conf_section	*section = NULL;
	const char			*name;

	while ((section = conf_next(c, "process", section)) != NULL) {
		name = conf_label(section);
		if (name == NULL || !suite_name_ok(name) || strcmp(name, "watchdog") == 0)
			continue;
		s->processes = xrealloc(s->processes, (s->count + 1) * sizeof(*s->processes));
		s->processes[s->count++] = (struct site_process){
			.name = xstrdup(name), .command = copy_text(section, "command"), .user = copy_text(section, "user")
		};
	}
}

int
site_read(struct site *s, const char *conf_path, FILE *errors)
{
	struct conf		*c = conf_read(conf_path);
	char			 path[PATH_MAX];
	int			 count;

	*s = (struct site){ .conf_path = xstrdup(realpath(conf_path, path) == NULL ? conf_path : path) };
	conf_fill(c, conf_section(c, "tocsin", NULL), suite_keys, &s->suite);
	conf_ignore_rest(c);	/* status and stop work while somebody mends the rest */
	if (s->suite.runtime_dir == NULL)
		conf_error(c, conf_section(c, "tocsin", NULL), "runtime_dir", "is empty: an absolute path is needed");
	if (s->suite.log_dir == NULL)
		conf_error(c, conf_section(c, "tocsin", NULL), "log_dir", "is empty: an absolute path is needed");
	add_processes(s, c);
	look_for_password(s, c);
	count = conf_finish(c, errors);
	conf_free(c);
	return count == 0 ? 0 : -1;
}

void
site_release(struct site *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->processes[i].name);
		free(s->processes[i].command);
		free(s->processes[i].user);
	}
	free(s->processes);
	free(s->conf_path);
	conf_clear(suite_keys, &s->suite);
	*s = (struct site){ 0 };
}
