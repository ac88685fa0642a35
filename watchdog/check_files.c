#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "watchdog/check_private.h"

#define MB		1000000.0
#define FREE_MIN	(100 * MB)
#define FREE_MIN_RUN	(5 * MB)	/* a status file and locks, often on a small tmpfs */
#define FREE_MIN_RATIO	0.05
#define NAME_MAX_BYTES	64

/* tocsin, or 812 when nobody has that number. */
static const char *
user_text(uid_t uid, char buf[NAME_MAX_BYTES])
{
	const struct passwd	*pw = getpwuid(uid);

	if (pw != NULL)
		snprintf(buf, NAME_MAX_BYTES, "%s", pw->pw_name);
	else
		snprintf(buf, NAME_MAX_BYTES, "%u", (unsigned)uid);
	return buf;
}

static const char *
group_text(gid_t gid, char buf[NAME_MAX_BYTES])
{
	const struct group	*gr = getgrgid(gid);

	if (gr != NULL)
		snprintf(buf, NAME_MAX_BYTES, "%s", gr->gr_name);
	else
		snprintf(buf, NAME_MAX_BYTES, "%u", (unsigned)gid);
	return buf;
}

/* Whoever writes this file decides what root runs. */
void
check_conf_file(struct check *c)
{
	const char	*path = c->site.conf_path;
	char		 owner[NAME_MAX_BYTES], group[NAME_MAX_BYTES];
	struct stat	 st;

	if (stat(path, &st) == -1)
		check_found(c, FINDING_FAIL, "configuration %s: %s", path, strerror(errno));
	else if (st.st_mode & 022)
		check_found(c, FINDING_FAIL, "configuration %s: others than its owner may change it (mode %04o), and with it what the watchdog runs: chmod go-w %s",
		    path, st.st_mode & 07777, path);
	else if (st.st_uid != 0 && geteuid() == 0)
		check_found(c, FINDING_FAIL, "configuration %s: belongs to %s, who decides with it what root runs: chown root %s", path,
		    user_text(st.st_uid, owner), path);
	else if (c->site.holds_password && (st.st_mode & 004))
		check_found(c, FINDING_WARN, "configuration %s: everybody may read the password in it (mode %04o): chmod 640 %s, and chgrp it to the group of the processes",
		    path, st.st_mode & 07777, path);
	else
		check_found(c, FINDING_OK, "configuration %s: %s:%s %04o", path, user_text(st.st_uid, owner), group_text(st.st_gid, group),
		    st.st_mode & 07777);
}

/* Folders */

struct folder {
	const char	*key, *path;
	bool		 watchdogs;	/* it makes its own files here */
	double		 free_min;	/* bytes */
};

static void
check_missing(struct check *c, const struct folder *f)
{
	char	 parent[PATH_MAX];
	char	*slash;

	snprintf(parent, sizeof(parent), "%s", f->path);
	do {
		slash = strrchr(parent, '/');
		slash[slash == parent] = '\0';
	} while (access(parent, F_OK) == -1 && strcmp(parent, "/") != 0);
	if (access(parent, W_OK | X_OK) == 0)
		check_found(c, FINDING_OK, "%s %s: not there yet, the first start makes it", f->key, f->path);
	else if (!c->as_watchdog)
		check_found(c, FINDING_WARN, "%s %s: not there yet, and only the watchdog's user can tell whether it can be made", f->key, f->path);
	else
		check_found(c, FINDING_FAIL, "%s %s: is missing and cannot be made in %s: %s: make it, or start as root", f->key, f->path, parent,
		    strerror(errno));
}

