/*
 * The journal's file as a crash, a disk or somebody else left it.  Whatever is in
 * it: what is read lies there under a right checksum and is as much as opening
 * found; what is appended is read back after the next opening, behind what is not
 * done.  With an odd first byte the checksums are put right, to get further in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "generator/journal.h"

#define MAGIC_LEN	8
#define HEAD_LEN	17
#define MAX		(UINT64_C(1) << 30)

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char	 path[] = "/tmp/tocsin-fuzz-journal.XXXXXX";

static uint32_t
u32(const uint8_t *in)
{
	return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static void
remove_file(void)
{
	(void)unlink(path);
}

static void
mend_checksums(uint8_t *file, size_t size)
{
	uint32_t	 crc, len;

	for (size_t at = MAGIC_LEN; at + HEAD_LEN <= size; at += HEAD_LEN + len) {
		if ((len = u32(file + at)) > size - at - HEAD_LEN)
			return;
		crc = (uint32_t)crc32_z(0, file + at + 8, HEAD_LEN - 8 + len);
		for (int i = 0; i < 4; i++)
			file[at + 4 + (size_t)i] = (uint8_t)(crc >> 8 * i);
	}
}

static void
write_file(const uint8_t *file, size_t size)
{
	int	 fd = path[sizeof(path) - 2] == 'X' ? mkstemp(path) : open(path, O_WRONLY | O_TRUNC);

	if (fd == -1 || write(fd, file, size) != (ssize_t)size || close(fd) == -1)
		abort();
}

static int
is_record_of(const uint8_t *file, size_t size, const void *data, size_t len)
{
	for (size_t at = MAGIC_LEN; at + HEAD_LEN + len <= size; at++)
		if (u32(file + at) == len && memcmp(file + at + HEAD_LEN, data, len) == 0 &&
		    u32(file + at + 4) == (uint32_t)crc32_z(0, file + at + 8, HEAD_LEN - 8 + len))
			return 1;
	return 0;
}

/* Read all that is not done; returns how many records, the last one's text in `last`. */
static uint64_t
read_all(struct journal *j, const uint8_t *file, size_t size, char last[16])
{
	uint64_t	 records = 0;
	void		*data;
	size_t		 len;
	int		 rc;

	for (; (rc = journal_read(j, &data, &len)) == 1; records++) {
		if (file != NULL && !is_record_of(file, size, data, len))
			abort();
		snprintf(last, 16, "%.*s", (int)(len < 15 ? len : 15), (const char *)data);
		free(data);
	}
	if (rc != 0 || !journal_all_in_hand(j))
		abort();
	return records;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_found	 found;
	struct journal		*j;
	uint64_t		 records;
	uint8_t			*file;
	char			 last[16];

	if (size == 0)
		return 0;
	if (path[sizeof(path) - 2] == 'X')
		(void)atexit(remove_file);
	if ((file = malloc(size)) == NULL)
		abort();
	memcpy(file, data + 1, --size);
	if ((data[0] & 1) != 0)
		mend_checksums(file, size);
	write_file(file, size);
	if ((j = journal_open(path, MAX, &found)) == NULL) {
		if (errno != EINVAL || size < MAGIC_LEN)
			abort();
		free(file);
		return 0;
	}
	if (found.bytes != journal_waiting(j) || found.cut > size)
		abort();
	records = read_all(j, file, size, last);
	if (records != found.records)
		abort();
	free(file);
	if ((data[0] & 2) != 0) {
		journal_done(j);
		records = 0;
	}
	if (journal_append(j, "appended", 8, false) == -1)
		abort();
	journal_close(j);
	if ((j = journal_open(path, MAX, &found)) == NULL || found.cut != 0 || found.records != records + 1)
		abort();
	if (read_all(j, NULL, 0, last) != records + 1 || strcmp(last, "appended") != 0)
		abort();
	journal_done(j);
	journal_close(j);
	if ((j = journal_open(path, MAX, &found)) == NULL || found.cut != 0 || found.records != 0)
		abort();
	journal_close(j);
	return 0;
}
