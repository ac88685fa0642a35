#!/bin/sh
# suite.sh BUILD: every test against the programs in BUILD.  Prints a line a test that fails, a line a group, and at the
# end `N passed, N failed` (or adds the two numbers to the file $TOCSIN_TALLY).
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
passed=0 failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
export ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:exitcode=99" UBSAN_OPTIONS="print_stacktrace=1"
TOCSIN_DATA=${TOCSIN_DATA:-$PWD/../shared/data}
export TOCSIN_DATA

# count GROUP PASSED FAILED [REMARK]: a group's result; its output is shown when something failed.
count() {
	passed=$((passed + $2)) failed=$((failed + $3))
	echo "$build: $1: $2 passed, $3 failed${4:-}"
	[ "$3" = 0 ] || cat "$out"
}

for test in "$build"/tests/test_*; do
	[ -x "$test" ] || continue
	bad=0
	if ! CMOCKA_MESSAGE_OUTPUT=STDOUT "$test" >"$out" 2>&1; then
		bad=$(sed -n 's,^\[  FAILED  \] \([0-9]*\) test(s).*,\1,p' "$out")
		bad=${bad:-1}
	fi
	good=$(grep -c '^\[       OK \]' "$out")
	# A test that crashed has printed no verdict.
	[ "$bad" != 0 ] || grep -q '^\[  PASSED  \]' "$out" || bad=1
	skipped=$(sed -n 's,^\[  SKIPPED \] \([0-9]*\) test(s).*,\1,p' "$out")
	count "unit ${test##*/}" "$good" "$bad" "${skipped:+, $skipped skipped: no ../shared/data}"
done

for target in "$build"/fuzz/fuzz_*; do
	[ -x "$target" ] || continue
	if "$target" -runs=20000 "tests/fuzz/corpus/${target##*/fuzz_}" >"$out" 2>&1; then
		count "fuzz ${target##*/}" 1 0
	else
		count "fuzz ${target##*/}" 0 1
	fi
done

TOCSIN_BIN=$PWD/$build/bin node --test --test-reporter=spec tests/system/ >"$out" 2>&1
status=$?
good=$(sed -n 's/^ℹ pass //p' "$out")
bad=$(sed -n 's/^ℹ fail //p' "$out")
[ "$status" = 0 ] || [ "${bad:-0}" != 0 ] || bad=1
count "system" "${good:-0}" "${bad:-0}"

if [ -n "${TOCSIN_TALLY:-}" ]; then
	echo "$passed $failed" >>"$TOCSIN_TALLY"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" = 0 ] && [ "$passed" != 0 ]
