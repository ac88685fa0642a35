#include "generator/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zlib.h>

#include "common/fd.h"
#include "common/log.h"

/*
 * The file: MAGIC, then records.  A record, numbers little-endian:
 *	u32 length of the data, u32 CRC-32 of all that follows, u64 number,
 *	u8 type, data
 * A mark's number is that of the last record that is done; it has no data.
 */
#define MAGIC		"TOCSINJ1"
#define MAGIC_LEN	8
#define HEAD_LEN	17
#define TYPE_DATA	1
#define TYPE_MARK	2
#define LENGTH_MAX	(UINT32_C(1) << 30)
#define KEEP_BYTES	(1 << 20)	/* once all is done a file beyond this is emptied */

struct journal {
	int		 fd;
	uint64_t	 max;
	uint64_t	 end;		/* where the next record goes */
	uint64_t	 next_seq;
	uint64_t	 done_seq;	/* all up to it are done */
	uint64_t	 read_at;	/* where the oldest record that is not in hand, or a mark before it, begins */
	uint64_t	 read_seq;	/* all up to it are in hand or done */
	uint64_t	 in_hand, unread; /* bytes of records */
};

static void
put(unsigned char *out, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t
get(const unsigned char *in, int bytes)
{
	uint64_t	 value = 0;

	for (int i = bytes - 1; i >= 0; i--)
		value = value << 8 | in[i];
	return value;
}

struct head {
	uint32_t	 length, crc;
	uint64_t	 seq;
	unsigned char	 type;
};

static uint32_t
checksum(const unsigned char head[HEAD_LEN], const void *data, size_t len)
{
	uLong	 crc = crc32_z(0, head + 8, HEAD_LEN - 8);

	return (uint32_t)(len == 0 ? crc : crc32_z(crc, data, len));
}

/* Exactly len bytes from `at`: 0; 1 when the file ends before; -1 with errno. */
static int
read_at(int fd, void *out, size_t len, uint64_t at)
{
	ssize_t	 n;

	for (size_t have = 0; have < len; have += (size_t)n)
		if ((n = pread(fd, (char *)out + have, len - have, (off_t)(at + have))) == 0)
			return 1;
		else if (n == -1) {
			if (errno != EINTR)
				return -1;
			n = 0;
		}
	return 0;
}

/* The record's head at `at`: 0; 1 when there is no good one; -1 with errno. */
static int
read_head(const struct journal *j, uint64_t at, uint64_t end, struct head *h, unsigned char raw[HEAD_LEN])
{
	int	 rc;

	if (at + HEAD_LEN > end)
		return 1;
	if ((rc = read_at(j->fd, raw, HEAD_LEN, at)) != 0)
		return rc;
	h->length = (uint32_t)get(raw, 4);
	h->crc = (uint32_t)get(raw + 4, 4);
	h->seq = get(raw + 8, 8);
	h->type = raw[16];
	return h->length <= LENGTH_MAX && at + HEAD_LEN + h->length <= end &&
	    (h->type == TYPE_DATA || (h->type == TYPE_MARK && h->length == 0)) ? 0 : 1;
}

/* The whole record at `at`, its data owned by the caller: 0; 1 when it is no good one; -1 with errno. */
static int
read_record(const struct journal *j, uint64_t at, uint64_t end, struct head *h, void **data)
{
	unsigned char	 raw[HEAD_LEN];
	int		 rc = read_head(j, at, end, h, raw);

	*data = NULL;
	if (rc != 0)
		return rc;
	*data = xcalloc(1, (size_t)h->length + 1);
	rc = read_at(j->fd, *data, h->length, at + HEAD_LEN);
	if (rc == 0 && checksum(raw, *data, h->length) != h->crc)
		rc = 1;
	if (rc != 0) {
		free(*data);
		*data = NULL;
	}
	return rc;
}

/*
 * Write a record at the end.  All of it or nothing: what a full disk left half
 * written lies behind the end, and is cut off or written over.
 */
static int
write_record(struct journal *j, unsigned char type, uint64_t seq, const void *data, size_t len)
{
	unsigned char	 raw[HEAD_LEN];
	struct iovec	 parts[2] = { { raw, HEAD_LEN }, { (void *)(uintptr_t)data, len } };
	size_t		 written = 0;
	ssize_t		 n;

	put(raw, len, 4);
	put(raw + 8, seq, 8);
	raw[16] = type;
	put(raw + 4, checksum(raw, data, len), 4);
	while (written < HEAD_LEN + len) {
		n = pwritev(j->fd, parts, 2, (off_t)(j->end + written));
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			int	 why = n == 0 ? ENOSPC : errno;

			(void)!ftruncate(j->fd, (off_t)j->end);	/* if not, opening cuts it */
			errno = why;
			return -1;
		}
		written += (size_t)n;
		for (int i = 0; i < 2; i++) {
			size_t	 step = (size_t)n < parts[i].iov_len ? (size_t)n : parts[i].iov_len;

			parts[i].iov_base = (char *)parts[i].iov_base + step;
			parts[i].iov_len -= step;
			n -= (ssize_t)step;
		}
	}
	j->end += HEAD_LEN + len;
	return 0;
}

/* Opening */

