#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void
fd_close(int *fd)
{
	int	 saved = errno;

	if (*fd != -1)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int
fd_fill_standard(void)
{
	int	 fd;

	do
		if ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1)
			return -1;
	while (fd <= STDERR_FILENO);
	return close(fd);
}

int
fd_nonblock(int fd)
{
	int	 flags = fcntl(fd, F_GETFL);

	return flags == -1 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int
fd_open_log(const char *path)
{
	/* Not blocking is nothing to a file. */
	int		 fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
	struct stat	 st;

	if (fd == -1 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	fd_close(&fd);
	errno = EINVAL;
	return -1;
}

int
file_replace(const char *path, const void *data, size_t len, mode_t mode)
{
	char	 fresh[PATH_MAX];
	int	 fd = -1, saved;
	ssize_t	 n;

	if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if ((fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode)) == -1)
		return -1;
	if ((n = write(fd, data, len)) != (ssize_t)len) {
		if (n >= 0)
			errno = ENOSPC;	/* a short write of a regular file */
		goto failed;
	}
	fd_close(&fd);
	if (rename(fresh, path) == 0)
		return 0;
failed:
	saved = errno;
	fd_close(&fd);
	unlink(fresh);
	errno = saved;
	return -1;
}
