#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pg_hosts.h"

/* "host address port name?" of each, joined by blanks and '|'. */
static char *
text_of(const char *conninfo)
{
	static char	 out[512];
	struct pg_hosts	 hosts;
	size_t		 len = 0;

	pg_hosts_read(&hosts, conninfo);
	out[0] = '\0';
	for (size_t i = 0; i < hosts.count; i++) {
		const struct pg_host	*h = &hosts.items[i];

		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%s %s %s%s", i > 0 ? "|" : "", h->host == NULL ? "-" : h->host,
		    h->address == NULL ? "-" : h->address, h->port == NULL ? "-" : h->port, h->is_name ? " name" : "");
	}
	pg_hosts_release(&hosts);
	return out;
}

static void
hosts_are_told_apart(void **state)
{
	(void)state;
	assert_string_equal(text_of("host=a,b.example port=1,2 dbname=x"), "a - 1 name|b.example - 2 name");
	assert_string_equal(text_of("host=a,/run/postgresql,10.0.0.1,::1 port=7"), "a - 7 name|/run/postgresql - 7|10.0.0.1 10.0.0.1 7|::1 ::1 7");
	assert_string_equal(text_of("postgresql://u@one:6000,two/db"), "one - 6000 name|two - 5432 name");
	assert_string_equal(text_of("host=a,b hostaddr=1.2.3.4,::5"), "a 1.2.3.4 5432|b ::5 5432");
	assert_string_equal(text_of("hostaddr=1.2.3.4"), "- 1.2.3.4 5432");
	assert_string_equal(text_of("host=a,b hostaddr=1.2.3.4,"), "a 1.2.3.4 5432|b - 5432 name");
	assert_string_equal(text_of("host=@abstract"), "@abstract - 5432");
	assert_string_equal(text_of("host=a,b port=6000,"), "a - 6000 name|b - 5432 name");
}

static void
what_only_libpq_can_tell_is_left_to_it(void **state)
{
	(void)state;
	assert_string_equal(text_of("dbname=x"), "- - -");
	assert_string_equal(text_of("host=a,,b"), "- - -");
	assert_string_equal(text_of("host=a,b,c port=1,2"), "- - -");
	assert_string_equal(text_of("host=a hostaddr=1.2.3.4,1.2.3.5"), "- - -");
	assert_string_equal(text_of("service=x host=a"), "- - -");
	assert_string_equal(text_of("host=/run,b hostaddr=,1.2.3.4"), "- - -");
}

static void
the_environment_has_its_say(void **state)
{
	(void)state;
	setenv("PGHOST", "from.example", 1);
	setenv("PGPORT", "7000", 1);
	assert_string_equal(text_of("dbname=x"), "from.example - 7000 name");
	assert_string_equal(text_of("host=/tmp"), "/tmp - 7000");
	unsetenv("PGHOST");
	unsetenv("PGPORT");
}

static unsigned
limit_of(const char *conninfo)
{
	struct pg_hosts	 hosts;

	pg_hosts_read(&hosts, conninfo);
	pg_hosts_release(&hosts);
	return hosts.connect_timeout_ms;
}

static void
a_limit_is_read_too(void **state)
{
	(void)state;
	assert_int_equal(limit_of("host=a connect_timeout=3"), 3000);
	assert_int_equal(limit_of("host=a"), 0);
	assert_int_equal(limit_of("host=a connect_timeout=0"), 0);
	assert_int_equal(limit_of("host=a connect_timeout=-1"), 0);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(hosts_are_told_apart),
		cmocka_unit_test(what_only_libpq_can_tell_is_left_to_it),
		cmocka_unit_test(the_environment_has_its_say),
		cmocka_unit_test(a_limit_is_read_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
