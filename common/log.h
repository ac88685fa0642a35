/*
 * log: one line an event, one write(2) a line, in the form
 *   2026-11-23T10:57:25.123Z generator[812] info module: message key=value
 * Time is UTC.  Control bytes and bytes that are not UTF-8 are escaped as \xNN,
 * so outside bytes cannot forge a line.  A log that cannot be written (full
 * disk) blocks and ends nothing: the lost lines are counted, and the count is
 * written as soon as there is room again.  errno survives every call.
 */
#ifndef TOCSIN_COMMON_LOG_H
#define TOCSIN_COMMON_LOG_H
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

#define LOG_PATH_ENV	"TOCSIN_LOG"	/* the watchdog tells a child its log's path by this */

/*
 * Name the program (borrowed, must stay) and say where lines go: the file at
 * `path` (copied), which also takes over descriptors 1 and 2, or descriptor 2
 * as it is when `path` is NULL.  0, or -1 with errno, lines then going to 2.
 */
int	 log_open(const char *program, const char *path);

/* Open the path anew: after a rotation by somebody else (SIGHUP). */
void	 log_reopen(void);

/* Beyond `bytes` the file is renamed to NAME.1 and begun anew; 0 (the default) = never. */
void	 log_set_max_size(uint64_t bytes);
void	 log_set_level(enum log_level level);

/* The text of `errno` follows log_error, log_warn and fatal; not the x forms. */
void	 log_debug(const char *module, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	 log_info(const char *module, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	 log_warn(const char *module, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	 log_warnx(const char *module, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	 log_error(const char *module, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	 log_errorx(const char *module, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Log and exit with 111 (temporary: the watchdog restarts us).  Never in the running watchdog. */
void	 fatal(const char *module, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
void	 fatalx(const char *module, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* malloc family that is fatal() instead of NULL; for the generator and the relay. */
void	*xcalloc(size_t count, size_t size);
void	*xrealloc(void *p, size_t size);
char	*xstrdup(const char *s);
#endif
