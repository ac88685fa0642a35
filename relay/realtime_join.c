#include "relay/realtime_join.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/log.h"
#include "relay/change.h"
#include "relay/realtime_filter.h"

#define SCHEMA		"public"
#define TABLE		"signals"
#define NAME_MAX_BYTES	256	/* of a schema or a table; a longer one is none of ours */
#define ALL_OPS		(1u << CHANGE_INSERT | 1u << CHANGE_UPDATE | 1u << CHANGE_DELETE)

bool
realtime_refuse(char why[REALTIME_WHY_MAX], const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(why, REALTIME_WHY_MAX, fmt, ap);
	va_end(ap);
	return false;
}

static bool
is_there(struct jsonv v)
{
	return v.at != -1 && !jsonv_is_null(v);
}

/* A boolean, also as the text "true". */
static bool
is_true(struct jsonv v)
{
	bool	 value = false;

	return jsonv_equals(v, "true") || (jsonv_bool(v, &value) && value);
}

/* A copy of a string; NULL when it is none, or longer than `max`. */
static char *
string_of(struct jsonv v, size_t max)
{
	size_t	 len;
	char	*text;

	if (!jsonv_is_string(v) || jsonv_raw(v, &len) == NULL || len > max)
		return NULL;
	text = xcalloc(1, len + 1);
	if (jsonv_string(v, text, len + 1))
		return text;
	free(text);
	return NULL;
}

/* Entries */

static unsigned
ops_of(struct jsonv event)
{
	char	 name[16];

	if (jsonv_string(event, name, sizeof(name)))
		for (unsigned i = 0; change_op_names[i] != NULL; i++)
			if (strcasecmp(name, change_op_names[i]) == 0)
				return 1u << i;
	return ALL_OPS;
}

/* Absent, null, * or the one name there is. */
static bool
names_ours(size_t index, struct jsonv v, const char *what, const char *ours, char why[REALTIME_WHY_MAX])
{
	char	 name[NAME_MAX_BYTES];

	if (!is_there(v) || jsonv_equals(v, "*"))
		return true;
	if (!jsonv_string(v, name, sizeof(name)))
		return realtime_refuse(why, "InvalidBinding: postgres_changes[%zu].%s is no name", index, what);
	if (strcmp(name, ours) == 0)
		return true;
	return realtime_refuse(why,
	    "InvalidBinding: postgres_changes[%zu].%s: there are no changes of \"%s\" here, only of " SCHEMA "." TABLE,
	    index, what, name);
}

static bool
read_select(size_t index, struct jsonv entry, struct realtime_entry *out, char why[REALTIME_WHY_MAX])
{
	struct jsonv	 list = jsonv_get(entry, "select"), table = jsonv_get(entry, "table");
	char		 name[64];
	int		 column;

	out->select = COLUMNS_ALL;
	if (!is_there(list))
		return true;
	if (!jsonv_is_array(list))
		return realtime_refuse(why,
		    "InvalidBinding: postgres_changes[%zu].select must be a list of columns", index);
	if (!is_there(table) || jsonv_equals(table, "*"))
		return realtime_refuse(why, "InvalidBinding: postgres_changes[%zu].select needs a table by name", index);
	out->select = UINT64_C(1) << COLUMN_ID;
	for (struct jsonv v = jsonv_first(list); v.at != -1; v = jsonv_next(v)) {
		if (!jsonv_string(v, name, sizeof(name)))
			return realtime_refuse(why,
			    "InvalidBinding: postgres_changes[%zu].select must be a list of columns", index);
		if ((column = column_find(name, strlen(name))) == -1)
			return realtime_refuse(why,
			    "InvalidBinding: postgres_changes[%zu].select: " SCHEMA "." TABLE " has no column %s", index, name);
		out->select |= UINT64_C(1) << column;
	}
	return true;
}

