#include "watchdog/status.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/log.h"
#include "watchdog/folder.h"

#define HEAD_MAX	512
/* STATUS, the endings with their texts, and the numbers. */
#define PROCESS_MAX	(PIPE_BUF + ENDINGS_KEPT * (ENDING_TEXT_MAX + 160) + 600)

struct status {
	char	*path;
	bool	 failing;
	size_t	 size;
	char	 buf[];
};

struct status *
status_new(const char *runtime_dir, size_t process_count)
{
	size_t		 size = HEAD_MAX + process_count * PROCESS_MAX;
	struct status	*s = xcalloc(1, sizeof(*s) + size);

	s->size = size;
	s->path = folder_path(runtime_dir, "status.json", "");
	return s;
}

void
status_free(struct status *s)
{
	if (s != NULL)
		free(s->path);
	free(s);
}

void
status_remove(const struct status *s)
{
	(void)unlink(s->path);	/* left behind it only describes a past that its own times tell of */
}

static void
write_seconds(struct jsonw *w, const char *key, int64_t us)
{
	char	 text[40];

	/* Not %g: after some days it would lose the milliseconds. */
	jsonw_raw(w, key, text, (size_t)snprintf(text, sizeof(text), "%lld.%03d", (long long)(us / 1000000),
	    (int)(us / 1000 % 1000)));
}

/* In ms or kB; null when unknown (-1). */
static void
write_known(struct jsonw *w, const char *key, int64_t value)
{
	if (value < 0)
		jsonw_null(w, key);
	else
		jsonw_int(w, key, value);
}

static void
write_ending(struct jsonw *w, const struct ending *e)
{
	char	 text[ENDING_TEXT_MAX > CLOCK_TEXT_MAX ? ENDING_TEXT_MAX : CLOCK_TEXT_MAX];

	jsonw_object(w, NULL);
	jsonw_str(w, "at", clock_iso_ms(e->wall_us, text));
	jsonw_str(w, "cause", e->cause);
	if (e->pid != -1)
		jsonw_int(w, "pid", e->pid);
	if (e->code != -1)
		jsonw_int(w, "code", e->code);
	if (e->signal != 0)
		jsonw_int(w, "signal", e->signal);
	jsonw_bool(w, "core", e->core);
	write_seconds(w, "run_s", e->run_us);
	jsonw_str(w, "text", ending_text(e, text));
	jsonw_end_object(w);
}

static void
write_process(struct jsonw *w, const struct process_report *r, int64_t watched_us)
{
	const struct ending	*e;

	jsonw_object(w, NULL);
	jsonw_str(w, "name", r->name);
	jsonw_str(w, "state", r->state);
	write_known(w, "pid", r->pid);
	write_seconds(w, "uptime_s", r->uptime_us);
	jsonw_int(w, "restarts", r->restarts);
	jsonw_int(w, "failures_in_a_row", r->failures);
	jsonw_int(w, "cores", r->cores);
	write_known(w, "beat_age_ms", r->beat_age_us < 0 ? -1 : r->beat_age_us / 1000);
	write_known(w, "next_start_in_ms", r->next_start_us < 0 ? -1 : r->next_start_us / 1000);
	jsonw_double(w, "availability_ratio", watched_us > 0 ? (double)r->up_us / (double)watched_us : 0, 6);
	write_known(w, "rss_kb", r->rss_kb);
	if (r->cpu_ms < 0)
		jsonw_null(w, "cpu_s");
	else
		write_seconds(w, "cpu_s", r->cpu_ms * 1000);
	jsonw_array(w, "last_exits");
	for (size_t i = 0; (e = endings_get(r->endings, i)) != NULL; i++)
		write_ending(w, e);
	jsonw_end_array(w);
	if (r->status_len > 0)
		jsonw_raw(w, "status", r->status, r->status_len);
	else
		jsonw_null(w, "status");
	jsonw_end_object(w);
}

static void
write_json(struct jsonw *w, const struct status_facts *f)
{
	char	 text[CLOCK_TEXT_MAX];

	jsonw_object(w, NULL);
	jsonw_str(w, "version", TOCSIN_VERSION);
	jsonw_int(w, "pid", f->pid);
	jsonw_str(w, "started_at", clock_iso_ms(f->wall_started_us, text));
	write_seconds(w, "uptime_s", f->uptime_us);
	jsonw_str(w, "updated_at", clock_iso_ms(clock_wall_us(), text));
	jsonw_int(w, "check_interval_ms", f->check_interval_ms);
	jsonw_array(w, "processes");
	for (size_t i = 0; i < f->count; i++)
		write_process(w, &f->reports[i], f->uptime_us);
	jsonw_end_array(w);
	jsonw_end_object(w);
}

const char *
status_json(struct status *s, const struct status_facts *f, size_t *len)
{
	struct jsonw	 w;

	/* One byte is kept back for the newline. */
	jsonw_init_fixed(&w, s->buf, s->size - 1);
	write_json(&w, f);
	if (w.failed)
		log_warnx("status", "does not fit its buffer bytes=%zu", s->size);
	else
		w.buf[w.len++] = '\n';
	*len = w.failed ? 0 : w.len;
	return s->buf;
}

const char *
status_table(struct status *s, const struct status_facts *f, size_t *len)
{
	*len = status_text(s->buf, s->size, f);
	return s->buf;
}

void
status_write(struct status *s, const struct status_facts *f)
{
	size_t		 len;
	const char	*text = status_json(s, f, &len);
	bool		 ok = len > 0 && file_replace(s->path, text, len, 0644) == 0;

	if (!ok && !s->failing)
		log_warn("status", "cannot be written, trying on path=%s", s->path);
	else if (ok && s->failing)
		log_info("status", "is written again path=%s", s->path);
	s->failing = !ok;
}

void
status_log_health(const struct status_facts *f)
{
	char				 line[3800];	/* what fits a line of the log */
	const struct process_report	*r;
	size_t				 len = 0;

	for (size_t i = 0; i < f->count && len < sizeof(line); i++) {
		r = &f->reports[i];
		len += (size_t)snprintf(line + len, sizeof(line) - len,
		    "%sname=%s state=%s uptime_s=%lld restarts=%u beat_age_ms=%lld rss_kb=%lld", i > 0 ? " | " : "", r->name, r->state,
		    (long long)(r->uptime_us / 1000000), r->restarts, (long long)(r->beat_age_us < 0 ? -1 : r->beat_age_us / 1000),
		    (long long)r->rss_kb);
	}
	log_info("health", "%s", line);
}

uint64_t
status_mark(const struct status_facts *f)
{
	uint64_t	 mark = 14695981039346656037U;	/* FNV-1a */

	for (size_t i = 0; i < f->count; i++) {
		for (const char *c = f->reports[i].state; *c != '\0'; c++)
			mark = (mark ^ (unsigned char)*c) * 1099511628211U;
		mark = (mark ^ f->reports[i].restarts) * 1099511628211U;
		mark = (mark ^ f->reports[i].failures) * 1099511628211U;
	}
	return mark;
}
