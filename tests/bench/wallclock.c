/*
 * wallclock: a library for LD_PRELOAD that moves the wall clock of the programs it is loaded into, and of no other.
 *
 * TOCSIN_BENCH_CLOCK names a file of eight bytes: an int64_t, nanoseconds to add to CLOCK_REALTIME.  Whoever writes the
 * file sets the clock, at any time.  CLOCK_MONOTONIC stays as it is, as with a real clock that is set.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S	1000000000

static const volatile int64_t *offset_ns;

static void __attribute__((constructor))
map_offset(void)
{
	const char	*path = getenv("TOCSIN_BENCH_CLOCK");
	void		*map;
	int		 fd;

	if (path == NULL || (fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return;
	if ((map = mmap(NULL, sizeof(*offset_ns), PROT_READ, MAP_SHARED, fd, 0)) != MAP_FAILED)
		offset_ns = map;
	close(fd);
}

static int64_t
wall_ns(void)
{
	struct timespec	 now;

	syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	return now.tv_sec * (int64_t)NS_PER_S + now.tv_nsec + (offset_ns == NULL ? 0 : *offset_ns);
}

int
clock_gettime(clockid_t id, struct timespec *now)
{
	int64_t	 ns;

	if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
		return (int)syscall(SYS_clock_gettime, id, now);
	ns = wall_ns();
	*now = (struct timespec){ ns / NS_PER_S, ns % NS_PER_S };
	return 0;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int64_t	 ns = wall_ns();

	(void)zone;
	*now = (struct timeval){ ns / NS_PER_S, ns % NS_PER_S / 1000 };
	return 0;
}

time_t
time(time_t *now)
{
	time_t	 seconds = wall_ns() / NS_PER_S;

	if (now != NULL)
		*now = seconds;
	return seconds;
}
