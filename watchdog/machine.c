#include "watchdog/machine.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "watchdog/clocks.h"
#include "watchdog/hardware.h"
#include "watchdog/upward.h"

#define TEXT_MAX	200

struct machine {
	struct upward	 upward;
	struct hardware	 hardware;
	struct clocks	 clocks;	/* at the last check */
	struct event	 timer;		/* somebody may want beats more often than checks come */
	int64_t		 interval_us;	/* of the timer; 0: not armed */
	char		 said[TEXT_MAX];	/* the last status: only news is sent */
};

/* How often somebody wants to hear of us, in microseconds; 0: nobody does. */
static int64_t
wanted_us(const struct machine *m)
{
	int64_t	 hardware_us = (int64_t)m->hardware.timeout_s * 1000000 / 3, upward_us = m->upward.beat_us;

	if (hardware_us == 0 || upward_us == 0)
		return hardware_us + upward_us;
	return hardware_us < upward_us ? hardware_us : upward_us;
}

/* A device may come later, with a timeout of its own. */
static void
arm(struct machine *m)
{
	int64_t		 interval_us = wanted_us(m);
	struct timeval	 tv = { interval_us / 1000000, interval_us % 1000000 };

	if (interval_us == m->interval_us)
		return;
	m->interval_us = interval_us;
	event_del(&m->timer);
	if (interval_us != 0 && event_add(&m->timer, &tv) == -1)
		log_warnx("machine", "cannot arm a timer, beats leave at checks only");
}

static void
beat(struct machine *m)
{
	upward_beat(&m->upward);
	hardware_feed(&m->hardware);
	arm(m);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	beat(arg);
}

struct machine *
machine_new(struct event_base *base, const struct watchdog_conf *conf)
{
	struct machine	*m = xcalloc(1, sizeof(*m));

	upward_open(&m->upward);
	hardware_open(&m->hardware, conf->hardware_watchdog, (int)(conf->hardware_timeout_ms / 1000));
	m->clocks = clocks_read();
	if (event_assign(&m->timer, base, -1, EV_PERSIST, timer_cb, m) == 0)
		arm(m);
	return m;
}

void
machine_free(struct machine *m)
{
	if (m == NULL)
		return;
	if (event_initialized(&m->timer))
		event_del(&m->timer);
	hardware_release(&m->hardware);
	upward_close(&m->upward);
	free(m);
}

void
machine_check(struct machine *m)
{
	struct clocks		 now = clocks_read();
	struct clocks_change	 change = clocks_compare(&m->clocks, &now);

	m->clocks = now;
	if (change.suspended_us != 0)
		log_warnx("machine", "was suspended suspended_ms=%lld", (long long)(change.suspended_us / 1000));
	if (change.stepped_us != 0)
		log_warnx("machine", "the wall clock was set stepped_ms=%lld", (long long)(change.stepped_us / 1000));
	beat(m);
}

void
machine_ready(struct machine *m)
{
	upward_ready(&m->upward);
}

void
machine_reloading(struct machine *m)
{
	upward_reloading(&m->upward);
}

void
machine_stopping(struct machine *m)
{
	upward_stopping(&m->upward);
}

void
machine_status(struct machine *m, const char *text)
{
	if (strncmp(m->said, text, sizeof(m->said) - 1) == 0)
		return;
	strncpy(m->said, text, sizeof(m->said) - 1);
	upward_status(&m->upward, text);
}
