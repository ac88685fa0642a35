#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "watchdog/status.h"

#define CELL_MAX	48

/* 3 ms, 4.2 s, 12 min 5 s, 2 h 13 min, 3 d 4 h: two units at most. */
static char *
duration_text(int64_t us, char buf[CELL_MAX])
{
	long long	 s = us / 1000000;

	if (us < 0)
		snprintf(buf, CELL_MAX, "-");
	else if (s < 1)
		snprintf(buf, CELL_MAX, "%lld ms", (long long)(us / 1000));
	else if (s < 60)
		snprintf(buf, CELL_MAX, "%lld.%d s", s, (int)(us / 100000 % 10));
	else if (s < 3600)
		snprintf(buf, CELL_MAX, "%lld min %lld s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, CELL_MAX, "%lld h %lld min", s / 3600, s / 60 % 60);
	else
		snprintf(buf, CELL_MAX, "%lld d %lld h", s / 86400, s / 3600 % 24);
	return buf;
}

static char *
memory_text(int64_t kb, char buf[CELL_MAX])
{
	if (kb < 0)
		snprintf(buf, CELL_MAX, "-");
	else if (kb < 10240)
		snprintf(buf, CELL_MAX, "%lld kB", (long long)kb);
	else
		snprintf(buf, CELL_MAX, "%.1f MB", (double)kb / 1024);
	return buf;
}

static char *
pid_text(pid_t pid, char buf[CELL_MAX])
{
	snprintf(buf, CELL_MAX, pid == -1 ? "-" : "%d", (int)pid);
	return buf;
}

static size_t
last_exit_text(const struct process_report *r, char *buf, size_t size)
{
	const struct ending	*e = endings_get(r->endings, 0);
	char			 how[ENDING_TEXT_MAX], at[CLOCK_TEXT_MAX], ran[CELL_MAX];

	if (e == NULL)
		return (size_t)snprintf(buf, size, "none\n");
	return (size_t)snprintf(buf, size, "%s at %s after %s\n", ending_text(e, how), clock_iso_ms(e->wall_us, at),
	    duration_text(e->run_us, ran));
}

size_t
status_text(char *buf, size_t size, const struct status_facts *f)
{
	char	 a[CELL_MAX], b[CELL_MAX], c[CELL_MAX], d[CELL_MAX];
	size_t	 len;
	int	 width = 7;	/* of the names */

	for (size_t i = 0; i < f->count; i++)
		if ((int)strlen(f->reports[i].name) > width)
			width = (int)strlen(f->reports[i].name);
	len = (size_t)snprintf(buf, size, "tocsin %s: watchdog pid %d, up %s, looks every %s\n", TOCSIN_VERSION, (int)f->pid,
	    duration_text(f->uptime_us, a), duration_text(f->check_interval_ms * 1000, b));
	if (len < size)
		len += (size_t)snprintf(buf + len, size - len, "%-*s  %-13s  %7s  %13s  %8s  %8s  %9s  %s\n", width, "PROCESS", "STATE",
		    "PID", "UPTIME", "RESTARTS", "LAST BEAT", "MEMORY", "LAST EXIT");
	for (size_t i = 0; i < f->count && len < size; i++) {
		const struct process_report	*r = &f->reports[i];

		len += (size_t)snprintf(buf + len, size - len, "%-*s  %-13s  %7s  %13s  %8u  %9s  %9s  ", width, r->name, r->state,
		    pid_text(r->pid, a), duration_text(r->pid == -1 ? -1 : r->uptime_us, b), r->restarts,
		    duration_text(r->beat_age_us, c), memory_text(r->rss_kb, d));
		if (len < size)
			len += last_exit_text(r, buf + len, size - len);
	}
	return len < size ? len : size - 1;
}
