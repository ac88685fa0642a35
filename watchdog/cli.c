/*
 * tocsin: the operators' command.  It asks the watchdog's lock and status files,
 * and hands what needs the database to the program that has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/fd.h"
#include "common/suite.h"

#define USAGE	"tocsin [-c FILE] status [--json] | migrate | version | help"

/* Of `tocsin status`: what LSB says of init scripts. */
enum status_code {
	STATUS_RUNNING	= 0,
	STATUS_DEAD	= 1,	/* its lock file is there, its lock is not held */
	STATUS_STOPPED	= 3,
	STATUS_UNKNOWN	= 4
};

static int
usage_error(void)
{
	fprintf(stderr, "usage: %s\n", USAGE);
	return EXIT_USAGE;
}

/* The file's [tocsin] section; the rest of it is for others to check.  -1 after a line for each error. */
static int
read_suite(const char *conf_path, struct suite_conf *suite)
{
	static const char *const own[] = { NULL };
	struct conf		*c = conf_read(conf_path);
	int			 errors;

	*suite = (struct suite_conf){ 0 };
	conf_fill(c, conf_section(c, "tocsin", NULL), suite_keys, suite);
	suite_ignore_others(c, own);
	errors = conf_finish(c, stderr);
	conf_free(c);
	if (errors == 0 && suite->runtime_dir != NULL)
		return 0;
	conf_clear(suite_keys, suite);
	return -1;
}

/* Whoever runs holds the lock; a process number in a file would prove nothing. */
static enum status_code
ask_lock(const char *runtime_dir)
{
	char	 path[PATH_MAX];
	int	 fd, rc;

	snprintf(path, sizeof(path), "%s/watchdog.lock", runtime_dir);
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) == -1) {
		if (errno == ENOENT)
			return STATUS_STOPPED;
		fprintf(stderr, "tocsin: cannot ask %s: %s\n", path, strerror(errno));
		return STATUS_UNKNOWN;
	}
	rc = flock(fd, LOCK_SH | LOCK_NB);
	fd_close(&fd);
	if (rc == 0)
		return STATUS_DEAD;
	return errno == EWOULDBLOCK ? STATUS_RUNNING : STATUS_UNKNOWN;
}

/* Copy a file to stdout; for people with a word on how old it is. */
static enum status_code
show_file(const char *runtime_dir, const char *name, bool tell_age)
{
	char		 path[PATH_MAX], buf[4096];
	struct stat	 st;
	size_t		 n;
	FILE		*f;

	snprintf(path, sizeof(path), "%s/%s", runtime_dir, name);
	if ((f = fopen(path, "re")) == NULL || fstat(fileno(f), &st) == -1) {
		fprintf(stderr, "tocsin: the watchdog runs, but cannot read %s: %s\n", path, strerror(errno));
		if (f != NULL)
			fclose(f);
		return STATUS_UNKNOWN;
	}
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		(void)fwrite(buf, 1, n, stdout);	/* main() checks stdout */
	fclose(f);
	if (tell_age)
		printf("as of %lld s ago\n", (long long)(clock_wall_us() / 1000000 - st.st_mtim.tv_sec));
	return STATUS_RUNNING;
}

static int
show_status(const char *conf_path, char **words)
{
	struct suite_conf	 suite;
	enum status_code	 code;
	bool			 json = words[0] != NULL && strcmp(words[0], "--json") == 0;

	if (words[0] != NULL && (!json || words[1] != NULL))
		return usage_error();
	if (read_suite(conf_path, &suite) == -1)
		return STATUS_UNKNOWN;
	code = ask_lock(suite.runtime_dir);
	switch (code) {
	case STATUS_RUNNING:
		code = show_file(suite.runtime_dir, json ? "status.json" : "status.txt", !json);
		break;
	case STATUS_DEAD:
		fprintf(stderr, "tocsin: the watchdog is dead, it did not stop cleanly (its lock file is in %s)\n", suite.runtime_dir);
		break;
	case STATUS_STOPPED:
		fprintf(stderr, "tocsin: the watchdog is not running\n");
		break;
	case STATUS_UNKNOWN:
		break;
	}
	conf_clear(suite_keys, &suite);
	return code;
}

/* Next to this program, as in the build, or as installed: bin here, lib/tocsin there. */
static int
run_generator(const char *conf_path, char **words)
{
	static const char *const places[] = { "/tocsin-generator", "/../lib/tocsin/tocsin-generator" };
	char			 self[PATH_MAX], program[PATH_MAX + 64];
	const char *const	 words_of_it[] = { "tocsin-generator", "-c", conf_path, "migrate", NULL };
	char *const		*argv = (char *const *)(uintptr_t)words_of_it;	/* exec changes none of them */
	ssize_t			 n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (words[0] != NULL)
		return usage_error();
	if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			snprintf(program, sizeof(program), "%s%s", self, places[i]);
			execv(program, argv);
			if (errno != ENOENT) {
				fprintf(stderr, "tocsin: cannot run %s: %s\n", program, strerror(errno));
				return EXIT_TEMPORARY;
			}
		}
	}
	execvp(argv[0], argv);
	fprintf(stderr, "tocsin: tocsin-generator is neither beside this program, nor in ../lib/tocsin, nor in PATH: %s\n", strerror(errno));
	return EXIT_TEMPORARY;
}

static int
show_help(void)
{
	printf("usage: %s\n\n"
	    "  status    what the watchdog and its processes do; --json for programs\n"
	    "            exit code 0 running, 1 dead, 3 not running, 4 unknown\n"
	    "  migrate   bring the database's schema to this version\n"
	    "  version   print the version\n"
	    "  help      print this\n\n"
	    "  -c FILE   the configuration (default %s)\n", USAGE, TOCSIN_CONF_DEFAULT);
	return EXIT_DONE;
}

static int
run_word(const char *conf_path, const char *word, char **words)
{
	if (strcmp(word, "status") == 0)
		return show_status(conf_path, words);
	if (strcmp(word, "migrate") == 0)
		return run_generator(conf_path, words);
	if (words[0] == NULL && strcmp(word, "help") == 0)
		return show_help();
	if (words[0] == NULL && strcmp(word, "version") == 0) {
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
