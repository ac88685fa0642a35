/* lines: a text, of a file or from a pipe, line by line through one buffer of fixed size. */
#ifndef TOCSIN_GENERATOR_LINES_H
#define TOCSIN_GENERATOR_LINES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINES_FILE_MAX	(256 * 1024 - 1)	/* bytes of a file's line */

struct lines {
	int		 fd;
	char		*buf;
	size_t		 size;
	size_t		 start, end;	/* what has been read and not handed out */
	bool		 at_end;
	bool		 cutting;	/* inside a line that is too long */
	uint64_t	 number;	/* of the last line, from 1 */
};

enum lines_result { LINES_LINE, LINES_TOO_LONG, LINES_AGAIN, LINES_END, LINES_ERROR };

/* Open a regular file.  0, or -1 with errno (EISDIR, EINVAL: no regular file). */
int	 lines_open(struct lines *l, const char *path);

/* The lines of a descriptor, which is taken over; longer ones than line_max bytes (without LF) are LINES_TOO_LONG. */
void	 lines_take(struct lines *l, int fd, size_t line_max);
void	 lines_close(struct lines *l);			/* an all-zero one with fd -1 is fine */

/* Back to the first line.  0, or -1 with errno. */
int	 lines_rewind(struct lines *l);

/*
 * The next line without its LF, nor the first one's byte order mark.  `*line`
 * may be written to and is valid until the next call.  The last line needs no
 * LF.  LINES_AGAIN: nothing more can be read now (a descriptor that is
 * O_NONBLOCK).  LINES_TOO_LONG gives the line's last bytes.  LINES_ERROR leaves
 * errno.
 */
enum lines_result lines_next(struct lines *l, char **line, size_t *len);
#endif