/* Walk the records up to the first that is no good; that is the end. */
static int
scan(struct journal *j, uint64_t size)
{
	struct head	 h;
	void		*data;
	int		 rc;
	bool		 first = true;

	j->end = MAGIC_LEN;
	while ((rc = read_record(j, j->end, size, &h, &data)) == 0) {
		free(data);
		if (h.type == TYPE_MARK && h.seq > j->done_seq)
			j->done_seq = h.seq;
		if (h.type == TYPE_DATA && !first && h.seq != j->next_seq)
			break;
		if (h.type == TYPE_DATA) {
			j->next_seq = h.seq + 1;
			first = false;
		}
		j->end += HEAD_LEN + h.length;
	}
	if (j->next_seq <= j->done_seq)
		j->next_seq = j->done_seq + 1;
	return rc == -1 ? -1 : 0;
}

static int
count_waiting(struct journal *j, struct journal_found *found)
{
	unsigned char	 raw[HEAD_LEN];
	struct head	 h;
	int		 rc;

	j->read_seq = j->done_seq;
	j->read_at = j->end;
	for (uint64_t at = MAGIC_LEN; at < j->end; at += HEAD_LEN + h.length) {
		if ((rc = read_head(j, at, j->end, &h, raw)) != 0)
			return -1;
		if (h.type != TYPE_DATA || h.seq <= j->done_seq)
			continue;
		if (found->records++ == 0)
			j->read_at = at;
		j->unread += HEAD_LEN + h.length;
	}
	found->bytes = j->unread;
	return 0;
}

static int
load(struct journal *j, struct journal_found *found)
{
	struct stat	 st;
	char		 magic[MAGIC_LEN];

	if (flock(j->fd, LOCK_EX | LOCK_NB) == -1 || fstat(j->fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	/* Also one whose making was interrupted. */
	if (st.st_size < MAGIC_LEN) {
		j->end = j->read_at = MAGIC_LEN;
		if (ftruncate(j->fd, 0) == -1)
			return -1;
		errno = ENOSPC;
		return pwrite(j->fd, MAGIC, MAGIC_LEN, 0) == MAGIC_LEN ? 0 : -1;
	}
	if (read_at(j->fd, magic, MAGIC_LEN, 0) != 0)
		return -1;
	if (memcmp(magic, MAGIC, MAGIC_LEN) != 0) {
		errno = EINVAL;
		return -1;
	}
	if (scan(j, (uint64_t)st.st_size) == -1 || count_waiting(j, found) == -1)
		return -1;
	found->cut = (uint64_t)st.st_size - j->end;
	return found->cut == 0 ? 0 : ftruncate(j->fd, (off_t)j->end);
}

struct journal *
journal_open(const char *path, uint64_t max, struct journal_found *found)
{
	struct journal	*j = xcalloc(1, sizeof(*j));
	int		 err;

	*found = (struct journal_found){ 0 };
	j->max = max;
	j->next_seq = 1;
	/* Non-blocking, so that a FIFO put there holds nobody up. */
	j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (j->fd == -1 || load(j, found) == -1) {
		err = errno;
		journal_close(j);
		errno = err;
		return NULL;
	}
	return j;
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	fd_close(&j->fd);
	free(j);
}

/* Use */

int
journal_append(struct journal *j, const void *data, size_t len, bool durable)
{
	uint64_t	 before = j->end;
	int		 err;

	if (len > LENGTH_MAX || journal_waiting(j) + HEAD_LEN + len > j->max) {
		errno = EFBIG;
		return -1;
	}
	if (write_record(j, TYPE_DATA, j->next_seq, data, len) == -1)
		return -1;
	if (durable && fdatasync(j->fd) == -1) {
		err = errno;
		j->end = before;
		(void)!ftruncate(j->fd, (off_t)before);
		errno = err;
		return -1;
	}
	j->next_seq++;
	j->unread += HEAD_LEN + len;
	return 0;
}

void
journal_take(struct journal *j)
{
	j->read_at = j->end;
	j->read_seq = j->next_seq - 1;
	j->in_hand += j->unread;
	j->unread = 0;
}

int
journal_read(struct journal *j, void **data, size_t *len)
{
	struct head	 h;
	int		 rc;

	while (j->read_at < j->end) {
		if ((rc = read_record(j, j->read_at, j->end, &h, data)) != 0) {
			if (rc == 1)
				errno = EBADMSG;
			return -1;
		}
		j->read_at += HEAD_LEN + h.length;
		if (h.type == TYPE_DATA && h.seq > j->read_seq) {
			j->read_seq = h.seq;
			j->unread -= HEAD_LEN + h.length;
			j->in_hand += HEAD_LEN + h.length;
			*len = h.length;
			return 1;
		}
		free(*data);
	}
	return 0;
}

uint64_t
journal_skip(struct journal *j)
{
	uint64_t	 lost = j->next_seq - 1 - j->read_seq;

	j->read_at = j->end;
	j->read_seq = j->next_seq - 1;
	j->in_hand += j->unread;
	j->unread = 0;
	return lost;
}

void
journal_done(struct journal *j)
{
	if (j->in_hand == 0)
		return;
	j->in_hand = 0;
	j->done_seq = j->read_seq;
	/* When nothing waits a long file begins anew, or it would grow for ever. */
	if (j->unread == 0 && j->end > KEEP_BYTES && ftruncate(j->fd, MAGIC_LEN) == 0)
		j->end = j->read_at = MAGIC_LEN;
	else if (write_record(j, TYPE_MARK, j->done_seq, NULL, 0) == 0 && j->unread == 0)
		j->read_at = j->end;
}

bool
journal_all_in_hand(const struct journal *j)
{
	return j->unread == 0;
}

uint64_t
journal_unread(const struct journal *j)
{
	return j->unread;
}

uint64_t
journal_waiting(const struct journal *j)
{
	return j->in_hand + j->unread;
}
