/* Processes that hold a lock, and such that only look like it. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watchdog/holders.h"
#include "watchdog/lock.h"

#define CHILDREN_MAX	8

struct bench {
	char	 dir[32], lock[64], other[64];
	int	 ready[2];			/* a child writes its number when it has come so far */
	pid_t	 children[CHILDREN_MAX];
	size_t	 count;
};

/* Who was told about, in what order ever. */
struct report {
	pid_t	 pids[CHILDREN_MAX];
	size_t	 count;
	char	 comm[64];
};

static int
set_up(void **state)
{
	struct bench	*b = *state = calloc(1, sizeof(*b));

	strcpy(b->dir, "/tmp/tocsin-holders.XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->lock, sizeof(b->lock), "%s/x.lock", b->dir);
	snprintf(b->other, sizeof(b->other), "%s/y.lock", b->dir);
	assert_int_equal(pipe2(b->ready, O_CLOEXEC), 0);
	/* Grandchildren become ours, so that their end can be waited for. */
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static int
tear_down(void **state)
{
	struct bench	*b = *state;

	for (size_t i = 0; i < b->count; i++)
		if (b->children[i] > 0) {
			kill(b->children[i], SIGKILL);
			waitpid(b->children[i], NULL, 0);
		}
	close(b->ready[0]);
	close(b->ready[1]);
	unlink(b->lock);
	unlink(b->other);
	rmdir(b->dir);
	free(b);
	return 0;
}

static void __attribute__((noreturn))
stay(const struct bench *b)
{
	pid_t	 self = getpid();

	alarm(30);	/* should the test die */
	if (write(b->ready[1], &self, sizeof(self)) != sizeof(self))
		_exit(1);
	for (;;)
		pause();
}

static size_t
remember(struct bench *b)
{
	assert_true(b->count < CHILDREN_MAX);
	assert_int_equal(read(b->ready[0], &b->children[b->count], sizeof(pid_t)), sizeof(pid_t));
	return b->count++;
}

/* A child that has done `way` and stays. */
static size_t
start(struct bench *b, bool (*way)(struct bench *b))
{
	pid_t	 pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (!way(b))
			_exit(1);
		stay(b);
	}
	return remember(b);
}

static bool
take_way(struct bench *b)
{
	return lock_take(b->lock) != -1;
}

static bool
take_twice_seen_way(struct bench *b)
{
	int	 fd = lock_take(b->lock);

	return fd != -1 && dup(fd) != -1;
}

static bool
take_and_fork_way(struct bench *b)
{
	if (lock_take(b->lock) == -1)
		return false;
	if (fork() == 0)
		stay(b);
	return true;
}

static bool
take_and_leave_it_to_a_child_way(struct bench *b)
{
	if (lock_take(b->lock) == -1)
		return false;
	if (fork() == 0)
		stay(b);
	_exit(0);
}

static bool
read_way(struct bench *b)
{
	return open(b->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600) != -1;
}

static bool
other_file_way(struct bench *b)
{
	return lock_take(b->other) != -1;
}

/* A lock of the other kind, on the same file. */
static bool
fcntl_lock_way(struct bench *b)
{
	struct flock	 whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int		 fd = open(b->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd != -1 && fcntl(fd, F_SETLK, &whole) == 0;
}

static void
told_cb(pid_t pid, const char *comm, void *arg)
{
	struct report	*r = arg;

	assert_true(r->count < CHILDREN_MAX);
	r->pids[r->count++] = pid;
	snprintf(r->comm, sizeof(r->comm), "%s", comm);
}

static bool
was_told(const struct report *r, pid_t pid)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->pids[i] == pid)
			return true;
	return false;
}

static void
assert_got_term(struct bench *b, size_t child)
{
	int	 status;

	assert_int_equal(waitpid(b->children[child], &status, 0), b->children[child]);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	b->children[child] = 0;
}

static void
assert_lives(const struct bench *b, size_t child)
{
	assert_int_equal(waitpid(b->children[child], NULL, WNOHANG), 0);
}

