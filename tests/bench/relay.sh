#!/bin/sh
# relay.sh latency|ladder|burst|idle|churn|herd|loss [BUILD]: the relay beside floors and peers, on the same table in one run.
#
# latency  one client, 100 signals a second: from just before the INSERT is sent to the client's read, beside a bare LISTEN
# ladder   100 clients at 100/s, 1,000 at 10/s, 5,000 at 5/s: latency and CPU of the server per delivery, beside a bare send loop
# burst    500 signals at once to 1,000 clients: deliveries a second, beside the best peer
# idle     5,000 and 19,700 clients to whom nothing happens: memory of each and of all
# churn    a million connections that come and go: memory of the server on the way
# herd     10,000 SSE and 2,000 Realtime clients whose relay is killed, all back at once and missing some events
# loss     PostgreSQL killed 10 times and the relay 10 times under 500 signals a second, 200 resuming clients of each kind
#
# The servers take turns, $ROUNDS times; only the one being measured runs.  NAMES="relay node-sse" measures fewer of: floor,
# relay, realtime (the same relay's WebSocket), node-sse, node-ws (npm's pg and ws), nchan, nchan-ws (nginx, 2 workers and a
# poster).  FLOOR=PROGRAM takes another send loop (`PROGRAM CONNINFO PORT PIDFILE`).  Peers that are not installed are left
# out, and said to be: apt-get install nginx-light libnginx-mod-nchan; sh tests/npm.sh.
set -eu
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] || { sed -n '2,18s/^# \{0,1\}//p' "$0"; exit 100; }
stage=$1 build=${2:-build}
bin=${TOCSIN_BIN:-$build/bin}
floor=${FLOOR:-$build/bench/floor}
make -s B="$build" all "$build/bench/fan" "$build/bench/floor" "$build/bench/poster" "$build/bench/churn" "$build/bench/faithful"
sh tests/npm.sh || :
ulimit -n "$(ulimit -Hn)"

dir=$(mktemp -d /var/tmp/tocsin-relay.XXXXXX)
chmod 755 "$dir"
servers='' port=$((20000 + $$ % 10000))
stop() {
	for pid in $servers; do
		kill "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	servers=
}
cleanup() {
	stop
	sh etc/cluster.sh stop "$dir" || :
	[ -z "${KEEP:-}" ] || cp -r "$dir" "$KEEP"
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
sh etc/cluster.sh start "$dir"
db="host=$dir/sock user=postgres dbname=postgres"
configure() {
	cat <<C
[tocsin]
database = $db
runtime_dir = $dir
log_dir = $dir
state_dir = $dir
[relay]
database = host=$dir/sock user=tocsin_relay dbname=postgres
max_clients = 100000
C
}
configure >"$dir/tocsin.conf"
"$bin/tocsin" -c "$dir/tocsin.conf" migrate >/dev/null

# Servers: each sets kind, url and pids, and is ready when its path answers.

wait_for() {
	for _ in $(seq 400); do
		code=$(curl -s -o /dev/null -w '%{http_code}' --max-time 0.3 "http://127.0.0.1:$port/$1") || :
		[ "$code" != 200 ] || return 0
		sleep 0.05
	done
	echo "relay.sh: no answer on port $port; $dir/server.log:" >&2
	tail -n 5 "$dir/server.log" >&2
	exit 1
}
spawn() {
	"$@" >>"$dir/server.log" 2>&1 &
	pids=$!
	servers="$servers $!"
}
have() {
	case $1 in
	node-*) [ -d tests/node_modules/pg ] ;;
	nchan*) command -v nginx >/dev/null && [ -e /usr/lib/nginx/modules/ngx_nchan_module.so ] ;;
	esac
}
start() {
	port=$((port + 1)) kind=sse url=/
	case $1 in
	floor)
		spawn "$floor" "$db" "$port" "$dir/floor.pid"
		wait_for ''
		;;
	relay | realtime)
		spawn "$bin/tocsin-relay" -c "$dir/tocsin.conf" "listen=127.0.0.1:$port"
		url=/v1/stream
		[ "$1" = relay ] || kind=realtime url='/realtime/v1/websocket?apikey=none&vsn=2.0.0'
		wait_for readyz
		;;
	node-*)
		spawn node tests/bench/peers/bridge.mjs "${1#node-}" "$port" "$dir/sock"
		[ "$1" != node-ws ] || kind=ws
		wait_for healthz
		;;
	nchan*)
		sh tests/bench/peers/nginx.sh "$port" "$dir" 2 >"$dir/nginx.conf"
		spawn nginx -c "$dir/nginx.conf" -e "$dir/nginx.log"
		nginx=$pids
		wait_for healthz
		spawn "$build/bench/poster" "$db" "$port" /publish
		pids="$nginx+,$pids" url=/sse
		[ "$1" != nchan-ws ] || kind=ws url=/ws
		sleep 0.5
		;;
	esac
}

