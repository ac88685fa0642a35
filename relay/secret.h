/* secret: a key or a password from a file of its own, so that the configuration may be read by more people than it. */
#ifndef TOCSIN_RELAY_SECRET_H
#define TOCSIN_RELAY_SECRET_H
#include <stddef.h>

#define SECRET_MAX	65536	/* bytes of the file */

/*
 * The file's text without the line end at its end, owned, a NUL behind it; `len`
 * does not count that.  NULL with a line in `why` when it cannot be read, is
 * empty, too long, or no file.  Logs a warning when everybody may read it.
 */
char	*secret_read(const char *path, size_t *len, char *why, size_t why_size);
void	 secret_free(char *secret, size_t len);	/* wipes it; NULL is fine */
#endif
