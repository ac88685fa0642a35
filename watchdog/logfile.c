#include "watchdog/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "watchdog/logline.h"

#define LINE_LIMIT	65536
#define BUF_SIZE	(2 * LINE_LIMIT)
#define BLOCK_SIZE	65536
#define SEARCH_LIMIT	(1 << 20)	/* bytes, for the time of a first line that has none */
#define OPEN_TRIES	5		/* a rotation between two opens */

struct logfile {
	char		*path;
	int		 fd;		/* -1: there is none yet */
	off_t		 at;		/* in its file: where the buffer ends */
	int		 next_fd;	/* what comes behind its end, or -1 */
	bool		 next_begun;	/* it has bytes: the old one's end is final */
	bool		 following;
	char		*buf;
	size_t		 start, end;	/* in buf: what is not dropped yet */
	size_t		 searched;	/* from start on: no newline */
	bool		 inside;	/* start is within a line that was cut into pieces */
	/*
	 * Bytes are counted on through rotations and cuts: `read` as many as were
	 * ever put into the buffer, those below `due` are due, `seen` will be.
	 */
	int64_t		 read, due, seen;
	int64_t		 wall_us;	/* of the line before */
	bool		 have_line;
	struct logfile_line line;
	size_t		 line_size;	/* with its newline */
};

struct logfile *
logfile_new(const char *path)
{
	struct logfile	*f = xcalloc(1, sizeof(*f));

	f->path = xstrdup(path);
	f->buf = xcalloc(1, BUF_SIZE);
	f->fd = f->next_fd = -1;
	f->wall_us = INT64_MIN;
	return f;
}

void
logfile_free(struct logfile *f)
{
	if (f == NULL)
		return;
	fd_close(&f->next_fd);
	fd_close(&f->fd);
	free(f->buf);
	free(f->path);
	free(f);
}

const char *
logfile_path(const struct logfile *f)
{
	return f->path;
}

/* Opening */

/* Whoever may write in the folder could leave a link or a pipe there. */
static int
open_log(const char *path)
{
	struct stat	 st;
	int		 fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd == -1 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	fd_close(&fd);
	errno = EINVAL;
	return -1;
}

static int
open_older(const struct logfile *f)
{
	char	 path[PATH_MAX + 2];

	snprintf(path, sizeof(path), "%s.1", f->path);
	return open_log(path);
}

