#!/bin/sh
# latency.sh [BUILD]: the relay's latency against two floors, side by side on the same table in one run.
#
# At 100 signals a second, from just before the INSERT is sent to the subscriber's read: a bare LISTENing program, one SSE
# client of the relay; a bare send(2) loop with 100 SSE clients, the relay with 100.  The four take turns, $ROUNDS times
# $SECS seconds each; only the one being measured runs.  FLOOR=PROGRAM takes another send loop (`PROGRAM CONNINFO PORT
# PIDFILE`).  Needs `make bench`.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build} rounds=${ROUNDS:-4} secs=${SECS:-5} rate=${RATE:-100}
floor=${FLOOR:-$build/bench/floor}
make -s B="$build" all bench

dir=$(mktemp -d /var/tmp/tocsin-latency.XXXXXX)
chmod 755 "$dir"
server=
cleanup() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	sh etc/cluster.sh stop "$dir" || :
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
sh etc/cluster.sh start "$dir"
db="host=$dir/sock user=postgres dbname=postgres"
port=$((20000 + $$ % 20000))
cat >"$dir/tocsin.conf" <<C
[tocsin]
database = $db
runtime_dir = $dir
log_dir = $dir
state_dir = $dir
[relay]
database = host=$dir/sock user=tocsin_relay dbname=postgres
C
"$build/bin/tocsin" -c "$dir/tocsin.conf" migrate >/dev/null

wait_for_port() {
	for _ in $(seq 200); do
		curl -s -o /dev/null --max-time 0.2 "http://127.0.0.1:$port/$1" && return
		[ $? != 28 ] || return 0	# an SSE stream never ends: it answers
		sleep 0.05
	done
	echo "latency: no answer on port $port" >&2
	exit 1
}

# measure NAME CLIENTS URLPATH COMMAND...
measure() {
	name=$1 clients=$2 path=$3
	shift 3
	psql -q "$db" -c 'TRUNCATE signals, signal_events' -c CHECKPOINT
	"$@" >>"$dir/server.log" 2>&1 &
	server=$!
	wait_for_port "${READY:-}"
	printf '%-24s ' "$name"
	"$build/bench/fan" -d "$db" -r "$rate" -s "$secs" -o "$dir/$name.us" -u "http://127.0.0.1:$port$path" -n "$clients" -p "$server"
	kill "$server"
	wait "$server" || :
	server=
}

for round in $(seq "$rounds"); do
	echo "round $round of $rounds"
	psql -q "$db" -c 'TRUNCATE signals, signal_events' -c CHECKPOINT
	printf '%-24s ' listen-floor
	"$build/bench/fan" -d "$db" -r "$rate" -s "$secs" -o "$dir/listen-floor.us"
	READY=readyz measure relay-1 1 /v1/stream "$build/bin/tocsin-relay" -c "$dir/tocsin.conf" "listen=127.0.0.1:$port"
	READY= measure send-floor-100 100 / "$floor" "$db" "$port" "$dir/floor.pid"
	READY=readyz measure relay-100 100 /v1/stream "$build/bin/tocsin-relay" -c "$dir/tocsin.conf" "listen=127.0.0.1:$port"
	port=$((port + 1))
done

# percentile FILE P: in ms
percentile() {
	sort -n "$1" | awk -v p="$2" '{ v[NR] = $1 } END { i = int(NR * p / 100) + 1; if (i > NR) i = NR; printf "%.3f", v[i] / 1000 }'
}
echo
echo "all rounds, ms       p50      p99"
for name in listen-floor relay-1 send-floor-100 relay-100; do
	printf '%-16s %7s  %7s\n' "$name" "$(percentile "$dir/$name.us" 50)" "$(percentile "$dir/$name.us" 99)"
done
for pair in "relay-1 listen-floor" "relay-100 send-floor-100"; do
	set -- $pair
	for p in 50 99; do
		echo "$1 / $2 p$p: $(echo "$(percentile "$dir/$1.us" $p) $(percentile "$dir/$2.us" $p)" | awk '{ printf "%.2f", $1 / $2 }')"
	done
done
