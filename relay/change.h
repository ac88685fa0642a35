/*
 * change: one event of the log (a change of a signal), parsed once, serialised
 * once, shared by every subscriber.  cJSON's types stay in change.c.
 */
#ifndef TOCSIN_RELAY_CHANGE_H
#define TOCSIN_RELAY_CHANGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum change_kind {
	CHANGE_OPENED, CHANGE_TARGET_HIT, CHANGE_STOP_MOVED, CHANGE_CLOSED, CHANGE_ACKED, CHANGE_DELETED, CHANGE_KINDS
};
enum change_side { CHANGE_LONG, CHANGE_SHORT, CHANGE_NO_SIDE };

extern const char *const change_kind_names[];	/* NULL at the end */
extern const char *const change_side_names[];	/* of CHANGE_LONG and CHANGE_SHORT, NULL at the end */

struct change {
	unsigned		 refs;
	int64_t			 seq;
	enum change_kind	 kind;
	bool			 has_record;	/* the member is there (null for a deletion) */
	/* Of the record; without one NULL, CHANGE_NO_SIDE and 0. */
	const char		*symbol, *strategy;
	enum change_side	 side;
	double			 confidence;
	int64_t			 wall_generated_us;
	int64_t			 wall_at_us;	/* when the event was logged; 0: not said */
	int64_t			 arrived_us;	/* monotonic, set by the listener; 0: history */
	/* The Server-Sent Event, and within it the JSON text. */
	size_t			 frame_len, json_at, json_len;
	char			 frame[];
};

/*
 * Parse the text of an event (signal_event_text() in etc/sql): an object with
 * seq, kind, and perhaps at and record.  Its frame is `id: EPOCH-SEQ` and the
 * text as data.  NULL with a reason when it is no such text.  Release with
 * change_unref().
 */
struct change	*change_parse(const char *text, const char *epoch, const char **why);

/* The same for a bare record: the frame is an `event: snapshot` without an id; `kind` is CHANGE_OPENED. */
struct change	*change_snapshot(const char *record, const char **why);

struct change	*change_ref(struct change *c);
void		 change_unref(struct change *c);	/* NULL is fine */
void		 change_unref_cb(void *change);		/* the same, for those who release what they know nothing of */
#endif
