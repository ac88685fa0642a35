/*
 * control: the operators' socket, RUNTIME_DIR/control.sock.
 *
 * AF_UNIX, SOCK_STREAM, 0660 and the group of the processes.  A client sends
 * one line, `WORD` or `WORD NAME`; the answer begins with a line `ok …` or
 * `error …` (`error not allowed: …`, `error no process …`: `tocsin` has exit
 * codes for these), a body may follow, and the connection is closed.  Everybody who
 * can connect may ask for the status; to change anything takes root or the
 * watchdog's own user, by the peer's credentials (SO_PEERCRED, unix(7)).
 *
 * A client is bounded in all: in number (those who may only look have half of
 * the places), in bytes, and in the time it takes to send its line; nothing here
 * allocates after control_new().
 */
#ifndef TOCSIN_WATCHDOG_CONTROL_H
#define TOCSIN_WATCHDOG_CONTROL_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONTROL_SOCKET		"control.sock"
#define CONTROL_LINE_MAX	128	/* bytes of a request, with its newline */
#define CONTROL_CLIENTS		16
#define CONTROL_PATIENCE_S	5	/* for the line to come */

enum control_word {
	CONTROL_STATUS,
	CONTROL_STATUS_JSON,
	CONTROL_START,		/* NAME */
	CONTROL_STOP,		/* NAME, or without: the whole suite */
	CONTROL_RESTART,	/* NAME */
	CONTROL_RELOAD
};

struct control_request {
	enum control_word	 word;
	char			 name[CONTROL_LINE_MAX];	/* empty: none was given */
};

struct event_base;
struct control;
struct control_client;

struct control_handler {
	/* Answer it now or later, by control_answer(). */
	void	(*asked)(struct control_client *c, const struct control_request *q, void *arg);
	/* It went away without its answer: forget it. */
	void	(*left)(struct control_client *c, void *arg);
};

/*
 * Read one request line, without its newline.  Pure.  False when it is none,
 * with the reason for its sender in `why`.
 */
bool		 control_parse(const char *line, size_t len, struct control_request *q, char *why, size_t why_size);

/* Does this request change anything? */
bool		 control_changes(const struct control_request *q);

/*
 * Listen in `runtime_dir`; a socket of an earlier watchdog is replaced, so hold
 * the lock.  `group` (gid_t)-1: leave it.  NULL with errno.
 */
struct control	*control_new(struct event_base *base, const char *runtime_dir, gid_t group, const struct control_handler *handler, void *arg);
void		 control_free(struct control *c);	/* closes and removes all; NULL is fine */

/* The socket's file was removed by somebody: make it again.  Call it now and then. */
void		 control_check(struct control *c);

/*
 * Send the first line (`ok …`, `error …`, no newline) and a body, and close.
 * What a peer does not take at once is lost to it: the socket's buffer holds
 * far more than any answer.
 */
void		 control_answer(struct control_client *c, const char *first_line, const char *body, size_t body_len);

/* Send the first line only, and keep the connection until the watchdog ends. */
void		 control_promise(struct control_client *c, const char *first_line);
#endif
