/*
 * holders: find the processes that hold a lock file's flock(2), and send them
 * a signal.
 *
 * A lock that is taken does not tell by whom, and a process number written in a
 * file may be anybody's by now.  The kernel does know: a process holds the lock
 * when one of its descriptors is that file (device and inode) and the lock is on
 * that very open file, which the descriptor's /proc/PID/fdinfo shows as a line
 * `lock: … FLOCK …`.  A process that inherited the descriptor holds it too; one
 * that merely has the file open does not.
 *
 * The signal goes by pidfd: opened first, the descriptor looked at once more
 * then, so that it reaches a holder or nobody, never one who got a dead
 * holder's number.  Sources: proc(5), flock(2), pidfd_open(2),
 * pidfd_send_signal(2) (Linux 5.3).
 */
#ifndef TOCSIN_WATCHDOG_HOLDERS_H
#define TOCSIN_WATCHDOG_HOLDERS_H
#include <sys/types.h>

/*
 * Send `sig`, and SIGCONT behind it (0: none, only find them), to each process
 * that holds the flock of the file at `lock_path`, and call `told`, which may be NULL, for each one that
 * took it: `comm` is its name of proc(5), borrowed for the call, any bytes in it.
 * Never the caller itself, nor process 1, nor, unless `user` is (uid_t)-1, a
 * process of another user (the real one): descriptors can be passed to others
 * (SCM_RIGHTS), who would be killed in their sender's place.  Processes that may
 * not be looked at or signalled are passed over: root sees all, others their own.
 *
 * Returns how many were signalled, or -1 with errno: the file's (ENOENT: so
 * nobody holds a lock by that path), that of /proc, or ENOSYS without pidfds.
 * Waits for nobody, but looks at every descriptor of the machine, some 5 us each:
 * 5 ms where there are a thousand.  No heap but the buffers that opendir(3) makes
 * and closedir(3) frees.
 */
int	 holders_signal(const char *lock_path, uid_t user, int sig, void (*told)(pid_t pid, const char *comm, void *arg), void *arg);
#endif
