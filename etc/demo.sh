#!/bin/sh
# demo.sh [--for 30s] [--input FILE [--timeframe 1m] [--symbol BTC/USDT]] [--kill] [--port 8787]
#
# tocsin at work on a machine with nothing but this checkout: installs what is missing, builds, makes a private PostgreSQL
# cluster, starts the watchdog on the simulated market (or on a recording: CSV candles or trades) and says where to look.
# Ctrl-C ends all of it; --for ends it by itself, with a summary.  --kill kills each child once on the way.
set -eu
cd "$(dirname "$0")/.."

usage() {
	echo "demo: $1" >&2
	sed -n '2s/^# /usage: sh etc\//p' etc/demo.sh >&2
	exit 100
}

seconds='' input='' timeframe='' symbol=BTC/USDT kill='' port=8787
while [ $# -gt 0 ]; do
	case $1 in
	--kill) kill=yes ;;
	--for | --input | --timeframe | --symbol | --port)
		[ $# -ge 2 ] || usage "$1 needs a value"
		case $1 in
		--for)
			case $2 in
			*[!0-9smh]* | '' | [smh]*) usage "--for $2: a number with s, m or h, like 30s" ;;
			*m) seconds=$((${2%m} * 60)) ;;
			*h) seconds=$((${2%h} * 3600)) ;;
			*) seconds=${2%s} ;;
			esac
			;;
		--input) input=$2 ;;
		--timeframe) timeframe=$2 ;;
		--symbol) symbol=$2 ;;
		--port) port=$2 ;;
		esac
		shift
		;;
	*) usage "unknown option $1" ;;
	esac
	shift
done
[ -z "$input" ] || [ -r "$input" ] || usage "--input $input: no file that can be read"
case $port in '' | *[!0-9]*) usage "--port $port: a number" ;; esac

sh etc/setup.sh build run
echo "demo: building"
make -s all build/bench/subscriber

# Everything of the demo lies in var/.  As root the server and the children run without rights and must be able to reach
# it; where they can't (a checkout in /root), it lies in /var/tmp and var/demo leads there.
user=$(id -un)
dir=$PWD/var/demo
mkdir -p var
exec 9>var/demo.lock
flock -n 9 || {
	echo "demo: another demo runs in this checkout: end it first" >&2
	exit 111
}
[ ! -L var/demo ] || rm -rf "$(readlink var/demo)"
rm -rf var/demo
if [ "$user" = root ]; then
	user=nobody
	chmod 755 var
	if (cd / && runuser -u nobody -- test -x "${dir%/*}" && runuser -u postgres -- test -x "${dir%/*}") 2>/dev/null; then
		mkdir "$dir"
	else
		dir=$(mktemp -d /var/tmp/tocsin-demo.XXXXXX)
		ln -s "$dir" var/demo
	fi
else
	mkdir "$dir"
