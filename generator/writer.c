#include "generator/writer.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/hist.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pg.h"
#include "generator/batch.h"
#include "generator/spool.h"

#define LOCK_NOT_AVAILABLE	"55P03"
#define NONE			SIZE_MAX
#define SPILL_MS		200		/* rows wait in memory alone no longer than this */
#define SPILL_BYTES		(256 << 10)	/* nor more of them, while there is no session */
#define BATCH_BYTES	(4 << 20)		/* nor more in one transaction: the role's statement_timeout is 30 s, on any machine */
#define EARLY_MAX		16		/* beyond so many no more statements are sent before it is their turn */
#define DRAIN_BYTES		(256 << 10)	/* of the spool, in one transaction */

enum note_kind { NOTE_CHANGED, NOTE_OPENED, NOTE_VOID };

/* A written row that is told in the log once it has committed. */
struct note {
	char		 text[320];
	enum note_kind	 kind;
	int64_t		 generated_us;	/* of an opening */
	struct note	*next;
};

struct writer {
	struct event_base	*base;
	struct pg		*pg;
	struct writer_handler	 handler;
	void			*arg;
	size_t			 backlog_max;
	bool			 session_up;
	struct spool		*spool;
	struct batch		*gathering;
	struct batch		*in_flight;	/* sealed; kept until it has committed */
	bool			 in_flight_is_old; /* it was in the spool, and may have been sent before */
	size_t			 answered;	/* statements of it */
	size_t			 failed_at;	/* statement that ended the attempt; NONE: no statement did */
	bool			 sent;		/* the attempt at in_flight is under way */
	unsigned		 attempts;	/* at in_flight */
	bool			 undone;	/* its COMMIT did nothing */
	/*
	 * Statements of `gathering` that have been sent behind the transaction
	 * in flight, in one that is open.  Statements are numbered as they are
	 * sent, and answered in that order; answers to those from void_from to
	 * void_to do not matter any more.
	 */
	size_t			 early;
	uint64_t		 asked, heard, early_from, void_from, void_to;
	struct note		*notes, **last_note;
	struct event		*retry, *spill;
	struct backoff		 backoff;
	uint64_t		 commits, rows, opened, voided, changed, refused, retries;
	int64_t			 last_commit_us;	/* wall */
	struct hist		 to_sent, latency;	/* generated -> sent, of each batch's oldest; -> committed */
};

static void	 send_batch(struct writer *w, size_t sent);
static void	 advance(struct writer *w);

static void
drop_notes(struct writer *w)
{
	struct note	*n;

	while ((n = w->notes) != NULL) {
		w->notes = n->next;
		free(n);
	}
	w->last_note = &w->notes;
}

static struct note *
add_note(struct writer *w)
{
	struct note	*n = xcalloc(1, sizeof(*n));

	*w->last_note = n;
	w->last_note = &n->next;
	return n;
}

static void
note_opened(struct writer *w, const struct pg_result *res)
{
	struct note	*n;
	bool		 active;

	for (int i = 0; i < pg_rows(res); i++) {
		n = add_note(w);
		active = strcmp(pg_text(res, i, 9), "active") == 0;
		snprintf(n->text, sizeof(n->text),
		    "%s id=%s symbol=%s timeframe=%s strategy=%s side=%s entry=%s stop_loss=%s confidence=%s",
		    active ? "opened" : "too late, older than its max_age: void", pg_text(res, i, 0), pg_text(res, i, 1), pg_text(res, i, 2), pg_text(res, i, 3), pg_text(res, i, 4),
		    pg_text(res, i, 5), pg_text(res, i, 6), pg_text(res, i, 7));
		n->kind = active ? NOTE_OPENED : NOTE_VOID;
		n->generated_us = pg_int(res, i, 8);
	}
}

