#include "common/jsonr.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#include "common/json.h"
#include "common/log.h"

#define TOKENS_FIRST	64
#define NUMBER_MAX	64	/* characters of a number that is looked at as one */

static const struct jsonv none = { NULL, -1 };

bool
jsonr_parse(struct jsonr *r, const char *text, size_t len)
{
	jsmn_parser	 parser;

	r->text = text;
	r->count = 0;
	if (len > INT_MAX || !json_valid(text, len))
		return false;
	if (r->tokens == NULL) {
		r->capacity = TOKENS_FIRST;
		r->tokens = xcalloc((size_t)r->capacity, sizeof(jsmntok_t));
	}
	jsmn_init(&parser);
	/* It goes on where it stopped once there is room. */
	while ((r->count = jsmn_parse(&parser, text, len, r->tokens, (unsigned)r->capacity)) == JSMN_ERROR_NOMEM) {
		r->capacity *= 2;
		r->tokens = xrealloc(r->tokens, (size_t)r->capacity * sizeof(jsmntok_t));
	}
	if (r->count < 1)
		r->count = 0;
	return r->count > 0;
}

void
jsonr_release(struct jsonr *r)
{
	free(r->tokens);
	*r = (struct jsonr){ 0 };
}

struct jsonv
jsonr_root(const struct jsonr *r)
{
	return r->count > 0 ? (struct jsonv){ r, 0 } : none;
}

static const jsmntok_t *
token(struct jsonv v)
{
	return v.at == -1 ? NULL : (const jsmntok_t *)v.r->tokens + v.at;
}

static bool
is(struct jsonv v, jsmntype_t type)
{
	return v.at != -1 && token(v)->type == type;
}

bool
jsonv_is_object(struct jsonv v)
{
	return is(v, JSMN_OBJECT);
}

bool
jsonv_is_array(struct jsonv v)
{
	return is(v, JSMN_ARRAY);
}

bool
jsonv_is_string(struct jsonv v)
{
	return is(v, JSMN_STRING);
}

bool
jsonv_is_null(struct jsonv v)
{
	return is(v, JSMN_PRIMITIVE) && v.r->text[token(v)->start] == 'n';
}

/* The token behind all that lies within this one. */
static int
after(struct jsonv v)
{
	const jsmntok_t	*tokens = v.r->tokens;
	int		 end = tokens[v.at].end, at = v.at + 1;

	while (at < v.r->count && tokens[at].start < end)
		at++;
	return at;
}

struct jsonv
jsonv_get(struct jsonv object, const char *key)
{
	const jsmntok_t	*tokens;
	size_t		 len = strlen(key);
	struct jsonv	 value;

	if (!jsonv_is_object(object))
		return none;
	tokens = object.r->tokens;
	value = (struct jsonv){ object.r, object.at + 2 };
	for (int left = tokens[object.at].size; left > 0; left--) {
		const jsmntok_t	*name = &tokens[value.at - 1];

		if ((size_t)(name->end - name->start) == len && memcmp(object.r->text + name->start, key, len) == 0)
			return value;
		value.at = after(value) + 1;
	}
	return none;
}

bool
jsonv_member(struct jsonv object, struct jsonv *key, struct jsonv *value)
{
	int	 at;

	if (!jsonv_is_object(object))
		return false;
	at = key->at == -1 ? object.at + 1 : after((struct jsonv){ object.r, key->at + 1 });
	if (at >= object.r->count || ((const jsmntok_t *)object.r->tokens)[at].parent != object.at)
		return false;
	*key = (struct jsonv){ object.r, at };
	*value = (struct jsonv){ object.r, at + 1 };
	return true;
}

size_t
jsonv_count(struct jsonv v)
{
	return jsonv_is_object(v) || jsonv_is_array(v) ? (size_t)token(v)->size : 0;
}

struct jsonv
jsonv_first(struct jsonv array)
{
	return jsonv_is_array(array) && token(array)->size > 0 ? (struct jsonv){ array.r, array.at + 1 } : none;
}

struct jsonv
jsonv_next(struct jsonv element)
{
	int		 at;

	if (element.at == -1)
		return none;
	at = after(element);
	if (at < element.r->count && ((const jsmntok_t *)element.r->tokens)[at].parent == token(element)->parent)
		return (struct jsonv){ element.r, at };
	return none;
}

