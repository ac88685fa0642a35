/* A plain file in place of the device: every ioctl is refused, bytes are taken. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "watchdog/hardware.h"

struct bench {
	char		 dir[32], device[64], log[64];
	int		 err;
	struct hardware	 hardware;
};

static int
set_up(void **state)
{
	struct bench	*b = *state = calloc(1, sizeof(*b));
	int		 fd;

	strcpy(b->dir, "/tmp/tocsin-hardware.XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->device, sizeof(b->device), "%s/watchdog", b->dir);
	snprintf(b->log, sizeof(b->log), "%s/log", b->dir);
	b->err = dup(STDERR_FILENO);
	assert_int_not_equal(fd = open(b->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), -1);
	dup2(fd, STDERR_FILENO);
	close(fd);
	return 0;
}

static int
tear_down(void **state)
{
	struct bench	*b = *state;

	dup2(b->err, STDERR_FILENO);
	close(b->err);
	hardware_release(&b->hardware);
	unlink(b->device);
	unlink(b->log);
	rmdir(b->dir);
	free(b);
	return 0;
}

static void
make_device(const struct bench *b)
{
	int	 fd = open(b->device, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_not_equal(fd, -1);
	close(fd);
}

static const char *
content(const char *path)
{
	static char	 text[4096];
	FILE		*f = fopen(path, "re");
	size_t		 n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

static unsigned
lines_logged(const struct bench *b)
{
	unsigned	 lines = 0;

	for (const char *at = content(b->log); (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	return lines;
}

static void
what_knows_no_ioctl_is_fed_by_writing_and_released_by_the_magic_byte(void **state)
{
	struct bench	*b = *state;

	make_device(b);
	hardware_open(&b->hardware, b->device, 30);
	assert_int_not_equal(b->hardware.fd, -1);
	assert_int_equal(fcntl(b->hardware.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(b->hardware.timeout_s, 0);
	hardware_feed(&b->hardware);
	hardware_feed(&b->hardware);
	assert_string_equal(content(b->device), "..");
	hardware_release(&b->hardware);
	assert_string_equal(content(b->device), "..V");
	assert_int_equal(b->hardware.fd, -1);
	/* And no more. */
	hardware_feed(&b->hardware);
	hardware_release(&b->hardware);
	assert_string_equal(content(b->device), "..V");
}

static void
a_missing_device_is_said_once_and_opened_when_it_comes(void **state)
{
	struct bench	*b = *state;

	hardware_open(&b->hardware, b->device, 30);
	assert_int_equal(b->hardware.fd, -1);
	for (int i = 0; i < 5; i++)
		hardware_feed(&b->hardware);
	assert_int_equal(lines_logged(b), 1);
	assert_non_null(strstr(content(b->log), " warn hardware: cannot open, trying on path=/tmp/"));
	make_device(b);
	hardware_feed(&b->hardware);
	hardware_feed(&b->hardware);
	assert_string_equal(content(b->device), ".");
}

/* A full device, as far as write(2) can tell. */
static void
a_device_that_takes_nothing_is_opened_anew(void **state)
{
	struct bench	*b = *state;

	assert_int_equal(symlink("/dev/full", b->device), 0);
	hardware_open(&b->hardware, b->device, 30);
	hardware_feed(&b->hardware);
	assert_int_equal(b->hardware.fd, -1);
	assert_non_null(strstr(content(b->log), " warn hardware: cannot feed, opening it anew path="));
	/* Opening it works each time: that alone is no news. */
	for (int i = 0; i < 7; i++)
		hardware_feed(&b->hardware);
	assert_int_equal(b->hardware.fd != -1, 1);
	assert_int_equal(lines_logged(b), 2);
	hardware_feed(&b->hardware);
	unlink(b->device);
	make_device(b);
	hardware_feed(&b->hardware);
	hardware_feed(&b->hardware);
	assert_string_equal(content(b->device), ".");
	assert_int_equal(lines_logged(b), 3);
	assert_non_null(strstr(content(b->log), " info hardware: fed again path="));
}

static void
a_release_that_does_not_work_is_told(void **state)
{
	struct bench	*b = *state;

	hardware_open(&b->hardware, "/dev/full", 30);
	hardware_release(&b->hardware);
	assert_non_null(strstr(content(b->log), " warn hardware: the countdown cannot be stopped, the machine will be reset path=/dev/full"));
}

static void
a_pipe_at_the_path_does_not_hold_us_up(void **state)
{
	struct bench	*b = *state;

	assert_int_equal(mkfifo(b->device, 0600), 0);
	hardware_open(&b->hardware, b->device, 30);
	assert_int_equal(b->hardware.fd, -1);
}

static void
none_wanted_does_nothing(void **state)
{
	struct bench	*b = *state;

	hardware_open(&b->hardware, NULL, 30);
	hardware_feed(&b->hardware);
	hardware_release(&b->hardware);
	hardware_open(&b->hardware, "", 30);
	hardware_feed(&b->hardware);
	hardware_release(&b->hardware);
	assert_int_equal(lines_logged(b), 0);
}

#define TEST(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		TEST(what_knows_no_ioctl_is_fed_by_writing_and_released_by_the_magic_byte),
		TEST(a_missing_device_is_said_once_and_opened_when_it_comes),
		TEST(a_device_that_takes_nothing_is_opened_anew),
		TEST(a_release_that_does_not_work_is_told),
		TEST(a_pipe_at_the_path_does_not_hold_us_up),
		TEST(none_wanted_does_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