static void
note_changed(struct writer *w, const struct pg_result *res)
{
	const char	*exit_price;
	struct note	*n;
	int		 len;

	for (int i = 0; i < pg_rows(res); i++) {
		n = add_note(w);
		exit_price = pg_text(res, i, 8);
		len = snprintf(n->text, sizeof(n->text),
		    "%s id=%s symbol=%s timeframe=%s strategy=%s side=%s targets_hit=%s stop_loss=%s",
		    exit_price == NULL ? "changed" : "closed", pg_text(res, i, 0), pg_text(res, i, 1), pg_text(res, i, 2),
		    pg_text(res, i, 3), pg_text(res, i, 4), pg_text(res, i, 6), pg_text(res, i, 7));
		if (exit_price != NULL && len > 0 && (size_t)len < sizeof(n->text))
			snprintf(n->text + len, sizeof(n->text) - (size_t)len, " status=%s exit_price=%s outcome=%s r_multiple=%.4g",
			    pg_text(res, i, 5), exit_price, pg_text(res, i, 9), strtod(pg_text(res, i, 10), NULL));
	}
}

static void
blocker_cb(const struct pg_result *res, void *arg)
{
	(void)arg;
	if (pg_ok(res) && pg_rows(res) > 0)
		log_warnx("writer", "blocked by a transaction of somebody else backend_pid=%s user=\"%s\" state=\"%s\" query=\"%s\"",
		    pg_text(res, 0, 0), pg_text(res, 0, 1), pg_text(res, 0, 2), pg_text(res, 0, 3));
}

/* Who holds the lock of signals? */
static void
name_blocker(struct writer *w)
{
	pg_query(w->pg, "SELECT pid, username, state, query FROM tocsin_blocker()", 0, NULL, blocker_cb, NULL);
}

/* A new session would do better: plans of changed tables, statements that are gone, a server that became a standby. */
static bool
is_of_session(const char *sqlstate)
{
	return strncmp(sqlstate, "0A", 2) == 0 || strncmp(sqlstate, "26", 2) == 0 || strcmp(sqlstate, "25006") == 0;
}

/*
 * Errors in the data (class 22) and against a constraint (23) come again with
 * every attempt; all others can pass: a lock, a restart, a full disk.
 */
static bool
is_permanent(const char *sqlstate)
{
	return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0;
}

/* What was sent early is for nothing: its transaction goes, it will be sent again. */
static void
undo_early(struct writer *w)
{
	if (w->early == 0)
		return;
	w->void_from = w->early_from;
	w->void_to = w->asked;
	w->early = 0;
	/* In a group of its own, or an error of what was sent early would skip it. */
	pg_sync(w->pg, NULL, NULL);
	pg_query(w->pg, "ROLLBACK", 0, NULL, NULL, NULL);
}

static void
attempt_failed(struct writer *w, const struct pg_result *res)
{
	const char	*json;
	enum batch_kind	 kind;
	unsigned	 wait_ms;
	struct timeval	 wait;

	if (pg_lost(res))
		return;			/* sent again when the session is back */
	undo_early(w);
	if (is_permanent(pg_sqlstate(res)) && w->failed_at != NONE) {
		/* One bad row must not take the good ones of its statement along. */
		if (batch_split(w->in_flight, w->failed_at)) {
			send_batch(w, 0);
			return;
		}
		kind = batch_statement(w->in_flight, w->failed_at, &json);
		log_errorx("writer", "the database refuses a row for good, leaving it out kind=%s sqlstate=%s why=\"%s\" row=%.2000s",
		    batch_names[kind], pg_sqlstate(res), pg_error(res), json);
		batch_refuse(w->in_flight, w->failed_at);
		w->refused++;
		send_batch(w, 0);
		return;
	}
	w->retries++;
	if (is_of_session(pg_sqlstate(res))) {
		log_warnx("writer", "cannot commit on this session sqlstate=%s why=\"%s\"", pg_sqlstate(res), pg_error(res));
		pg_reset(w->pg, "it cannot commit any more");
		return;
	}
	wait_ms = backoff_next_ms(&w->backoff, backoff_random());
	wait = clock_timeval_ms(wait_ms);
	log_warnx("writer", "cannot commit, trying again sqlstate=%s why=\"%s\" retry_ms=%u", pg_sqlstate(res),
	    w->undone ? "its transaction was rolled back by somebody else" : pg_error(res), wait_ms);
	if (strcmp(pg_sqlstate(res), LOCK_NOT_AVAILABLE) == 0)
		name_blocker(w);
	event_add(w->retry, &wait);
}

