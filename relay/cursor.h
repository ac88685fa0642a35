/*
 * cursor: a place in the event log as subscribers know it, EPOCH-SEQ.  The
 * epoch names the database and its timeline; a seq means nothing elsewhere.
 */
#ifndef TOCSIN_RELAY_CURSOR_H
#define TOCSIN_RELAY_CURSOR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EPOCH_MAX	56	/* bytes, with the NUL */
#define CURSOR_MAX	(EPOCH_MAX + 24)

/* SQL of the epoch: the instance's id and the timeline, without '-' since that is our separator. */
#define EPOCH_SQL	"(SELECT replace(id::text, '-', '') FROM tocsin_instance) || '.' || " \
			"ltrim(substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), '0')"

struct cursor {
	char	 epoch[EPOCH_MAX];	/* empty: not said, the one at hand */
	int64_t	 seq;			/* the last event seen; 0: none */
};

enum cursor_verdict {
	CURSOR_GOOD,		/* the log still holds all that follows it */
	CURSOR_EXPIRED,		/* retention has removed what follows it */
	CURSOR_UNKNOWN,		/* the log never came that far */
};

/* Read EPOCH-SEQ or SEQ.  False, and nothing changed, when it is anything else. */
bool	 cursor_parse(const char *text, struct cursor *out);

/* Write EPOCH-SEQ; returns `buf`. */
char	*cursor_format(const char *epoch, int64_t seq, char buf[CURSOR_MAX]);

/*
 * Judge a seq by the lowest and highest of the log (both 0: the log is empty).
 * 0 is always good: it asks for whatever there is.
 */
enum cursor_verdict cursor_judge(int64_t seq, int64_t lowest, int64_t highest);
#endif
