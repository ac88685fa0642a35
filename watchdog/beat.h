/*
 * beat: what a child says down its heartbeat pipe, line by line.
 *
 * The words are in common/heartbeat.h.  A child may be broken or hostile: lines
 * may come in pieces, too long, or as garbage; nothing here trusts them.  Pure:
 * no descriptor, no clock, no allocation.
 */
#ifndef TOCSIN_WATCHDOG_BEAT_H
#define TOCSIN_WATCHDOG_BEAT_H
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum beat_kind {
	BEAT_READY,
	BEAT_ALIVE,
	BEAT_STOPPING,
	BEAT_STATUS		/* the only one with a value: one JSON object */
};

/* An all-zero struct is a parser at the start of a line. */
struct beat_parser {
	size_t	 len;		/* bytes of `line` that wait for their newline */
	bool	 overlong;	/* the rest of this line is to be skipped */
	unsigned refused;	/* lines so far that are no heartbeat, or whose STATUS is no JSON */
	char	 line[PIPE_BUF];
};

/* `value` is borrowed, not NUL-terminated and valid during the call only. */
typedef void beat_line_fn(enum beat_kind kind, const char *value, size_t len, void *arg);

void	 beat_clear(struct beat_parser *p);

/*
 * Take the next bytes of the pipe, calling `cb` for each complete line that is
 * understood.  Lines with other keys are left to programs newer than this one.
 */
void	 beat_feed(struct beat_parser *p, const char *data, size_t len, beat_line_fn *cb, void *arg);
#endif