static void
committed(struct writer *w)
{
	int64_t	 now = clock_wall_us();

	for (struct note *n = w->notes; n != NULL; n = n->next) {
		log_info("signal", "%s", n->text);
		switch (n->kind) {
		case NOTE_OPENED:
			w->opened++;
			hist_add(&w->latency, now - n->generated_us);
			break;
		case NOTE_VOID:
			w->voided++;
			break;
		case NOTE_CHANGED:
			w->changed++;
		}
	}
	drop_notes(w);
	backoff_reset(&w->backoff);
	w->commits++;
	w->rows += batch_rows(w->in_flight);
	w->last_commit_us = now;
	batch_free(w->in_flight);
	w->in_flight = NULL;
	spool_done(w->spool);
	if (w->early == 0 && w->handler.between != NULL)
		w->handler.between(w->arg);
	advance(w);
	w->handler.committed(w->arg);
}

/* In a transaction that has failed it succeeds, and rolls back. */
static void
commit_cb(const struct pg_result *res, void *arg)
{
	struct writer	*w = arg;

	w->undone = pg_ok(res) && strcmp(pg_tag(res), "COMMIT") != 0;
}

static void
verdict_cb(const struct pg_result *res, void *arg)
{
	struct writer	*w = arg;

	w->sent = false;
	if (pg_ok(res) && !w->undone)
		committed(w);
	else
		attempt_failed(w, res);
}

static void
tell_closed(struct writer *w, const struct pg_result *res)
{
	for (int i = 0; i < pg_rows(res); i++)
		w->handler.closed(pg_text(res, i, 0), pg_text(res, i, 1), pg_text(res, i, 2), pg_text(res, i, 3), pg_int(res, i, 4),
		    pg_int(res, i, 5), w->arg);
}

static void
statement_cb(const struct pg_result *res, void *arg)
{
	struct writer	*w = arg;
	const char	*json;
	size_t		 index;
	uint64_t	 number = w->heard++;

	if (pg_lost(res) || (number >= w->void_from && number < w->void_to))
		return;
	/* Answers come in order; the refused ones were not sent. */
	while (batch_is_refused(w->in_flight, w->answered))
		w->answered++;
	index = w->answered++;
	if (!pg_ok(res)) {
		if (!pg_skipped(res))
			w->failed_at = index;
		return;
	}
	switch (batch_statement(w->in_flight, index, &json)) {
	case BATCH_OPEN:
		/* Sent before, they may be there already; else somebody else's signal is in the way. */
		if (w->attempts == 1 && !w->in_flight_is_old && (size_t)pg_affected(res) < batch_statement_rows(w->in_flight, index))
			log_warnx("writer", "signals not written: the same or another active one stands there rows=%zu written=%d json=%.600s",
			    batch_statement_rows(w->in_flight, index), pg_affected(res), json);
		note_opened(w, res);
		break;
	case BATCH_CHANGE:
		note_changed(w, res);
		break;
	case BATCH_REFRESH:
		tell_closed(w, res);
		break;
	case BATCH_CANDLES:
	case BATCH_CORRECT:
	case BATCH_STATE:
	case BATCH_KINDS:
		break;
	}
}

