#!/bin/sh
# run.sh: the whole test suite on any Debian 12.  Installs what is missing, builds with warnings as errors, runs every
# test on the plain build and again with AddressSanitizer and UBSan, and ends with `N passed, N failed` (and `, N skipped`).
set -eu
cd "$(dirname "$0")/.."
sh etc/setup.sh build run test
sh tests/npm.sh

echo "run: building with warnings as errors"
make -s all unit fuzz bench CFLAGS='-O2 -g -Werror'
echo "run: building with AddressSanitizer and UBSan"
make -s B=build-asan HARDEN= LDHARDEN= all unit fuzz \
    CFLAGS='-O1 -g -fno-omit-frame-pointer -Werror -fsanitize=address,undefined -fno-sanitize-recover=undefined'

tally=$(mktemp)
trap 'rm -f "$tally"' EXIT
status=0
TOCSIN_TALLY=$tally sh tests/suite.sh build || status=1
TOCSIN_TALLY=$tally sh tests/suite.sh build-asan || status=1
awk '{ passed += $1; failed += $2; skipped += $3 }
    END { print passed + 0 " passed, " failed + 0 " failed" (skipped ? ", " skipped " skipped" : "") }' "$tally"
exit $status
