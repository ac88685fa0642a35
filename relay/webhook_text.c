#include "relay/webhook_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIELD_MAX	2100	/* of 500 characters of a reason, in bytes */

/* Text put together in a buffer of a fixed size, cut when it is full. */
struct line {
	char	*at;
	size_t	 left;
};

static void
put(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
put(struct line *l, const char *fmt, ...)
{
	va_list	 args;
	int	 n;

	va_start(args, fmt);
	n = vsnprintf(l->at, l->left, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= l->left) {
		n = (int)l->left - 1;
		/* Not within a character. */
		while (n > 0 && ((unsigned char)l->at[n - 1] & 0xc0U) == 0x80U)
			n--;
		if (n > 0 && ((unsigned char)l->at[n - 1] & 0x80U) != 0)
			n--;
		l->at[n] = '\0';
		l->left = (size_t)n + 1;
	}
	l->at += n;
	l->left -= (size_t)n;
}

/* A member of the record: a string's text, a number as it stands there; "" when there is none. */
static const char *
field(struct jsonv record, const char *key, char buf[FIELD_MAX])
{
	struct jsonv	 v = jsonv_get(record, key);
	const char	*raw;
	size_t		 len;

	*buf = '\0';
	if (jsonv_is_string(v)) {
		if (!jsonv_string(v, buf, FIELD_MAX))
			*buf = '\0';
	} else if (!jsonv_is_null(v) && (raw = jsonv_raw(v, &len)) != NULL && len < FIELD_MAX) {
		memcpy(buf, raw, len);
		buf[len] = '\0';
	}
	return buf;
}

/* " NAME VALUE", when there is one. */
static void
put_field(struct line *l, const char *before, struct jsonv record, const char *key)
{
	char	 buf[FIELD_MAX];

	if (*field(record, key, buf) != '\0')
		put(l, "%s%s", before, buf);
}

/* A ratio as percent. */
static void
put_percent(struct line *l, const char *before, struct jsonv record, const char *key, bool sign)
{
	double	 value;

	if (jsonv_double(jsonv_get(record, key), &value))
		put(l, sign ? "%s%+.2f %%" : "%s%.0f %%", before, value * 100);
}

static void
put_list(struct line *l, const char *before, struct jsonv array)
{
	const char	*raw;
	size_t		 len;

	for (struct jsonv e = jsonv_first(array); e.at != -1; e = jsonv_next(e), before = ", ")
		if ((raw = jsonv_raw(e, &len)) != NULL)
			put(l, "%s%.*s", before, (int)len, raw);
}

static void
put_reason(struct line *l, struct jsonv record)
{
	put_field(l, "\n", record, "reason");
}

static void
put_opened(struct line *l, struct jsonv record)
{
	put_field(l, "Entry ", record, "entry");
	put_field(l, ", stop ", record, "stop_loss");
	put_list(l, ", targets ", jsonv_get(record, "targets"));
	put_percent(l, "\nConfidence ", record, "confidence", false);
	put_reason(l, record);
}

static void
put_closed(struct line *l, struct jsonv record)
{
	put(l, "Exit");
	put_field(l, " ", record, "exit_price");
	put_field(l, ", by ", record, "exit_reason");
	put_field(l, ", entry ", record, "entry");
	put_percent(l, "\nResult ", record, "pnl_ratio", true);
	put_field(l, ", R ", record, "r_multiple");
}

static void
put_lines(struct line *l, const char *kind, struct jsonv record)
{
	if (strcmp(kind, "opened") == 0)
		put_opened(l, record);
	else if (strcmp(kind, "closed") == 0)
		put_closed(l, record);
	else {
		put_field(l, "Stop ", record, "stop_loss");
		put_field(l, ", last price ", record, "last_price");
		put_field(l, ", entry ", record, "entry");
	}
}

/* What has happened, behind the signal's name. */
static void
put_event(struct line *l, struct webhook_text *t, struct jsonv record)
{
	char	 buf[FIELD_MAX];

	if (strcmp(t->kind, "target_hit") == 0) {
		t->is_good = true;
		put_field(l, ": target ", record, "targets_hit");
		put(l, " of %zu hit", jsonv_count(jsonv_get(record, "targets")));
	} else if (strcmp(t->kind, "stop_moved") == 0)
		put(l, ": stop moved");
	else if (strcmp(t->kind, "acked") == 0)
		put(l, ": acknowledged");
	else if (strcmp(t->kind, "closed") == 0) {
		field(record, "outcome", buf);
		t->is_good = strcmp(buf, "win") == 0;
		t->is_bad = strcmp(buf, "loss") == 0;
		put(l, ": closed, %s", buf);
	}
}

static void
put_name(struct line *l, struct jsonv record)
{
	char	 side[FIELD_MAX];

	put(l, "%s", strcmp(field(record, "side", side), "short") == 0 ? "SHORT" : "LONG");
	put_field(l, " ", record, "symbol");
	put_field(l, " ", record, "timeframe");
	put_field(l, " (", record, "strategy");
	put(l, ")");
}

bool
webhook_text(struct webhook_text *t, struct jsonv event)
{
	struct line	 title = { t->title, sizeof(t->title) }, lines = { t->lines, sizeof(t->lines) };
	struct jsonv	 record = jsonv_get(event, "record");
	char		 id[FIELD_MAX];

	memset(t, 0, sizeof(*t));
	if (!jsonv_string(jsonv_get(event, "kind"), t->kind, sizeof(t->kind)))
		return false;
	if (!jsonv_is_object(record)) {
		put(&title, "Signal %s: %s", field(event, "id", id), t->kind);
		return true;
	}
	put_name(&title, record);
	put_event(&title, t, record);
	put_lines(&lines, t->kind, record);
	return true;
}
