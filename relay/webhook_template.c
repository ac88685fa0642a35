#include "relay/webhook_template.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/jsonr.h"
#include "relay/webhook_text.h"

#define PIECE_MAX	8	/* bytes of one character, escaped */
#define TEXT_MAX	((WEBHOOK_TITLE_MAX + WEBHOOK_LINES_MAX) * 5 + 64)
#define ELLIPSIS	"\xe2\x80\xa6"

const char *const webhook_format_names[] = { "standard", "telegram", "discord", "slack", "ntfy", NULL };

/* One character (`len` bytes at `s`) as the service wants it. */
typedef void (*escape_fn)(char out[PIECE_MAX], const char *s, size_t len);

/* Text that grows by whole characters, up to a limit that leaves room for an ellipsis. */
struct text {
	char	 buf[TEXT_MAX];
	size_t	 len;		/* bytes */
	size_t	 count, max;	/* characters (UTF-16 units, the largest that any service counts in), or bytes */
	bool	 in_bytes, is_full;
};

static void
copy(char *out, const char *s, size_t len)
{
	memcpy(out, s, len);
	out[len] = '\0';
}

/* Telegram's HTML, and Slack's control characters: &, < and > are all there is. */
static void
escape_html(char out[PIECE_MAX], const char *s, size_t len)
{
	if (*s == '&')
		strcpy(out, "&amp;");
	else if (*s == '<')
		strcpy(out, "&lt;");
	else if (*s == '>')
		strcpy(out, "&gt;");
	else
		copy(out, s, len);
}

/* Discord: a backslash before what is Markdown, a mention, a link or an emoji. */
static void
escape_markdown(char out[PIECE_MAX], const char *s, size_t len)
{
	if (len == 1 && strchr("\\*_~`|<>#[]()@:-", *s) != NULL) {
		out[0] = '\\';
		copy(out + 1, s, 1);
	} else
		copy(out, s, len);
}

static size_t
weight(const struct text *t, const char *piece)
{
	size_t	 n = 0;

	if (t->in_bytes)
		return strlen(piece);
	for (; *piece != '\0'; piece++)
		n += ((unsigned char)*piece & 0xc0U) != 0x80U ? 1 : 0;
	return n;
}

static void
append(struct text *t, const char *piece)
{
	size_t	 len = strlen(piece), counts = weight(t, piece) + (((unsigned char)*piece & 0xf8U) == 0xf0U ? 1 : 0);

	if (t->is_full)
		return;
	if (t->count + counts + 3 > t->max || t->len + len + sizeof(ELLIPSIS) > sizeof(t->buf)) {
		t->is_full = true;
		piece = ELLIPSIS;
		len = strlen(piece);
	}
	memcpy(t->buf + t->len, piece, len + 1);
	t->len += len;
	t->count += counts;
}

static void
put(struct text *t, const char *s, escape_fn escape)
{
	char	 piece[PIECE_MAX];
	size_t	 left = strlen(s), len;

	for (; left > 0; s += len, left -= len) {
		if ((len = utf8_length(s, left)) == 0) {
			append(t, "?");
			len = 1;
			continue;
		}
		escape(piece, s, len);
		append(t, piece);
	}
}

/* The markup around the title never gets cut: that is what the room left for an ellipsis and the title's own limit are for. */
static void
compose(struct text *t, const struct webhook_text *words, const char *before, const char *after, escape_fn escape)
{
	for (; *before != '\0'; before++)
		append(t, (const char[]){ *before, '\0' });
	put(t, words->title, escape);
	for (; *after != '\0'; after++)
		append(t, (const char[]){ *after, '\0' });
	if (*words->lines == '\0')
		return;
	append(t, "\n");
	put(t, words->lines, escape);
}

static void
put_telegram(struct jsonw *w, struct text *t, const struct webhook_text *words, const char *chat)
{
	t->max = WEBHOOK_TELEGRAM_MAX;
	compose(t, words, "<b>", "</b>", escape_html);
	jsonw_str(w, "chat_id", chat);
	jsonw_str(w, "text", t->buf);
	jsonw_str(w, "parse_mode", "HTML");
	jsonw_object(w, "link_preview_options");
	jsonw_bool(w, "is_disabled", true);
	jsonw_end_object(w);
}

static void
put_discord(struct jsonw *w, struct text *t, const struct webhook_text *words)
{
	t->max = WEBHOOK_DISCORD_MAX;
	compose(t, words, "**", "**", escape_markdown);
	jsonw_str(w, "content", t->buf);
	/* Whatever the text says, nobody is called. */
	jsonw_object(w, "allowed_mentions");
	jsonw_array(w, "parse");
	jsonw_end_array(w);
	jsonw_end_object(w);
}

static void
put_slack(struct jsonw *w, struct text *t, const struct webhook_text *words)
{
	t->max = WEBHOOK_SLACK_MAX;
	compose(t, words, "*", "*", escape_html);
	jsonw_str(w, "text", t->buf);
	jsonw_bool(w, "unfurl_links", false);
}

static void
put_ntfy(struct jsonw *w, struct text *t, const struct webhook_text *words, const char *topic)
{
	t->max = WEBHOOK_NTFY_MAX;
	t->in_bytes = true;
	put(t, *words->lines == '\0' ? words->title : words->lines, copy);
	jsonw_str(w, "topic", topic);
	jsonw_str(w, "title", words->title);
	jsonw_str(w, "message", t->buf);
	jsonw_array(w, "tags");
	jsonw_str(w, NULL, words->is_good ? "white_check_mark" : words->is_bad ? "x" : "bell");
	jsonw_end_array(w);
	/* 3 is its default. */
	jsonw_int(w, "priority", strcmp(words->kind, "opened") == 0 ? 4 : 3);
}

static void
put_standard(struct jsonw *w, const struct webhook_text *words, struct jsonv event, const char *text, size_t len)
{
	char	 type[32], at[64];

	snprintf(type, sizeof(type), "signal.%s", words->kind);
	jsonw_str(w, "type", type);
	jsonw_str(w, "timestamp", jsonv_string(jsonv_get(event, "at"), at, sizeof(at)) ? at : NULL);
	jsonw_raw(w, "data", text, len);
}

static void
put_format(struct jsonw *w, enum webhook_format format, const char *target, const struct webhook_text *words)
{
	struct text	 t = { .len = 0 };

	switch (format) {
	case WEBHOOK_TELEGRAM:
		put_telegram(w, &t, words, target);
		break;
	case WEBHOOK_DISCORD:
		put_discord(w, &t, words);
		break;
	case WEBHOOK_SLACK:
		put_slack(w, &t, words);
		break;
	case WEBHOOK_NTFY:
		put_ntfy(w, &t, words, target);
		break;
	case WEBHOOK_STANDARD:
		break;
	}
}

bool
webhook_body(struct jsonw *w, enum webhook_format format, const char *target, const char *event, size_t len)
{
	struct jsonr		 r = { 0 };
	struct webhook_text	 words;
	bool			 ok = false;

	if (jsonr_parse(&r, event, len) && webhook_text(&words, jsonr_root(&r))) {
		jsonw_object(w, NULL);
		if (format == WEBHOOK_STANDARD)
			put_standard(w, &words, jsonr_root(&r), event, len);
		else
			put_format(w, format, target, &words);
		jsonw_end_object(w);
		ok = !w->failed;
	}
	jsonr_release(&r);
	return ok;
}