static bool
read_filter(size_t index, struct jsonv v, struct realtime_entry *out, size_t *bytes, char why[REALTIME_WHY_MAX])
{
	char	*text, reason[REALTIME_WHY_MAX - 64];
	bool	 ok;

	if (!is_there(v))
		return true;
	if ((text = string_of(v, (size_t)6 * REALTIME_FILTER_MAX)) == NULL)
		return realtime_refuse(why,
		    "InvalidBinding: postgres_changes[%zu].filter must be a text of at most %d bytes", index,
		    REALTIME_FILTER_MAX);
	*bytes += strlen(text);
	ok = realtime_filter_read(text, &out->filter, reason, sizeof(reason));
	free(text);
	return ok || realtime_refuse(why, "InvalidFilter: postgres_changes[%zu].filter: %s", index, reason);
}

static bool
read_entry(size_t index, struct jsonv v, struct realtime_entry *out, size_t *filter_bytes, char why[REALTIME_WHY_MAX])
{
	if (jsonv_is_null(v))
		return true;
	if (!jsonv_is_object(v))
		return realtime_refuse(why, "InvalidBinding: postgres_changes[%zu] is no object", index);
	out->ops = ops_of(jsonv_get(v, "event"));
	return names_ours(index, jsonv_get(v, "schema"), "schema", SCHEMA, why) &&
	    names_ours(index, jsonv_get(v, "table"), "table", TABLE, why) && read_select(index, v, out, why) &&
	    read_filter(index, jsonv_get(v, "filter"), out, filter_bytes, why);
}

static bool
read_entries(struct jsonv list, struct realtime_join *out, char why[REALTIME_WHY_MAX])
{
	if (!is_there(list))
		return true;
	if (!jsonv_is_array(list))
		return realtime_refuse(why, "InvalidBinding: postgres_changes must be a list");
	if (jsonv_count(list) > REALTIME_ENTRIES_MAX)
		return realtime_refuse(why,
		    "InvalidBinding: more than %d postgres_changes on a channel", REALTIME_ENTRIES_MAX);
	out->entries = xcalloc(jsonv_count(list) + 1, sizeof(out->entries[0]));
	for (struct jsonv v = jsonv_first(list); v.at != -1; v = jsonv_next(v), out->count++)
		if (!read_entry(out->count, v, &out->entries[out->count], &out->filter_bytes, why)) {
			out->count++;	/* what it has got is to be released */
			return false;
		}
	return true;
}

/* The rest */

/* {"after":SEQ, "SEQ" or "EPOCH-SEQ"} */
static bool
read_place(struct jsonv place, struct realtime_join *out, char why[REALTIME_WHY_MAX])
{
	struct jsonv	 after = jsonv_get(place, "after");
	char		 text[CURSOR_MAX];
	size_t		 len;
	const char	*raw = jsonv_raw(after, &len);

	if (!is_there(after))
		return true;
	if (!jsonv_string(after, text, sizeof(text))) {
		if (jsonv_is_string(after) || len >= sizeof(text))
			goto bad;
		memcpy(text, raw, len);
		text[len] = '\0';
	}
	out->has_after = cursor_parse(text, &out->after);
	if (out->has_after)
		return true;
bad:
	return realtime_refuse(why,
	    "UnableToReplayMessages: tocsin.after must be a seq, or EPOCH-SEQ as in a system message's tocsin.cursor");
}

char *
realtime_join_token(struct jsonv payload)
{
	struct jsonv	 v = jsonv_get(payload, "user_token");
	char		*token = string_of(is_there(v) ? v : jsonv_get(payload, "access_token"), REALTIME_TOKEN_MAX);

	/* A publishable or secret key of Supabase's is no token of a user; the apikey speaks then. */
	if (token != NULL && (*token == '\0' || strncmp(token, "sb_", 3) == 0)) {
		free(token);
		return NULL;
	}
	return token;
}

