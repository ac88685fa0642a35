/* status.json and the table: valid, complete and within their buffers, also at their largest. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "tests/unit/unit.h"
#include "watchdog/status.h"

#define COUNT	3

struct bench {
	char			 dir[40];
	struct endings		 endings;
	char			 status[PIPE_BUF];
	struct process_report	 reports[COUNT];
	struct status_facts	 facts;
};

/* Everything as long as it can get. */
static void
fill(struct bench *b)
{
	static const char	 longest_name[] = "a23456789012345678901234567890_2";
	struct ending		 e = { .wall_us = INT64_C(4102444799999999), .run_us = INT64_MAX / 4, .pid = 4194304,
				       .cause = "not-started", .code = -1, .core = true, .signal = 31,
				       .not_started = { SPAWN_DEATH_SIGNAL, EXDEV } };

	for (int i = 0; i < 12; i++)
		endings_add(&b->endings, &e);
	memset(b->status, 'x', sizeof(b->status));
	memcpy(b->status, "{\"a\":\"", 6);
	memcpy(b->status + sizeof(b->status) - 10, "\"}", 2);
	for (size_t i = 0; i < COUNT; i++)
		b->reports[i] = (struct process_report){
			.name = longest_name, .state = "crash-looping", .pid = 4194304, .restarts = UINT32_MAX,
			.failures = UINT32_MAX, .cores = UINT32_MAX, .uptime_us = INT64_MAX / 4, .beat_age_us = INT64_MAX / 4,
			.next_start_us = INT64_MAX / 4, .up_us = 1, .rss_kb = INT64_MAX / 4, .cpu_ms = INT64_MAX / 4000,
			.status = b->status, .status_len = sizeof(b->status) - 8, .endings = &b->endings
		};
	b->facts = (struct status_facts){ .pid = 4194304, .wall_started_us = INT64_C(4102444799999999),
		.uptime_us = INT64_MAX / 4, .check_interval_ms = 60000, .count = COUNT, .reports = b->reports };
}

static char *
slurp(const char *dir, const char *name)
{
	char	 path[80], *text = calloc(1, 65536);
	FILE	*f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	assert_non_null(text);
	assert_non_null(f);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

static int
set_up(void **state)
{
	struct bench	*b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -1;
	strcpy(b->dir, "/tmp/tocsin-status-XXXXXX");
	*state = b;
	return mkdtemp(b->dir) == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	struct bench	*b = *state;
	int		 rc = rmdir(b->dir);	/* status_remove() left nothing */

	free(b);
	return rc;
}

static void
largest_status_fits(void **state)
{
	struct bench	*b = *state;
	struct status	*s = status_new(b->dir, COUNT);
	const char	*table;
	char		*text;
	size_t		 len;

	fill(b);
	status_write(s, &b->facts);
	text = slurp(b->dir, "status.json");
	assert_true(json_valid(text, strlen(text)));
	free(text);
	table = status_table(s, &b->facts, &len);
	assert_int_equal(table[len - 1], '\n');
	status_remove(s);
	status_free(s);
}

static void
fresh_process_has_nulls(void **state)
{
	struct bench	*b = *state;
	struct status	*s = status_new(b->dir, 1);
	char		*text;

	b->reports[0] = (struct process_report){ .name = "relay", .state = "starting", .pid = -1, .beat_age_us = -1,
		.next_start_us = -1, .rss_kb = -1, .cpu_ms = -1, .endings = &b->endings };
	b->facts = (struct status_facts){ .pid = 1, .uptime_us = 0, .check_interval_ms = 5000, .count = 1, .reports = b->reports };
	status_write(s, &b->facts);
	text = slurp(b->dir, "status.json");
	assert_non_null(strstr(text, "\"processes\":[{\"name\":\"relay\",\"state\":\"starting\",\"pid\":null,\"uptime_s\":0.000,"
	    "\"restarts\":0,\"failures_in_a_row\":0,\"cores\":0,\"beat_age_ms\":null,\"next_start_in_ms\":null,\"availability_ratio\":0,"
	    "\"rss_kb\":null,\"cpu_s\":null,\"last_exits\":[],\"status\":null}]}"));
	free(text);
	status_remove(s);
	status_free(s);
}

static void
latest_ending_comes_first(void **state)
{
	struct endings	 l = { 0 };
	struct ending	 e = { .code = 0 };

	(void)state;
	assert_null(endings_get(&l, 0));
	for (e.code = 1; e.code <= 13; e.code++)
		endings_add(&l, &e);
	for (size_t i = 0; i < ENDINGS_KEPT; i++)
		assert_int_equal(endings_get(&l, i)->code, 13 - (int)i);
	assert_null(endings_get(&l, ENDINGS_KEPT));
}

static void
mark_changes_with_a_state(void **state)
{
	struct bench	*b = *state;
	uint64_t	 mark;

	fill(b);
	mark = status_mark(&b->facts);
	b->reports[0].uptime_us++;
	assert_true(status_mark(&b->facts) == mark);
	b->reports[2].state = "up";
	assert_true(status_mark(&b->facts) != mark);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(largest_status_fits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fresh_process_has_nulls, set_up, tear_down),
		cmocka_unit_test(latest_ending_comes_first),
		cmocka_unit_test_setup_teardown(mark_changes_with_a_state, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