# measure CASE NAME ROUND ARGUMENTS OF FAN...
measure() {
	case=$1 name=$2 round=$3
	shift 3
	psql -q "$db" -c 'TRUNCATE signals, signal_events' -c CHECKPOINT
	if [ "$name" = listen ]; then
		line=$("$build/bench/fan" -d "$db" "$@") || line="$line failed=1"
	else
		start "$name"
		line=$("$build/bench/fan" -u "http://127.0.0.1:$port$url" -k "$kind" -p "$pids" "$@") || line="$line failed=1"
		stop
	fi
	echo "$case $name $round $line" | tee -a "$dir/results"
}

# measure_all CASE BASE "NAMES" ARGUMENTS...: in turns
measure_all() {
	case=$1 names=${NAMES:-$2}
	shift 2
	for name in $names; do
		case $name in
		node-* | nchan*) have "$name" || { echo "$name is not installed: left out" >&2; continue; } ;;
		esac
		measure "$case" "$name" "$round" "$@"
	done
}

# table BASE COLUMN...: a line a case and name with the median over the rounds of each column, and of its ratio to BASE's of
# the same round.
table() {
	echo
	awk -v base="$1" -v columns="$2" '
	function median(list,   v, n, i, j, t) {
		n = split(list, v, " ")
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
		return n == 0 ? "" : (v[int((n + 1) / 2)] + v[int(n / 2) + 1]) / 2
	}
	{
		row = $1 " " $2
		if (!(row in seen)) { seen[row] = 1; order[++rows] = row }
		rounds[$3] = 1
		for (i = 4; i <= NF; i++) {
			split($i, kv, "=")
			value[row, kv[1], $3] = kv[2]
			if (kv[1] == "failed") failed[row] = 1
		}
	}
	END {
		n = split(columns, column, " ")
		printf "%-10s %-10s", "", ""
		for (i = 1; i <= n; i++) printf " %17s %11s", column[i], "of " base
		print ""
		for (r = 1; r <= rows; r++) {
			split(order[r], part, " ")
			printf "%-10s %-10s", part[1], part[2]
			for (i = 1; i <= n; i++) {
				list = ratios = ""
				for (k in rounds) {
					v = value[order[r], column[i], k]
					b = value[part[1] " " base, column[i], k]
					if (v != "") list = list " " v
					if (v != "" && b + 0 > 0) ratios = ratios " " v / b
				}
				m = median(ratios)
				m_list = median(list)
				printf " %17s %11s", m_list == "" ? "" : sprintf(m_list < 1000 ? "%.3f" : "%.0f", m_list), m == "" ? "-" : sprintf("%.2f", m)
			}
			print (order[r] in failed) ? "  NOT ALL DELIVERED" : ""
		}
	}' "$dir/results"
}

case $stage in
latency)
	for round in $(seq "${ROUNDS:-4}"); do
		measure_all 1x100 'listen relay realtime node-sse node-ws nchan nchan-ws' -d "$db" -n 1 -r 100 -s "${SECS:-10}"
	done
	table listen 'p50_ms p99_ms cpu_us'
	;;
ladder)
	for round in $(seq "${ROUNDS:-3}"); do
		for step in ${STEPS:-100x100 1000x10 5000x5}; do
			measure_all "$step" 'floor relay realtime node-sse node-ws nchan' -d "$db" -n "${step%x*}" -r "${step#*x}" -s "${SECS:-10}"
		done
	done
	table floor 'cpu_us p50_ms p99_ms'
	;;
burst)
	for round in $(seq "${ROUNDS:-3}"); do
		measure_all 1000x500 'floor relay realtime node-sse node-ws nchan' -d "$db" -n 1000 -b 500
	done
	table node-sse 'per_s cpu_us p99_ms'
	;;
idle)
	round=1
	for clients in ${STEPS:-5000 19700}; do
		names='relay realtime nchan node-sse node-ws'
		[ "$clients" -lt 10000 ] || names='relay realtime'
		measure_all "$clients" "$names" -n "$clients" -i "${SECS:-30}"
	done
	table relay 'pss_kb_a_client pss_kb dirty_kb_a_client idle_cpu_ms_a_s'
	;;
churn | herd | loss) . tests/bench/relay-faults.sh ;;
*)
	echo "relay.sh: no such stage: $stage" >&2
	exit 100
	;;
esac