bool
realtime_join_read(struct jsonv payload, struct realtime_join *out, char why[REALTIME_WHY_MAX])
{
	struct jsonv	 config = jsonv_get(payload, "config");

	*out = (struct realtime_join){ 0 };
	if (!jsonv_is_object(config))
		return realtime_refuse(why,
		    "InvalidJoin: the payload has no config (clients before @supabase/realtime-js 2.0 are not served)");
	out->token = realtime_join_token(payload);
	out->acks_broadcasts = is_true(jsonv_get(jsonv_get(config, "broadcast"), "ack"));
	out->tells_replication = is_true(jsonv_get(jsonv_get(config, "broadcast"), "replication_ready"));
	out->shows_presence = is_true(jsonv_get(jsonv_get(config, "presence"), "enabled"));
	return read_place(jsonv_get(payload, "tocsin"), out, why) &&
	    read_entries(jsonv_get(config, "postgres_changes"), out, why);
}

void
realtime_join_release(struct realtime_join *j)
{
	for (size_t i = 0; i < j->count; i++)
		realtime_filter_free(j->entries[i].filter);
	free(j->entries);
	free(j->token);
	*j = (struct realtime_join){ 0 };
}

/* The reply */

static void
echo_entry(struct jsonw *w, struct jsonv entry, size_t id)
{
	size_t		 len;
	const char	*raw = jsonv_raw(entry, &len);
	struct jsonv	 key = { NULL, -1 }, value;

	if (!jsonv_is_object(entry)) {
		jsonw_raw(w, NULL, raw, len);
		return;
	}
	/* What the client sent as `id` must not stand beside ours: of two it takes either. */
	jsonw_object(w, NULL);
	while (jsonv_member(entry, &key, &value)) {
		char		 name[64];
		size_t		 key_len, value_len;
		const char	*key_raw = jsonv_raw(key, &key_len), *value_raw = jsonv_raw(value, &value_len);
		size_t		 quotes = jsonv_is_string(value) ? 1 : 0;

		if (jsonv_string(key, name, sizeof(name)) && strcmp(name, "id") == 0)
			continue;
		/* Key and value as they stand there, escapes and all. */
		jsonw_raw(w, NULL, key_raw - 1, key_len + 2);
		w->comma = false;
		jsonw_raw(w, NULL, ":", 1);
		w->comma = false;
		jsonw_raw(w, NULL, value_raw - quotes, value_len + 2 * quotes);
	}
	jsonw_int(w, "id", (int64_t)id);
	jsonw_end_object(w);
}

void
realtime_join_echo(struct jsonw *w, const char *key, struct jsonv payload)
{
	struct jsonv	 list = jsonv_get(jsonv_get(payload, "config"), "postgres_changes");
	size_t		 id = 1;

	jsonw_object(w, key);
	jsonw_array(w, "postgres_changes");
	for (struct jsonv v = jsonv_first(list); v.at != -1; v = jsonv_next(v))
		echo_entry(w, v, id++);
	jsonw_end_array(w);
	jsonw_end_object(w);
}

/* Matching */

bool
realtime_join_match(const struct realtime_join *j, const struct change *c, struct realtime_matches *out, column_set *select)
{
	bool	 any = false;

	*out = (struct realtime_matches){ { 0 } };
	*select = 0;
	for (size_t i = 0; i < j->count; i++) {
		const struct realtime_entry	*e = &j->entries[i];

		if ((e->ops & 1u << c->op) == 0 || (e->filter != NULL && !realtime_filter_passes(e->filter, c)))
			continue;
		out->bits[i / 64] |= UINT64_C(1) << i % 64;
		*select |= e->select;
		any = true;
	}
	return any;
}

bool
realtime_join_takes_all(const struct realtime_join *j)
{
	for (size_t i = 0; i < j->count; i++)
		if (j->entries[i].ops != ALL_OPS || j->entries[i].filter != NULL)
			return false;
	return j->count > 0;
}