/* False after a finding: somebody else could lead the watchdog's next open there astray. */
static bool
owner_is_sane(struct check *c, const struct folder *f, const struct stat *st)
{
	char	 owner[NAME_MAX_BYTES];

	if (f->watchdogs && geteuid() == 0 && st->st_uid != 0)
		check_found(c, FINDING_FAIL, "%s %s: belongs to %s, who could lead root's writing in it astray (CVE-2016-1247): chown root %s && chmod 1770 %s",
		    f->key, f->path, user_text(st->st_uid, owner), f->path, f->path);
	else if (st->st_mode & 002)
		check_found(c, FINDING_FAIL, "%s %s: everybody may write in it (mode %04o): chmod o-w %s", f->key, f->path, st->st_mode & 07777, f->path);
	else if (f->watchdogs && geteuid() == 0 && (st->st_mode & 020) && !(st->st_mode & S_ISVTX))
		check_found(c, FINDING_FAIL, "%s %s: its group may replace root's files in it (mode %04o): chmod +t %s", f->key, f->path,
		    st->st_mode & 07777, f->path);
	else if (c->as_watchdog && f->watchdogs && access(f->path, W_OK | X_OK) == -1)
		check_found(c, FINDING_FAIL, "%s %s: the watchdog cannot write in it: %s: chown it, or start as root", f->key, f->path, strerror(errno));
	else
		return true;
	return false;
}

static void
check_room(struct check *c, const struct folder *f, const struct stat *st)
{
	char		 owner[NAME_MAX_BYTES], group[NAME_MAX_BYTES];
	struct statvfs	 fs;
	double		 left, size;

	if (statvfs(f->path, &fs) == -1) {
		check_found(c, FINDING_WARN, "%s %s: how much room there is cannot be told: %s", f->key, f->path, strerror(errno));
		return;
	}
	left = (double)fs.f_bavail * (double)fs.f_frsize;
	size = (double)fs.f_blocks * (double)fs.f_frsize;
	if (left < f->free_min || left < size * FREE_MIN_RATIO)
		check_found(c, FINDING_WARN, "%s %s: only %.0f MB of %.0f MB are left: make room, or move it", f->key, f->path, left / MB, size / MB);
	else
		check_found(c, FINDING_OK, "%s %s: %s:%s %04o, %.0f MB free", f->key, f->path, user_text(st->st_uid, owner),
		    group_text(st->st_gid, group), st->st_mode & 07777, left / MB);
}

/* The processes open their own logs. */
static void
check_log_writers(struct check *c)
{
	const char		*dir = c->site.suite.log_dir;
	struct program_user	 u;
	int			 error;

	for (size_t i = 0; i < c->site.count; i++) {
		if (check_user_of(&c->site.processes[i], &u) && u.name != NULL && (error = program_access(dir, W_OK | X_OK, &u)) != 0)
			check_found(c, FINDING_FAIL, "log_dir %s: process %s's user %s cannot write in it: %s: chgrp its group to it && chmod 1770 %s",
			    dir, c->site.processes[i].name, u.name, strerror(error), dir);
		program_user_clear(&u);
	}
}

static void
check_folder(struct check *c, const struct folder *f)
{
	struct stat	 st;

	if (f->path == NULL)
		return;
	if (stat(f->path, &st) == -1 && errno == ENOENT)
		check_missing(c, f);
	else if (stat(f->path, &st) == -1)
		check_found(c, c->as_watchdog ? FINDING_FAIL : FINDING_WARN, "%s %s: %s", f->key, f->path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		check_found(c, FINDING_FAIL, "%s %s: is no folder: move it away", f->key, f->path);
	else if (owner_is_sane(c, f, &st)) {
		check_room(c, f, &st);
		if (f->path == c->site.suite.log_dir)
			check_log_writers(c);
	}
}

void
check_folders(struct check *c)
{
	const struct folder	 folders[] = {
		{ "runtime_dir", c->site.suite.runtime_dir, true, FREE_MIN_RUN },
		{ "log_dir", c->site.suite.log_dir, true, FREE_MIN },
		{ "state_dir", c->site.suite.state_dir, false, FREE_MIN },
	};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		check_folder(c, &folders[i]);
}
