/*
 * follow: what to do with a notification, decided from the cursor alone.
 * Pure: no session, no clock.
 *
 * The log's seq rises in the order of commits, so the cursor (the seq of the
 * last event handed out) says all.  A notification that is exactly the next
 * event and carries its record goes out as it is.  Anything else is read back
 * from the log first; what is notified meanwhile only raises `highest`, and
 * reading ends with a page that was asked for after the highest was known and
 * came back short.  A gap in seq is normal: a rolled-back insert, a crash.
 */
#ifndef TOCSIN_RELAY_FOLLOW_H
#define TOCSIN_RELAY_FOLLOW_H
#include <stdbool.h>
#include <stdint.h>

enum follow_state { FOLLOW_AWAY, FOLLOW_READING, FOLLOW_LIVE };
enum follow_action { FOLLOW_DELIVER, FOLLOW_IGNORE, FOLLOW_READ_BACK };

struct follow {
	enum follow_state	 state;
	int64_t			 cursor;	/* seq of the last event handed out */
	int64_t			 highest;	/* seq of the highest notification */
	int64_t			 asked;		/* `highest` when the page under way was asked for */
};

/* The session is gone, or not set up yet: notifications mean nothing. */
void	 follow_away(struct follow *f);

/* A page after the cursor is being asked for now. */
void	 follow_page_asked(struct follow *f);

/* That page came; `full`: it held as many rows as it may.  True: ask for another one. */
bool	 follow_page_done(struct follow *f, bool full);

/*
 * A notification of event `seq` came.  FOLLOW_DELIVER: hand it out now (the
 * cursor moves); FOLLOW_READ_BACK: ask for a page; FOLLOW_IGNORE: it is known,
 * or the page under way will bring it.
 */
enum follow_action follow_notified(struct follow *f, int64_t seq, bool has_record);

/* A row of a page: true when it is to be handed out (the cursor moves). */
bool	 follow_row(struct follow *f, int64_t seq);
#endif
