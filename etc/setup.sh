#!/bin/sh
# setup.sh PURPOSE...: install the packages of etc/packages for these purposes (build, run, test) that are missing.
# Needs root, or sudo.  Says nothing when there is nothing to do.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

is_installed() {
	case $1 in
	# Any Node new enough will do, whoever brought it.
	nodejs) node -e 'process.exit(parseInt(process.versions.node, 10) >= 18 ? 0 : 1)' 2>/dev/null ;;
	npm) command -v npm >/dev/null ;;
	# A server of another package's version will do as well.
	postgresql) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ;;
	*) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
	esac
}

missing=
for purpose; do
	for package in $(awk -v want="$purpose" '$1 == want { print $2 }' "$here/packages"); do
		is_installed "$package" || missing="$missing $package"
	done
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || {
	echo "setup: this is no Debian: install these by hand:$missing" >&2
	exit 100
}
as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "setup: needs root or sudo to install:$missing" >&2
		exit 100
	}
	as_root=sudo
fi
echo "setup: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # a list of words
if ! { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends $missing; } >"$log" 2>&1; then
	cat "$log" >&2
	echo "setup: apt-get failed, see above" >&2
	exit 111
fi
