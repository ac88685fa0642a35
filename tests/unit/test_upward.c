/* A supervisor's datagram socket, and what arrives there. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "watchdog/upward.h"

struct supervisor {
	int			 fd;
	char			 dir[32], name[64];	/* as NOTIFY_SOCKET says it */
	struct sockaddr_un	 at;
	socklen_t		 at_len;
	struct upward		 upward;
};

static void
bind_socket(struct supervisor *s)
{
	assert_int_not_equal(s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), -1);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&s->at, s->at_len), 0);
}

static int
set_up(struct supervisor *s)
{
	bind_socket(s);
	setenv("NOTIFY_SOCKET", s->name, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static int
set_up_path(void **state)
{
	struct supervisor	*s = *state = calloc(1, sizeof(*s));

	strcpy(s->dir, "/tmp/tocsin-upward.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->name, sizeof(s->name), "%s/notify", s->dir);
	s->at.sun_family = AF_UNIX;
	strcpy(s->at.sun_path, s->name);
	s->at_len = sizeof(s->at);
	return set_up(s);
}

static int
set_up_abstract(void **state)
{
	struct supervisor	*s = *state = calloc(1, sizeof(*s));
	size_t			 len;

	snprintf(s->name, sizeof(s->name), "@tocsin-upward-%d", (int)getpid());
	len = strlen(s->name);
	s->at.sun_family = AF_UNIX;
	memcpy(s->at.sun_path + 1, s->name + 1, len - 1);
	s->at_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return set_up(s);
}

static int
tear_down(void **state)
{
	struct supervisor	*s = *state;

	upward_close(&s->upward);
	close(s->fd);
	if (s->dir[0] != '\0') {
		unlink(s->name);
		rmdir(s->dir);
	}
	free(s);
	return 0;
}

/* The next datagram, or "" when there is none. */
static const char *
received(struct supervisor *s)
{
	static char	 text[1024];
	ssize_t		 n = recv(s->fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
every_message_arrives_in_the_supervisors_words(void **state)
{
	struct supervisor	*s = *state;
	int64_t			 before_us = clock_mono_us(), said_us = 0;

	upward_open(&s->upward);
	assert_int_equal(fcntl(s->upward.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(s->upward.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	upward_ready(&s->upward);
	assert_string_equal(received(s), "READY=1");
	upward_beat(&s->upward);
	assert_string_equal(received(s), "WATCHDOG=1");
	upward_status(&s->upward, "2 up\nREADY=0\x7f\xff \xc3\xa9");
	assert_string_equal(received(s), "STATUS=2 up READY=0   \xc3\xa9");
	upward_reloading(&s->upward);
	assert_int_equal(sscanf(received(s), "RELOADING=1\nMONOTONIC_USEC=%" SCNd64, &said_us), 1);
	assert_true(said_us >= before_us && said_us <= clock_mono_us());
	upward_stopping(&s->upward);
	assert_string_equal(received(s), "STOPPING=1");
	assert_string_equal(received(s), "");
}

static void
a_long_status_is_cut_between_characters(void **state)
{
	struct supervisor	*s = *state;
	char			 text[602];
	const char		*got;

	upward_open(&s->upward);
	for (size_t i = 0; i < 600; i += 2)
		memcpy(text + i + 1, "\xc3\xa9", 2);
	text[0] = 'x';
	text[601] = '\0';
	upward_status(&s->upward, text);
	got = received(s);
	assert_int_equal(strlen(got), strlen("STATUS=") + 499);
	assert_int_equal(strncmp(got + strlen("STATUS="), text, 499), 0);
}

static void
without_a_supervisor_nothing_happens(void **state)
{
	struct supervisor	*s = *state;

	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "1000000", 1);
	upward_open(&s->upward);
	assert_int_equal(s->upward.fd, -1);
	assert_int_equal(s->upward.beat_us, 0);
	upward_ready(&s->upward);
	upward_status(&s->upward, "unheard");
	upward_beat(&s->upward);
	upward_reloading(&s->upward);
	upward_stopping(&s->upward);
	assert_string_equal(received(s), "");
}

static void
a_bad_socket_name_counts_as_none(void **state)
{
	static const char *const	 bad[] = { "", "/", "@", "notify", "vsock:2:1234", NULL };
	struct supervisor		*s = *state;
	char				 name[200];

	for (size_t i = 0; bad[i] != NULL; i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		upward_open(&s->upward);
		assert_int_equal(s->upward.fd, -1);
		assert_null(getenv("NOTIFY_SOCKET"));
	}
	/* The longest of each kind: sun_path has 108 bytes, a path's NUL among them. */
	memset(name, 'x', sizeof(name));
	for (size_t len = 107; len <= 109; len++) {
		name[len] = '\0';
		name[0] = '/';
		setenv("NOTIFY_SOCKET", name, 1);
		upward_open(&s->upward);
		assert_int_equal(s->upward.fd != -1, len <= 107);
		upward_close(&s->upward);
		name[0] = '@';
		setenv("NOTIFY_SOCKET", name, 1);
		upward_open(&s->upward);
		assert_int_equal(s->upward.fd != -1, len <= 108);
		upward_close(&s->upward);
		name[len] = 'x';
	}
}

static int64_t
beat_wanted(struct supervisor *s, const char *usec, const char *pid)
{
	setenv("NOTIFY_SOCKET", s->name, 1);
	setenv("WATCHDOG_USEC", usec, 1);
	if (pid != NULL)
		setenv("WATCHDOG_PID", pid, 1);
	upward_close(&s->upward);
	upward_open(&s->upward);
	assert_int_not_equal(s->upward.fd, -1);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	return s->upward.beat_us;
}

static void
the_beat_wanted_is_half_the_limit_and_only_when_meant_for_us(void **state)
{
	struct supervisor	*s = *state;
	char			 self[16], other[16];

	s->upward.fd = -1;
	snprintf(self, sizeof(self), "%d", (int)getpid());
	snprintf(other, sizeof(other), "%d", (int)getppid());
	assert_int_equal(beat_wanted(s, "30000000", NULL), 15000000);
	assert_int_equal(beat_wanted(s, "30000000", self), 15000000);
	assert_int_equal(beat_wanted(s, "30000000", other), 0);
	assert_int_equal(beat_wanted(s, "30000000", "me"), 0);
	assert_int_equal(beat_wanted(s, "0", self), 0);
	assert_int_equal(beat_wanted(s, "-5", NULL), 0);
	assert_int_equal(beat_wanted(s, "30s", NULL), 0);
	assert_int_equal(beat_wanted(s, "99999999999999999999", NULL), 0);
	assert_int_equal(beat_wanted(s, "", NULL), 0);
}

/* A supervisor that does not read: beats are dropped, a change of state is not. */
static void
a_full_socket_keeps_the_change_of_state_for_later(void **state)
{
	struct supervisor	*s = *state;
	unsigned		 beats = 0;
	const char		*got;

	upward_open(&s->upward);
	errno = 7;
	for (int i = 0; i < 5000; i++)
		upward_beat(&s->upward);
	upward_reloading(&s->upward);
	upward_ready(&s->upward);
	assert_int_equal(errno, 7);
	while (strcmp(got = received(s), "WATCHDOG=1") == 0)
		beats++;
	assert_true(beats > 0 && beats < 5000);
	assert_string_equal(got, "");
	upward_beat(&s->upward);
	assert_string_equal(received(s), "READY=1");
	assert_string_equal(received(s), "WATCHDOG=1");
	assert_string_equal(received(s), "");
}

static void
a_vanished_socket_is_ignored_until_it_is_back(void **state)
{
	struct supervisor	*s = *state;

	upward_open(&s->upward);
	close(s->fd);
	upward_beat(&s->upward);
	if (s->dir[0] != '\0')
		unlink(s->name);
	upward_beat(&s->upward);
	upward_stopping(&s->upward);
	bind_socket(s);
	upward_status(&s->upward, "here");
	assert_string_equal(received(s), "STOPPING=1");
	assert_string_equal(received(s), "STATUS=here");
	assert_string_equal(received(s), "");
}

#define ON(kind, test)	cmocka_unit_test_setup_teardown(test, set_up_ ## kind, tear_down)

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		ON(path, every_message_arrives_in_the_supervisors_words),
		ON(abstract, every_message_arrives_in_the_supervisors_words),
		ON(path, a_long_status_is_cut_between_characters),
		ON(path, without_a_supervisor_nothing_happens),
		ON(path, a_bad_socket_name_counts_as_none),
		ON(path, the_beat_wanted_is_half_the_limit_and_only_when_meant_for_us),
		ON(path, a_full_socket_keeps_the_change_of_state_for_later),
		ON(abstract, a_full_socket_keeps_the_change_of_state_for_later),
		ON(path, a_vanished_socket_is_ignored_until_it_is_back),
		ON(abstract, a_vanished_socket_is_ignored_until_it_is_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
