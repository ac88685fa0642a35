#include "generator/feed_exec_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define OURS	5

/* Passwords of the database, and what is said between us and the watchdog, are not for others. */
static bool
is_private(const char *entry)
{
	static const char *const prefixes[] = { "TOCSIN_", "LISTEN_", "NOTIFY_SOCKET=", "WATCHDOG_", "PG" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(entry, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static FILE *
begin(char **text, size_t *size, const char *name)
{
	FILE	*out = open_memstream(text, size);

	if (out == NULL)
		fatal("feed", "no memory");
	fprintf(out, "%s=", name);
	return out;
}

static void
finish(FILE *out)
{
	if (fclose(out) != 0)
		fatal("feed", "no memory");
}

static char *
variable(const char *name, const char *value)
{
	char	*text;
	size_t	 size;
	FILE	*out = begin(&text, &size, name);

	fputs(value, out);
	finish(out);
	return text;
}

static char *
symbols_variable(const struct conf_list *symbols)
{
	char	*text;
	size_t	 size;
	FILE	*out = begin(&text, &size, "TOCSIN_SYMBOLS");

	for (size_t i = 0; i < symbols->count; i++)
		fprintf(out, "%s%s", i == 0 ? "" : ",", symbols->items[i]);
	finish(out);
	return text;
}

/* A line SYMBOL=TIME for each that has a time. */
static char *
resume_variable(const struct conf_list *symbols, const int64_t *resume_us)
{
	char	*text, time[CLOCK_TEXT_MAX];
	size_t	 size;
	FILE	*out = begin(&text, &size, "TOCSIN_RESUME");

	for (size_t i = 0; i < symbols->count; i++)
		if (resume_us[i] != INT64_MIN)
			fprintf(out, "%s=%s\n", symbols->items[i], clock_iso_ms(resume_us[i], time));
	finish(out);
	return text;
}

char **
exec_env_new(const struct feed_conf *common, const int64_t *resume_us, size_t history)
{
	char	**env, number[24];
	size_t	  count = 0, n = 0;

	while (environ[count] != NULL)
		count++;
	env = xcalloc(count + OURS + 1, sizeof(*env));
	for (size_t i = 0; i < count; i++)
		if (!is_private(environ[i]))
			env[n++] = xstrdup(environ[i]);
	snprintf(number, sizeof(number), "%zu", history);
	env[n++] = variable("TOCSIN_FEED", common->name);
	env[n++] = symbols_variable(&common->symbols);
	env[n++] = variable("TOCSIN_TIMEFRAME", timeframe_names[common->timeframe]);
	env[n++] = variable("TOCSIN_HISTORY", number);
	env[n] = resume_variable(&common->symbols, resume_us);
	return env;
}

void
exec_env_free(char **env)
{
	if (env == NULL)
		return;
	for (char **e = env; *e != NULL; e++)
		free(*e);
	free(env);
}
