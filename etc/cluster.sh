#!/bin/sh
# cluster.sh start|stop|kill|restart DIR: a private PostgreSQL cluster below DIR, for the demo and the tests.
#
# Unix socket only (folder DIR/sock, or a shorter one that DIR/sock links to), peer authentication: the calling user and
# $TOCSIN_USER (if set) may connect as postgres, tocsin_generator, tocsin_relay and tocsin_reader, nobody else at all.
# As root the server runs as user postgres, which must be able to reach DIR.  TOCSIN_FAST=1: no fsync (tests).
# kill: an immediate shutdown, as if the machine had failed; restart: start what was stopped or killed.
set -eu
action=$1 dir=$2
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)

as_server() {
	if [ "$(id -u)" = 0 ]; then
		(cd / && runuser -u postgres -- "$@")
	else
		(cd / && "$@")
	fi
}

launch() {
	as_server "$bin/pg_ctl" -s -w -t 60 -D "$dir/data" -l "$dir/postgres.log" start >/dev/null || {
		tail -n 20 "$dir/postgres.log" >&2
		exit 111
	}
}

halt() {
	[ ! -e "$dir/data/postmaster.pid" ] || as_server "$bin/pg_ctl" -s -w -t 60 -D "$dir/data" -m "$1" stop >/dev/null
}

case $action in
start)
	mkdir -p "$dir/data"
	chmod 755 "$dir"
	# sockaddr_un holds 107 bytes.
	if [ ${#dir} -gt 80 ]; then
		sock=$(mktemp -d /tmp/tocsin-sock.XXXXXX)
		chmod 755 "$sock"
		ln -s "$sock" "$dir/sock"
	else
		sock=$dir/sock
		mkdir -p "$sock"
	fi
	: >"$dir/postgres.log"
	[ "$(id -u)" != 0 ] || chown -R postgres "$dir/data" "$sock" "$dir/postgres.log"
	as_server "$bin/initdb" -D "$dir/data" -U postgres -A peer -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 || {
		cat "$dir/initdb.log" >&2
		exit 111
	}
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$sock'"
		echo "log_line_prefix = '%m [%p] %u '"
		echo "timezone = 'UTC'"
		[ -z "${TOCSIN_FAST:-}" ] || echo "fsync = off"
	} | as_server tee -a "$dir/data/postgresql.conf" >/dev/null
	echo "local all all peer map=tocsin" | as_server tee "$dir/data/pg_hba.conf" >/dev/null
	for user in "$(id -un)" ${TOCSIN_USER:-}; do
		for role in postgres tocsin_generator tocsin_relay tocsin_reader; do
			# Only the caller administers.
			[ "$role" = postgres ] && [ "$user" != "$(id -un)" ] || echo "tocsin $user $role"
		done
	done | as_server tee "$dir/data/pg_ident.conf" >/dev/null
	launch
	;;
restart) launch ;;
stop)
	halt fast
	if [ -L "$dir/sock" ]; then
		rm -rf "$(readlink "$dir/sock")"
	fi
	;;
kill) halt immediate ;;
*)
	echo "usage: cluster.sh start|stop|kill|restart DIR" >&2
	exit 100
	;;
esac
