#include "watchdog/alert.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"
#include "watchdog/spawn.h"

#define FACTS		7
#define FACT_MAX	(ENDING_TEXT_MAX + 40)
#define LOG_FACT	"TOCSIN_LOG="
#define LOG_FACT_REST	64	/* LOG_FACT, '/', a name, ".log" */
#define EXEC_FAILED	127	/* as a shell says it */

struct run {
	pid_t	 pid;		/* 0: free */
	bool	 killed;
	int64_t	 started_us;
};

struct alert {
	struct run	 runs[ALERT_RUNS];
	char		 facts[FACTS][FACT_MAX];
	size_t		 log_size;
	char		 *log;			/* a fact, too */
	char		 *envp[];	/* ours, the facts, NULL */
};

struct alert *
alert_new(const struct watchdog_conf *conf)
{
	struct alert	*a;
	size_t		 count = 0, n = 0;

	while (environ[count] != NULL)
		count++;
	a = xcalloc(1, sizeof(*a) + (count + FACTS + 1) * sizeof(char *));
	a->log_size = strlen(conf->suite.log_dir) + LOG_FACT_REST;
	a->log = xcalloc(1, a->log_size);
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], "TOCSIN_", 7) != 0 && !spawn_is_private(environ[i], geteuid() == 0))
			a->envp[n++] = environ[i];
	a->envp[n++] = a->log;
	for (size_t i = 0; i + 1 < FACTS; i++)
		a->envp[n++] = a->facts[i];
	return a;
}

void
alert_free(struct alert *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < ALERT_RUNS; i++)
		if (a->runs[i].pid != 0)
			(void)kill(-a->runs[i].pid, SIGKILL);
	free(a->log);
	free(a);
}

static void
number(char fact[FACT_MAX], const char *name, int64_t value)
{
	if (value < 0)
		snprintf(fact, FACT_MAX, "%s=", name);
	else
		snprintf(fact, FACT_MAX, "%s=%lld", name, (long long)value);
}

static void
gather(struct alert *a, const struct watchdog_conf *conf, const struct process_conf *about, const char *what,
    const struct process_report *r)
{
	const struct ending	*e = endings_get(r->endings, 0);
	char			 text[ENDING_TEXT_MAX];

	snprintf(a->log, a->log_size, LOG_FACT "%s/%s.log", conf->suite.log_dir, about->name);
	snprintf(a->facts[0], FACT_MAX, "TOCSIN_ALERT=%s", what);
	snprintf(a->facts[1], FACT_MAX, "TOCSIN_PROCESS=%s", about->name);
	number(a->facts[2], "TOCSIN_PID", r->pid);
	number(a->facts[3], "TOCSIN_FAILURES", r->failures);
	snprintf(a->facts[4], FACT_MAX, "TOCSIN_LAST_EXIT=%s", e == NULL ? "" : ending_text(e, text));
	number(a->facts[5], "TOCSIN_NEXT_START_MS", r->next_start_us < 0 ? -1 : r->next_start_us / 1000);
}

/* By then it is another user: none may write in the watchdog's own log, which it has inherited. */
static bool
arrange_descriptors(const char *log)
{
	int	 null = open("/dev/null", O_RDWR | O_CLOEXEC), out = fd_open_log(log);

	return null != -1 && dup2(null, STDIN_FILENO) != -1 && dup2(out == -1 ? null : out, STDOUT_FILENO) != -1 &&
	    dup2(STDOUT_FILENO, STDERR_FILENO) != -1;
}

/* From fork to exec: async-signal-safe calls only. */
static void __attribute__((noreturn))
child(const struct alert *a, char **argv, const struct identity *identity)
{
	spawn_be_mortal();
	if (spawn_reset_signals() && spawn_change_user(identity) && arrange_descriptors(a->log + strlen(LOG_FACT)) && chdir("/") == 0)
		execve(argv[0], argv, a->envp);
	_exit(EXEC_FAILED);
}

static struct run *
free_run(struct alert *a)
{
	for (size_t i = 0; i < ALERT_RUNS; i++)
		if (a->runs[i].pid == 0)
			return &a->runs[i];
	return NULL;
}

void
alert_run(struct alert *a, const struct watchdog_conf *conf, const struct process_conf *about, const char *what,
    const struct process_report *r)
{
	struct run	*run = free_run(a);
	sigset_t	 all, old;

	if (conf->alert_argv == NULL)
		return;
	if (run == NULL) {
		log_warnx("alert", "not run, %d of them still do alert=%s name=%s", ALERT_RUNS, what, about->name);
		return;
	}
	gather(a, conf, about, what, r);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	if ((run->pid = fork()) == 0)
		child(a, conf->alert_argv, &about->identity);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (run->pid == -1) {
		log_warn("alert", "cannot be run alert=%s name=%s", what, about->name);
		run->pid = 0;
		return;
	}
	run->killed = false;
	run->started_us = clock_mono_us();
	log_info("alert", "told alert=%s name=%s pid=%d", what, about->name, (int)run->pid);
}

void
alert_check(struct alert *a)
{
	int64_t	 since_us = clock_mono_us() - ALERT_MAX_S * INT64_C(1000000);

	for (size_t i = 0; i < ALERT_RUNS; i++) {
		struct run	*run = &a->runs[i];

		if (run->pid == 0 || run->killed || run->started_us > since_us)
			continue;
		log_warnx("alert", "takes too long, killed pid=%d limit_s=%d", (int)run->pid, ALERT_MAX_S);
		(void)kill(-run->pid, SIGKILL);	/* ESRCH: it has no session yet, or is gone */
		(void)kill(run->pid, SIGKILL);
		run->killed = true;
	}
}

bool
alert_exited(struct alert *a, pid_t pid, int wait_status)
{
	for (size_t i = 0; i < ALERT_RUNS; i++) {
		if (a->runs[i].pid != pid)
			continue;
		a->runs[i].pid = 0;
		if (WIFSIGNALED(wait_status))
			log_warnx("alert", "its program died pid=%d signal=%d", (int)pid, WTERMSIG(wait_status));
		else if (WEXITSTATUS(wait_status) == EXEC_FAILED)
			log_warnx("alert", "its program could not be run: see on_alert in the configuration pid=%d", (int)pid);
		else if (WEXITSTATUS(wait_status) != 0)
			log_warnx("alert", "its program failed pid=%d code=%d", (int)pid, WEXITSTATUS(wait_status));
		return true;
	}
	return false;
}
