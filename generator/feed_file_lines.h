/* feed_file_lines: a text file line by line, through one buffer of fixed size. */
#ifndef TOCSIN_GENERATOR_FEED_FILE_LINES_H
#define TOCSIN_GENERATOR_FEED_FILE_LINES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINES_BUFFER	(256 * 1024)	/* a longer line is LINES_TOO_LONG */

struct lines {
	int		 fd;
	char		*buf;
	size_t		 start, end;	/* what has been read and not handed out */
	bool		 at_end;
	bool		 cutting;	/* inside a line that is too long */
	uint64_t	 number;	/* of the last line, from 1 */
};

enum lines_result { LINES_LINE, LINES_TOO_LONG, LINES_END, LINES_ERROR };

/* Open a regular file.  0, or -1 with errno (EISDIR, EINVAL: no regular file). */
int	 lines_open(struct lines *l, const char *path);
void	 lines_close(struct lines *l);

/* Back to the first line.  0, or -1 with errno. */
int	 lines_rewind(struct lines *l);

/*
 * The next line without its LF, nor the first one's byte order mark.  `*line`
 * may be written to and is valid until the next call.  The last line needs no
 * LF.  LINES_ERROR leaves errno.
 */
enum lines_result lines_next(struct lines *l, char **line, size_t *len);
#endif
