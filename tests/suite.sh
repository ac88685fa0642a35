#!/bin/sh
# suite.sh BUILD: every test against the programs in BUILD.  Prints a line a test that fails, a line a group, and at the
# end `N passed, N failed` (and `, N skipped`), or adds the numbers to the file $TOCSIN_TALLY.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
passed=0 failed=0 skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
export ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:exitcode=99" UBSAN_OPTIONS="print_stacktrace=1"
TOCSIN_DATA=${TOCSIN_DATA:-$PWD/../shared/data}
export TOCSIN_DATA
# A Node of the tests' own, where the system's is too old, see npm.sh.
PATH=$PWD/tests/node_modules/.bin:$PATH
export PATH

# count GROUP PASSED FAILED [SKIPPED [WHY]]: a group's result; its output is shown when something failed.
count() {
	passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + ${4:-0}))
	remark=
	[ "${4:-0}" = 0 ] || remark=", $4 skipped${5:+: $5}"
	echo "$build: $1: $2 passed, $3 failed$remark"
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
	without=$(sed -n 's,^\[  SKIPPED \] \([0-9]*\) test(s).*,\1,p' "$out")
	count "unit ${test##*/}" "$good" "$bad" "${without:-0}" "no ../shared/data"
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
without=$(sed -n 's/^ℹ skipped //p' "$out")
[ "$status" = 0 ] || [ "${bad:-0}" != 0 ] || bad=1
count "system" "${good:-0}" "${bad:-0}" "${without:-0}"
# Why: each test's own reason.
sed -n 's/^ *﹣ \(.*\) ([0-9.]*ms) # /skipped: \1: /p' "$out"

if [ -n "${TOCSIN_TALLY:-}" ]; then
	echo "$passed $failed $skipped" >>"$TOCSIN_TALLY"
else
	[ "$skipped" = 0 ] && also= || also=", $skipped skipped"
	echo "$passed passed, $failed failed$also"
fi
[ "$failed" = 0 ] && [ "$passed" != 0 ]
