#include "generator/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "generator/journal.h"

#define OPEN_AGAIN_US	INT64_C(5000000)
#define TELL_AGAIN_US	INT64_C(10000000)	/* of what is being dropped */

/* Packed batches that the journal did not take, oldest first. */
struct kept {
	void		*data;
	size_t		 len;
	struct kept	*next;
};

struct queue {
	struct kept	*first, **last;
	size_t		 bytes;
};

struct spool {
	char		*path;
	uint64_t	 journal_max;
	size_t		 memory_max;
	struct journal	*journal;		/* NULL: cannot be opened */
	/*
	 * In memory alone.  Nothing newer goes to the journal before them: after
	 * a kill it would be committed, and they would be a hole.
	 */
	struct queue	 in_hand, waiting;
	bool		 in_use;		/* rows of this run have gone through it */
	bool		 in_trouble;		/* told that the journal cannot be written */
	int64_t		 opened_us, looked_us;	/* last attempt; last look whether it is still there */
	int64_t		 told_us;		/* last line about what was dropped */
	uint64_t	 others_dropped, signals_dropped, others_told, signals_told;
};

/* Queues */

static void
queue_put_take(struct queue *q, void *data, size_t len)
{
	struct kept	*k = xcalloc(1, sizeof(*k));

	*k = (struct kept){ .data = data, .len = len };
	*q->last = k;
	q->last = &k->next;
	q->bytes += len;
}

/* Its first; the data stays for the caller to free. */
static struct kept
queue_pop(struct queue *q)
{
	struct kept	 k = *q->first;

	free(q->first);
	if ((q->first = k.next) == NULL)
		q->last = &q->first;
	q->bytes -= k.len;
	return k;
}

static void
queue_clear(struct queue *q)
{
	while (q->first != NULL)
		free(queue_pop(q).data);
}

struct spool *
spool_new(const char *path, uint64_t journal_max, size_t memory_max)
{
	struct spool	*s = xcalloc(1, sizeof(*s));

	s->path = xstrdup(path);
	s->journal_max = journal_max;
	s->memory_max = memory_max;
	s->in_hand.last = &s->in_hand.first;
	s->waiting.last = &s->waiting.first;
	s->opened_us = s->told_us = -OPEN_AGAIN_US - TELL_AGAIN_US;
	return s;
}

void
spool_free(struct spool *s)
{
	if (s == NULL)
		return;
	queue_clear(&s->in_hand);
	queue_clear(&s->waiting);
	journal_close(s->journal);
	free(s->path);
	free(s);
}

/* The journal */

static void
make_folder(const char *path)
{
	char	*folder = xstrdup(path), *slash = strrchr(folder, '/');

	if (slash != NULL && slash != folder) {
		*slash = '\0';
		/* When it cannot be made, opening the file says why. */
		(void)mkdir(folder, 0700);
	}
	free(folder);
}

static const char *
mend_of(int err)
{
	switch (err) {
	case EWOULDBLOCK:
		return "another generator uses it: give each a state_dir of its own";
	case EINVAL:
	case EISDIR:
	case ELOOP:
	case ENXIO:
		return "it is no journal of tocsin: move it away";
	case EACCES:
	case EPERM:
	case EROFS:
		return "let the generator's user write in its folder";
	case ENOSPC:
	case EDQUOT:
		return "make room on the disk";
	default:
		return "see [tocsin] state_dir";
	}
}

static void
cannot_write(struct spool *s)
{
	int	 err = errno;

	if (!s->in_trouble)
		log_warnx("journal", "cannot be written, what waits stays in memory: %s path=%s why=\"%s\"", mend_of(err), s->path, strerror(err));
	s->in_trouble = true;
}

static void
can_write(struct spool *s)
{
	if (s->in_trouble)
		log_info("journal", "can be written again path=%s", s->path);
	s->in_trouble = false;
}