static void
only_the_holder_gets_the_signal(void **state)
{
	struct bench	*b = *state;
	struct report	 r = { .count = 0 };
	size_t		 holder = start(b, take_way), reader = start(b, read_way), elsewhere = start(b, other_file_way);
	size_t		 other_kind = start(b, fcntl_lock_way);

	assert_int_equal(holders_signal(b->lock, (uid_t)-1, SIGTERM, told_cb, &r), 1);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.pids[0], b->children[holder]);
	assert_string_equal(r.comm, "test_holders");
	assert_got_term(b, holder);
	assert_lives(b, reader);
	assert_lives(b, elsewhere);
	assert_lives(b, other_kind);
	/* And now there is none. */
	assert_int_equal(holders_signal(b->lock, (uid_t)-1, SIGTERM, NULL, NULL), 0);
	assert_int_equal(close(lock_take(b->lock)), 0);
}

static void
whoever_inherited_the_descriptor_holds_it_too(void **state)
{
	struct bench	*b = *state;
	struct report	 r = { .count = 0 };
	size_t		 one = start(b, take_and_fork_way), two = remember(b);

	assert_int_equal(holders_signal(b->lock, (uid_t)-1, SIGTERM, told_cb, &r), 2);
	assert_true(was_told(&r, b->children[one]) && was_told(&r, b->children[two]));
	assert_got_term(b, one);
	assert_got_term(b, two);
}

static void
a_holder_whose_parent_took_the_lock_and_died_is_found(void **state)
{
	struct bench	*b = *state;
	struct report	 r = { .count = 0 };
	size_t		 orphan = start(b, take_and_leave_it_to_a_child_way);

	assert_true(waitpid(-1, NULL, 0) > 0);	/* its parent: the only one that ends by itself */
	assert_int_equal(holders_signal(b->lock, (uid_t)-1, SIGTERM, told_cb, &r), 1);
	assert_int_equal(r.pids[0], b->children[orphan]);
	assert_got_term(b, orphan);
}

static void
two_descriptors_are_one_signal_and_no_signal_only_finds(void **state)
{
	struct bench	*b = *state;
	size_t		 holder = start(b, take_twice_seen_way);

	assert_int_equal(holders_signal(b->lock, (uid_t)-1, 0, NULL, NULL), 1);
	assert_lives(b, holder);
	assert_int_equal(holders_signal(b->lock, (uid_t)-1, SIGTERM, NULL, NULL), 1);
	assert_got_term(b, holder);
}

static void
the_caller_never_signals_itself(void **state)
{
	struct bench	*b = *state;
	int		 fd = lock_take(b->lock);

	assert_int_not_equal(fd, -1);
	assert_int_equal(holders_signal(b->lock, (uid_t)-1, SIGTERM, NULL, NULL), 0);
	close(fd);
}

static void
a_file_made_anew_at_the_path_is_another_lock(void **state)
{
	struct bench	*b = *state;
	size_t		 holder = start(b, take_way);

	unlink(b->lock);
	assert_int_equal(holders_signal(b->lock, (uid_t)-1, SIGTERM, NULL, NULL), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(close(lock_take(b->lock)), 0);
	assert_int_equal(holders_signal(b->lock, (uid_t)-1, SIGTERM, NULL, NULL), 0);
	assert_lives(b, holder);
}

static void
a_signal_that_does_not_exist_reaches_nobody(void **state)
{
	struct bench	*b = *state;
	struct report	 r = { .count = 0 };
	size_t		 holder = start(b, take_way);

	assert_int_equal(holders_signal(b->lock, (uid_t)-1, 4711, told_cb, &r), 0);
	assert_int_equal(r.count, 0);
	assert_lives(b, holder);
}

#define TEST(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		TEST(only_the_holder_gets_the_signal),
		TEST(whoever_inherited_the_descriptor_holds_it_too),
		TEST(a_holder_whose_parent_took_the_lock_and_died_is_found),
		TEST(two_descriptors_are_one_signal_and_no_signal_only_finds),
		TEST(the_caller_never_signals_itself),
		TEST(a_file_made_anew_at_the_path_is_another_lock),
		TEST(a_signal_that_does_not_exist_reaches_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
