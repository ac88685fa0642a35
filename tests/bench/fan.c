/*
 * fan: latency from just before an INSERT is sent to the moment its readers have it, and what that costs the server.
 *
 *	fan -d CONNINFO -r RATE -s SECONDS [-u URL -n CLIENTS -k sse|ws|realtime] [-p PID[+],...]
 *	fan -d CONNINFO -b ROWS -u URL ...	so many rows in a burst: how fast they drain
 *	fan -i SECONDS -u URL ...		nothing is written: what idle clients cost
 *
 * A child process inserts rows into the real table signals; each row carries the monotonic clock of the moment.
 * The readers are CLIENTS connections to the URL (http://ADDRESS:PORT/PATH), or without one a bare LISTENing session, the
 * floor.  CPU and memory are of the processes given, with '+' also of their children.  Prints one line of key=value; exit 1
 * when anything did not arrive exactly once and in order.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/crowd/crowd.h"
#include "tests/bench/crowd/rows.h"
#include "tests/bench/superv/proc.h"

#define QUIET_NS	INT64_C(3000000000)	/* nothing for so long after the last row: the rest is lost */
#define SETTLE_NS	INT64_C(1000000000)	/* the server has taken all of them over */
#define BURST_BATCH	100
#define SYMBOLS		100
#define PIDS_MAX	64
#define SPREAD_ABOVE	5000

static const char	*conninfo, *pids_text = "";
static double		 rate, seconds = 10, idle_seconds;
static size_t		 burst, clients = 1, rows;
static int64_t		*latency_ns, last_ns;
static size_t		 delivered, expected, disorder;
static pid_t		 publisher;

/* The server's processes */

static size_t
server_pids(pid_t pids[PIDS_MAX])
{
	char	 path[64], *end;
	size_t	 count = 0;
	FILE	*f;
	int	 child;

	for (const char *p = pids_text; *p != '\0' && count < PIDS_MAX; p = *end == ',' ? end + 1 : end) {
		pids[count++] = (pid_t)strtol(p, &end, 10);
		if (*end != '+')
			continue;
		end++;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pids[count - 1], pids[count - 1]);
		if ((f = fopen(path, "re")) == NULL)
			continue;
		while (count < PIDS_MAX && fscanf(f, "%d", &child) == 1)
			pids[count++] = child;
		fclose(f);
	}
	return count;
}

static struct proc_usage
server_usage(void)
{
	struct proc_usage	 sum = { 0 }, one;
	pid_t			 pids[PIDS_MAX];
	size_t			 count = server_pids(pids);

	for (size_t i = 0; i < count; i++) {
		one = proc_usage(pids[i]);
		sum.cpu_ns += one.cpu_ns;
		sum.rss_kb += one.rss_kb;
		sum.pss_kb += one.pss_kb;
		sum.private_dirty_kb += one.private_dirty_kb;
	}
	return sum;
}