/* A file that was deleted takes all with it when this process ends. */
static void
keep_at_place(struct spool *s)
{
	if (clock_mono_us() - s->looked_us < OPEN_AGAIN_US)
		return;
	s->looked_us = clock_mono_us();
	if (journal_is_at(s->journal, s->path))
		return;
	make_folder(s->path);
	if (journal_move(s->journal, s->path) == 0)
		log_warnx("journal", "was taken away while in use, made anew with all that was in it path=%s", s->path);
	else
		log_warn("journal", "was taken away while in use and cannot be made anew: %s path=%s",
		    errno == EEXIST ? "move away what stands there now" : mend_of(errno), s->path);
}

/* 0; -1 with EFBIG when its room is used up, or another errno when it cannot be written. */
static int
append(struct spool *s, const void *data, size_t len, bool durable)
{
	if (s->journal == NULL) {
		errno = ENODEV;
		return -1;
	}
	keep_at_place(s);
	if (journal_append(s->journal, data, len, durable) == -1) {
		if (errno != EFBIG)
			cannot_write(s);
		return -1;
	}
	can_write(s);
	return 0;
}

/* What is in memory alone goes to the journal before anything newer: true when nothing is left there. */
static bool
save_memory(struct spool *s, bool durable)
{
	for (struct queue *q = &s->in_hand; ; q = &s->waiting) {
		while (q->first != NULL && append(s, q->first->data, q->first->len, durable) == 0) {
			free(queue_pop(q).data);
			if (q == &s->in_hand)
				journal_take(s->journal);
		}
		if (q->first != NULL || q == &s->waiting)
			return q->first == NULL;
	}
}

int
spool_open(struct spool *s)
{
	struct journal_found	 found;
	int			 err;

	if (s->journal != NULL)
		return 0;
	s->opened_us = clock_mono_us();
	make_folder(s->path);
	if ((s->journal = journal_open(s->path, s->journal_max, &found)) == NULL) {
		err = errno;
		if (!s->in_trouble)
			log_warnx("journal", "cannot be opened, what waits stays in memory: %s path=%s why=\"%s\"", mend_of(err), s->path,
			    strerror(err));
		s->in_trouble = true;
		errno = err;
		return -1;
	}
	can_write(s);
	if (found.cut > 0)
		log_warnx("journal", "cut off a torn tail path=%s bytes=%llu", s->path, (unsigned long long)found.cut);
	if (found.records > 0)
		log_info("journal", "an earlier run left batches to commit path=%s batches=%llu bytes=%llu", s->path,
		    (unsigned long long)found.records, (unsigned long long)found.bytes);
	if (found.records > 0 && s->in_use) {
		(void)save_memory(s, true);
		fatalx("journal", "what an earlier run left could not be read before: starting over to commit it first path=%s", s->path);
	}
	return 0;
}

static bool
open_again(struct spool *s)
{
	if (s->journal == NULL && clock_mono_us() - s->opened_us >= OPEN_AGAIN_US)
		(void)spool_open(s);
	return s->journal != NULL;
}

/* What does not fit */

static void
tell_dropped(struct spool *s)
{
	int64_t	 now = clock_mono_us();

	if (now - s->told_us < TELL_AGAIN_US || s->others_dropped + s->signals_dropped == s->others_told + s->signals_told)
		return;
	s->told_us = now;
	log_errorx("journal", "no room left for what the database has not taken: rows are lost, bring it back or raise journal_max"
	    " candle_rows=%llu signal_rows=%llu waiting_bytes=%llu", (unsigned long long)(s->others_dropped - s->others_told),
	    (unsigned long long)(s->signals_dropped - s->signals_told), (unsigned long long)spool_bytes(s));
	s->others_told = s->others_dropped;
	s->signals_told = s->signals_dropped;
}

/* Make the batch fit into what is left of `max` with `used`; false when nothing of it does. */
static bool
make_fit(struct spool *s, struct batch *b, uint64_t used, uint64_t max, void **data, size_t *len)
{
	*data = batch_pack(b, len);
	if (used + *len <= max / 4 * 3)
		return true;
	free(*data);
	s->others_dropped += batch_drop_others(b);
	*data = batch_pack(b, len);
	if (*len > 0 && used + *len <= max)
		return true;
	free(*data);
	s->signals_dropped += batch_signal_rows(b);
	return false;
}

/* In and out */

