#include "watchdog/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/fd.h"

bool
lock_is_at(int fd, const char *path)
{
	struct stat	 ours, there;

	return fstat(fd, &ours) == 0 && lstat(path, &there) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

int
lock_take(const char *path)
{
	int	 fd;

	for (;;) {
		if ((fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600)) == -1)
			return -1;
		if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
			fd_close(&fd);
			return -1;
		}
		if (lock_is_at(fd, path))	/* a holder that ends cleanly removes the file */
			return fd;
		fd_close(&fd);
	}
}
