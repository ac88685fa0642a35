/* What an operator may ask over the control socket, and when an order is decided. */
#include <string.h>

#include "tests/unit/unit.h"
#include "watchdog/control.h"
#include "watchdog/order.h"

static struct control_request
parsed(const char *line)
{
	struct control_request	 q = { 0 };
	char			 why[160] = "";

	if (!control_parse(line, strlen(line), &q, why, sizeof(why)))
		fail_msg("%s: %s", line, why);
	return q;
}

static void
refused(const char *line, const char *reason)
{
	struct control_request	 q = { 0 };
	char			 why[160] = "";

	assert_false(control_parse(line, strlen(line), &q, why, sizeof(why)));
	if (strstr(why, reason) == NULL)
		fail_msg("%s: \"%s\" says nothing of \"%s\"", line, why, reason);
}

static void
words_with_and_without_a_name(void **state)
{
	(void)state;
	assert_int_equal(parsed("status").word, CONTROL_STATUS);
	assert_int_equal(parsed("status-json").word, CONTROL_STATUS_JSON);
	assert_int_equal(parsed("reload").word, CONTROL_RELOAD);
	assert_int_equal(parsed("stop").word, CONTROL_STOP);
	assert_string_equal(parsed("stop").name, "");
	assert_string_equal(parsed("stop relay").name, "relay");
	assert_int_equal(parsed("start relay").word, CONTROL_START);
	assert_int_equal(parsed("restart relay").word, CONTROL_RESTART);
	assert_string_equal(parsed("restart  x").name, " x");	/* no process has such a name */
}

static void
anything_else_is_refused_with_a_reason(void **state)
{
	char	 longest[CONTROL_LINE_MAX + 20];

	(void)state;
	refused("", "unknown");
	refused("STATUS", "unknown");
	refused("statu", "unknown");
	refused("statusx", "unknown");
	refused("status relay", "no name");
	refused("start", "the name");
	refused("start ", "the name");
	refused("restart", "the name");
	refused("stop ", "at most one");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memcpy(longest, "stop ", 5);
	refused(longest, "name");
}

static void
only_the_status_changes_nothing(void **state)
{
	static const char *const changing[] = { "start x", "stop", "stop x", "restart x", "reload" };

	(void)state;
	for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++) {
		struct control_request	 q = parsed(changing[i]);

		assert_true(control_changes(&q));
	}
	for (size_t i = 0; i < 2; i++) {
		struct control_request	 q = parsed(i == 0 ? "status" : "status-json");

		assert_false(control_changes(&q));
	}
}

/* Orders */

struct bench {
	struct endings		 endings;
	struct process_report	 r;
	char			 text[ORDER_TEXT_MAX];
};

static struct bench *
running(struct bench *b)
{
	*b = (struct bench){ .r = { .name = "relay", .pid = 7, .starts = 1, .is_up = true } };
	b->r.endings = &b->endings;
	return b;
}

static void
ends(struct bench *b)
{
	const struct ending	 e = { .pid = 7, .cause = "exit", .code = 3 };

	endings_add(&b->endings, &e);
	b->r.is_up = false;
	b->r.pid = -1;
}

static void
starts(struct bench *b, bool up)
{
	b->r.starts++;
	b->r.pid = 8;
	b->r.is_up = up;
	b->r.is_stopped = false;
}

static enum order_verdict
verdict(struct bench *b, const struct order *o)
{
	return order_verdict(o, &b->r, b->text);
}

static void
restart_is_done_when_another_run_is_up(void **state)
{
	struct bench	 b;
	struct order	 o = order_of(CONTROL_RESTART, &running(&b)->r);

	(void)state;
	assert_int_equal(verdict(&b, &o), ORDER_PENDING);	/* still the old one */
	b.r.is_up = false;
	assert_int_equal(verdict(&b, &o), ORDER_PENDING);	/* it is stopping */
	ends(&b);
	assert_int_equal(verdict(&b, &o), ORDER_PENDING);
	starts(&b, false);
	assert_int_equal(verdict(&b, &o), ORDER_PENDING);
	b.r.is_up = true;
	assert_int_equal(verdict(&b, &o), ORDER_DONE);
	assert_memory_equal(b.text, "ok relay is up pid=8", 20);
}

static void
restart_has_failed_when_the_new_run_ends(void **state)
{
	struct bench	 b;
	struct order	 o = order_of(CONTROL_RESTART, &running(&b)->r);

	(void)state;
	ends(&b);
	starts(&b, false);
	ends(&b);
	assert_int_equal(verdict(&b, &o), ORDER_FAILED);
	assert_memory_equal(b.text, "error relay: exit code 3:", 25);
}

static void
start_of_one_that_is_up_is_done(void **state)
{
	struct bench	 b;
	struct order	 o = order_of(CONTROL_START, &running(&b)->r);

	(void)state;
	assert_int_equal(verdict(&b, &o), ORDER_DONE);
}

static void
start_of_one_that_waits_fails_with_its_next_failure(void **state)
{
	struct bench	 b;
	struct order	 o;

	(void)state;
	ends(running(&b));
	o = order_of(CONTROL_START, &b.r);
	assert_int_equal(verdict(&b, &o), ORDER_PENDING);	/* the failures before are history */
	starts(&b, false);
	assert_int_equal(verdict(&b, &o), ORDER_PENDING);
	ends(&b);
	assert_int_equal(verdict(&b, &o), ORDER_FAILED);
}

static void
start_gives_way_to_a_later_stop(void **state)
{
	struct bench	 b;
	struct order	 o;

	(void)state;
	ends(running(&b));
	o = order_of(CONTROL_START, &b.r);
	b.r.is_stopped = true;
	assert_int_equal(verdict(&b, &o), ORDER_FAILED);
	assert_string_equal(b.text, "error relay was stopped meanwhile");
}

static void
stop_is_done_when_it_is_stopped(void **state)
{
	struct bench	 b;
	struct order	 o = order_of(CONTROL_STOP, &running(&b)->r);

	(void)state;
	assert_int_equal(verdict(&b, &o), ORDER_PENDING);
	ends(&b);
	b.r.is_stopped = true;
	assert_int_equal(verdict(&b, &o), ORDER_DONE);
	assert_string_equal(b.text, "ok relay is stopped");
}

static void
stop_gives_way_to_a_later_start(void **state)
{
	struct bench	 b;
	struct order	 o = order_of(CONTROL_STOP, &running(&b)->r);

	(void)state;
	b.r.is_up = false;
	ends(&b);
	assert_int_equal(verdict(&b, &o), ORDER_PENDING);
	starts(&b, false);
	assert_int_equal(verdict(&b, &o), ORDER_FAILED);
	assert_string_equal(b.text, "error relay was started meanwhile");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_with_and_without_a_name),
		cmocka_unit_test(anything_else_is_refused_with_a_reason),
		cmocka_unit_test(only_the_status_changes_nothing),
		cmocka_unit_test(restart_is_done_when_another_run_is_up),
		cmocka_unit_test(restart_has_failed_when_the_new_run_ends),
		cmocka_unit_test(start_of_one_that_is_up_is_done),
		cmocka_unit_test(start_of_one_that_waits_fails_with_its_next_failure),
		cmocka_unit_test(start_gives_way_to_a_later_stop),
		cmocka_unit_test(stop_is_done_when_it_is_stopped),
		cmocka_unit_test(stop_gives_way_to_a_later_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
