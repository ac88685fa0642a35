#include "tests/bench/crowd/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/superv/proc.h"

#define BATCH_MAX	1000
#define RETRY_MS	50

/* A record of the size that the generator's have.  Each row has a strategy of its own: only one of a kind may be active. */
static const char	 insert_sql[] =
	"INSERT INTO signals (exchange, symbol, timeframe, strategy, params_hash, side, candle_open_time, candle_close_time,"
	" entry, stop_loss, initial_stop, targets, confidence, reason, indicators, generated_at, expires_at)"
	" SELECT 'bench', symbol, '1m', strategy, '0123456789abcdef', 'long', '2026-01-01 00:00Z', '2026-01-01 00:01Z',"
	" 87650.12, 87000, 87000, '{88600.5,89550.25}', 0.715,"
	" 'EMA 12 crossed above EMA 26 with ADX 14 at 27.41: the trend turns up',"
	" '{\"ema_fast\":87644.221,\"ema_slow\":87641.907,\"adx\":27.41,\"atr\":433.2}', clock_timestamp(), '2026-01-01 00:25Z'"
	" FROM unnest($1::text[], $2::text[]) AS n (symbol, strategy) ON CONFLICT DO NOTHING";

struct writer {
	const struct rows_params	*params;
	PGconn				*db;
	char				 symbols[BATCH_MAX * 48], strategies[BATCH_MAX * 48];
};

static volatile sig_atomic_t	 stopped;

static void
stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/* A server that is killed under us says so: that is no news here. */
static void
no_notice(void *arg, const char *text)
{
	(void)arg, (void)text;
}

static bool
prepare(struct writer *w)
{
	PGresult	*res = PQprepare(w->db, "ins", insert_sql, 2, NULL);
	bool		 ok = PQresultStatus(res) == PGRES_COMMAND_OK;

	PQclear(res);
	return ok;
}

static void
open_session(struct writer *w)
{
	for (;;) {
		w->db = PQconnectdb(w->params->conninfo);
		PQsetNoticeProcessor(w->db, no_notice, NULL);
		if (PQstatus(w->db) == CONNECTION_OK && prepare(w))
			return;
		if (!w->params->retry)
			proc_die("connect", PQerrorMessage(w->db));
		PQfinish(w->db);
		proc_sleep_ms(RETRY_MS);
	}
}

/* The two arrays of a batch, as PostgreSQL reads them. */
static void
fill(struct writer *w, size_t first, size_t count)
{
	char	*symbol = w->symbols, *strategy = w->strategies;
	size_t	 room = sizeof(w->symbols);

	for (size_t i = 0; i < count; i++) {
		symbol += snprintf(symbol, room - (size_t)(symbol - w->symbols), "%cS%zu/USDT", i == 0 ? '{' : ',',
		    (first + i) % w->params->symbols);
		strategy += snprintf(strategy, room - (size_t)(strategy - w->strategies), "%ct%" PRId64 "_%d", i == 0 ? '{' : ',',
		    proc_now_ns() + (int64_t)i, (int)getpid());
	}
	strcpy(symbol, "}");
	strcpy(strategy, "}");
}

/* What failed may have been committed all the same: a repetition of it changes nothing. */
static void
insert(struct writer *w)
{
	const char	*values[] = { w->symbols, w->strategies };
	PGresult	*res;
	bool		 ok;

	for (;;) {
		res = PQexecPrepared(w->db, "ins", 2, values, NULL, NULL, 0);
		ok = PQresultStatus(res) == PGRES_COMMAND_OK;
		PQclear(res);
		if (ok)
			return;
		if (!w->params->retry)
			proc_die("insert", PQerrorMessage(w->db));
		PQfinish(w->db);
		open_session(w);
	}
}

static void
run(struct writer *w)
{
	const struct rows_params	*params = w->params;
	int64_t				 start = proc_now_ns(), due;
	struct timespec			 at;
	size_t				 count;

	for (size_t done = 0; !stopped && (params->count == 0 || done < params->count); done += count) {
		count = params->count == 0 || params->count - done > params->batch ? params->batch : params->count - done;
		if (params->rate > 0) {
			due = start + (int64_t)((double)done * 1e9 / params->rate);
			at = (struct timespec){ due / 1000000000, due % 1000000000 };
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		}
		fill(w, done, count);
		insert(w);
	}
}

pid_t
rows_fork(const struct rows_params *params)
{
	struct sigaction	 action = { .sa_handler = stop, .sa_flags = SA_RESTART };
	static struct writer	 w;
	pid_t			 pid;

	if (params->batch == 0 || params->batch > BATCH_MAX || params->symbols == 0)
		proc_die("rows", "a batch of none or too many, or no symbols");
	if ((pid = fork()) == -1)
		proc_die("fork", strerror(errno));
	if (pid > 0) {
		waitpid(pid, NULL, WUNTRACED);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTERM, &action, NULL);
	w.params = params;
	open_session(&w);
	raise(SIGSTOP);
	run(&w);
	PQfinish(w.db);
	_exit(0);
}
