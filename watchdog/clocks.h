/*
 * clocks: was the machine suspended, was the wall clock set?
 *
 * CLOCK_MONOTONIC stands still while the machine sleeps, CLOCK_BOOTTIME does
 * not: what they drift apart between two readings is sleep.  CLOCK_REALTIME
 * runs with CLOCK_BOOTTIME until somebody sets it: what those two drift apart
 * is a step.  NTP's slewing bends the rate of all three alike and is seen by
 * neither; and since a reading is compared with the one before it only, nothing
 * small ever adds up.  A leap second is a step of one second, unless smeared.
 * A virtual machine that was paused may show as either or as none, as its
 * hypervisor likes.  Sources: clock_gettime(2), adjtimex(2).
 */
#ifndef TOCSIN_WATCHDOG_CLOCKS_H
#define TOCSIN_WATCHDOG_CLOCKS_H
#include <stdint.h>

#define CLOCKS_SUSPEND_MIN_US	500000	/* less is not called a suspend */
#define CLOCKS_STEP_MIN_US	500000	/* less, either way, is not called a step */

/* One reading, in microseconds. */
struct clocks {
	int64_t	 mono_us, boot_us, wall_us;
	int64_t	 spread_us;	/* the three lie at most this far apart */
};

struct clocks_change {
	int64_t	 suspended_us;	/* 0: not */
	int64_t	 stepped_us;	/* the wall clock went forward (> 0) or back (< 0) by this; 0: not */
};

/*
 * Read them.  Not one instant, as we may be off the processor in between: of a
 * few tries the one with the least spread.  Never blocks, never fails.
 */
struct clocks		 clocks_read(void);

/*
 * What happened from `before` to `now`.  Pure.  A difference that the spreads
 * of the two readings could explain is no change.
 */
struct clocks_change	 clocks_compare(const struct clocks *before, const struct clocks *now);
#endif
