/*
 * json: write JSON (RFC 8259) into a fixed or a growing buffer, and check
 * whether bytes from outside are JSON.  Reading values is the work of jsonr.
 */
#ifndef TOCSIN_COMMON_JSON_H
#define TOCSIN_COMMON_JSON_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A writer.  Over a fixed buffer it never allocates; when the text does not
 * fit, `failed` is set and the rest is ignored, so one check at the end is
 * enough.  A growing one fails only when memory runs out.
 */
struct jsonw {
	char	*buf;			/* always NUL-terminated */
	size_t	 cap, len;
	bool	 grows, failed, comma;
};

void	 jsonw_init_fixed(struct jsonw *w, char *buf, size_t cap);	/* borrows buf, cap >= 1 */
void	 jsonw_init(struct jsonw *w);		/* growing; end with jsonw_release() */
void	 jsonw_release(struct jsonw *w);
void	 jsonw_clear(struct jsonw *w);		/* empty again, buffer kept */

/* In an object every value has a key, in an array and at the top `key` is NULL. */
void	 jsonw_object(struct jsonw *w, const char *key);
void	 jsonw_end_object(struct jsonw *w);
void	 jsonw_array(struct jsonw *w, const char *key);
void	 jsonw_end_array(struct jsonw *w);
void	 jsonw_str(struct jsonw *w, const char *key, const char *value);	/* NULL: null */
void	 jsonw_int(struct jsonw *w, const char *key, int64_t value);
void	 jsonw_double(struct jsonw *w, const char *key, double value, int digits); /* significant; not finite: null */
void	 jsonw_bool(struct jsonw *w, const char *key, bool value);
void	 jsonw_null(struct jsonw *w, const char *key);
void	 jsonw_raw(struct jsonw *w, const char *key, const char *json, size_t len); /* is JSON already */

/*
 * Strings may hold any bytes: what JSON must escape is escaped, and bytes that
 * are not UTF-8 become U+FFFD.
 *
 * json_valid() tells whether `len` bytes are exactly one JSON value, nested at
 * most 64 deep.
 */
bool	 json_valid(const char *text, size_t len);

/* Length in bytes (1 to 4) of the UTF-8 sequence at `s`, 0 when it is none (RFC 3629). */
size_t	 utf8_length(const char *s, size_t len);
#endif
