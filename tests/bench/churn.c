/*
 * churn: subscribers that come and go, and what they leave behind in the server.
 *
 *	churn -u URL -n CONNECTIONS -p PID [-k sse|ws|realtime] [-b AT_ONCE]
 *
 * AT_ONCE of them connect, are answered, and hang up, half of them with a reset; the next come when the server has noticed,
 * for memory goes with how many there are at a time.  At every tenth of the way one line: memory and descriptors of the
 * server with none of them left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/crowd/crowd.h"
#include "tests/bench/superv/proc.h"

#define GONE_MS		30000

static void
ignore(struct subscriber *s, const char *text, size_t len, int64_t now_ns, void *arg)
{
	(void)s, (void)text, (void)len, (void)now_ns, (void)arg;
}

/* The server has noticed that all are gone. */
static struct proc_usage
when_gone(pid_t server, long descriptors)
{
	for (int ms = 0; ms < GONE_MS && proc_usage(server).descriptors > descriptors; ms++)
		proc_sleep_ms(1);
	return proc_usage(server);
}

static void
tell(size_t done, const struct proc_usage *u, int64_t began_ns)
{
	double	 wall_s = (double)(proc_now_ns() - began_ns) / 1e9, count = (double)done;

	printf("connections=%zu rss_kb=%ld pss_kb=%ld dirty_kb=%ld descriptors=%ld", done, u->rss_kb, u->pss_kb,
	    u->private_dirty_kb, u->descriptors);
	if (done > 0)
		printf(" per_s=%.0f cpu_us=%.1f", count / wall_s, (double)u->cpu_ns / 1e3 / count);
	printf("\n");
	fflush(stdout);
}

static enum crowd_kind
kind_of(const char *name)
{
	return strcmp(name, "sse") == 0 ? CROWD_SSE : strcmp(name, "ws") == 0 ? CROWD_WEBSOCKET : CROWD_REALTIME;
}

int
main(int argc, char **argv)
{
	struct crowd_params	 params = { .kind = CROWD_SSE, .count = 500, .retry_ms = 0, .spread = true, .message = ignore };
	struct proc_usage	 none, now = { 0 };
	struct crowd		*c;
	size_t			 total = 0, done = 0;
	pid_t			 server = 0;
	int64_t			 began;
	int			 opt;

	while ((opt = getopt(argc, argv, "u:n:p:k:b:")) != -1)
		switch (opt) {
		case 'u': params.url = optarg; break;
		case 'n': total = (size_t)atol(optarg); break;
		case 'p': server = atoi(optarg); break;
		case 'k': params.kind = kind_of(optarg); break;
		case 'b': params.count = (size_t)atol(optarg); break;
		default: proc_die("usage", "see the head of churn.c");
		}
	if (params.url == NULL || total < params.count * 10 || params.count == 0 || server == 0)
		proc_die("usage", "see the head of churn.c");
	none = proc_usage(server);
	c = crowd_new(&params);
	began = proc_now_ns();
	tell(0, &none, began);
	for (size_t tenth = 1; tenth <= 10; tenth++) {
		for (; done < total / 10 * tenth; done += params.count) {
			crowd_open(c, params.count);
			crowd_hang_up(c);
			now = when_gone(server, none.descriptors);
		}
		now.cpu_ns -= none.cpu_ns;
		tell(done, &now, began);
	}
	crowd_free(c);
	return now.descriptors > none.descriptors ? 1 : 0;
}
