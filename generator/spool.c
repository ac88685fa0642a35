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

/* A packed batch that the journal did not take. */
struct kept {
	void		*data;
	size_t		 len;
	struct kept	*next;
};

struct spool {
	char		*path;
	uint64_t	 journal_max;
	size_t		 memory_max;
	struct journal	*journal;		/* NULL: cannot be opened */
	struct kept	*kept, **last_kept;
	size_t		 kept_bytes;
	bool		 in_trouble;		/* told that the journal cannot be written */
	int64_t		 opened_us, told_us;	/* last attempt; last line about what was dropped */
	uint64_t	 others_dropped, signals_dropped, others_told, signals_told;
};

struct spool *
spool_new(const char *path, uint64_t journal_max, size_t memory_max)
{
	struct spool	*s = xcalloc(1, sizeof(*s));

	s->path = xstrdup(path);
	s->journal_max = journal_max;
	s->memory_max = memory_max;
	s->last_kept = &s->kept;
	s->opened_us = s->told_us = -OPEN_AGAIN_US - TELL_AGAIN_US;
	return s;
}

void
spool_free(struct spool *s)
{
	struct kept	*k;

	if (s == NULL)
		return;
	while ((k = s->kept) != NULL) {
		s->kept = k->next;
		free(k->data);
		free(k);
	}
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
	s->in_trouble = false;
	if (found.cut > 0)
		log_warnx("journal", "cut off a torn tail path=%s bytes=%llu", s->path, (unsigned long long)found.cut);
	if (found.records > 0)
		log_info("journal", "an earlier run left batches to commit path=%s batches=%llu bytes=%llu", s->path,
		    (unsigned long long)found.records, (unsigned long long)found.bytes);
	return 0;
}

static bool
open_again(struct spool *s)
{
	if (s->journal == NULL && clock_mono_us() - s->opened_us >= OPEN_AGAIN_US)
		(void)spool_open(s);
	return s->journal != NULL;
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

/* 0; -1 with EFBIG when its room is used up, or another errno when it cannot be written. */
static int
append(struct spool *s, const void *data, size_t len, bool durable)
{
	if (!open_again(s)) {
		errno = ENODEV;
		return -1;
	}
	if (journal_append(s->journal, data, len, durable) == -1) {
		if (errno != EFBIG)
			cannot_write(s);
		return -1;
	}
	can_write(s);
	return 0;
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

static void
keep(struct spool *s, void *data, size_t len)
{
	struct kept	*k = xcalloc(1, sizeof(*k));

	*k = (struct kept){ .data = data, .len = len };
	*s->last_kept = k;
	s->last_kept = &k->next;
	s->kept_bytes += len;
}

static struct kept *
take_kept(struct spool *s)
{
	struct kept	*k = s->kept;

	if ((s->kept = k->next) == NULL)
		s->last_kept = &s->kept;
	s->kept_bytes -= k->len;
	return k;
}

/* The journal works again: what is in memory alone goes there first. */
static void
save_kept(struct spool *s, bool durable)
{
	struct kept	*k;

	while (s->kept != NULL && append(s, s->kept->data, s->kept->len, durable) == 0) {
		k = take_kept(s);
		free(k->data);
		free(k);
	}
}

/* Into the journal: true when that is done with, be it that nothing of it fits. */
static bool
put_in_journal(struct spool *s, struct batch *b, bool durable)
{
	void	*data;
	size_t	 len;
	bool	 done;

	if (s->kept != NULL || !open_again(s))
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

	save_kept(s, durable);
	if (!put_in_journal(s, b, durable) && make_fit(s, b, s->kept_bytes, s->memory_max, &data, &len))
		keep(s, data, len);
	batch_free(b);
	tell_dropped(s);
}

void
spool_note(struct spool *s, const struct batch *b)
{
	size_t	 len;
	void	*data = batch_pack(b, &len);

	if (append(s, data, len, false) == 0)
		journal_take(s->journal);
	free(data);
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
	struct kept	*k = take_kept(s);

	/* Safe from here on, if the disk lets us; it is about to be sent either way. */
	if (append(s, k->data, k->len, false) == 0)
		journal_take(s->journal);
	(void)batch_unpack(b, k->data, k->len);		/* our own bytes, never outside this process */
	free(k->data);
	free(k);
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
	if (s->journal != NULL)
		journal_done(s->journal);
}

bool
spool_is_empty(const struct spool *s)
{
	return s->kept == NULL && (s->journal == NULL || journal_all_in_hand(s->journal));
}

bool
spool_is_short_of_room(const struct spool *s)
{
	return s->kept_bytes > s->memory_max / 2 || (s->journal != NULL && journal_waiting(s->journal) > s->journal_max / 2);
}

uint64_t
spool_bytes(const struct spool *s)
{
	return s->kept_bytes + (s->journal == NULL ? 0 : journal_unread(s->journal));
}

bool
spool_is_on_disk(const struct spool *s)
{
	return s->kept == NULL && s->journal != NULL;
}

void
spool_status_json(const struct spool *s, struct jsonw *w)
{
	jsonw_object(w, "journal");
	jsonw_str(w, "state", s->in_trouble ? "cannot be written" : s->journal == NULL ? "not open" : "ok");
	jsonw_int(w, "waiting_bytes", (int64_t)spool_bytes(s));
	jsonw_int(w, "memory_bytes", (int64_t)s->kept_bytes);
	jsonw_int(w, "candle_rows_dropped", (int64_t)s->others_dropped);
	jsonw_int(w, "signal_rows_dropped", (int64_t)s->signals_dropped);
	jsonw_end_object(w);
}
