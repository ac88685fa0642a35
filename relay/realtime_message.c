#include "relay/realtime_message.h"

#include <string.h>

#define BINARY_PUSH	3	/* kind of a broadcast from a client */
#define BINARY_HEAD	7	/* kind, five lengths, encoding */

static const struct realtime_text null_text = { "null", 4 };

static bool
fail(const char **why, const char *text)
{
	*why = text;
	return false;
}

/* The bytes of a value; of a string with its quotes. */
static struct realtime_text
text_of(struct jsonv v)
{
	struct realtime_text	 t;

	t.at = jsonv_raw(v, &t.len);
	if (t.at == NULL)
		return null_text;
	if (jsonv_is_string(v)) {
		t.at--;
		t.len += 2;
	}
	return t;
}

static bool
ref_ok(struct jsonv v)
{
	size_t	 len;

	return jsonv_raw(v, &len) == NULL || (!jsonv_is_object(v) && !jsonv_is_array(v) && len <= REALTIME_REF_MAX);
}

static bool
fill(struct jsonv join_ref, struct jsonv ref, struct jsonv topic, struct jsonv event, struct realtime_message *out,
    const char **why)
{
	char	 decoded[REALTIME_TOPIC_MAX];

	if (!jsonv_is_string(topic) || !jsonv_is_string(event))
		return fail(why, "topic and event must be strings");
	/* Decoded only to see that it is text: no NUL, no half of a pair. */
	if (!jsonv_string(topic, decoded, sizeof(decoded)))
		return fail(why, "a topic that is too long, or no text");
	if (!ref_ok(join_ref) || !ref_ok(ref))
		return fail(why, "a reference that is too long, or none");
	out->join_ref = text_of(join_ref);
	out->ref = text_of(ref);
	out->topic = text_of(topic);
	if (out->topic.len > REALTIME_TOPIC_MAX)
		return fail(why, "a topic that is too long, or no text");
	if (!jsonv_string(event, out->event, sizeof(out->event)))
		out->event[0] = '\0';
	return true;
}

static bool
read_array(struct jsonv root, struct realtime_message *out, const char **why)
{
	struct jsonv	 items[5], v = jsonv_first(root);

	if (!jsonv_is_array(root) || jsonv_count(root) != 5)
		return fail(why, "not an array of five");
	for (int i = 0; i < 5; i++, v = jsonv_next(v))
		items[i] = v;
	out->payload = items[4];
	return fill(items[0], items[1], items[2], items[3], out, why);
}

bool
realtime_message_read(struct jsonr *r, enum realtime_version version, const char *text, size_t len,
    struct realtime_message *out, const char **why)
{
	struct jsonv	 root;

	out->event[0] = '\0';
	if (!jsonr_parse(r, text, len))
		return fail(why, "not JSON");
	root = jsonr_root(r);
	if (version == REALTIME_V2)
		return read_array(root, out, why);
	if (!jsonv_is_object(root))
		return fail(why, "not an object");
	out->payload = jsonv_get(root, "payload");
	return fill(jsonv_get(root, "join_ref"), jsonv_get(root, "ref"), jsonv_get(root, "topic"), jsonv_get(root, "event"),
	    out, why);
}

/* Binary */

/* The next `len` bytes as a JSON string; an empty reference is null. */
static bool
take_text(struct jsonw *w, const char **at, size_t len, bool is_ref, struct realtime_text *out)
{
	char	 text[256];
	size_t	 from = w->len;

	memcpy(text, *at, len);
	text[len] = '\0';
	*at += len;
	if (strlen(text) != len)
		return false;
	w->comma = false;
	jsonw_str(w, NULL, is_ref && len == 0 ? NULL : text);
	*out = (struct realtime_text){ w->buf + from, w->len - from };
	return !w->failed;
}

bool
realtime_message_read_binary(const void *data, size_t len, struct realtime_message *out, const char **why)
{
	const unsigned char	*head = data;
	const char		*at = (const char *)data + BINARY_HEAD;
	struct jsonw		 w;
	size_t			 need = BINARY_HEAD;

	if (len < BINARY_HEAD || head[0] != BINARY_PUSH)
		return fail(why, "not a binary message that a client sends");
	for (int i = 1; i <= 5; i++)
		need += head[i];
	if (len < need)
		return fail(why, "a binary message that is cut off");
	if (head[1] > REALTIME_REF_MAX || head[2] > REALTIME_REF_MAX || head[4] >= REALTIME_EVENT_MAX)
		return fail(why, "a binary message with a part that is too long");
	jsonw_init_fixed(&w, out->text, sizeof(out->text));
	if (!take_text(&w, &at, head[1], true, &out->join_ref) || !take_text(&w, &at, head[2], true, &out->ref) ||
	    !take_text(&w, &at, head[3], false, &out->topic))
		return fail(why, "a binary message whose names are no text");
	/* The event inside is the application's; to us it is a broadcast. */
	strcpy(out->event, "broadcast");
	out->payload = (struct jsonv){ NULL, -1 };
	return true;
}

/* Texts */

bool
realtime_is_null(struct realtime_text t)
{
	return t.len == 4 && memcmp(t.at, "null", 4) == 0;
}

bool
realtime_same(struct realtime_text a, struct realtime_text b)
{
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* Writing */

static void
put(struct jsonw *w, const char *key, const struct realtime_text *t)
{
	if (t == NULL)
		t = &null_text;
	jsonw_raw(w, key, t->at, t->len);
}

const char *
realtime_message_begin(struct jsonw *w, enum realtime_version version, const struct realtime_text *join_ref,
    const struct realtime_text *ref, struct realtime_text topic, const char *event)
{
	if (version == REALTIME_V2) {
		jsonw_array(w, NULL);
		put(w, NULL, join_ref);
		put(w, NULL, ref);
		put(w, NULL, &topic);
		jsonw_str(w, NULL, event);
		return NULL;
	}
	jsonw_object(w, NULL);
	put(w, "topic", &topic);
	jsonw_str(w, "event", event);
	put(w, "ref", ref);
	return "payload";
}

void
realtime_message_end(struct jsonw *w, enum realtime_version version)
{
	if (version == REALTIME_V2)
		jsonw_end_array(w);
	else
		jsonw_end_object(w);
}
