#include "relay/realtime_data.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "relay/change.h"

#define VIEWS_MAX	4	/* of a change: the ring, whose limit is of frames, holds thousands of them */

/* What a change keeps of it (change.h, extra): one for each set of columns that somebody wants, the newest first. */
struct view {
	struct view	*next;
	column_set	 select;
	size_t		 head_len;
	char		*head;
};

/* Free it and those behind it. */
static void
free_views(void *extra)
{
	struct view	*v = extra, *next;

	for (; v != NULL; v = next) {
		next = v->next;
		free(v->head);
		free(v);
	}
}

static void
put_columns(struct jsonw *w, const struct change *c, column_set select)
{
	const char	*json;
	size_t		 len;

	jsonw_object(w, "record");
	for (int i = 0; i < COLUMNS; i++)
		if ((select & UINT64_C(1) << i) != 0 && (json = change_field(c, columns[i].name, &len)) != NULL)
			jsonw_raw(w, columns[i].name, json, len);
	jsonw_end_object(w);
}

static struct view *
view_new(const struct change *c, column_set select)
{
	struct view	*v = xcalloc(1, sizeof(*v));
	struct jsonw	 w;
	char		 at[CLOCK_TEXT_MAX];

	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "schema", "public");
	jsonw_str(&w, "table", "signals");
	jsonw_str(&w, "type", change_op_names[c->op]);
	jsonw_str(&w, "commit_timestamp", clock_iso_ms(c->wall_at_us, at));
	/* Empty: nothing for the client to convert, as the values are what they are. */
	jsonw_array(&w, "columns");
	jsonw_end_array(&w);
	jsonw_null(&w, "errors");
	if (c->op != CHANGE_INSERT) {
		jsonw_object(&w, "old_record");
		jsonw_int(&w, "id", c->id);
		jsonw_end_object(&w);
	}
	if (c->record_len > 0) {
		if (select == COLUMNS_ALL) {
			/* The record follows as the body. */
			jsonw_raw(&w, "record", "", 0);
		} else
			put_columns(&w, c, select);
	}
	*v = (struct view){ .select = select, .head_len = w.len, .head = xrealloc(w.buf, w.len + 1) };
	return v;
}

static struct view *
find_view(struct change *c, column_set select)
{
	struct view	*v, *kept = NULL;
	unsigned	 count = 0;

	for (v = c->extra; v != NULL; v = v->next) {
		if (v->select == select)
			return v;
		if (++count == VIEWS_MAX - 1)
			kept = v;
	}
	/* Room for the new one; an old one that is wanted again is made again. */
	if (kept != NULL) {
		free_views(kept->next);
		kept->next = NULL;
	}
	v = view_new(c, select);
	v->next = c->extra;
	c->extra = v;
	c->free_extra = free_views;
	return v;
}

struct realtime_data
realtime_data_of(struct change *c, column_set select)
{
	const struct view	*v = find_view(c, select);

	return (struct realtime_data){
		.head = v->head, .head_len = v->head_len, .body = c->frame + c->record_at,
		.body_len = select == COLUMNS_ALL ? c->record_len : 0,
	};
}