struct jsonv
jsonv_first_key(struct jsonv object)
{
	return jsonv_is_object(object) && token(object)->size > 0 ? (struct jsonv){ object.r, object.at + 1 } : none;
}

struct jsonv
jsonv_of_key(struct jsonv key)
{
	return key.at == -1 ? none : (struct jsonv){ key.r, key.at + 1 };
}

struct jsonv
jsonv_next_key(struct jsonv key)
{
	int		 at;

	if (key.at == -1)
		return none;
	at = after(jsonv_of_key(key));
	if (at < key.r->count && ((const jsmntok_t *)key.r->tokens)[at].parent == token(key)->parent)
		return (struct jsonv){ key.r, at };
	return none;
}

const char *
jsonv_raw(struct jsonv v, size_t *len)
{
	*len = 0;
	if (v.at == -1)
		return NULL;
	*len = (size_t)(token(v)->end - token(v)->start);
	return v.r->text + token(v)->start;
}

bool
jsonv_equals(struct jsonv string, const char *word)
{
	size_t		 len;
	const char	*text = jsonv_raw(string, &len);

	return jsonv_is_string(string) && len == strlen(word) && memcmp(text, word, len) == 0;
}

static unsigned
hex4(const char *s)
{
	char	 digits[5] = { s[0], s[1], s[2], s[3], '\0' };

	return (unsigned)strtoul(digits, NULL, 16);
}

static size_t
put_utf8(unsigned c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The escape behind a backslash at `s`; returns the bytes read, and those written in `*made` (0: refused). */
static size_t
unescape(const char *s, size_t left, char out[4], size_t *made)
{
	static const char	 letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char		*found = memchr(letters, *s, sizeof(letters) - 1);
	unsigned		 c, low;

	*made = 1;
	if (found != NULL) {
		out[0] = values[found - letters];
		return 1;
	}
	/* json_valid() has seen to the four digits. */
	c = hex4(s + 1);
	if (c >= 0xd800 && c < 0xdc00 && left >= 11 && s[5] == '\\' && s[6] == 'u' &&
	    (low = hex4(s + 7)) >= 0xdc00 && low < 0xe000) {
		*made = put_utf8(0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00), out);
		return 11;
	}
	*made = c == 0 || (c >= 0xd800 && c < 0xe000) ? 0 : put_utf8(c, out);
	return 5;
}

bool
jsonv_string(struct jsonv v, char *buf, size_t size)
{
	size_t		 len, at = 0, used = 0, made;
	const char	*text = jsonv_raw(v, &len);
	char		 out[4];

	if (!jsonv_is_string(v))
		return false;
	while (at < len) {
		if (text[at] != '\\') {
			out[0] = text[at++];
			made = 1;
		} else {
			at += 1 + unescape(text + at + 1, len - at - 1, out, &made);
			if (made == 0)
				return false;
		}
		if (used + made >= size)
			return false;
		memcpy(buf + used, out, made);
		used += made;
	}
	buf[used] = '\0';
	return true;
}

/* The text of a number or a string, NUL-terminated; false for anything else, or longer than a number is. */
static bool
number_text(struct jsonv v, bool strings_too, char buf[NUMBER_MAX])
{
	size_t		 len;
	const char	*text = jsonv_raw(v, &len);

	if (len == 0 || len >= NUMBER_MAX || !(is(v, JSMN_PRIMITIVE) || (strings_too && jsonv_is_string(v))))
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return true;
}

bool
jsonv_int(struct jsonv v, int64_t *out)
{
	char		 text[NUMBER_MAX], *end;
	long long	 value;

	if (!number_text(v, true, text) || text[strspn(text, "-0123456789")] != '\0')
		return false;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0')
		return false;
	*out = value;
	return true;
}

bool
jsonv_bool(struct jsonv v, bool *out)
{
	size_t		 len;
	const char	*text = jsonv_raw(v, &len);

	if (!is(v, JSMN_PRIMITIVE) || (*text != 't' && *text != 'f'))
		return false;
	*out = *text == 't';
	return true;
}

bool
jsonv_double(struct jsonv v, double *out)
{
	char	 text[NUMBER_MAX], *end;
	double	 value;

	if (!number_text(v, false, text) || strchr("-0123456789", text[0]) == NULL)
		return false;
	value = strtod(text, &end);
	if (*end != '\0' || !isfinite(value))
		return false;
	*out = value;
	return true;
}
