#include "watchdog/upward.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/log.h"

#define STATUS_MAX_BYTES	500

/* A path, or '@' and an abstract name: that one has a NUL in front and none behind. */
static bool
set_address(struct upward *u, const char *name)
{
	size_t	 len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2)
		return false;
	if (len > sizeof(u->to.sun_path) - (name[0] == '/'))
		return false;
	u->to.sun_family = AF_UNIX;
	memcpy(u->to.sun_path, name, len);
	if (name[0] == '@')
		u->to.sun_path[0] = '\0';
	u->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
	return true;
}

static void
open_socket(struct upward *u)
{
	const char	*name = getenv("NOTIFY_SOCKET");

	if (name == NULL)
		return;
	if (!set_address(u, name))
		log_warnx("upward", "neither a path nor an abstract name NOTIFY_SOCKET=\"%s\"", name);
	else if ((u->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		log_warn("upward", "cannot make a socket");
}

/* A decimal number of 1 to `max`, and nothing else. */
static bool
read_number(const char *text, int64_t max, int64_t *out)
{
	char	*end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' && *out >= 1 && *out <= max;
}

static int64_t
wanted_beat_us(void)
{
	const char	*usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	int64_t		 timeout_us, whose;

	if (usec == NULL)
		return 0;
	if (!read_number(usec, INT64_MAX, &timeout_us)) {
		log_warnx("upward", "no time in microseconds WATCHDOG_USEC=\"%s\"", usec);
		return 0;
	}
	if (pid == NULL)
		return timeout_us / 2;
	if (!read_number(pid, INT32_MAX, &whose)) {
		log_warnx("upward", "no process number WATCHDOG_PID=\"%s\"", pid);
		return 0;
	}
	return whose == getpid() ? timeout_us / 2 : 0;
}

void
upward_open(struct upward *u)
{
	memset(u, 0, sizeof(*u));
	u->fd = -1;
	open_socket(u);
	if (u->fd != -1)
		u->beat_us = wanted_beat_us();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
upward_close(struct upward *u)
{
	fd_close(&u->fd);
}

/*
 * To the address each time, not connected: a supervisor that makes its socket
 * anew is found again.  false when the socket takes nothing just now.
 */
static bool
send_text(struct upward *u, const char *text)
{
	return sendto(u->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
	    (const struct sockaddr *)&u->to, u->to_len) != -1;
}

static bool
send_owed(struct upward *u)
{
	if (u->owed[0] != '\0' && !send_text(u, u->owed))
		return false;
	u->owed[0] = '\0';
	return true;
}

/* One of many. */
static void
tell(struct upward *u, const char *text)
{
	int	 saved = errno;

	if (u->fd != -1 && send_owed(u))
		(void)send_text(u, text);
	errno = saved;
}

/* A newer state takes the place of one still owed. */
static void
tell_state(struct upward *u, const char *text)
{
	int	 saved = errno;

	if (u->fd != -1) {
		snprintf(u->owed, sizeof(u->owed), "%s", text);
		(void)send_owed(u);
	}
	errno = saved;
}

void
upward_ready(struct upward *u)
{
	tell_state(u, "READY=1");
}

void
upward_reloading(struct upward *u)
{
	char	 text[sizeof(u->owed)];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
	tell_state(u, text);
}

void
upward_stopping(struct upward *u)
{
	tell_state(u, "STOPPING=1");
}

void
upward_beat(struct upward *u)
{
	tell(u, "WATCHDOG=1");
}

void
upward_status(struct upward *u, const char *text)
{
	char	 line[sizeof("STATUS=") + STATUS_MAX_BYTES] = "STATUS=";
	size_t	 len = strlen(line), left = strlen(text), n;
	bool	 plain;

	/* The receiver drops what is not UTF-8, and a newline begins another variable. */
	for (; left > 0; text += n, left -= n) {
		n = utf8_length(text, left);
		plain = n > 0 && (unsigned char)*text >= 0x20 && *text != 0x7f;
		if (!plain)
			n = 1;
		if (len + n >= sizeof(line))
			break;
		memcpy(line + len, plain ? text : " ", n);
		len += n;
	}
	line[len] = '\0';
	tell(u, line);
}
