/*
 * crash: the last words of a program that dies by its own fault.
 *
 * On SIGABRT (also the watchdog's, to a process that hangs), SIGSEGV, SIGBUS,
 * SIGFPE and SIGILL it writes to descriptor 2, which is the log:
 *
 *   2026-…Z generator[812] error crash: signal=6 name=SIGABRT code=0 sender_pid=790
 *   2026-…Z generator[812] error crash: signal=11 name=SIGSEGV code=1 address=0x10
 *   2026-…Z generator[812] error crash: frame=2 at=/usr/…/tocsin-generator(stream_trade+0x1f)[0x55…]
 *   2026-…Z generator[812] error crash: frame=3 at=/usr/…/tocsin-generator(+0x1a2b)[0x55…]
 *
 * and then dies of the same signal with the default action, so that the exit
 * status and the core are the kernel's.  `code` is si_code of sigaction(2):
 * when positive the kernel found the fault at `address`; when not, the process
 * `sender_pid` sent the signal (itself, in abort(3)).
 *
 * Reading a frame: both `addr2line -fe PROGRAM stream_trade+0x1f` and
 * `addr2line -fe PROGRAM 0x1a2b` tell file and line (static functions have an
 * offset only).  The number is where the call would have returned to, so the
 * line may be the one after the call.  Frames 0 and 1 are the handler's own.
 * A jump to a bad address leaves nothing to unwind: then only a core helps.
 *
 * Everything here is async-signal-safe (signal-safety(7)), with the exception
 * that backtrace(3) notes: its first use loads libgcc, so crash_init() uses it
 * once.  A second crash while these lines are written ends the process at once.
 * Threads: two that crash together may cut each other's lines short.
 */
#ifndef TOCSIN_COMMON_CRASH_H
#define TOCSIN_COMMON_CRASH_H

/*
 * Install the handlers; call once, early in main, after log_open().  `program`
 * is borrowed and must stay.  Signals that are not at their default action (a
 * sanitizer's, a debugger's) are left alone, and so is an alternate stack that
 * is already there.  Cannot fail in a way that matters: what the kernel refuses
 * keeps its default action.
 */
void	 crash_init(const char *program);
#endif