static bool
same_file(int a, int b)
{
	struct stat	 x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static off_t
size_of(int fd)
{
	struct stat	 st;

	return fd == -1 || fstat(fd, &st) == -1 ? 0 : st.st_size;
}

/* As many bytes as there are, up to `len`; at an error as if the file ended. */
static size_t
read_at(int fd, char *buf, size_t len, off_t at)
{
	ssize_t	 n;

	do
		n = pread(fd, buf, len, at);
	while (n == -1 && errno == EINTR);
	return n < 0 ? 0 : (size_t)n;
}

/* From the end */

/*
 * The start of the last line that begins before `end`, at or after `floor`
 * (a line's start itself).  `end` > `floor`.
 */
static off_t
line_before(int fd, off_t end, off_t floor, char block[BLOCK_SIZE])
{
	off_t		 from, to = end - 1;	/* the newline at its own end does not count */
	size_t		 n;
	const char	*newline;

	while (to > floor) {
		from = to - floor > BLOCK_SIZE ? to - BLOCK_SIZE : floor;
		n = read_at(fd, block, (size_t)(to - from), from);
		if ((newline = memrchr(block, '\n', n)) != NULL)
			return from + (newline - block) + 1;
		to = from;
	}
	return floor;
}

/* Go `lines` lines back from `end`: where they start; in `*count` how many there were. */
static off_t
lines_back(int fd, off_t end, int64_t lines, int64_t *count)
{
	static char	 block[BLOCK_SIZE];
	off_t		 from, at = end, to = end - 1;
	size_t		 n;
	const char	*newline;

	*count = 0;
	while (*count < lines && at > 0) {
		from = to > BLOCK_SIZE ? to - BLOCK_SIZE : 0;
		n = to > from ? read_at(fd, block, (size_t)(to - from), from) : 0;
		while (*count < lines && (newline = memrchr(block, '\n', n)) != NULL) {
			n = (size_t)(newline - block);
			at = from + (off_t)n + 1;
			(*count)++;
		}
		if (*count < lines && from == 0) {
			at = 0;		/* the first line has no newline before it */
			(*count)++;
		}
		to = from;
	}
	return at;
}

static bool
time_at(int fd, off_t at, int64_t *wall_us)
{
	char	 text[LOGLINE_TIME_LEN + 1];

	return logline_time(text, read_at(fd, text, sizeof(text), at), wall_us);
}

/* The next line's start behind `at`; -1: none within the limit. */
static off_t
line_after(int fd, off_t at, off_t limit, char block[BLOCK_SIZE])
{
	const char	*newline;
	size_t		 n;

	while (at < limit && (n = read_at(fd, block, BLOCK_SIZE, at)) > 0) {
		if ((newline = memchr(block, '\n', n)) != NULL)
			return at + (newline - block) + 1;
		at += (off_t)n;
	}
	return -1;
}

/*
 * The first line to come may have no time: then it has that of the last one
 * before it, or of the first one after it, or else it is as old as the file.
 */
static int64_t
first_time(int fd, off_t start)
{
	static char	 block[BLOCK_SIZE];
	off_t		 floor = start > SEARCH_LIMIT ? start - SEARCH_LIMIT : 0;
	int64_t		 wall_us;
	struct stat	 st;

	if (time_at(fd, start, &wall_us))
		return wall_us;
	for (off_t at = start; at > floor;)
		if (time_at(fd, at = line_before(fd, at, floor, block), &wall_us))
			return wall_us;
	for (off_t at = start; (at = line_after(fd, at, start + SEARCH_LIMIT, block)) != -1;)
		if (time_at(fd, at, &wall_us))
			return wall_us;
	return fstat(fd, &st) == -1 ? INT64_MIN : (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
}

/* The file, and the one before it; anew when it was renamed to that between the two opens. */
static int
open_both(struct logfile *f, int *older)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		f->fd = open_log(f->path);
		if (f->fd == -1 && errno != ENOENT)
			return -1;
		*older = open_older(f);
		if (f->fd != -1 && *older != -1 && same_file(f->fd, *older)) {
			fd_close(older);
			fd_close(&f->fd);
			continue;
		}
		if (f->fd != -1 || *older != -1)
			return 0;
		break;
	}
	errno = ENOENT;
	return -1;
}

int
logfile_tail(struct logfile *f, int64_t lines, bool follow, int64_t *count)
{
	int64_t	 here = 0, before = 0;
	int	 older = -1;

	f->following = follow;
	*count = 0;
	if (open_both(f, &older) == -1)
		return -1;
	if (lines != LOGFILE_ALL && f->fd != -1)
		f->at = lines_back(f->fd, size_of(f->fd), lines, &here);
	if (older != -1 && (here < lines || f->fd == -1)) {
		f->next_fd = f->fd;
		f->fd = older;
		f->at = lines == LOGFILE_ALL ? 0 : lines_back(older, size_of(older), lines - here, &before);
	} else
		fd_close(&older);
	f->wall_us = first_time(f->fd, f->at);
	f->due = f->seen = size_of(f->fd) - f->at + size_of(f->next_fd);
	*count = here + before;
	return 0;
}

/* Lines */

/* No more comes to what is in the buffer: its last line may lack its newline. */
static void
end_last_line(struct logfile *f)
{
	if (f->end == f->start || f->buf[f->end - 1] == '\n')
		return;
	f->buf[f->end++] = '\n';
	f->read++;
	f->due++;
	f->seen++;
}

/* The file at hand has ended: on to the one behind it. */
static bool
next_file(struct logfile *f)
{
	if (f->next_fd == -1)
		return false;
	if (!f->next_begun) {
		/* What its writer put into the old one is there as soon as the new one has something. */
		if (f->following && size_of(f->next_fd) == 0)
			return false;
		f->next_begun = true;
		return true;
	}
	end_last_line(f);
	fd_close(&f->fd);
	f->fd = f->next_fd;
	f->next_fd = -1;
	f->next_begun = false;
	f->at = 0;
	return true;
}