static int
send_statements(struct writer *w, const struct batch *b, size_t from, size_t to)
{
	const char	*json;
	enum batch_kind	 kind;

	for (size_t i = from; i < to; i++) {
		kind = batch_statement(b, i, &json);
		if (batch_is_refused(b, i))
			continue;
		if (pg_send_prepared(w->pg, batch_names[kind], 1, &json, statement_cb, w) == -1)
			return -1;
		w->asked++;
	}
	return 0;
}

/*
 * Taken just before send(2): on few cores the kernel may well run the server that
 * it wakes before it lets us go on.
 */
static void
note_sent(struct writer *w, struct batch *b)
{
	int64_t	 oldest_us = batch_take_oldest_us(b);

	if (oldest_us != INT64_MAX)
		hist_add(&w->to_sent, clock_wall_us() - oldest_us);
}

/*
 * The first `sent` statements are on their way, in a transaction that is open.
 * BEGIN and COMMIT are commands of their own, so that an error of the commit has
 * a result of its own.
 */
static void
send_batch(struct writer *w, size_t sent)
{
	if (!w->session_up || w->sent)
		return;
	drop_notes(w);
	w->answered = 0;
	w->attempts++;
	w->failed_at = NONE;
	w->undone = false;
	if ((sent == 0 && pg_send(w->pg, "BEGIN", 0, NULL, NULL, NULL) == -1) ||
	    send_statements(w, w->in_flight, sent, batch_statements(w->in_flight)) == -1 ||
	    pg_send(w->pg, "COMMIT", 0, NULL, commit_cb, w) == -1)
		return;
	note_sent(w, w->in_flight);
	w->sent = pg_sync(w->pg, verdict_cb, w) == 0;
}

/*
 * Signals do not wait until the transaction in flight has committed: their
 * statements go behind it, into the one that is its next, and that is committed
 * once it is its turn.  So the order of commits stays, and nothing of it counts
 * before.
 */
static void
send_early(struct writer *w)
{
	size_t	 count;

	if (!w->sent || w->heard < w->void_to || w->early >= EARLY_MAX || !spool_is_empty(w->spool) || batch_signal_rows(w->gathering) == 0)
		return;
	count = batch_close_signals(w->gathering);
	if (w->early == 0)
		w->early_from = w->asked;
	if (count == w->early || (w->early == 0 && pg_send(w->pg, "BEGIN", 0, NULL, NULL, NULL) == -1) ||
	    send_statements(w, w->gathering, w->early, count) == -1)
		return;
	w->early = count;
	note_sent(w, w->gathering);
	pg_flush(w->pg);
}

/* The next transaction, if there is something to commit and nothing under way. */
static void
advance(struct writer *w)
{
	size_t	 sent = w->early;

	if (w->in_flight != NULL || !w->session_up)
		return;
	if ((w->in_flight = spool_next(w->spool, DRAIN_BYTES)) != NULL)
		w->in_flight_is_old = true;
	else if (batch_rows(w->gathering) > 0) {
		w->in_flight = w->gathering;
		w->in_flight_is_old = false;
		w->gathering = batch_new();
		batch_seal(w->in_flight);
		spool_note(w->spool, w->in_flight);
		event_del(w->spill);
	} else
		return;
	w->attempts = 0;
	w->early = 0;
	send_batch(w, sent);
}

/* What was gathered cannot be sent now: out of memory with it. */
static void
spill(struct writer *w)
{
	struct batch	*b = w->gathering;

	event_del(w->spill);
	if (batch_rows(b) == 0)
		return;
	undo_early(w);
	w->gathering = batch_new();
	batch_seal(b);
	spool_put_take(w->spool, b, !w->session_up);
}

static size_t
spill_bytes(const struct writer *w)
{
	if (!w->session_up)
		return SPILL_BYTES;
	return w->backlog_max / 2 < BATCH_BYTES ? w->backlog_max / 2 : BATCH_BYTES;
}

static void
spill_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	spill(arg);
}

