#include "common/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "common/clock.h"

#define FRAMES_MAX	64
#define LINE_MAX_BYTES	256
/* The kernel's frame with every vector register is some 11 KiB; the unwinder takes the most of ours. */
#define STACK_BYTES	65536

static const struct {
	int		 number;
	const char	*name;
} fatal_signals[] = {
	{ SIGABRT, "SIGABRT" }, { SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" }, { SIGFPE, "SIGFPE" }, { SIGILL, "SIGILL" },
};
#define FATAL_COUNT	(sizeof(fatal_signals) / sizeof(fatal_signals[0]))

/* A signal handler has no argument to carry them. */
static const char			*program_name = "tocsin";
static _Alignas(max_align_t) char	 alternate_stack[STACK_BYTES];

/* One line being put together without printf. */
struct line {
	char	 text[LINE_MAX_BYTES];
	size_t	 len;
};

static void
put_text(struct line *l, const char *text)
{
	while (*text != '\0' && l->len < sizeof(l->text))
		l->text[l->len++] = *text++;
}

static void
put_number(struct line *l, uintmax_t value, unsigned base)
{
	char	 digits[24], *at = digits + sizeof(digits);

	*--at = '\0';
	do
		*--at = "0123456789abcdef"[value % base];
	while ((value /= base) > 0);
	put_text(l, at);
}

static void
put_int(struct line *l, int value)
{
	if (value < 0)
		put_text(l, "-");
	put_number(l, value < 0 ? -(uintmax_t)value : (uintmax_t)value, 10);
}

/* As log.c begins a line. */
static void
begin_line(struct line *l)
{
	char	 now[CLOCK_TEXT_MAX];

	l->len = 0;
	put_text(l, clock_iso_ms(clock_wall_us(), now));
	put_text(l, " ");
	put_text(l, program_name);
	put_text(l, "[");
	put_int(l, (int)getpid());
	put_text(l, "] error crash: ");
}

/* A log that takes no more changes nothing now. */
static void
write_line(const struct line *l)
{
	ssize_t	 n = write(STDERR_FILENO, l->text, l->len);

	(void)n;
}

static const char *
signal_name(int sig)
{
	for (size_t i = 0; i < FATAL_COUNT; i++)
		if (fatal_signals[i].number == sig)
			return fatal_signals[i].name;
	return "unknown";
}

static void
write_cause(int sig, const siginfo_t *info)
{
	struct line	 l;

	begin_line(&l);
	put_text(&l, "signal=");
	put_int(&l, sig);
	put_text(&l, " name=");
	put_text(&l, signal_name(sig));
	put_text(&l, " code=");
	put_int(&l, info->si_code);
	if (info->si_code > 0) {
		put_text(&l, " address=0x");
		put_number(&l, (uintptr_t)info->si_addr, 16);
	} else {
		put_text(&l, " sender_pid=");
		put_int(&l, (int)info->si_pid);
	}
	put_text(&l, "\n");
	write_line(&l);
}

static void
write_backtrace(void)
{
	void		*frames[FRAMES_MAX];
	struct line	 l;
	int		 count = backtrace(frames, FRAMES_MAX);

	for (int i = 0; i < count; i++) {
		begin_line(&l);
		put_text(&l, "frame=");
		put_int(&l, i);
		put_text(&l, " at=");
		write_line(&l);
		backtrace_symbols_fd(frames + i, 1, STDERR_FILENO);	/* with its newline */
	}
}

static void
set_default(int sig)
{
	const struct sigaction	 sa = { .sa_handler = SIG_DFL };

	(void)sigaction(sig, &sa, NULL);	/* cannot fail for a signal that had a handler */
}

/*
 * SA_RESETHAND has put this signal back to its default already; before anything
 * else happens the others follow.  None of the five is blocked in here, so that
 * a second one, whatever its cause, kills: also the watchdog's SIGABRT, should
 * the dynamic linker's lock hold us up in backtrace_symbols_fd().
 */
static void
crash_cb(int sig, siginfo_t *info, void *context)
{
	struct sigaction	 now;

	(void)context;
	for (size_t i = 0; i < FATAL_COUNT; i++)
		if (sigaction(fatal_signals[i].number, NULL, &now) == 0 && now.sa_sigaction == crash_cb)
			set_default(fatal_signals[i].number);
	write_cause(sig, info);
	write_backtrace();
	raise(sig);
	/* Process 1 of a container survives its own signals. */
	_exit(128 + sig);
}

/* Without one there is no room to run in after a stack overflow. */
static void
give_alternate_stack(void)
{
	const stack_t	 ours = { .ss_sp = alternate_stack, .ss_size = sizeof(alternate_stack) };
	stack_t		 present;

	if (sigaltstack(NULL, &present) == 0 && (present.ss_flags & SS_DISABLE) != 0)
		(void)sigaltstack(&ours, NULL);		/* then all but an overflow is still told */
}

void
crash_init(const char *program)
{
	struct sigaction	 sa = { .sa_sigaction = crash_cb }, present;
	void			*primed[1];

	program_name = program;
	(void)backtrace(primed, 1);
	give_alternate_stack();
	sa.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESETHAND);
	sigfillset(&sa.sa_mask);	/* nobody else's handler runs on our stack */
	for (size_t i = 0; i < FATAL_COUNT; i++)
		sigdelset(&sa.sa_mask, fatal_signals[i].number);
	for (size_t i = 0; i < FATAL_COUNT; i++)
		if (sigaction(fatal_signals[i].number, NULL, &present) == 0 && present.sa_handler == SIG_DFL)
			(void)sigaction(fatal_signals[i].number, &sa, NULL);
}
