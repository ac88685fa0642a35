/*
 * client: the running watchdog, as a command beside it sees it.  Its lock tells
 * whether it runs, its control socket (RUNTIME_DIR/control.sock) is asked.
 *
 * One question a connection: a line `WORD [NAME]`.  The answer is a line
 * `ok[ text]` or `error text`; a body may follow, up to the end.
 */
#ifndef TOCSIN_WATCHDOG_CLIENT_H
#define TOCSIN_WATCHDOG_CLIENT_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "watchdog/control.h"
#include "watchdog/lock.h"

#define CLIENT_LOCK	LOCK_WATCHDOG
#define CLIENT_SOCKET	CONTROL_SOCKET

enum client_state {
	CLIENT_RUNNING,
	CLIENT_DEAD,		/* its lock file is there, nobody holds it: the end was no clean one */
	CLIENT_STOPPED,
	CLIENT_UNKNOWN		/* errno says why: no right to look, mostly */
};

/*
 * Whoever runs holds the lock; a process number in a file would prove nothing.
 * Where the lock may not be opened, the socket is asked whether somebody
 * listens.  Does not block.
 */
enum client_state client_state(const char *runtime_dir);

/* Somebody holds the lock file DIR/NAME.lock of one process: it runs, whoever its watchdog is.  Does not block. */
bool		 client_process_runs(const char *runtime_dir, const char *name);

/*
 * Remove the lock file of a dead watchdog, which then counts as stopped; one
 * that has started meanwhile keeps its own.  0, or -1 with errno.
 */
int		 client_bury(const char *runtime_dir);

enum client_answer {
	CLIENT_OK,
	CLIENT_ERROR,
	CLIENT_DENIED,		/* error not allowed: … */
	CLIENT_SILENT		/* none, errno: ETIMEDOUT, ECONNRESET (closed), EPROTO (not our protocol), … */
};

struct client;

/* Connect.  NULL with errno; EAGAIN: it accepts nobody.  May block for two seconds. */
struct client	*client_open(const char *runtime_dir);
void		 client_close(struct client *c);	/* NULL is fine; errno survives */

/* Who listens there, by the kernel's word; -1 when it does not tell. */
pid_t		 client_pid(const struct client *c);

/* Ask; `name` may be NULL.  0, or -1 with errno. */
int		 client_send(struct client *c, const char *word, const char *name);

/*
 * Wait for the first line of the answer, up to `timeout_ms`.  After ETIMEDOUT
 * it may be called again.
 */
enum client_answer client_answer(struct client *c, int timeout_ms);

/* What stands behind ok or error: "" before an answer.  Lives as long as the client. */
const char	*client_text(const struct client *c);

/* The body, with a NUL at its end.  Owned, for free(); NULL with errno when its end does not come in time. */
char		*client_body(struct client *c, int timeout_ms);
#endif