fi
chmod 755 "$dir"
mkdir "$dir/bin"
cp build/bin/* "$dir/bin"
[ -z "$input" ] || cp "$input" "$dir/input.csv"

watchdog='' subscriber=''
cleanup() {
	trap '' INT TERM
	if [ -n "$subscriber" ]; then
		kill "$subscriber" 2>/dev/null || :
	fi
	if [ -n "$watchdog" ]; then
		echo "demo: stopping"
		kill "$watchdog" 2>/dev/null || :
		wait "$watchdog" || :
	fi
	sh etc/cluster.sh stop "$dir" || :
}
trap cleanup EXIT
trap 'exit 0' INT
trap 'exit 0' TERM

echo "demo: making a private PostgreSQL cluster in var/demo"
TOCSIN_USER=$user sh etc/cluster.sh start "$dir" 9>&-
db="host=$dir/sock dbname=postgres"
query() {
	psql -X -At -F ' ' "$db user=postgres" -c "$1"
}

# The smallest distance between the first rows is the timeframe of a recording of candles.
guess_timeframe() {
	head -n 20 "$1" | awk -F, '
		{ t = $1; sub(/\.[0-9]+$/, "", t) }
		t ~ /^[0-9]+$/ { t = t + 0; while (t > 1e11) t /= 1000 }
		t ~ /^[0-9]+-/ { c = t; gsub(/[-T:Z]/, " ", c); if (split(c, p, " ") == 3) c = c " 0 0 0"; t = mktime(c) }
		t + 0 > 0 { if (last && t > last && (!d || t - last < d)) d = t - last; last = t }
		END { n = split("1m 3m 5m 15m 30m 1h 2h 4h 6h 12h 1d", f, " "); split("1 3 5 15 30 60 120 240 360 720 1440", m, " ")
			for (i = 1; i <= n; i++) if (d <= m[i] * 60) break
			if (i > n) i = n
			print f[i] }'
}

if [ -n "$input" ]; then
	if head -n 1 "$input" | grep -qi 'open.*high.*low.*close'; then
		[ -n "$timeframe" ] || timeframe=$(guess_timeframe "$input")
	else
		timeframe=${timeframe:-1m}
	fi
	mode=replay feed_name=file
	# The recording goes by in three quarters of the time, so that it can be watched.
	rows=$(wc -l <"$input")
	case $timeframe in *d) unit=86400 ;; *h) unit=3600 ;; *) unit=60 ;; esac
	pace=$((rows * ${timeframe%?} * unit / ((${seconds:-60} * 3 + 3) / 4) + 1))
	feed="type = file
path = $dir/input.csv
symbols = $symbol
pace = $pace"
	echo "demo: replaying $input: timeframe $timeframe, $pace market seconds a second"
else
	mode=live feed_name=sim timeframe=1m
	feed="type = sim
symbols = BTC/USDT, ETH/USDT, SOL/USDT, XRP/USDT
pace = 240"
fi

write_conf() {
	cat >"$dir/tocsin.conf" <<C
[tocsin]
database = $db user=postgres
runtime_dir = $dir/run
log_dir = $dir/log
state_dir = $dir/state

[process generator]
command = $dir/bin/tocsin-generator -c $dir/tocsin.conf
user = $user

[process relay]
command = $dir/bin/tocsin-relay -c $dir/tocsin.conf
user = $user
listen = 127.0.0.1:$port

[generator]
database = $db user=tocsin_generator
mode = $mode

[feed $feed_name]
timeframe = $timeframe
$feed

[strategy ema_cross]
type = ema_cross
timeframe = $timeframe

[strategy rsi_reversion]
type = rsi_reversion
timeframe = $timeframe

[strategy donchian_breakout]
type = donchian_breakout
timeframe = $timeframe

[relay]
database = $db user=tocsin_relay
C
}

write_conf
"$dir/bin/tocsin" -c "$dir/tocsin.conf" migrate | sed 's/^/demo: /'

# Port taken?  Then one of the next ones.
for _ in 1 2 3 4 5 6 7 8 9 10; do
	write_conf
	"$dir/bin/tocsin-watchdog" -c "$dir/tocsin.conf" 2>"$dir/watchdog.err" 9>&- &
	watchdog=$!
	for _ in $(seq 100); do
		kill -0 "$watchdog" 2>/dev/null || break
		curl -s -f -o /dev/null --max-time 1 "http://127.0.0.1:$port/readyz" && break 2
		sleep 0.1
	done
	if kill -0 "$watchdog" 2>/dev/null; then
		echo "demo: not ready within 10 s, see $dir/log" >&2
		exit 111
	fi
	watchdog=
	grep -q "in use" "$dir/watchdog.err" || {
		cat "$dir/watchdog.err" >&2
		exit 111
	}
	port=$((port + 1))
done
[ -n "$watchdog" ] || {
	cat "$dir/watchdog.err" >&2
	exit 111
}
build/bench/subscriber 127.0.0.1 "$port" '/v1/stream?after=0' "$dir/received" >"$dir/subscriber.out" 9>&- &
subscriber=$!

cat <<T

  dashboard   http://127.0.0.1:$port/
  logs        tail -F $dir/log/*.log
  stream      curl -N http://127.0.0.1:$port/v1/stream
  database    psql "$db user=postgres"
  status      $dir/bin/tocsin -c $dir/tocsin.conf status

T
[ -n "$seconds" ] && echo "demo: running for $seconds s" || echo "demo: running; Ctrl-C ends it"

# pid_of NAME: the child's pid, from the watchdog's status.
pid_of() {
	sed -n 's/.*"name":"'"$1"'"[^}]*"pid":\([0-9]*\).*/\1/p' "$dir/run/status.json"
}

