#include "generator/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"

static const char byte_order_mark[] = "\xef\xbb\xbf";

int
lines_open(struct lines *l, const char *path)
{
	struct stat	 st;

	*l = (struct lines){ .fd = -1 };
	/* Without O_NONBLOCK a named pipe would hold us up here. */
	if ((l->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1)
		return -1;
	if (fstat(l->fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd_close(&l->fd);
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return -1;
	}
	lines_take(l, l->fd, LINES_FILE_MAX);
	return 0;
}

void
lines_take(struct lines *l, int fd, size_t line_max)
{
	*l = (struct lines){ .fd = fd, .size = line_max + 1 };
	l->buf = xcalloc(1, l->size);
}

void
lines_close(struct lines *l)
{
	fd_close(&l->fd);
	free(l->buf);
	l->buf = NULL;
}

int
lines_rewind(struct lines *l)
{
	if (lseek(l->fd, 0, SEEK_SET) == -1)
		return -1;
	l->start = l->end = 0;
	l->at_end = l->cutting = false;
	l->number = 0;
	return 0;
}

/* More bytes behind those at hand, which move to the front.  0, or -1 with errno. */
static int
read_more(struct lines *l)
{
	ssize_t	 n;

	memmove(l->buf, l->buf + l->start, l->end - l->start);
	l->end -= l->start;
	l->start = 0;
	do
		n = read(l->fd, l->buf + l->end, l->size - l->end);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	l->at_end = n == 0;
	l->end += (size_t)n;
	return 0;
}

static void
take(struct lines *l, size_t len, size_t eaten, char **line, size_t *out_len)
{
	*line = l->buf + l->start;
	*out_len = len;
	l->start += eaten;
	l->number++;
	if (l->number == 1 && len >= 3 && memcmp(*line, byte_order_mark, 3) == 0) {
		*line += 3;
		*out_len -= 3;
	}
}

enum lines_result
lines_next(struct lines *l, char **line, size_t *len)
{
	size_t	 have, looked = 0;
	char	*lf;
	bool	 cut;

	for (;;) {
		have = l->end - l->start;
		lf = memchr(l->buf + l->start + looked, '\n', have - looked);
		if (lf != NULL || (l->at_end && (have > 0 || l->cutting))) {
			cut = l->cutting;
			l->cutting = false;
			take(l, lf != NULL ? (size_t)(lf - l->buf) - l->start : have,
			    lf != NULL ? (size_t)(lf - l->buf) - l->start + 1 : have, line, len);
			return cut ? LINES_TOO_LONG : LINES_LINE;
		}
		if (l->at_end)
			return LINES_END;
		looked = have;
		if (have == l->size) {
			l->cutting = true;
			l->start = l->end;
			looked = 0;
		}
		if (read_more(l) == -1)
			return errno == EAGAIN ? LINES_AGAIN : LINES_ERROR;
	}
}
