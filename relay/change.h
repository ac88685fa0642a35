/*
 * change: one event of the log (a change of a signal), parsed once, serialised
 * once, shared by every subscriber.
 */
#ifndef TOCSIN_RELAY_CHANGE_H
#define TOCSIN_RELAY_CHANGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum change_op { CHANGE_INSERT, CHANGE_UPDATE, CHANGE_DELETE };
enum change_kind {
	CHANGE_OPENED, CHANGE_TARGET_HIT, CHANGE_STOP_MOVED, CHANGE_CLOSED, CHANGE_ACKED, CHANGE_DELETED, CHANGE_KINDS
};
enum change_side { CHANGE_LONG, CHANGE_SHORT, CHANGE_NO_SIDE };

extern const char *const change_op_names[];	/* NULL at the end */
extern const char *const change_kind_names[];	/* NULL at the end */
extern const char *const change_side_names[];	/* of CHANGE_LONG and CHANGE_SHORT, NULL at the end */

struct change_index;

struct change {
	unsigned		 refs;
	enum change_op		 op;
	int64_t			 seq;
	int64_t			 id;		/* of the signal; 0: not said */
	enum change_kind	 kind;
	bool			 has_record;	/* the member is there (null for a deletion) */
	/* Of the record; without one NULL, CHANGE_NO_SIDE and 0. */
	enum change_side	 side;
	const char		*symbol, *strategy;
	double			 confidence;
	int64_t			 wall_generated_us;
	const char		*at;		/* RFC 3339: when the event was logged (a snapshot: when the row was written last); "": not said */
	int64_t			 wall_at_us;	/* the same; 0: not said */
	int64_t			 arrived_us;	/* monotonic, set by the listener; 0: history */
	struct change_index	*index;		/* of change_field() */
	/* What another protocol has made of it, once for all its clients; whoever sets it says how it is freed. */
	void			*extra;
	void			(*free_extra)(void *extra);
	/* The Server-Sent Event, within it the JSON text, and within that the record (an object; length 0: none). */
	size_t			 frame_len, json_at, json_len, record_at, record_len;
	char			*frame;
};

/*
 * Parse the text of an event (signal_event_text() in etc/sql): an object with
 * seq, kind, and perhaps op, id, at and record.  Its frame is `id: EPOCH-SEQ`
 * and the text as data.  NULL with a reason when it is no such text.  Release
 * with change_unref().
 */
struct change	*change_parse(const char *text, const char *epoch, const char **why);

/*
 * The same for a bare record: the frame is an `event: snapshot` without an id,
 * whose data is an object with the record (not an event's text); it is an
 * INSERT, CHANGE_OPENED, whatever has become of the signal since.
 */
struct change	*change_snapshot(const char *record, const char **why);

struct change	*change_ref(struct change *c);
void		 change_unref(struct change *c);	/* NULL is fine */
void		 change_end(void);			/* give back what reading keeps between two texts, at the program's end */
void		 change_unref_cb(void *change);		/* the same, for those who release what they know nothing of */

/*
 * The value of a column of the record as JSON (a string with its quotes),
 * `*len` bytes within the frame, not NUL-terminated.  NULL: there is no such
 * column, or no record.  The first question makes an index of all.
 */
const char	*change_field(const struct change *c, const char *column, size_t *len);
#endif
