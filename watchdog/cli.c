/* tocsin: the operators' command: its words, and whom each is for. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/suite.h"
#include "watchdog/check.h"
#include "watchdog/logs.h"
#include "watchdog/operate.h"
#include "watchdog/program.h"
#include "watchdog/site.h"

#define USAGE	"tocsin [-c FILE] status [--json] | start [NAME] | stop [NAME] | restart [NAME] | reload | " \
		"logs [-f] [-n LINES] [NAME...] | check | migrate | backtest [-c FILE] [--json] | version | help"

static int
usage_error(void)
{
	fprintf(stderr, "usage: %s\n", USAGE);
	return EXIT_USAGE;
}

/* Each gets what follows its word, with a NULL at the end. */

static int
run_status(const struct site *s, char **words)
{
	bool	 json = words[0] != NULL && strcmp(words[0], "--json") == 0;

	if (words[0] != NULL && (!json || words[1] != NULL))
		return usage_error();
	return operate_status(s, json);
}

static int
run_process_or_all(const struct site *s, char **words, const char *word, int (*all)(const struct site *))
{
	if (words[0] == NULL)
		return all(s);
	if (words[1] != NULL || *words[0] == '-')
		return usage_error();
	if (!suite_name_ok(words[0])) {
		fprintf(stderr, "tocsin: \"%s\" is no name of a process: a letter, then up to 31 of a-z 0-9 _ -\n", words[0]);
		return EXIT_USAGE;
	}
	return operate_process(s, word, words[0]);
}

static int
run_start(const struct site *s, char **words)
{
	return run_process_or_all(s, words, "start", operate_start);
}

static int
run_stop(const struct site *s, char **words)
{
	return run_process_or_all(s, words, "stop", operate_stop);
}

static int
run_restart(const struct site *s, char **words)
{
	return run_process_or_all(s, words, "restart", operate_restart);
}

static int
run_reload(const struct site *s, char **words)
{
	return words[0] == NULL ? operate_reload(s) : usage_error();
}

static int
run_logs(const struct site *s, char **words)
{
	struct logs_options	 o = { .lines = LOGS_LINES_DEFAULT };
	int			 opt, count = 1;

	while (words[count - 1] != NULL)
		count++;
	optind = 0;		/* getopt(3) begins anew; the word itself is its program's name */
	while ((opt = getopt(count, words - 1, "fn:")) != -1)
		if (opt == 'f')
			o.follow = true;
		else if (opt != 'n' || !logs_lines(optarg, &o.lines))
			return usage_error();
	o.names = words - 1 + optind;
	return logs_show(s, &o);
}

/* What needs the database is for the program that has it. */
static int
run_migrate(const char *conf_path, char **words)
{
	const char *const	 argv[] = { "tocsin-generator", "-c", conf_path, "migrate", NULL };
	char			 path[PATH_MAX];

	if (words[0] != NULL)
		return usage_error();
	return program_find("tocsin-generator", path) == -1 ? EXIT_TEMPORARY : program_become(path, argv);
}

/* The configuration may also stand behind the word: it is rarely the service's own. */
static int
run_backtest(const char *conf_path, char **words)
{
	const char	*argv[] = { "tocsin-generator", "-c", conf_path, "backtest", NULL, NULL };
	char		 path[PATH_MAX];

	for (; words[0] != NULL; words++)
		if (strcmp(words[0], "--json") == 0)
			argv[4] = words[0];
		else if (strcmp(words[0], "-c") == 0 && words[1] != NULL)
			argv[2] = *++words;
		else
			return usage_error();
	return program_find("tocsin-generator", path) == -1 ? EXIT_TEMPORARY : program_become(path, argv);
}

static int
run_help(void)
{
	printf("usage: %s\n\n"
	    "  status            what the watchdog and its processes do; --json for programs\n"
	    "                    exit code 0 running, 1 dead, 3 not running, 4 unknown\n"
	    "  start [NAME]      start the watchdog, which starts all; or one process of a running one\n"
	    "  stop [NAME]       stop all and wait for the end; or one process, which then stays stopped\n"
	    "  restart [NAME]    both\n"
	    "  reload            read the configuration again, reopen the logs\n"
	    "                    exit codes of these: 0 done, 1 failed, 4 not allowed, 7 not running\n"
	    "  logs [NAME...]    the logs (watchdog and the processes), merged by time\n"
	    "                    -n LINES the last so many (default %d, \"all\"), -f go on until Ctrl-C\n"
	    "  check             look for whatever is not in order, and tell how to mend it\n"
	    "                    exit code 0 nothing failed, 1 something did\n"
	    "  migrate           bring the database's schema to this version\n"
	    "  backtest          the configured strategies over recordings, without a database\n"
	    "                    -c FILE a configuration of its own, --json for programs\n"
	    "  version           print the version\n"
	    "  help              print this\n\n"
	    "  -c FILE           the configuration (default %s)\n\n"
	    "exit code 100 everywhere: the command line or the configuration is wrong\n", USAGE, LOGS_LINES_DEFAULT, TOCSIN_CONF_DEFAULT);
	return EXIT_DONE;
}

/* The words that work with the installation that the configuration describes. */
static const struct word {
	const char	*word;
	int		(*run)(const struct site *s, char **words);
	int		 conf_error;	/* exit code when there is none */
} site_words[] = {
	{ "status", run_status, STATUS_UNKNOWN },
	{ "start", run_start, EXIT_USAGE },
	{ "stop", run_stop, EXIT_USAGE },
	{ "restart", run_restart, EXIT_USAGE },
	{ "reload", run_reload, EXIT_USAGE },
	{ "logs", run_logs, EXIT_USAGE },
};

static int
run_site_word(const struct word *w, const char *conf_path, char **words)
{
	struct site	 s;
	int		 code = w->conf_error;

	if (site_read(&s, conf_path, stderr) == 0)
		code = w->run(&s, words);
	site_release(&s);
	return code;
}

static int
run_word(const char *conf_path, const char *word, char **words)
{
	for (size_t i = 0; i < sizeof(site_words) / sizeof(site_words[0]); i++)
		if (strcmp(word, site_words[i].word) == 0)
			return run_site_word(&site_words[i], conf_path, words);
	if (strcmp(word, "migrate") == 0)
		return run_migrate(conf_path, words);
	if (strcmp(word, "backtest") == 0)
		return run_backtest(conf_path, words);
	if (words[0] != NULL)
		return usage_error();
	if (strcmp(word, "check") == 0)
		return check_run(conf_path);
	if (strcmp(word, "help") == 0)
		return run_help();
	if (strcmp(word, "version") == 0) {
		printf("tocsin %s\n", TOCSIN_VERSION);
		return EXIT_DONE;
	}
	return usage_error();
}

int
main(int argc, char **argv)
{
	struct suite_options	 options;
	int			 code;

	if (fd_fill_standard() == -1)
		return EXIT_TEMPORARY;
	suite_options(&options, argc, argv, USAGE);
	if (options.rest[0] == NULL || options.check_only || options.print_conf)
		return usage_error();
	code = run_word(options.conf_path, options.rest[0], options.rest + 1);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "tocsin: cannot write: %s\n", strerror(errno));
		return EXIT_TEMPORARY;
	}
	return code;
}
