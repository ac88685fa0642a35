# One Makefile for the whole suite.  See README.md; `make help` lists the targets.
VERSION	= 0.1.0
B	?= build
PREFIX	?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR	?=
# sysv, systemd or both; systemd looks below /usr, /usr/local and /etc.
INIT	?= both
UNITDIR	?= $(if $(filter /usr /usr/local,$(PREFIX)),$(PREFIX)/lib,$(SYSCONFDIR))/systemd/system
INSTALL	= B='$B' DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' UNITDIR='$(UNITDIR)' INIT='$(INIT)' sh etc/install.sh
CFLAGS	?= -O2 -g
HARDEN	?= -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
LDHARDEN ?= -pie -Wl,-z,relro,-z,now
STRICT	= -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	  -Wpointer-arith -Wwrite-strings -Wvla -Wundef -ffp-contract=off
PKGS	= libevent_core libevent_extra libevent_openssl openssl libpq
DEFS	= -D_GNU_SOURCE -DTOCSIN_VERSION='"$(VERSION)"' -I. -I$B/gen
# One by one: pkg-config says nothing at all when one of several is missing, and only tests need cmocka.
INCLUDES := $(foreach p,$(PKGS) cmocka,$(shell pkg-config --cflags $p 2>/dev/null))

PROGS	= tocsin-watchdog tocsin-generator tocsin-relay tocsin
BIN	= $(PROGS:%=$B/bin/%)

