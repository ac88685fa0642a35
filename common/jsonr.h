/*
 * jsonr: read JSON (RFC 8259) from outside.  Whole texts only; numbers keep
 * their literal text, so that a price is what was sent and no double printed
 * back.  The tokens are jsmn's.
 *
 *	struct jsonr	 r = { 0 };		-- one for many texts: its memory is kept
 *	if (jsonr_parse(&r, text, len) && jsonv_int(jsonv_get(jsonr_root(&r), "id"), &id))
 *		...
 *	jsonr_release(&r);
 */
#ifndef TOCSIN_COMMON_JSONR_H
#define TOCSIN_COMMON_JSONR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An all-zero struct is ready for use. */
struct jsonr {
	const char	*text;		/* borrowed; must outlive the values */
	void		*tokens;
	int		 count, capacity;
};

/* A value within the text, valid until the next parse.  There is one that is none: every question about it is answered with no. */
struct jsonv {
	const struct jsonr	*r;
	int			 at;	/* -1: none */
};

/* False when the bytes are not exactly one JSON value (json_valid()); then there is nothing to look at. */
bool		 jsonr_parse(struct jsonr *r, const char *text, size_t len);
void		 jsonr_release(struct jsonr *r);
struct jsonv	 jsonr_root(const struct jsonr *r);

bool		 jsonv_is_object(struct jsonv v);
bool		 jsonv_is_array(struct jsonv v);
bool		 jsonv_is_string(struct jsonv v);
bool		 jsonv_is_null(struct jsonv v);

/* The member of an object, by its exact key (keys written with escapes are not found); the first when it stands twice. */
struct jsonv	 jsonv_get(struct jsonv object, const char *key);

/* The next member of an object behind `key` (one that is none: the first); false behind the last. */
bool		 jsonv_member(struct jsonv object, struct jsonv *key, struct jsonv *value);

/* Members or elements.  for (e = jsonv_first(array); e.at != -1; e = jsonv_next(e)) … */
size_t		 jsonv_count(struct jsonv v);
struct jsonv	 jsonv_first(struct jsonv array);
struct jsonv	 jsonv_next(struct jsonv element);

/* Members of an object, by their keys, which are strings.  for (k = jsonv_first_key(object); k.at != -1; k = jsonv_next_key(k)) … */
struct jsonv	 jsonv_first_key(struct jsonv object);
struct jsonv	 jsonv_next_key(struct jsonv key);
struct jsonv	 jsonv_of_key(struct jsonv key);

/*
 * The value's bytes as they stand there, not NUL-terminated: of a string what is
 * between the quotes, escapes and all.  NULL for none.
 */
const char	*jsonv_raw(struct jsonv v, size_t *len);
bool		 jsonv_equals(struct jsonv string, const char *word);	/* a string of exactly these bytes */

/* A string with its escapes resolved (UTF-8, U+0000 refused); false when it is none or longer than size - 1 bytes. */
bool		 jsonv_string(struct jsonv v, char *buf, size_t size);

/* A whole number, also as a string of digits; false when it is anything else or does not fit. */
bool		 jsonv_int(struct jsonv v, int64_t *out);
bool		 jsonv_bool(struct jsonv v, bool *out);
bool		 jsonv_double(struct jsonv v, double *out);	/* a number, finite */
#endif
