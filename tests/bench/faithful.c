/*
 * faithful: readers that resume, while the servers and the database fail, and then what each of them got.
 *
 *	faithful -d CONNINFO -r RATE -b BATCH -g NAME:KIND:COUNT:URL ... [-w COUNT:PORT] -x COMMAND
 *
 * Groups (-g) of COUNT readers of a KIND (sse, ws, realtime) reconnect for ever, after 20 ms, and resume where the protocol
 * can; -w are webhook receivers, of which the one at /N gets the signals of symbol SN/USDT.  A child process writes RATE
 * signals a second, BATCH a transaction, and repeats what was not confirmed.  The shell's COMMAND brings the faults; when it
 * has ended, so does the writer, and when all have everything, or nothing came for 15 s, the log in the database tells what
 * each reader missed.  One line a group; exit 1 when a group whose name does not begin with "bridge" missed something, got
 * it out of order, or got what the database does not have.
 */
#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/crowd/crowd.h"
#include "tests/bench/crowd/hooks.h"
#include "tests/bench/crowd/rows.h"
#include "tests/bench/crowd/tally.h"
#include "tests/bench/superv/proc.h"

#define GROUPS_MAX	8
#define RETRY_MS	20
#define QUIET_NS	INT64_C(15000000000)

struct group {
	const char	*name;
	size_t		 count;
	struct tally	*tallies;
	struct crowd	*crowd;		/* NULL: webhooks */
	int64_t		 gone_ns;	/* since when not all are live; 0: they are */
	int64_t		 outage_ns;	/* the longest of these times */
};

/* The log, in the order of seq. */
struct truth {
	int64_t	*seqs;
	size_t	*symbols;
	size_t	 count;
};

static struct group	 groups[GROUPS_MAX];
static size_t		 group_count;
static struct hooks	*hooks;
static int64_t		 news_ns;	/* when something new came last */

static void
take(struct tally *t, const char *text, size_t len, int64_t now_ns)
{
	size_t	 before = t->distinct;
	int64_t	 seq = crowd_number(text, len, "\"seq\":");

	if (seq == -1)
		return;			/* a comment, a keepalive */
	tally_take(t, seq, crowd_number(text, len, ROWS_CLOCK), now_ns);
	if (t->distinct > before)
		news_ns = now_ns;
}

static void
message(struct subscriber *s, const char *text, size_t len, int64_t now_ns, void *arg)
{
	take(&((struct group *)arg)->tallies[s->index], text, len, now_ns);
}

static void
hook(size_t index, const char *body, size_t len, int64_t now_ns, void *arg)
{
	take(&((struct group *)arg)->tallies[index], body, len, now_ns);
}

/* Groups */

static struct group *
add_group(const char *name, size_t count)
{
	struct group	*g = &groups[group_count++];

	if (group_count > GROUPS_MAX || count == 0)
		proc_die("groups", "too many, or an empty one");
	*g = (struct group){ .name = name, .count = count, .tallies = calloc(count, sizeof(*g->tallies)) };
	if (g->tallies == NULL)
		proc_die("memory", strerror(errno));
	for (size_t i = 0; i < count; i++)
		tally_init(&g->tallies[i]);
	return g;
}

static void
add_readers(char *text)
{
	struct crowd_params	 params = { .retry_ms = RETRY_MS, .spread = true, .message = message };
	char			*name = strtok(text, ":"), *kind = strtok(NULL, ":"), *count = strtok(NULL, ":");

	params.url = strtok(NULL, "");
	if (params.url == NULL)
		proc_die("-g", "NAME:KIND:COUNT:URL");
	params.kind = strcmp(kind, "sse") == 0 ? CROWD_SSE : strcmp(kind, "ws") == 0 ? CROWD_WEBSOCKET : CROWD_REALTIME;
	params.count = (size_t)atol(count);
	params.arg = add_group(name, params.count);
	((struct group *)params.arg)->crowd = crowd_new(&params);
}

static void
add_hooks(char *text)
{
	char		*count = strtok(text, ":"), *port = strtok(NULL, ":");
	struct group	*g = add_group("webhook", (size_t)atol(count));

	if (port == NULL)
		proc_die("-w", "COUNT:PORT");
	hooks = hooks_new(atoi(port), g->count, hook, g);
}

/* One turn of everything. */

static void
watch_outage(struct group *g, int64_t now)
{
	bool	 whole = crowd_counts(g->crowd)->live == g->count;

	if (!whole && g->gone_ns == 0)
		g->gone_ns = now;
	if (g->gone_ns != 0 && now - g->gone_ns > g->outage_ns)
		g->outage_ns = now - g->gone_ns;
	if (whole)
		g->gone_ns = 0;
}

static void
turn(void)
{
	struct pollfd	 p[GROUPS_MAX] = { 0 };

	for (size_t i = 0; i < group_count; i++) {
		p[i].fd = groups[i].crowd != NULL ? crowd_fd(groups[i].crowd) : hooks_fd(hooks);
		p[i].events = POLLIN;
	}
	poll(p, group_count, 5);
	for (size_t i = 0; i < group_count; i++)
		if (groups[i].crowd == NULL)
			hooks_turn(hooks);
		else {
			crowd_turn(groups[i].crowd, 0);
			watch_outage(&groups[i], proc_now_ns());
		}
}

/* The log */

