#include "watchdog/pulse.h"

#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"

#define PIPE_CAPACITY	65536	/* see pipe(7) */

void
pulse_init(struct pulse *p, const char *name, beat_line_fn *heard, void *arg)
{
	p->fd = -1;
	p->name = name;
	p->heard = heard;
	p->arg = arg;
}

static void
line_cb(enum beat_kind kind, const char *value, size_t len, void *arg)
{
	struct pulse	*p = arg;

	if (kind == BEAT_READY || kind == BEAT_ALIVE)
		p->beat_us = clock_mono_us();
	if (kind != BEAT_STATUS)
		p->heard(kind, value, len, p->arg);
	else if (len < sizeof(p->status)) {
		memcpy(p->status, value, len);
		p->status_len = len;
	}
}

static void
shut(struct pulse *p)
{
	if (p->fd != -1 && !p->batched)
		event_del(&p->event);
	fd_close(&p->fd);
}

void
pulse_batch(struct pulse *p)
{
	if (p->fd != -1 && !p->batched)
		event_del(&p->event);
	p->batched = true;
}

static void
note_flood(struct pulse *p, bool flooded)
{
	if (flooded == p->flooded)
		return;
	p->flooded = flooded;
	log_warnx("pulse", "%s name=%s", flooded ? "floods its heartbeat pipe" : "floods its pipe no longer", p->name);
	pulse_batch(p);
}

void
pulse_read(struct pulse *p)
{
	char		 data[PIPE_BUF];
	size_t		 total = 0;
	ssize_t		 n = 1;
	unsigned	 refused = p->parser.refused;

	while (p->fd != -1 && total < PIPE_CAPACITY && (n = read(p->fd, data, sizeof(data))) > 0) {
		beat_feed(&p->parser, data, (size_t)n, line_cb, p);
		total += (size_t)n;
		if (n < (ssize_t)sizeof(data))
			break;		/* that was all of it */
	}
	if (n == 0)		/* closed by the child: from now on it has no way to beat */
		shut(p);
	/* A full pipe may hold a little less than its capacity. */
	note_flood(p, total >= (p->flooded ? PIPE_CAPACITY / 2 : PIPE_CAPACITY));
	if (refused == 0 && p->parser.refused > 0)
		log_warnx("pulse", "what it wrote is no heartbeat, ignored name=%s", p->name);
}

static void
readable_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	pulse_read(arg);
}

int
pulse_open(struct pulse *p, struct event_base *base, int fd_take)
{
	p->fd = fd_take;
	p->batched = p->flooded = false;
	p->beat_us = 0;
	p->status_len = 0;
	beat_clear(&p->parser);
	if (event_assign(&p->event, base, p->fd, EV_READ | EV_PERSIST, readable_cb, p) == -1)
		return -1;
	return event_add(&p->event, NULL);
}

void
pulse_close(struct pulse *p)
{
	shut(p);
	p->beat_us = 0;
}
