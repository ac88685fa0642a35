#!/bin/sh
# npm.sh: bring what tests/package.json names into tests/node_modules, exactly as the lock file has it, and a Node of their
# own where the system's is too old for them.  Says nothing when all is there.  Where the registry cannot be reached the
# tests that need it are skipped, and counted as skipped: that is no failure here.
set -eu
cd "$(dirname "$0")"
optional=--omit=optional
node -e 'process.exit(parseInt(process.versions.node, 10) >= 20 ? 0 : 1)' 2>/dev/null || optional=

stamp=node_modules/.installed
want="$optional $(cat package.json package-lock.json | cksum)"
[ "$(cat $stamp 2>/dev/null)" != "$want" ] || exit 0
command -v npm >/dev/null || {
	echo "npm: there is no npm: the tests that need its packages are skipped" >&2
	exit 0
}

echo "npm: installing the tests' packages"
rm -rf node_modules
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# Nothing of theirs runs at installing.
timeout 300 npm ci $optional --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=60000 >"$log" 2>&1 </dev/null || status=$?
if [ $status = 0 ]; then
	# Older npm does not link it.
	for node in node_modules/node-linux-*/bin/node; do
		[ ! -x "$node" ] || { mkdir -p node_modules/.bin && ln -sf "../${node#node_modules/}" node_modules/.bin/node; }
	done
	echo "$want" >$stamp
	exit 0
fi
rm -rf node_modules
if [ $status = 124 ] || grep -Eq 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|E50[0-9]|CERT|UNABLE_TO' "$log"; then
	echo "npm: the registry cannot be reached: the tests that need its packages are skipped" >&2
	exit 0
fi
cat "$log" >&2
echo "npm: npm ci failed, see above" >&2
exit 111