static struct truth
read_log(const char *conninfo)
{
	PGconn		*db = PQconnectdb(conninfo);
	PGresult	*res;
	struct truth	 t;

	res = PQexec(db, "SELECT seq, split_part(substr(record->>'symbol', 2), '/', 1) FROM signal_events ORDER BY seq");
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		proc_die("log", PQerrorMessage(db));
	t.count = (size_t)PQntuples(res);
	t.seqs = calloc(t.count + 1, sizeof(*t.seqs));
	t.symbols = calloc(t.count + 1, sizeof(*t.symbols));
	if (t.seqs == NULL || t.symbols == NULL)
		proc_die("memory", strerror(errno));
	for (size_t i = 0; i < t.count; i++) {
		t.seqs[i] = strtoll(PQgetvalue(res, (int)i, 0), NULL, 10);
		t.symbols[i] = strtoul(PQgetvalue(res, (int)i, 1), NULL, 10);
	}
	PQclear(res);
	PQfinish(db);
	return t;
}

/* What the reader at `index` is to get, into `seqs`, which has room for all: how many. */
static size_t
expected_of(const struct group *g, size_t index, const struct truth *t, int64_t *seqs)
{
	size_t	 count = 0;

	for (size_t i = 0; i < t->count; i++)
		if (g->crowd != NULL || t->symbols[i] == index)
			seqs[count++] = t->seqs[i];
	return count;
}

static bool
is_complete(const struct truth *t)
{
	size_t	 whole = 0, got = 0;

	for (size_t i = 0; i < group_count; i++) {
		if (strncmp(groups[i].name, "bridge", 6) == 0)
			continue;
		whole += groups[i].crowd == NULL ? t->count : t->count * groups[i].count;
		for (size_t k = 0; k < groups[i].count; k++)
			got += groups[i].tallies[k].distinct;
	}
	return got >= whole;
}

static void
report_connections(const struct group *g)
{
	const struct crowd_counts	*counts;

	if (g->crowd == NULL) {
		printf(" connects=%" PRIu64 "\n", hooks_connects(hooks));
		return;
	}
	counts = crowd_counts(g->crowd);
	printf(" connects=%" PRIu64 " refused=%" PRIu64 " resets=%" PRIu64 " longest_outage_ms=%.0f\n", counts->connects,
	    counts->refused, counts->resets, (double)g->outage_ns / 1e6);
}

/* True when there is nothing to complain about. */
static bool
report_group(const struct group *g, const struct truth *t)
{
	int64_t	*seqs = calloc(t->count + 1, sizeof(*seqs)), late_ns = 0;
	size_t	 count, missed = 0, disordered = 0, repeated = 0, unknown = 0, expected = 0, lacking = 0, one;

	if (seqs == NULL)
		proc_die("memory", strerror(errno));
	for (size_t i = 0; i < g->count; i++) {
		count = expected_of(g, i, t, seqs);
		one = tally_missed(&g->tallies[i], seqs, count);
		expected += count;
		missed += one;
		lacking += one > 0;
		unknown += g->tallies[i].distinct - (count - one);
		disordered += g->tallies[i].disordered;
		repeated += g->tallies[i].repeated;
		if (g->tallies[i].late_ns > late_ns)
			late_ns = g->tallies[i].late_ns;
	}
	free(seqs);
	printf("group=%s readers=%zu expected=%zu missed=%zu readers_that_miss=%zu out_of_order=%zu doubled=%zu", g->name,
	    g->count, expected, missed, lacking, disordered, unknown);
	printf(" repeats_dropped_by_seq=%zu latest_ms=%.0f", repeated, (double)late_ns / 1e6);
	report_connections(g);
	return strncmp(g->name, "bridge", 6) == 0 || (missed == 0 && disordered == 0 && unknown == 0);
}

static void
release(struct truth *t)
{
	free(t->seqs);
	free(t->symbols);
	for (size_t i = 0; i < group_count; i++) {
		for (size_t k = 0; k < groups[i].count; k++)
			tally_release(&groups[i].tallies[k]);
		free(groups[i].tallies);
		if (groups[i].crowd != NULL)
			crowd_free(groups[i].crowd);
		else
			hooks_free(hooks);
	}
}

static pid_t
start_command(const char *command)
{
	pid_t	 pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void
turn_until_ended(pid_t pid)
{
	while (waitpid(pid, NULL, WNOHANG) == 0)
		turn();
}

int
main(int argc, char **argv)
{
	struct rows_params	 rows = { .batch = 1, .symbols = 100, .retry = true };
	const char		*command = NULL;
	struct truth		 truth;
	pid_t			 writer;
	bool			 ok = true;
	int			 opt;

	while ((opt = getopt(argc, argv, "d:r:b:g:w:x:")) != -1)
		switch (opt) {
		case 'd': rows.conninfo = optarg; break;
		case 'r': rows.rate = atof(optarg); break;
		case 'b': rows.batch = (size_t)atol(optarg); break;
		case 'g': add_readers(optarg); break;
		case 'w': rows.symbols = (size_t)atol(optarg), add_hooks(optarg); break;
		case 'x': command = optarg; break;
		default: proc_die("usage", "see the head of faithful.c");
		}
	if (rows.conninfo == NULL || rows.rate <= 0 || command == NULL || group_count == 0)
		proc_die("usage", "see the head of faithful.c");
	writer = rows_fork(&rows);
	for (size_t i = 0; i < group_count; i++)
		if (groups[i].crowd != NULL)
			crowd_open(groups[i].crowd, 200);
	kill(writer, SIGCONT);
	turn_until_ended(start_command(command));
	kill(writer, SIGTERM);
	turn_until_ended(writer);
	truth = read_log(rows.conninfo);
	for (news_ns = proc_now_ns(); !is_complete(&truth) && proc_now_ns() - news_ns < QUIET_NS; )
		turn();
	printf("signals=%zu\n", truth.count);
	for (size_t i = 0; i < group_count; i++)
		ok &= report_group(&groups[i], &truth);
	release(&truth);
	return ok ? 0 : 1;
}