static void
retry_cb(evutil_socket_t fd, short what, void *arg)
{
	struct writer	*w = arg;

	(void)fd, (void)what;
	if (w->in_flight != NULL)
		send_batch(w, 0);
}

struct writer *
writer_new(struct event_base *base, struct pg *pg, struct spool *spool, size_t backlog_max, const struct writer_handler *handler, void *arg)
{
	struct writer	*w = xcalloc(1, sizeof(*w));

	w->base = base;
	w->pg = pg;
	w->spool = spool;
	w->backlog_max = backlog_max;
	w->handler = *handler;
	w->arg = arg;
	w->gathering = batch_new();
	w->last_note = &w->notes;
	w->backoff = (struct backoff){ .base_ms = 50, .max_ms = 5000 };
	if ((w->retry = event_new(base, -1, 0, retry_cb, w)) == NULL || (w->spill = event_new(base, -1, 0, spill_cb, w)) == NULL)
		fatalx("writer", "out of memory");
	return w;
}

void
writer_free(struct writer *w)
{
	if (w == NULL)
		return;
	drop_notes(w);
	batch_free(w->gathering);
	batch_free(w->in_flight);
	event_free(w->retry);
	event_free(w->spill);
	spool_free(w->spool);
	free(w);
}

struct batch *
writer_batch(struct writer *w)
{
	return w->gathering;
}

void
writer_flush(struct writer *w)
{
	const struct timeval	 wait = clock_timeval_ms(SPILL_MS);

	advance(w);
	if (batch_rows(w->gathering) == 0)
		return;
	if (batch_bytes(w->gathering) > spill_bytes(w)) {
		spill(w);
		return;
	}
	send_early(w);
	if (!event_pending(w->spill, EV_TIMEOUT, NULL))
		event_add(w->spill, &wait);
}

void
writer_session_up(struct writer *w)
{
	w->session_up = true;
	if (w->in_flight != NULL)
		send_batch(w, 0);
	else
		advance(w);
}

void
writer_session_down(struct writer *w)
{
	w->session_up = w->sent = false;
	w->early = 0;
	w->asked = w->heard = w->void_from = w->void_to = 0;
	event_del(w->retry);
}

bool
writer_save(struct writer *w)
{
	spill(w);
	return spool_save(w->spool);
}

bool
writer_has_begun(const struct writer *w)
{
	return w->sent;
}

bool
writer_is_full(const struct writer *w)
{
	return batch_bytes(w->gathering) + spool_bytes(w->spool) > w->backlog_max;
}

bool
writer_is_short_of_room(const struct writer *w)
{
	return spool_is_short_of_room(w->spool);
}

bool
writer_is_idle(const struct writer *w)
{
	return w->in_flight == NULL && batch_rows(w->gathering) == 0 && spool_is_empty(w->spool);
}

void
writer_status_json(const struct writer *w, struct jsonw *json)
{
	char	 text[CLOCK_TEXT_MAX];

	jsonw_object(json, "writer");
	jsonw_int(json, "commits", (int64_t)w->commits);
	jsonw_int(json, "rows", (int64_t)w->rows);
	jsonw_int(json, "signals_opened", (int64_t)w->opened);
	jsonw_int(json, "signals_too_late", (int64_t)w->voided);
	jsonw_int(json, "signals_changed", (int64_t)w->changed);
	jsonw_int(json, "rows_refused", (int64_t)w->refused);
	jsonw_int(json, "retries", (int64_t)w->retries);
	jsonw_int(json, "backlog_bytes", (int64_t)(batch_bytes(w->gathering) + (w->in_flight != NULL ? batch_bytes(w->in_flight) : 0)));
	if (w->last_commit_us != 0)
		jsonw_str(json, "last_commit_at", clock_iso_ms(w->last_commit_us, text));
	hist_json(json, "generated_to_sent", &w->to_sent);
	hist_json(json, "generated_to_committed", &w->latency);
	jsonw_end_object(json);
	spool_status_json(w->spool, json);
}
