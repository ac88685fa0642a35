/* fd: small helpers for descriptors and files. */
#ifndef TOCSIN_COMMON_FD_H
#define TOCSIN_COMMON_FD_H
#include <stddef.h>
#include <sys/types.h>

/* Close `*fd` unless it is -1, and store -1.  errno survives. */
void	 fd_close(int *fd);

/*
 * Started with one of 0, 1, 2 closed, a pipe of ours would take its number:
 * put /dev/null there.  Call it first.  0, or -1 with errno.
 */
int	 fd_fill_standard(void);

/* Set O_NONBLOCK.  0, or -1 with errno. */
int	 fd_nonblock(int fd);

/*
 * Open a log to append to, making it (0640) when it is not there.  Others may
 * write in its folder: a link is not followed, and a pipe or device planted
 * there is refused (ENXIO, EINVAL) and never waited for.  Async-signal-safe.
 * The descriptor (CLOEXEC), or -1 with errno.
 */
int	 fd_open_log(const char *path);

/*
 * Replace the file at `path` by `len` bytes in one step: readers see the old
 * or the new content, never half of one.  Not synced: for files that a new
 * process writes again.  0, or -1 with errno and the old file in place.
 */
int	 file_replace(const char *path, const void *data, size_t len, mode_t mode);
#endif