/* Into the journal: true when that is done with, be it that nothing of it fits. */
static bool
put_in_journal(struct spool *s, struct batch *b, bool durable)
{
	void	*data;
	size_t	 len;
	bool	 done;

	if (!open_again(s) || !save_memory(s, durable))
		return false;
	if (!make_fit(s, b, journal_waiting(s->journal), s->journal_max, &data, &len))
		return true;
	done = append(s, data, len, durable) == 0;
	free(data);
	return done;
}

void
spool_put_take(struct spool *s, struct batch *b, bool durable)
{
	void	*data;
	size_t	 len;

	s->in_use = true;
	if (!put_in_journal(s, b, durable) && make_fit(s, b, s->waiting.bytes, s->memory_max, &data, &len))
		queue_put_take(&s->waiting, data, len);
	batch_free(b);
	tell_dropped(s);
}

void
spool_note(struct spool *s, const struct batch *b)
{
	size_t	 len;
	void	*data = batch_pack(b, &len);

	s->in_use = true;
	if (open_again(s) && append(s, data, len, false) == 0) {
		journal_take(s->journal);
		free(data);
	} else
		queue_put_take(&s->in_hand, data, len);
}

/* Records of the journal into the batch. */
static void
next_of_journal(struct spool *s, struct batch *b, size_t bytes)
{
	size_t	 len, have = 0;
	void	*data;
	int	 rc;

	while (have < bytes && (rc = journal_read(s->journal, &data, &len)) != 0) {
		if (rc == -1) {
			log_error("journal", "cannot be read any further, giving up on the rest of it path=%s batches=%llu", s->path,
			    (unsigned long long)journal_skip(s->journal));
			return;
		}
		if (!batch_unpack(b, data, len))
			log_errorx("journal", "a batch that this version cannot read, leaving it out path=%s bytes=%zu", s->path, len);
		have += len;
		free(data);
	}
}

static void
next_of_memory(struct spool *s, struct batch *b)
{
	struct kept	 k = queue_pop(&s->waiting);

	(void)batch_unpack(b, k.data, k.len);		/* our own bytes, never outside this process */
	queue_put_take(&s->in_hand, k.data, k.len);
	/* Safe from here on, if the disk lets us; it is about to be sent either way. */
	if (open_again(s))
		(void)save_memory(s, false);
}

struct batch *
spool_next(struct spool *s, size_t bytes)
{
	struct batch	*b;

	if (spool_is_empty(s))
		return NULL;
	b = batch_new();
	if (s->journal != NULL && !journal_all_in_hand(s->journal))
		next_of_journal(s, b, bytes);
	else
		next_of_memory(s, b);
	if (batch_statements(b) > 0)
		return b;
	batch_free(b);
	spool_done(s);
	return spool_next(s, bytes);
}

void
spool_done(struct spool *s)
{
	queue_clear(&s->in_hand);
	if (s->journal != NULL)
		journal_done(s->journal);
}

bool
spool_is_empty(const struct spool *s)
{
	return s->waiting.first == NULL && (s->journal == NULL || journal_all_in_hand(s->journal));
}

bool
spool_is_short_of_room(const struct spool *s)
{
	return s->in_hand.bytes + s->waiting.bytes > s->memory_max / 2 || (s->journal != NULL && journal_waiting(s->journal) > s->journal_max / 2);
}

uint64_t
spool_bytes(const struct spool *s)
{
	return s->waiting.bytes + (s->journal == NULL ? 0 : journal_unread(s->journal));
}

bool
spool_save(struct spool *s)
{
	return (s->in_hand.first == NULL && s->waiting.first == NULL) || (open_again(s) && save_memory(s, true));
}

void
spool_status_json(const struct spool *s, struct jsonw *w)
{
	jsonw_object(w, "journal");
	jsonw_str(w, "state", s->in_trouble ? "cannot be written" : s->journal == NULL ? "not open" : "ok");
	jsonw_int(w, "waiting_bytes", (int64_t)spool_bytes(s));
	jsonw_int(w, "memory_bytes", (int64_t)(s->in_hand.bytes + s->waiting.bytes));
	jsonw_int(w, "candle_rows_dropped", (int64_t)s->others_dropped);
	jsonw_int(w, "signal_rows_dropped", (int64_t)s->signals_dropped);
	jsonw_end_object(w);
}
