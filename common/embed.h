/* embed: files that the build puts into a program (etc/embed.sh), so that it needs none at run time. */
#ifndef TOCSIN_COMMON_EMBED_H
#define TOCSIN_COMMON_EMBED_H
#include <stddef.h>

struct embedded {
	const char		*name;	/* without folders; NULL ends the array */
	const unsigned char	*bytes;	/* a NUL follows the last */
	size_t			 len;
};

extern const struct embedded migrations[];	/* etc/sql, by number; in tocsin-generator */
extern const struct embedded www[];		/* relay/www; in tocsin-relay */
#endif
