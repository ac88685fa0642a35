#include "watchdog/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"

static int
make_parents(const char *path)
{
	char	 parent[PATH_MAX];

	if (snprintf(parent, sizeof(parent), "%s", path) >= (int)sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (char *p = strchr(parent + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(parent, 0755) == -1 && errno != EEXIST)
			return -1;
		*p = '/';
	}
	return 0;
}

int
folder_make(const char *path, mode_t mode, uid_t owner, gid_t group)
{
	struct stat	 st;
	int		 fd, rc;

	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		errno = ENOTDIR;
		return -1;
	}
	if (make_parents(path) == -1)
		return -1;
	if (mkdir(path, 0700) == -1)	/* another starter may have been faster; a link that leads nowhere is no folder */
		return errno == EEXIST && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -1;
	/* By descriptor: whoever owns the folder above may have put a link in its place by now. */
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return -1;
	rc = owner == (uid_t)-1 && group == (gid_t)-1 ? 0 : fchown(fd, owner, group);
	if (rc == 0)
		rc = fchmod(fd, mode);	/* after fchown, which may clear bits, and whatever the umask */
	fd_close(&fd);
	return rc;
}

char *
folder_path(const char *folder, const char *name, const char *suffix)
{
	size_t	 size = strlen(folder) + strlen(name) + strlen(suffix) + 2;
	char	*path = xcalloc(1, size);

	snprintf(path, size, "%s/%s%s", folder, name, suffix);
	return path;
}
