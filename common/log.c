#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/json.h"

#define LINE_MAX_BYTES	8192
#define EXIT_TEMPORARY	111

/* The one global state of the suite: a log must work from anywhere. */
static struct {
	const char	*program;
	char		 path[PATH_MAX];	/* empty: descriptor 2 is all we know */
	uint64_t	 max_size, size;	/* bytes */
	uint64_t	 lost;			/* lines not written since the last good one */
	bool		 torn;			/* the last one written ends in its middle: the disk became full there */
	enum log_level	 level;
} log_state = { .program = "tocsin", .level = LOG_LEVEL_INFO };

static int
open_path(void)
{
	struct stat	 st;
	int		 fd;

	if ((fd = fd_open_log(log_state.path)) == -1)
		return -1;
	log_state.size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	if (log_state.size == 0)
		log_state.torn = false;
	/* dup2 clears CLOEXEC, and 1 and 2 are never closed in between. */
	if (dup2(fd, STDOUT_FILENO) == -1 || dup2(fd, STDERR_FILENO) == -1) {
		fd_close(&fd);
		return -1;
	}
	fd_close(&fd);
	return 0;
}

int
log_open(const char *program, const char *path)
{
	log_state.program = program;
	log_state.path[0] = '\0';
	if (path == NULL)
		return 0;
	if (strlen(path) >= sizeof(log_state.path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(log_state.path, path);
	return open_path();
}

void
log_reopen(void)
{
	if (log_state.path[0] != '\0' && open_path() == -1)
		log_warn("log", "cannot reopen, writing on to the old file path=%s", log_state.path);
}

void
log_set_max_size(uint64_t bytes)
{
	log_state.max_size = bytes;
}

void
log_set_level(enum log_level level)
{
	log_state.level = level;
}

static void
rotate(void)
{
	char	 old[PATH_MAX + 2];

	snprintf(old, sizeof(old), "%s.1", log_state.path);
	/* On failure write on: a log too long is better than none. */
	if (rename(log_state.path, old) == 0 && open_path() == 0)
		return;
	log_state.size = 0;		/* try again one max_size later */
	log_warn("log", "cannot be rotated, writing on to it path=%s", log_state.path);
}

/* Copy `text` to the end of the line, escaping what could forge or garble it. */
static size_t
append_escaped(char *line, size_t len, size_t cap, const char *text)
{
	static const char	 hex[] = "0123456789abcdef";
	size_t			 left = strlen(text), n;

	for (; left > 0 && len + 4 < cap; text += n, left -= n) {
		n = utf8_length(text, left);
		if (n == 0 || (unsigned char)*text < 0x20 || *text == 0x7f) {
			n = 1;
			line[len++] = '\\';
			line[len++] = 'x';
			line[len++] = hex[*text >> 4 & 15];
			line[len++] = hex[*text & 15];
		} else {
			memcpy(line + len, text, n);
			len += n;
		}
	}
	return len;
}

static bool
write_line(const char *line, size_t len)
{
	ssize_t	 n;

	do
		n = write(STDERR_FILENO, line, len);
	while (n == -1 && errno == EINTR);
	if (n > 0) {
		log_state.size += (uint64_t)n;
		log_state.torn = line[n - 1] != '\n';
	}
	return n == (ssize_t)len;
}

static size_t
begin_line(char *line, size_t cap, const char *level, const char *module)
{
	char	 now[CLOCK_TEXT_MAX];

	return (size_t)snprintf(line, cap, "%s %s[%d] %s %s: ", clock_iso_ms(clock_wall_us(), now),
	    log_state.program, (int)getpid(), level, module);
}

static void
vlog(enum log_level level, const char *module, int error, const char *fmt, va_list ap)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char			 message[LINE_MAX_BYTES / 2], line[LINE_MAX_BYTES];
	size_t			 len;

	if (level > log_state.level)
		return;
	if (log_state.max_size > 0 && log_state.path[0] != '\0' && log_state.size >= log_state.max_size)
		rotate();
	if (log_state.lost > 0) {
		line[0] = '\n';
		len = log_state.torn ? 1 : 0;
		len += begin_line(line + len, sizeof(line) - len, "warn", "log");
		len += (size_t)snprintf(line + len, sizeof(line) - len, "could not be written lines_lost=%llu\n",
		    (unsigned long long)log_state.lost);
		if (!write_line(line, len)) {
			log_state.lost++;
			return;
		}
		log_state.lost = 0;
	}
	len = begin_line(line, sizeof(line), names[level], module);
	vsnprintf(message, sizeof(message), fmt, ap);
	len = append_escaped(line, len, sizeof(line) - 256, message);
	if (error != 0)
		len += (size_t)snprintf(line + len, 200, ": %s", strerror(error));
	line[len++] = '\n';
	if (!write_line(line, len))
		log_state.lost++;
}

#define VLOG(level, error) do {				\
	va_list	 ap;					\
	int	 saved = errno;				\
							\
	va_start(ap, fmt);				\
	vlog((level), module, (error), fmt, ap);	\
	va_end(ap);					\
	errno = saved;					\
} while (0)

void
log_debug(const char *module, const char *fmt, ...)
{
	VLOG(LOG_LEVEL_DEBUG, 0);
}

void
log_info(const char *module, const char *fmt, ...)
{
	VLOG(LOG_LEVEL_INFO, 0);
}

void
log_warn(const char *module, const char *fmt, ...)
{
	VLOG(LOG_LEVEL_WARN, saved);
}

void
log_warnx(const char *module, const char *fmt, ...)
{
	VLOG(LOG_LEVEL_WARN, 0);
}

void
log_error(const char *module, const char *fmt, ...)
{
	VLOG(LOG_LEVEL_ERROR, saved);
}

void
log_errorx(const char *module, const char *fmt, ...)
{
	VLOG(LOG_LEVEL_ERROR, 0);
}

void
fatal(const char *module, const char *fmt, ...)
{
	VLOG(LOG_LEVEL_ERROR, saved);
	exit(EXIT_TEMPORARY);
}

void
fatalx(const char *module, const char *fmt, ...)
{
	VLOG(LOG_LEVEL_ERROR, 0);
	exit(EXIT_TEMPORARY);
}

void *
xcalloc(size_t count, size_t size)
{
	void	*p = calloc(count, size);

	if (p == NULL)
		fatal("memory", "out of memory bytes=%zu", count * size);
	return p;
}

void *
xrealloc(void *p, size_t size)
{
	if ((p = realloc(p, size)) == NULL)
		fatal("memory", "out of memory bytes=%zu", size);
	return p;
}

char *
xstrdup(const char *s)
{
	size_t	 size = strlen(s) + 1;

	return memcpy(xcalloc(1, size), s, size);
}
