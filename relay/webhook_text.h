/* webhook_text: an event in words for people: a line that says it all, and a few more.  Pure. */
#ifndef TOCSIN_RELAY_WEBHOOK_TEXT_H
#define TOCSIN_RELAY_WEBHOOK_TEXT_H
#include <stdbool.h>

#include "common/jsonr.h"

#define WEBHOOK_TITLE_MAX	256
#define WEBHOOK_LINES_MAX	4096

struct webhook_text {
	char	 title[WEBHOOK_TITLE_MAX];	/* "LONG BTC/USDT 5m (ema_cross)"; UTF-8, one line */
	char	 lines[WEBHOOK_LINES_MAX];	/* "Entry 100, stop 99, …\nwhy"; without a newline at the end; may be empty */
	char	 kind[16];
	bool	 is_good;			/* a target was hit, or it was won */
	bool	 is_bad;			/* it was lost */
};

/* False when `event` has no kind. */
bool	 webhook_text(struct webhook_text *t, struct jsonv event);
#endif
