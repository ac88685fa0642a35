/*
 * program: one child process: started without a shell, its output read through
 * pipes, ended with all that it started in its process group, always collected.
 * It leads a session of its own.  Should this process die, however it does, it
 * gets SIGTERM at once, and a guard (a shell that reads a pipe from here) ends
 * its whole group, SIGKILL a second later.
 */
#ifndef TOCSIN_GENERATOR_PROGRAM_H
#define TOCSIN_GENERATOR_PROGRAM_H
#include <sys/types.h>

struct event_base;
struct program;

#define PROGRAM_GRACE_MS	1000	/* between SIGTERM and SIGKILL */

/*
 * It has ended: `status` is waitpid()'s; or exec_error, an errno, is not 0: it
 * never ran.  From the event loop, once; program_free() is allowed in it.
 */
typedef void (*program_ended_cb)(int status, int exec_error, void *arg);

/*
 * Start argv[0] (an absolute path) with exactly the environment `envp`; both
 * are borrowed until this returns.  Its standard input is /dev/null.  *out_fd and
 * *err_fd are the caller's: non-blocking, what it writes to standard output and
 * error.  Returns NULL with errno when there is no process to be had.
 */
struct program	*program_start(struct event_base *base, char *const argv[], char *const envp[], int *out_fd, int *err_fd,
		    program_ended_cb ended, void *arg);
pid_t		 program_pid(const struct program *p);

/* SIGTERM to its group, SIGKILL after the grace.  Does not wait: program_ended_cb follows. */
void		 program_stop(struct program *p);

/*
 * Free it.  One that has not ended is ended: SIGKILL as soon as the grace is
 * over that began with program_stop() or begins now; until then this waits.
 * NULL is fine.
 */
void		 program_free(struct program *p);
#endif
