#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "generator/journal.h"

#define NO_LIMIT	(UINT64_C(1) << 30)

static char	 folder[] = "/tmp/tocsin-journal.XXXXXX";
static char	 path[64];

static int
setup(void **state)
{
	(void)state;
	if (folder[strlen(folder) - 1] == 'X' && mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/journal", folder);
	(void)unlink(path);
	return 0;
}

static int
cleanup(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static struct journal *
opened(uint64_t max, struct journal_found *found)
{
	struct journal	*j = journal_open(path, max, found);

	assert_non_null(j);
	return j;
}

static void
append(struct journal *j, const char *text)
{
	assert_int_equal(journal_append(j, text, strlen(text), true), 0);
}

static void
assert_next(struct journal *j, const char *text)
{
	void	*data;
	size_t	 len;

	assert_int_equal(journal_read(j, &data, &len), 1);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(data, text, len);
	free(data);
}

static void
assert_no_more(struct journal *j)
{
	void	*data;
	size_t	 len;

	assert_int_equal(journal_read(j, &data, &len), 0);
	assert_true(journal_all_in_hand(j));
}

static off_t
file_size(void)
{
	struct stat	 st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void
what_is_not_done_is_found_again_in_order(void **state)
{
	struct journal_found	 found;
	struct journal		*j = opened(NO_LIMIT, &found);

	(void)state;
	assert_int_equal(found.records + found.cut, 0);
	append(j, "one");
	assert_next(j, "one");
	journal_done(j);
	append(j, "two");
	append(j, "");
	append(j, "three");
	assert_next(j, "two");
	journal_close(j);

	j = opened(NO_LIMIT, &found);
	assert_int_equal(found.records, 3);
	assert_int_equal(found.bytes, journal_waiting(j));
	assert_int_equal(found.cut, 0);
	assert_next(j, "two");
	assert_next(j, "");
	journal_done(j);
	append(j, "four");
	journal_close(j);

	j = opened(NO_LIMIT, &found);
	assert_int_equal(found.records, 2);
	assert_next(j, "three");
	assert_next(j, "four");
	assert_no_more(j);
	journal_done(j);
	assert_int_equal(journal_waiting(j), 0);
	journal_close(j);

	j = opened(NO_LIMIT, &found);
	assert_int_equal(found.records, 0);
	assert_no_more(j);
	journal_close(j);
}

static void
what_is_taken_in_hand_is_not_read(void **state)
{
	struct journal_found	 found;
	struct journal		*j = opened(NO_LIMIT, &found);

	(void)state;
	append(j, "direct");
	journal_take(j);
	append(j, "later");
	assert_next(j, "later");
	journal_close(j);
	j = opened(NO_LIMIT, &found);
	assert_int_equal(found.records, 2);
	journal_close(j);
}

/* Cut or spoilt at any byte, what lies before is whole and nothing else is made of the rest. */
static void
a_torn_or_spoilt_tail_is_cut_off(void **state)
{
	struct journal_found	 found;
	struct journal		*j = opened(NO_LIMIT, &found);
	off_t			 first, size;
	char			*bytes;
	FILE			*f;

	(void)state;
	append(j, "the first record");
	first = file_size();
	append(j, "the second record");
	size = file_size();
	journal_close(j);
	bytes = malloc((size_t)size);
	f = fopen(path, "r");
	assert_int_equal(fread(bytes, 1, (size_t)size, f), size);
	fclose(f);
	for (off_t at = first; at < size; at++)
		for (int spoil = 0; spoil < 2; spoil++) {
			bytes[at] ^= 0x20;
			f = fopen(path, "w");
			assert_int_equal(fwrite(bytes, 1, (size_t)(spoil ? size : at), f), spoil ? size : at);
			fclose(f);
			bytes[at] ^= 0x20;
			j = opened(NO_LIMIT, &found);
			assert_int_equal(found.records, 1);
			assert_int_equal(found.cut, (spoil ? size : at) - first);
			assert_int_equal(file_size(), first);
			assert_next(j, "the first record");
			assert_no_more(j);
			/* And it goes on from there. */
			append(j, "another");
			assert_next(j, "another");
			journal_close(j);
		}
	free(bytes);
}

static void
the_limit_counts_what_waits_only(void **state)
{
	struct journal_found	 found;
	struct journal		*j = opened(100, &found);

	(void)state;
	for (int i = 0; i < 100; i++) {
		append(j, "0123456789012345678901234567890123456789");
		assert_int_equal(journal_append(j, "0123456789012345678901234567890123456789", 40, true), -1);
		assert_int_equal(errno, EFBIG);
		assert_next(j, "0123456789012345678901234567890123456789");
		assert_no_more(j);
		journal_done(j);
	}
	journal_close(j);
}

static void
the_file_does_not_grow_for_ever(void **state)
{
	struct journal_found	 found;
	struct journal		*j = opened(NO_LIMIT, &found);
	static char		 big[100000];

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(journal_append(j, big, sizeof(big), false), 0);
		journal_take(j);
		journal_done(j);
		assert_true(file_size() < 1200000);
	}
	append(j, "last");
	journal_close(j);
	j = opened(NO_LIMIT, &found);
	assert_int_equal(found.records, 1);
	assert_next(j, "last");
	journal_close(j);
}

/* A file size limit stops a write in its middle, as a full disk does. */
static void
a_full_disk_leaves_nothing_of_a_record(void **state)
{
	struct rlimit		 old, small = { 200, 200 };
	struct journal_found	 found;
	struct journal		*j = opened(NO_LIMIT, &found);
	static char		 big[1000];

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	append(j, "one");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(journal_append(j, big, sizeof(big), true), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	append(j, "two");
	assert_next(j, "one");
	assert_next(j, "two");
	assert_no_more(j);
	journal_close(j);
	j = opened(NO_LIMIT, &found);
	assert_int_equal(found.records, 2);
	assert_int_equal(found.cut, 0);
	journal_close(j);
}

static void
one_process_has_it_and_only_a_journal_is_taken(void **state)
{
	struct journal_found	 found;
	struct journal		*j = opened(NO_LIMIT, &found);
	FILE			*f;

	(void)state;
	assert_null(journal_open(path, NO_LIMIT, &found));
	assert_int_equal(errno, EWOULDBLOCK);
	journal_close(j);
	f = fopen(path, "w");
	fputs("something else that somebody needs", f);
	fclose(f);
	assert_null(journal_open(path, NO_LIMIT, &found));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(file_size(), 34);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(journal_open(path, NO_LIMIT, &found));
	assert_int_equal(errno, EINVAL);
	assert_null(journal_open("/nowhere/journal", NO_LIMIT, &found));
	assert_int_equal(errno, ENOENT);
}

static void
what_went_bad_on_the_disk_is_given_up_with_a_count(void **state)
{
	struct journal_found	 found;
	struct journal		*j = opened(NO_LIMIT, &found);
	void			*data;
	size_t			 len;
	int			 fd;

	(void)state;
	append(j, "one");
	append(j, "two");
	append(j, "three");
	assert_next(j, "one");
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1, 8 + 20 + 17), 1);
	close(fd);
	assert_int_equal(journal_read(j, &data, &len), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(journal_skip(j), 2);
	assert_no_more(j);
	journal_done(j);
	append(j, "four");
	assert_next(j, "four");
	journal_close(j);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup(what_is_not_done_is_found_again_in_order, setup),
		cmocka_unit_test_setup(what_is_taken_in_hand_is_not_read, setup),
		cmocka_unit_test_setup(a_torn_or_spoilt_tail_is_cut_off, setup),
		cmocka_unit_test_setup(the_limit_counts_what_waits_only, setup),
		cmocka_unit_test_setup(the_file_does_not_grow_for_ever, setup),
		cmocka_unit_test_setup(a_full_disk_leaves_nothing_of_a_record, setup),
		cmocka_unit_test_setup(one_process_has_it_and_only_a_journal_is_taken, setup),
		cmocka_unit_test_setup(what_went_bad_on_the_disk_is_given_up_with_a_count, setup),
	};

	return cmocka_run_group_tests(tests, NULL, cleanup);
}
