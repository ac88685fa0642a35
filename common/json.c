#include "common/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_DEPTH_MAX	64

size_t
utf8_length(const char *s, size_t len)
{
	const unsigned char	*u = (const unsigned char *)s;
	unsigned char		 low = 0x80, high = 0xbf;	/* bounds of the second byte */
	size_t			 need;

	if (len == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		need = 2;
	else if (u[0] >= 0xe0 && u[0] <= 0xef)
		need = 3;
	else if (u[0] >= 0xf0 && u[0] <= 0xf4)
		need = 4;
	else
		return 0;
	/* No overlong forms, no surrogates, nothing above U+10FFFF. */
	if (u[0] == 0xe0)
		low = 0xa0;
	else if (u[0] == 0xed)
		high = 0x9f;
	else if (u[0] == 0xf0)
		low = 0x90;
	else if (u[0] == 0xf4)
		high = 0x8f;
	if (len < need || u[1] < low || u[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

void
jsonw_init_fixed(struct jsonw *w, char *buf, size_t cap)
{
	*w = (struct jsonw){ .buf = buf, .cap = cap };
	buf[0] = '\0';
}

void
jsonw_init(struct jsonw *w)
{
	*w = (struct jsonw){ .cap = 256, .grows = true };
	if ((w->buf = malloc(w->cap)) == NULL)
		abort();	/* too early for a log, and 256 bytes */
	w->buf[0] = '\0';
}

void
jsonw_release(struct jsonw *w)
{
	if (w->grows)
		free(w->buf);
	*w = (struct jsonw){ 0 };
}

void
jsonw_clear(struct jsonw *w)
{
	w->len = 0;
	w->failed = w->comma = false;
	w->buf[0] = '\0';
}

static bool
make_room(struct jsonw *w, size_t more)
{
	size_t	 cap = w->cap;
	char	*buf;

	if (w->failed)
		return false;
	if (more < w->cap - w->len)
		return true;
	if (!w->grows)
		goto failed;
	while (more >= cap - w->len)
		cap *= 2;
	if ((buf = realloc(w->buf, cap)) == NULL)
		goto failed;
	w->buf = buf;
	w->cap = cap;
	return true;
failed:
	w->failed = true;
	return false;
}

static void
put(struct jsonw *w, const char *text, size_t len)
{
	if (!make_room(w, len))
		return;
	memcpy(w->buf + w->len, text, len);
	w->len += len;
	w->buf[w->len] = '\0';
}

static void
put_string(struct jsonw *w, const char *s)
{
	static const char	 hex[] = "0123456789abcdef";
	size_t			 left = strlen(s), n, plain = 0;
	char			 escape[7];

	put(w, "\"", 1);
	while (left > 0) {
		/* Copy the longest run that needs no escape at once. */
		for (plain = 0; plain < left; plain += n) {
			n = utf8_length(s + plain, left - plain);
			if (n == 0 || s[plain] == '"' || s[plain] == '\\' || (unsigned char)s[plain] < 0x20)
				break;
		}
		put(w, s, plain);
		s += plain;
		left -= plain;
		if (left == 0)
			break;
		if (*s == '"' || *s == '\\') {
			snprintf(escape, sizeof(escape), "\\%c", *s);
			put(w, escape, 2);
		} else if ((unsigned char)*s < 0x20) {
			snprintf(escape, sizeof(escape), "\\u00%c%c", hex[*s >> 4 & 15], hex[*s & 15]);
			put(w, escape, 6);
		} else
			put(w, "\xef\xbf\xbd", 3);
		s++;
		left--;
	}
	put(w, "\"", 1);
}

static void
put_key(struct jsonw *w, const char *key)
{
	if (w->comma)
		put(w, ",", 1);
	if (key != NULL) {
		put_string(w, key);
		put(w, ":", 1);
	}
	w->comma = true;
}

static void
put_open(struct jsonw *w, const char *key, const char *bracket)
{
	put_key(w, key);
	put(w, bracket, 1);
	w->comma = false;
}

static void
put_close(struct jsonw *w, const char *bracket)
{
	put(w, bracket, 1);
	w->comma = true;
}

void
jsonw_object(struct jsonw *w, const char *key)
{
	put_open(w, key, "{");
}

void
jsonw_end_object(struct jsonw *w)
{
	put_close(w, "}");
}

void
jsonw_array(struct jsonw *w, const char *key)
{
	put_open(w, key, "[");
}

void
jsonw_end_array(struct jsonw *w)
{
	put_close(w, "]");
}

void
jsonw_raw(struct jsonw *w, const char *key, const char *json, size_t len)
{
	put_key(w, key);
	put(w, json, len);
}

void
jsonw_str(struct jsonw *w, const char *key, const char *value)
{
	if (value == NULL) {
		jsonw_null(w, key);
		return;
	}
	put_key(w, key);
	put_string(w, value);
}

void
jsonw_int(struct jsonw *w, const char *key, int64_t value)
{
	char	 text[24];

	jsonw_raw(w, key, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)value));
}

void
jsonw_double(struct jsonw *w, const char *key, double value, int digits)
{
	char	 text[40];

	if (!isfinite(value)) {
		jsonw_null(w, key);
		return;
	}
	jsonw_raw(w, key, text, (size_t)snprintf(text, sizeof(text), "%.*g", digits, value));
}

void
jsonw_bool(struct jsonw *w, const char *key, bool value)
{
	if (value)
		jsonw_raw(w, key, "true", 4);
	else
		jsonw_raw(w, key, "false", 5);
}

void
jsonw_null(struct jsonw *w, const char *key)
{
	jsonw_raw(w, key, "null", 4);
}

/* The checker: each takes one construct off the front, false when it is not there. */
struct input {
	const char	*at, *end;
	int		 depth;
};

static bool	 take_value(struct input *in);

static void
skip_blanks(struct input *in)
{
	while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
		in->at++;
}

static bool
take_char(struct input *in, char c)
{
	if (in->at == in->end || *in->at != c)
		return false;
	in->at++;
	return true;
}

static bool
take_word(struct input *in, const char *word)
{
	size_t	 len = strlen(word);

	if ((size_t)(in->end - in->at) < len || memcmp(in->at, word, len) != 0)
		return false;
	in->at += len;
	return true;
}

static bool
take_digits(struct input *in)
{
	const char	*start = in->at;

	while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
		in->at++;
	return in->at > start;
}

static bool
take_number(struct input *in)
{
	(void)take_char(in, '-');	/* optional */
	if (!take_char(in, '0') && !take_digits(in))
		return false;
	if (take_char(in, '.') && !take_digits(in))
		return false;
	if (take_char(in, 'e') || take_char(in, 'E')) {
		if (!take_char(in, '+'))
			(void)take_char(in, '-');
		return take_digits(in);
	}
	return true;
}

static bool
take_escape(struct input *in)
{
	if (in->at == in->end)
		return false;
	if (*in->at != 'u')
		return *in->at != '\0' && strchr("\"\\/bfnrt", *in->at++) != NULL;
	in->at++;
	for (int i = 0; i < 4; i++, in->at++)
		if (in->at == in->end || *in->at == '\0' || strchr("0123456789abcdefABCDEF", *in->at) == NULL)
			return false;
	return true;
}

static bool
take_string(struct input *in)
{
	size_t	 n;

	if (!take_char(in, '"'))
		return false;
	while (in->at < in->end) {
		if (take_char(in, '"'))
			return true;
		if (take_char(in, '\\')) {
			if (!take_escape(in))
				return false;
			continue;
		}
		n = utf8_length(in->at, (size_t)(in->end - in->at));
		if (n == 0 || (unsigned char)*in->at < 0x20)
			return false;
		in->at += n;
	}
	return false;
}

static bool
take_member(struct input *in)
{
	skip_blanks(in);
	if (!take_string(in))
		return false;
	skip_blanks(in);
	return take_char(in, ':') && take_value(in);
}

/* The inside of {} or [], after the opening bracket. */
static bool
take_list(struct input *in, char close, bool (*item)(struct input *))
{
	bool	 ok = false;

	if (++in->depth > JSON_DEPTH_MAX)
		return false;
	skip_blanks(in);
	if (take_char(in, close)) {
		in->depth--;
		return true;
	}
	do {
		if (!item(in))
			return false;
		skip_blanks(in);
	} while (take_char(in, ','));
	ok = take_char(in, close);
	in->depth--;
	return ok;
}

static bool
take_value(struct input *in)
{
	bool	 ok;

	skip_blanks(in);
	if (in->at == in->end)
		return false;
	switch (*in->at) {
	case '{':
		in->at++;
		ok = take_list(in, '}', take_member);
		break;
	case '[':
		in->at++;
		ok = take_list(in, ']', take_value);
		break;
	case '"':
		ok = take_string(in);
		break;
	case 't':
		ok = take_word(in, "true");
		break;
	case 'f':
		ok = take_word(in, "false");
		break;
	case 'n':
		ok = take_word(in, "null");
		break;
	default:
		ok = take_number(in);
	}
	skip_blanks(in);
	return ok;
}

bool
json_valid(const char *text, size_t len)
{
	struct input	 in = { text, text + len, 0 };

	return take_value(&in) && in.at == in.end;
}
