#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "generator/journal.h"
#include "generator/spool.h"

#define MUCH	(UINT64_C(1) << 30)
#define ALL	SIZE_MAX

static char	 folder[] = "/tmp/tocsin-spool.XXXXXX";
static char	 inner[48], path[64];

/* No file may grow beyond this: as on a full disk, a write ends in its middle. */
static void
room(rlim_t bytes)
{
	struct rlimit	 limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int
setup(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	room(RLIM_INFINITY);
	if (folder[strlen(folder) - 1] == 'X' && mkdtemp(folder) == NULL)
		return -1;
	snprintf(inner, sizeof(inner), "%s/generator", folder);
	snprintf(path, sizeof(path), "%s/journal", inner);
	(void)unlink(path);
	(void)rmdir(path);
	(void)rmdir(inner);
	return 0;
}

static int
cleanup(void **state)
{
	(void)setup(state);
	return rmdir(folder);
}

static struct spool *
opened(uint64_t journal_max, size_t memory_max)
{
	struct spool	*s = spool_new(path, journal_max, memory_max);

	assert_int_equal(spool_open(s), 0);
	return s;
}

/* A sealed batch with a signal of this number, and as many candles. */
static struct batch *
batch_of(int number, int candles)
{
	static const struct candle	 c = { .open_us = 1767225600000000, .open = { 1, 0 }, .high = { 2, 0 }, .low = { 1, 0 },
					    .close = { 2, 0 }, .trades = -1, .source = SOURCE_FILE };
	struct signal			 s = { .exchange = "sim", .strategy = "ema_cross", .params_hash = "0", .reason = "a reason",
					    .indicators = "{}", .entry = { 1, 0 }, .initial_stop = { 1, 0 }, .stop_loss = { 1, 0 } };
	struct batch			*b = batch_new();

	snprintf(s.symbol, sizeof(s.symbol), "S%d/USDT", number);
	if (number != 0)
		batch_open(b, &s);
	for (int i = 0; i < candles; i++)
		batch_candle(b, "sim", "BTC/USDT", TF_1M, &c);
	batch_seal(b);
	return b;
}

static void
put(struct spool *s, int number)
{
	spool_put_take(s, batch_of(number, 0), true);
}

static void
note(struct spool *s, int number)
{
	struct batch	*b = batch_of(number, 0);

	spool_note(s, b);
	batch_free(b);
}

/* The signals of what comes next are these, then a 0. */
static void
assert_next(struct spool *s, size_t bytes, const int *numbers)
{
	struct batch	*b = spool_next(s, bytes);
	const char	*json;
	char		 symbol[32];
	size_t		 at = 0;

	assert_non_null(b);
	for (size_t i = 0; i < batch_statements(b); i++)
		if (batch_statement(b, i, &json) == BATCH_OPEN) {
			snprintf(symbol, sizeof(symbol), "\"S%d/USDT\"", numbers[at++]);
			if (strstr(json, symbol) == NULL)
				fail_msg("not %s: %s", symbol, json);
		}
	assert_int_equal(numbers[at], 0);
	batch_free(b);
}
#define NEXT(s, bytes, ...)	assert_next(s, bytes, (const int[]){ __VA_ARGS__, 0 })

static void
assert_empty(struct spool *s)
{
	assert_true(spool_is_empty(s));
	assert_int_equal(spool_bytes(s), 0);
	assert_null(spool_next(s, ALL));
}

/* The process is killed and starts anew. */
static struct spool *
killed(struct spool *s)
{
	spool_free(s);
	return opened(MUCH, MUCH);
}

static off_t
file_size(void)
{
	struct stat	 st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void
what_waits_comes_back_in_order_until_it_is_done(void **state)
{
	struct spool	*s = opened(MUCH, MUCH);

	(void)state;
	assert_empty(s);
	put(s, 1);
	put(s, 2);
	put(s, 3);
	NEXT(s, 1, 1);
	s = killed(s);
	NEXT(s, 1, 1);
	spool_done(s);
	NEXT(s, ALL, 2, 3);
	put(s, 4);
	s = killed(s);
	NEXT(s, ALL, 2, 3, 4);
	assert_empty(s);
	spool_done(s);
	note(s, 5);
	assert_empty(s);
	s = killed(s);
	NEXT(s, ALL, 5);
	spool_done(s);
	s = killed(s);
	assert_empty(s);
	spool_free(s);
}

static void
order_holds_from_the_journal_through_memory_to_the_journal(void **state)
{
	struct spool	*s = opened(MUCH, MUCH);

	(void)state;
	put(s, 1);
	room((rlim_t)file_size() + 10);
	put(s, 2);
	put(s, 3);
	assert_false(spool_save(s));
	room(RLIM_INFINITY);
	put(s, 4);			/* and with it 2 and 3 */
	assert_true(spool_save(s));
	room((rlim_t)file_size() + 10);
	put(s, 5);
	put(s, 6);
	NEXT(s, ALL, 1, 2, 3, 4);
	spool_done(s);
	room(1);
	NEXT(s, ALL, 5);
	spool_done(s);
	room(RLIM_INFINITY);
	put(s, 7);
	NEXT(s, ALL, 6, 7);
	spool_done(s);
	assert_empty(s);
	spool_free(s);
}

/* Else 2 would be committed after a kill, and 1 be lost in the middle. */
static void
what_is_under_way_and_not_on_disk_goes_there_before_anything_newer(void **state)
{
	struct spool	*s = opened(MUCH, MUCH);

	(void)state;
	room(10);
	note(s, 1);
	room(RLIM_INFINITY);
	put(s, 2);
	s = killed(s);
	NEXT(s, ALL, 1, 2);
	spool_done(s);

	room(1);
	put(s, 3);
	put(s, 4);
	NEXT(s, ALL, 3);
	put(s, 5);
	room(RLIM_INFINITY);
	put(s, 6);
	s = killed(s);
	NEXT(s, ALL, 3, 4, 5, 6);
	spool_done(s);
	spool_free(s);
}

static void
at_the_end_all_that_is_in_memory_alone_goes_to_the_disk(void **state)
{
	struct spool	*s = opened(MUCH, MUCH);

	(void)state;
	room(10);
	note(s, 1);
	put(s, 2);
	assert_false(spool_save(s));
	room(RLIM_INFINITY);
	assert_true(spool_save(s));
	s = killed(s);
	NEXT(s, ALL, 1, 2);
	spool_free(s);
}

/* A disk that takes no mark must not bring what is done back: newer rows have been committed past the journal. */
static void
what_is_done_stays_done_without_room_for_its_mark(void **state)
{
	struct spool	*s = opened(MUCH, MUCH);

	(void)state;
	put(s, 1);
	room((rlim_t)file_size());
	NEXT(s, ALL, 1);
	spool_done(s);
	s = killed(s);
	assert_empty(s);
	room(RLIM_INFINITY);
	put(s, 2);
	s = killed(s);
	NEXT(s, ALL, 2);
	spool_free(s);
}

/* The journal of a disk that is full for good, all but these bytes. */
static void
what_is_done_makes_room_on_a_small_disk(void **state)
{
	struct spool	*s = opened(MUCH, MUCH);

	(void)state;
	room(2000);
	for (int i = 1; i <= 50; i++) {
		note(s, i);
		assert_true(spool_save(s));
		spool_done(s);
	}
	note(s, 51);
	s = killed(s);
	NEXT(s, ALL, 51);
	spool_free(s);
}

static void
candles_are_dropped_before_signals(void **state)
{
	struct spool	*s = opened(4000, 1);
	struct batch	*b;
	int		 signals = 0, candles = 0;
	uint64_t	 before;

	(void)state;
	for (int i = 1; i <= 20; i++)
		spool_put_take(s, batch_of(i, 3), true);
	/* Nothing more, not even the candles alone. */
	before = spool_bytes(s);
	spool_put_take(s, batch_of(0, 3), true);
	assert_int_equal(spool_bytes(s), before);
	assert_in_range(before, 3000, 4000);
	while ((b = spool_next(s, 1)) != NULL) {
		signals++;
		candles += batch_statements(b) > 1;
		assert_true(candles == signals || batch_statements(b) == 1);
		batch_free(b);
	}
	assert_in_range(candles, 1, signals - 1);
	assert_in_range(signals, 2, 19);
	spool_done(s);
	/* There is room again. */
	spool_put_take(s, batch_of(21, 3), true);
	b = spool_next(s, 1);
	assert_int_equal(batch_statements(b), 2);
	batch_free(b);
	spool_free(s);
}

static void
memory_has_a_limit_too(void **state)
{
	struct spool	*s = opened(MUCH, 4000);
	struct batch	*b;
	int		 signals = 0;

	(void)state;
	room(1);
	for (int i = 1; i <= 20; i++)
		spool_put_take(s, batch_of(i, 3), true);
	assert_in_range(spool_bytes(s), 3000, 4000);
	room(RLIM_INFINITY);
	while ((b = spool_next(s, 1)) != NULL) {
		signals++;
		batch_free(b);
		spool_done(s);
	}
	assert_in_range(signals, 2, 19);
	spool_free(s);
}

static void
bytes_that_are_no_batch_are_left_out(void **state)
{
	struct journal_found	 found;
	struct spool		*s = opened(MUCH, MUCH);
	struct journal		*j;

	(void)state;
	put(s, 1);
	spool_free(s);
	j = journal_open(path, MUCH, &found);
	assert_int_equal(journal_append(j, "o of a later version", 20, true), 0);
	journal_close(j);
	s = opened(MUCH, MUCH);
	put(s, 2);
	NEXT(s, ALL, 1, 2);
	spool_done(s);
	spool_free(s);
	j = journal_open(path, MUCH, &found);
	assert_int_equal(journal_append(j, "?", 1, true), 0);
	journal_close(j);
	s = opened(MUCH, MUCH);
	assert_null(spool_next(s, ALL));
	assert_empty(s);
	s = killed(s);
	assert_empty(s);
	spool_free(s);
}

static void
a_journal_that_cannot_be_opened_leaves_memory(void **state)
{
	struct spool	*s;
	struct spool	*other;

	(void)state;
	assert_int_equal(mkdir(inner, 0700), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	s = spool_new(path, MUCH, MUCH);
	assert_int_equal(spool_open(s), -1);
	note(s, 1);
	put(s, 2);
	NEXT(s, ALL, 2);
	put(s, 3);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(spool_open(s), 0);
	assert_true(spool_save(s));
	other = spool_new(path, MUCH, MUCH);
	assert_int_equal(spool_open(other), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	spool_free(other);
	s = killed(s);
	NEXT(s, ALL, 1, 2, 3);
	spool_free(s);
}

static void
an_earlier_run_s_rows_that_show_up_late_are_committed_by_a_new_start(void **state)
{
	struct spool	*s = opened(MUCH, MUCH);
	char		 aside[80];
	int		 status;
	pid_t		 pid;

	(void)state;
	put(s, 1);
	spool_free(s);
	snprintf(aside, sizeof(aside), "%s.aside", path);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	pid = fork();
	if (pid == 0) {
		s = spool_new(path, MUCH, MUCH);
		(void)spool_open(s);
		put(s, 2);
		(void)rmdir(path);
		(void)rename(aside, path);
		(void)spool_open(s);
		_exit(1);		/* it came back */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 111);
	s = opened(MUCH, MUCH);
	NEXT(s, ALL, 1, 2);
	spool_free(s);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup(what_waits_comes_back_in_order_until_it_is_done, setup),
		cmocka_unit_test_setup(order_holds_from_the_journal_through_memory_to_the_journal, setup),
		cmocka_unit_test_setup(what_is_under_way_and_not_on_disk_goes_there_before_anything_newer, setup),
		cmocka_unit_test_setup(at_the_end_all_that_is_in_memory_alone_goes_to_the_disk, setup),
		cmocka_unit_test_setup(what_is_done_stays_done_without_room_for_its_mark, setup),
		cmocka_unit_test_setup(what_is_done_makes_room_on_a_small_disk, setup),
		cmocka_unit_test_setup(candles_are_dropped_before_signals, setup),
		cmocka_unit_test_setup(memory_has_a_limit_too, setup),
		cmocka_unit_test_setup(bytes_that_are_no_batch_are_left_out, setup),
		cmocka_unit_test_setup(a_journal_that_cannot_be_opened_leaves_memory, setup),
		cmocka_unit_test_setup(an_earlier_run_s_rows_that_show_up_late_are_committed_by_a_new_start, setup),
	};

	return cmocka_run_group_tests(tests, NULL, cleanup);
}
