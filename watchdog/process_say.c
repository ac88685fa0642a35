#include "common/log.h"
#include "watchdog/process_private.h"

void
process_say_late(const struct process *p, int64_t now_us)
{
	if (p->sup.state == SUP_STARTING)
		log_warnx("process", "late: not ready name=%s pid=%d since_start_ms=%lld start_timeout_ms=%lld", process_name(p),
		    (int)p->pid, process_ms(now_us - p->sup.started_us), (long long)p->conf->times.start_timeout_ms);
	else
		log_warnx("process", "late: no beat name=%s pid=%d beat_age_ms=%lld heartbeat_timeout_ms=%lld", process_name(p),
		    (int)p->pid, process_ms(p->pulse.beat_us == 0 ? -1 : now_us - p->pulse.beat_us), (long long)p->conf->times.heartbeat_timeout_ms);
}

void
process_say_suspect(const struct process *p)
{
	log_warnx("process", "suspect: no beat at a second look name=%s pid=%d", process_name(p), (int)p->pid);
}

void
process_say_spared(const struct process *p)
{
	if (p->usage.state == 't')
		log_warnx("process", "a debugger holds it, left alone name=%s pid=%d", process_name(p), (int)p->pid);
	else
		log_warnx("process", "stuck in a system call (state D), given its time once more name=%s pid=%d", process_name(p), (int)p->pid);
}

void
process_say_ending(const struct process *p, const struct ending *e, int64_t now_us)
{
	char	 text[ENDING_TEXT_MAX];

	ending_text(e, text);
	if (p->sup.state == SUP_STOPPED)
		log_info("process", "ended name=%s pid=%d cause=%s how=\"%s\" run_ms=%lld", process_name(p), (int)e->pid,
		    e->cause, text, process_ms(e->run_us));
	else
		log_warnx("process", "%s name=%s pid=%d cause=%s how=\"%s\" run_ms=%lld failures_in_a_row=%u "
		    "next_start_in_ms=%lld", e->not_started.error != 0 ? "failed to start" : "died", process_name(p), (int)e->pid,
		    e->cause, text, process_ms(e->run_us), p->sup.failures, process_ms(p->sup.until_us - now_us));
	if (e->core && p->cores.count >= (unsigned)p->conf->max_cores)
		log_warnx("process", "leaves no more cores until some are removed, then SIGHUP name=%s cores=%u folder=%s",
		    process_name(p), p->cores.count, p->cores.folder);
}

void
process_say_crash_looping(const struct process *p, int64_t now_us)
{
	char	 text[ENDING_TEXT_MAX];

	log_errorx("process", "ANOMALY crash-looping name=%s failures_in_a_row=%u last=\"%s\" next_start_in_ms=%lld",
	    process_name(p), p->sup.failures, ending_text(endings_get(&p->endings, 0), text), process_ms(p->sup.until_us - now_us));
}
