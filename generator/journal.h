/*
 * journal: what is to be committed, on disk until it is.  One file, records one
 * behind the other, each with its length and a CRC-32; a mark says up to which
 * one all is done.  A torn tail (the machine died while it was written) is cut
 * off when the file is opened.
 *
 * Written with write(2): what journal_append() took survives the death of the
 * process, and with `durable` that of the machine.  Calls block for as long as
 * the file system does.
 */
#ifndef TOCSIN_GENERATOR_JOURNAL_H
#define TOCSIN_GENERATOR_JOURNAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

/* What opening found. */
struct journal_found {
	uint64_t	 records;	/* that are not done */
	uint64_t	 bytes;		/* of them */
	uint64_t	 cut;		/* bytes of a torn tail that were cut off */
};

/*
 * Open or make the file (mode 0600) and lock it; it holds at most `max` bytes
 * that are not done.  NULL with errno: EWOULDBLOCK when another process has it,
 * EINVAL when it is no journal or no regular file.
 */
struct journal	*journal_open(const char *path, uint64_t max, struct journal_found *found);
void		 journal_close(struct journal *j);		/* NULL is fine; keeps the file */

/*
 * Put a record at the end.  -1 with errno, and then nothing of it is there: EFBIG
 * when it does not fit under the limit, ENOSPC, EIO …
 */
int		 journal_append(struct journal *j, const void *data, size_t len, bool durable);

/* The record just appended is in hand, as if it had been read: only when all before it are. */
void		 journal_take(struct journal *j);

/*
 * The oldest record that is not in hand, in *data (owned by the caller); now it
 * is.  1, or 0 when there is none; -1 with errno when it cannot be read, and
 * then it stays the next one (EBADMSG: it is broken for good, journal_skip()).
 */
int		 journal_read(struct journal *j, void **data, size_t *len);

/* Give up on what is not in hand; returns how many records that are. */
uint64_t	 journal_skip(struct journal *j);

/* All that was in hand is done.  A mark that cannot be written costs only that it is read again after a restart. */
void		 journal_done(struct journal *j);

bool		 journal_all_in_hand(const struct journal *j);
uint64_t	 journal_unread(const struct journal *j);		/* bytes that are not in hand */
uint64_t	 journal_waiting(const struct journal *j);		/* bytes that are not done, in hand or not */
#endif
