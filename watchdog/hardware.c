#include "watchdog/hardware.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"

#define FOOD	"."	/* any byte but the magic one */
#define MAGIC	"V"

/* The timeout in force: what was asked for, what the driver made of it, or its own. */
static int
set_timeout(struct hardware *h)
{
	int	 timeout_s = h->wanted_s;

	if (ioctl(h->fd, WDIOC_SETTIMEOUT, &timeout_s) == 0)
		return timeout_s;
	if (ioctl(h->fd, WDIOC_GETTIMEOUT, &timeout_s) == 0)
		return timeout_s;
	return 0;
}

static void
describe(const struct hardware *h)
{
	struct watchdog_info	 info = { .options = 0 };

	if (ioctl(h->fd, WDIOC_GETSUPPORT, &info) == -1) {
		log_warnx("hardware", "does not answer like a watchdog, feeding it by writing path=%s", h->path);
		return;
	}
	log_info("hardware", "the machine is reset when we are silent path=%s identity=\"%.*s\" timeout_s=%d wanted_s=%d",
	    h->path, (int)sizeof(info.identity), (const char *)info.identity, h->timeout_s, h->wanted_s);
	if (h->timeout_s < h->wanted_s)
		log_warnx("hardware", "the driver's timeout is shorter, or not known timeout_s=%d wanted_s=%d",
		    h->timeout_s, h->wanted_s);
	if ((info.options & WDIOF_MAGICCLOSE) == 0)
		log_warnx("hardware", "the driver has no magic close: should we die, the countdown may end with us path=%s", h->path);
}

/* Not blocking, which is nothing to a watchdog: a pipe at that path shall not hold us up. */
static void
open_device(struct hardware *h)
{
	if ((h->fd = open(h->path, O_WRONLY | O_CLOEXEC | O_NONBLOCK)) == -1) {
		if (h->trouble == HARDWARE_WELL) {
			log_warn("hardware", "cannot open, trying on path=%s", h->path);
			h->trouble = HARDWARE_CLOSED;
		}
		return;
	}
	h->timeout_s = set_timeout(h);
	if (h->trouble == HARDWARE_UNFED)
		return;		/* well again only when it takes food */
	h->trouble = HARDWARE_WELL;
	describe(h);
}

void
hardware_open(struct hardware *h, const char *path, int timeout_s)
{
	memset(h, 0, sizeof(*h));
	h->fd = -1;
	h->wanted_s = timeout_s;
	if (path == NULL || *path == '\0')
		return;
	h->path = xstrdup(path);
	open_device(h);
}

static bool
feed(const struct hardware *h)
{
	return ioctl(h->fd, WDIOC_KEEPALIVE, 0) == 0 || write(h->fd, FOOD, 1) == 1;
}

void
hardware_feed(struct hardware *h)
{
	if (h->path == NULL)
		return;
	if (h->fd == -1) {
		open_device(h);		/* which feeds it */
		return;
	}
	if (feed(h)) {
		if (h->trouble == HARDWARE_UNFED)
			log_info("hardware", "fed again path=%s", h->path);
		h->trouble = HARDWARE_WELL;
		return;
	}
	if (h->trouble != HARDWARE_UNFED)
		log_warn("hardware", "cannot feed, opening it anew path=%s", h->path);
	h->trouble = HARDWARE_UNFED;
	/* Without the magic byte: the countdown goes on until it is fed again. */
	fd_close(&h->fd);
}

/*
 * The option tells what closing does not: a driver with nowayout refuses it.
 * One without the option, or a file, just has the magic byte.
 */
static bool
stop_countdown(const struct hardware *h)
{
	int	 how = WDIOS_DISABLECARD;
	bool	 stays = ioctl(h->fd, WDIOC_SETOPTIONS, &how) == -1 && errno == EBUSY;

	return write(h->fd, MAGIC, 1) == 1 && !stays;
}

void
hardware_release(struct hardware *h)
{
	if (h->fd != -1) {
		if (stop_countdown(h))
			log_info("hardware", "released path=%s", h->path);
		else
			log_warnx("hardware", "the countdown cannot be stopped, the machine will be reset path=%s timeout_s=%d",
			    h->path, h->timeout_s);
		fd_close(&h->fd);
	}
	free(h->path);
	h->path = NULL;
}
