#include "watchdog/clocks.h"

#include <time.h>

#include "common/clock.h"

#define TRIES		4
#define SPREAD_GOOD_US	1000

static int64_t
boot_us(void)
{
	struct timespec	 now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct clocks
read_once(void)
{
	struct clocks	 c;

	c.mono_us = clock_mono_us();
	c.boot_us = boot_us();
	c.wall_us = clock_wall_us();
	c.spread_us = clock_mono_us() - c.mono_us;
	return c;
}

struct clocks
clocks_read(void)
{
	struct clocks	 best = read_once(), other;

	for (int i = 1; i < TRIES && best.spread_us > SPREAD_GOOD_US; i++) {
		other = read_once();
		if (other.spread_us < best.spread_us)
			best = other;
	}
	return best;
}

/* A drift that is beyond its threshold by more than the doubt, else 0. */
static int64_t
drift(int64_t us, int64_t min_us, int64_t doubt_us)
{
	int64_t	 size = us < 0 ? -us : us;

	return size - doubt_us >= min_us ? us : 0;
}

struct clocks_change
clocks_compare(const struct clocks *before, const struct clocks *now)
{
	int64_t	 mono_us = now->mono_us - before->mono_us, went_us = now->boot_us - before->boot_us;
	int64_t	 wall_us = now->wall_us - before->wall_us, doubt_us = before->spread_us + now->spread_us;
	int64_t	 suspended_us = drift(went_us - mono_us, CLOCKS_SUSPEND_MIN_US, doubt_us);

	return (struct clocks_change){
		.suspended_us = suspended_us > 0 ? suspended_us : 0,
		.stepped_us = drift(wall_us - went_us, CLOCKS_STEP_MIN_US, doubt_us),
	};
}