objects	= $(patsubst %.c,$B/%.o,$(foreach d,$1,$(wildcard $d/*.c)))
COMMON	= $(call objects,common)
CLI_PARTS = $(patsubst %,$B/watchdog/%.o,check check_files check_programs client launch logfile logline logmerge logs operate program site)
CLI	= $B/watchdog/cli.o $(CLI_PARTS)
WATCHDOG  = $(filter-out $(CLI),$(call objects,watchdog))
GENERATOR = $(call objects,generator generator/strategy) $B/gen/migrations.o
RELAY	= $(call objects,relay) $B/gen/www.o

# The watchdog carries its two small libraries inside, where their archives are installed: less memory of its own, and
# quicker forks.  `make STATIC=` links them as everybody does.
STATIC	?= yes
archive	= $(or $(if $(STATIC),$(filter /%,$(shell $(CC) -print-file-name=lib$1.a))),-l$1)
LIBS_WATCHDOG	= $(foreach l,event_core inih,$(call archive,$l))
LIBS_GENERATOR	= -levent_openssl -levent_extra -levent_core -lwslay -lssl -lcrypto -lpq -linih -lz -lm
LIBS_RELAY	= -levent_openssl -levent_extra -levent_core -lssl -lcrypto -lpq -linih -lm

# The functions' names for a crash's backtrace, see common/crash.h.
$B/bin/tocsin-generator $B/bin/tocsin-relay: NAMES = -rdynamic

# A unit test links the archive of everything but the main functions.
UNIT	= $(patsubst tests/unit/%.c,$B/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ	= $(patsubst tests/fuzz/%.c,$B/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH	= $(patsubst tests/bench/%.c,$B/bench/%,$(filter-out %/wallclock.c,$(wildcard tests/bench/*.c))) $B/bench/wallclock.so
SUPERV	= $(call objects,tests/bench/superv)
CROWD	= $(call objects,tests/bench/crowd) $B/tests/bench/superv/proc.o
PARTS	= $(filter-out %/main.o %/cli.o,$(COMMON) $(WATCHDOG) $(CLI) $(GENERATOR) $(RELAY))
LIBS_ALL = -levent_openssl -levent_extra -levent_core -lwslay -lssl -lcrypto -lpq -linih -lz -lm

all: $(BIN)

help:
	@echo "make            build/bin/{tocsin-watchdog,tocsin-generator,tocsin-relay,tocsin}"
	@echo "make test       every test, on the plain build"
	@echo "make asan       every test, with AddressSanitizer and UBSan"
	@echo "make tidy       clang-tidy over every source file"
	@echo "make bench      the programs of tests/bench"
	@echo "make install    PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) INIT=sysv|systemd|both, DESTDIR= for packages"
	@echo "make uninstall  all but configuration, logs, state and user;  make clean"

# common/ as an archive: a program gets only the modules it uses (no libpq in the watchdog).
$B/libcommon.a: $(COMMON)
	@rm -f $@
	$(AR) rcs $@ $^

$B/libparts.a: $(PARTS)
	@rm -f $@
	$(AR) rcs $@ $^

$B/bin/tocsin-watchdog: $(WATCHDOG) $B/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(LIBS_WATCHDOG)
$B/bin/tocsin: $(CLI) $B/watchdog/lock.o $B/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(LIBS_WATCHDOG)
$B/bin/tocsin-generator: $(GENERATOR) $B/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDHARDEN) $(NAMES) $(LDFLAGS) -o $@ $^ $(LIBS_GENERATOR)
$B/bin/tocsin-relay: $(RELAY) $B/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDHARDEN) $(NAMES) $(LDFLAGS) -o $@ $^ $(LIBS_RELAY)

$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $(HARDEN) $(INCLUDES) $(DEFS) -MMD -MP $(CPPFLAGS) -c -o $@ $<
$B/gen/%.o: $B/gen/%.c
	$(CC) $(STRICT) $(CFLAGS) $(HARDEN) $(INCLUDES) $(DEFS) -MMD -MP $(CPPFLAGS) -c -o $@ $<

# Files that a program carries inside: migrations and the page.
SQL	= $(sort $(wildcard etc/sql/*.sql))
WWW	= $(sort $(wildcard relay/www/*))
$B/gen/migrations.c: etc/embed.sh $(SQL)
	@mkdir -p $(@D)
	sh etc/embed.sh migrations $(SQL) >$@.new && mv $@.new $@
$B/gen/www.c: etc/embed.sh $(WWW)
	@mkdir -p $(@D)
	sh etc/embed.sh www $(WWW) >$@.new && mv $@.new $@

$B/tests/%: tests/unit/%.c $B/libparts.a
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $(HARDEN) $(INCLUDES) $(DEFS) -MMD -MP $(CPPFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $< $B/libparts.a $(LIBS_ALL) -lcmocka
$B/fuzz/%: tests/fuzz/%.c tests/fuzz/driver.c $B/libparts.a
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $(HARDEN) $(INCLUDES) $(DEFS) $(CPPFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $< $(FUZZ_ENGINE) $B/libparts.a $(LIBS_ALL)
FUZZ_ENGINE ?= tests/fuzz/driver.c
$B/bench/%: tests/bench/%.c $B/libparts.a
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $(HARDEN) $(INCLUDES) $(DEFS) -MMD -MP $(CPPFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $< $B/libparts.a $(LIBS_ALL)

# The child and the floor of a supervisor are to be as small as they can be: no libraries.
$B/bench/beater: tests/bench/beater.c
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $(HARDEN) $(DEFS) -MMD -MP $(CPPFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $<
$B/bench/supervise: $B/tests/bench/supervise.o $(SUPERV) $B/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^
# Clients and floor of the relay: nothing of the suite in them.
$B/bench/fan $B/bench/churn $B/bench/faithful $B/bench/poster: $B/bench/%: $B/tests/bench/%.o $(CROWD)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ -lpq
$B/bench/wallclock.so: tests/bench/wallclock.c
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $(DEFS) -MMD -MP $(CPPFLAGS) -fPIC -shared $(LDFLAGS) -o $@ $<

unit: $(UNIT)
fuzz: $(FUZZ)
bench: all $(BENCH)

test: all unit fuzz
	sh tests/suite.sh $B
asan:
	$(MAKE) B=build-asan HARDEN= LDHARDEN= CFLAGS='-O1 -g -fno-omit-frame-pointer -Werror -fsanitize=address,undefined -fno-sanitize-recover=undefined' test

# One file a run: clang-tidy 14 invents va_list errors over several.
tidy: $B/gen/migrations.c $B/gen/www.c
	@for f in common/*.c watchdog/*.c generator/*.c generator/strategy/*.c relay/*.c; do \
		clang-tidy --quiet $$f -- -std=c11 $(INCLUDES) $(DEFS) 2>/dev/null || exit 1; done

install: all
	@$(INSTALL) install
uninstall:
	@$(INSTALL) uninstall
clean:
	rm -rf build build-asan

.PHONY: all help unit fuzz bench test asan tidy install uninstall clean
.SECONDARY:
-include $(wildcard $B/*/*.d $B/*/*/*.d $B/*/*/*/*.d)