static double
own_cpu_s(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Readers */

static void
take(const char *text, size_t len, int64_t now, int64_t *last)
{
	int64_t	 sent = crowd_number(text, len, ROWS_CLOCK);

	if (sent == -1)
		return;			/* a comment, a keepalive */
	if (delivered == expected)
		proc_die("readers", "more deliveries than rows");
	disorder += sent <= *last;
	*last = sent;
	last_ns = now;
	latency_ns[delivered++] = now - sent;
}

static void
message(struct subscriber *s, const char *text, size_t len, int64_t now_ns, void *arg)
{
	(void)arg;
	take(text, len, now_ns, &s->last);
}

/* Everything has arrived, or the publisher has ended and nothing came for a while. */
static bool
is_done(void)
{
	static bool	 published;
	static int64_t	 quiet_since;
	static size_t	 seen;
	int		 status;

	if (delivered == expected)
		return true;
	if (!published && waitpid(publisher, &status, WNOHANG) == publisher) {
		published = true;
		if (status != 0)
			proc_die("publisher", "it failed");
	}
	if (!published || delivered != seen) {
		seen = delivered;
		quiet_since = proc_now_ns();
	}
	return proc_now_ns() - quiet_since > QUIET_NS;
}

static void
settle(struct crowd *c, int64_t ns)
{
	for (int64_t end = proc_now_ns() + ns; proc_now_ns() < end; )
		crowd_turn(c, 50);
}

static void
read_notifications(void)
{
	PGconn		*db = PQconnectdb(conninfo);
	struct pollfd	 p = { .events = POLLIN };
	PGnotify	*note;
	int64_t		 now, last = 0;

	if (PQstatus(db) != CONNECTION_OK)
		proc_die("connect", PQerrorMessage(db));
	PQclear(PQexec(db, "LISTEN signals"));
	p.fd = PQsocket(db);
	kill(publisher, SIGCONT);
	while (!is_done()) {
		poll(&p, 1, 50);
		now = proc_now_ns();
		if (PQconsumeInput(db) == 0)
			proc_die("listen", PQerrorMessage(db));
		while ((note = PQnotifies(db)) != NULL) {
			take(note->extra, strlen(note->extra), now, &last);
			PQfreemem(note);
		}
	}
	PQfinish(db);
}

/* Report */

static int
compare(const void *a, const void *b)
{
	int64_t	 x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double
percentile_ms(size_t percent)
{
	size_t	 at = delivered * percent / 100;

	return (double)latency_ns[at] / 1e6;
}

static void
report_deliveries(int64_t began_ns, int64_t cpu_ns, double client_cpu_s)
{
	double	 wall_s = (double)(last_ns - began_ns) / 1e9;

	printf("delivered=%zu expected=%zu disorder=%zu", delivered, expected, disorder);
	if (delivered == 0)
		return;
	qsort(latency_ns, delivered, sizeof(*latency_ns), compare);
	printf(" p50_ms=%.3f p90_ms=%.3f p99_ms=%.3f max_ms=%.3f", percentile_ms(50), percentile_ms(90), percentile_ms(99),
	    (double)latency_ns[delivered - 1] / 1e6);
	if (cpu_ns > 0)
		printf(" per_s=%.0f cpu_us=%.2f server_share=%.2f client_share=%.2f", (double)delivered / wall_s,
		    (double)cpu_ns / 1e3 / (double)delivered, (double)cpu_ns / 1e9 / wall_s, client_cpu_s / wall_s);
}

static void
report_memory(const struct proc_usage *none, const struct proc_usage *all)
{
	double	 count = (double)clients;

	printf(" pss_kb=%ld dirty_kb=%ld rss_kb=%ld", all->pss_kb, all->private_dirty_kb, all->rss_kb);
	printf(" pss_kb_a_client=%.2f dirty_kb_a_client=%.2f", (double)(all->pss_kb - none->pss_kb) / count,
	    (double)(all->private_dirty_kb - none->private_dirty_kb) / count);
}

static void
measure_crowd(const char *url, enum crowd_kind kind)
{
	const struct crowd_params	 params = { .kind = kind, .url = url, .count = clients, .retry_ms = -1,
	    .spread = clients > SPREAD_ABOVE, .message = message };
	struct crowd			*c = crowd_new(&params);
	struct proc_usage		 none = server_usage(), all;
	double				 own_s;
	int64_t				 began, connected;

	began = proc_now_ns();
	crowd_open(c, 100);
	connected = proc_now_ns();
	settle(c, SETTLE_NS);
	all = server_usage();
	own_s = own_cpu_s();
	if (idle_seconds > 0) {
		settle(c, (int64_t)(idle_seconds * 1e9));
		printf("clients=%zu connect_s=%.2f idle_cpu_ms_a_s=%.2f", clients, (double)(connected - began) / 1e9,
		    (double)(server_usage().cpu_ns - all.cpu_ns) / 1e6 / idle_seconds);
		all = server_usage();
	} else {
		began = proc_now_ns();
		kill(publisher, SIGCONT);
		while (!is_done())
			crowd_turn(c, 50);
		report_deliveries(began, server_usage().cpu_ns - all.cpu_ns, own_cpu_s() - own_s);
	}
	report_memory(&none, &all);
	crowd_free(c);
}

static void
start_publisher(void)
{
	const struct rows_params	 params = {
		.conninfo = conninfo, .rate = rate, .count = rows, .batch = burst > 0 ? BURST_BATCH : 1, .symbols = SYMBOLS,
	};

	expected = rows * clients;
	if ((latency_ns = calloc(expected, sizeof(*latency_ns))) == NULL)
		proc_die("memory", strerror(errno));
	publisher = rows_fork(&params);
}

static enum crowd_kind
kind_of(const char *name)
{
	if (strcmp(name, "sse") == 0)
		return CROWD_SSE;
	if (strcmp(name, "ws") == 0)
		return CROWD_WEBSOCKET;
	if (strcmp(name, "realtime") != 0)
		proc_die(name, "no kind: sse, ws or realtime");
	return CROWD_REALTIME;
}

int
main(int argc, char **argv)
{
	enum crowd_kind	 kind = CROWD_SSE;
	const char	*url = NULL;
	int		 opt;

	while ((opt = getopt(argc, argv, "d:r:s:b:i:u:n:k:p:")) != -1)
		switch (opt) {
		case 'd': conninfo = optarg; break;
		case 'r': rate = atof(optarg); break;
		case 's': seconds = atof(optarg); break;
		case 'b': burst = (size_t)atol(optarg); break;
		case 'i': idle_seconds = atof(optarg); break;
		case 'u': url = optarg; break;
		case 'n': clients = (size_t)atol(optarg); break;
		case 'k': kind = kind_of(optarg); break;
		case 'p': pids_text = optarg; break;
		default: proc_die("usage", "see the head of fan.c");
		}
	rows = burst > 0 ? burst : (size_t)(rate * seconds);
	if (clients == 0 || (idle_seconds > 0 ? url == NULL : conninfo == NULL || rows == 0))
		proc_die("usage", "see the head of fan.c");
	if (idle_seconds == 0)
		start_publisher();
	if (url != NULL)
		measure_crowd(url, kind);
	else {
		read_notifications();
		report_deliveries(0, 0, 0);
	}
	printf("\n");
	free(latency_ns);
	return delivered == expected && disorder == 0 ? 0 : 1;
}
