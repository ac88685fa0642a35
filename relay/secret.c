#include "relay/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"

/* Returns the length, -1 with errno. */
static ssize_t
read_all(int fd, char *buf, size_t size)
{
	size_t	 len = 0;
	ssize_t	 n;

	while (len < size) {
		if ((n = read(fd, buf + len, size - len)) == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static char *
refuse(char *buf, char *why, size_t why_size, const char *path, const char *what)
{
	snprintf(why, why_size, "%s: %s", path, what);
	secret_free(buf, buf == NULL ? 0 : SECRET_MAX);
	return NULL;
}

char *
secret_read(const char *path, size_t *len, char *why, size_t why_size)
{
	int		 fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);	/* a FIFO must not hold us up */
	struct stat	 st;
	ssize_t		 n = -1;
	char		*buf;

	if (fd == -1 || fstat(fd, &st) == -1) {
		refuse(NULL, why, why_size, path, strerror(errno));
		fd_close(&fd);
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		fd_close(&fd);
		return refuse(NULL, why, why_size, path, "is no file");
	}
	buf = xcalloc(1, SECRET_MAX + 1);
	if ((n = read_all(fd, buf, SECRET_MAX)) == -1)
		(void)refuse(NULL, why, why_size, path, strerror(errno));
	fd_close(&fd);
	if (n == -1) {
		secret_free(buf, SECRET_MAX);
		return NULL;
	}
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		buf[--n] = '\0';
	if (n == 0 || (st.st_size > SECRET_MAX))
		return refuse(buf, why, why_size, path, n == 0 ? "is empty" : "is too long for a secret");
	if ((st.st_mode & S_IROTH) != 0)
		log_warnx("secret", "everybody on this machine may read it: chmod o-r path=%s", path);
	*len = (size_t)n;
	return buf;
}

void
secret_free(char *secret, size_t len)
{
	if (secret == NULL)
		return;
	OPENSSL_cleanse(secret, len);
	free(secret);
}