# kill_child NAME: kill -9, wait for the next one, and say how long that took by the clocks of the logs.
kill_child() {
	old=$(pid_of "$1")
	at=$(date +%s%3N)
	kill -9 "$old"
	for _ in $(seq 500); do
		new=$(sed -n 's/^\([^ ]*\) '"$1"'\[\([0-9]*\)] info '"$1"': starting .*/\1 \2/p' "$dir/log/$1.log" | tail -n 1)
		[ "${new#* }" = "$old" ] || break
		sleep 0.01
	done
	back=$(($(date -d "${new% *}" +%s%3N) - at))
	echo "demo: killed $1 (pid $old) with SIGKILL, pid ${new#* } was at work $back ms later"
}

begun=$(date +%s)
remaining() {
	left=$((begun + seconds - $(date +%s)))
	[ "$left" -gt 0 ] && echo "$left" || echo 0
}
if [ -n "$kill" ]; then
	: "${seconds:=30}"
	sleep $((seconds / 3))
	kill_child generator
	sleep $((seconds / 3))
	kill_child relay
fi
if [ -z "$seconds" ]; then
	wait "$watchdog" || :
	watchdog=
	exit 0
fi
sleep "$(remaining)"

# Everything up to here must have arrived.
newest=$(query "SELECT coalesce(max(seq), 0) FROM signal_events")
for _ in $(seq 50); do
	tail -n 1 "$dir/received" 2>/dev/null | awk -v want="$newest" '{ exit !($1 + 0 >= want) }' && break
	sleep 0.1
done
kill "$subscriber"
wait "$subscriber" || :
subscriber=
query "SELECT seq FROM signal_events WHERE seq <= $newest ORDER BY seq" >"$dir/sent"
awk -v newest="$newest" '$1 == "reset" { print "reset"; next } $1 <= newest { print $1 }' "$dir/received" >"$dir/got"
sort -n -u "$dir/got" >"$dir/unique"
total=$(wc -l <"$dir/sent") got=$(wc -l <"$dir/got") unique=$(wc -l <"$dir/unique")
disorder=$(awk '$1 + 0 <= last { n++ } { last = $1 + 0 } END { print n + 0 }' "$dir/got")
missing=$(awk 'NR == FNR { seen[$1]; next } !($1 in seen) { n++ } END { print n + 0 }' "$dir/unique" "$dir/sent")
latency=$(awk '$2 > 0 { print $2 }' "$dir/received" | sort -n |
    awk 'function at(part) { i = int(NR * part) + 1; return v[i < NR ? i : NR] }
	{ v[NR] = $1 / 1000 }
	END { if (NR) printf "p50 %.2f ms, p99 %.2f ms, max %.2f ms", at(.5), at(.99), v[NR]; else printf "none" }')

echo
echo "  signals      $(query "SELECT count(*) || ' generated, ' || count(*) FILTER (WHERE status <> 'active') || ' closed' FROM signals")"
[ -z "$input" ] || echo "  candles      $(query "SELECT count(*) FILTER (WHERE source <> 'filled') || ' stored, ' || count(*) FILTER (WHERE source = 'filled') || ' filled in' FROM candles")"
echo "  events       $total written, $unique delivered, $missing missing, $((got - unique)) repeated, $disorder out of order"
echo "  latency      $latency  (generated -> subscriber, opened signals)"
echo "  restarts     $(grep -o '"restarts":[0-9]*' "$dir/run/status.json" | awk -F: '{ n += $2 } END { print n + 0 }')"
echo "  subscriber   $(cat "$dir/subscriber.out")"
echo
[ "$missing" = 0 ] && [ "$disorder" = 0 ] && [ "$total" -gt 0 ] || exit 1