/* Read on, also into the next file.  False when there is nothing now. */
static bool
fill(struct logfile *f)
{
	size_t	 n;

	if (f->fd == -1)
		return false;
	memmove(f->buf, f->buf + f->start, f->end - f->start);
	f->end -= f->start;
	f->start = 0;
	/* One byte is kept for end_last_line(). */
	n = read_at(f->fd, f->buf + f->end, BUF_SIZE - 1 - f->end, f->at);
	if (n == 0)
		return next_file(f);
	f->at += (off_t)n;
	f->end += n;
	f->read += (int64_t)n;
	return true;
}

static bool
take_line(struct logfile *f, size_t len, size_t size)
{
	struct logmerge_head	*head = &f->line.head;

	/* The rest of a line that was cut is no line of its own, whatever it looks like. */
	head->there = true;
	head->continues = f->inside || !logline_time(f->buf + f->start, len, &head->wall_us);
	if (head->continues)
		head->wall_us = f->wall_us;
	f->line.text = f->buf + f->start;
	f->line.len = len;
	f->line.ends = size > len || len < LINE_LIMIT;
	f->line_size = size;
	f->have_line = true;
	return true;
}

static bool
find_line(struct logfile *f)
{
	size_t		 len = f->end - f->start;
	const char	*text = f->buf + f->start, *newline;

	newline = memchr(text + f->searched, '\n', len - f->searched);
	if (newline != NULL && newline - text <= LINE_LIMIT)
		return take_line(f, (size_t)(newline - text), (size_t)(newline - text) + 1);
	if (len > LINE_LIMIT)
		return take_line(f, LINE_LIMIT, LINE_LIMIT);
	f->searched = len;
	return false;
}

bool
logfile_peek(struct logfile *f, struct logfile_line *line)
{
	while (!f->have_line && !find_line(f))
		if (!fill(f)) {
			/* A log at rest gets no newline any more. */
			if (f->following || f->end == f->start)
				return false;
			take_line(f, f->end - f->start, f->end - f->start);
		}
	f->line.head.due = f->read - (int64_t)(f->end - f->start) < f->due;	/* may change while it waits */
	*line = f->line;
	return true;
}

void
logfile_drop(struct logfile *f)
{
	f->wall_us = f->line.head.wall_us;
	f->inside = !f->line.ends;
	f->start += f->line_size;
	f->searched = 0;
	f->have_line = false;
}

/* Following */

/* The file at the path is another one.  Was there one between the two, which is PATH.1 by now? */
static int
skipped_file(const struct logfile *f)
{
	struct stat	 ours, theirs;
	int		 fd = open_older(f);

	if (fd == -1)
		return -1;
	if (fstat(f->fd, &ours) == 0 && fstat(fd, &theirs) == 0 && !same_file(f->fd, fd) &&
	    (theirs.st_mtim.tv_sec > ours.st_mtim.tv_sec ||
	    (theirs.st_mtim.tv_sec == ours.st_mtim.tv_sec && theirs.st_mtim.tv_nsec >= ours.st_mtim.tv_nsec)))
		return fd;
	fd_close(&fd);
	return -1;
}

static int
look_for_another(struct logfile *f)
{
	int	 fd = open_log(f->path), skipped;

	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	if (f->fd == -1) {
		f->fd = fd;
		f->at = 0;
		return 0;
	}
	if (same_file(fd, f->fd) || (f->next_fd != -1 && size_of(f->next_fd) > 0)) {
		fd_close(&fd);		/* the one at hand, or there is one to go to first */
		return 0;
	}
	if ((skipped = skipped_file(f)) != -1) {
		fd_close(&fd);
		fd = skipped;
	}
	fd_close(&f->next_fd);
	f->next_fd = fd;
	return 0;
}

int
logfile_follow(struct logfile *f)
{
	int	 rc;

	f->due = f->seen;
	rc = look_for_another(f);
	if (f->fd == -1)
		return rc;
	if (size_of(f->fd) < f->at) {	/* cut: copytruncate, or a hand */
		end_last_line(f);
		f->at = 0;
	}
	f->seen = f->read + size_of(f->fd) - f->at;
	return rc;
}
