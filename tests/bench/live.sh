#!/bin/sh
# live.sh [BUILD]: what the generator costs and how late its signals are: RATE trades a second over SYMBOLS markets, six
# strategies on three timeframes each, for SECS seconds, after their warm-up.
#
# FEED=sim (the built-in market, default) or FEED=binance|coinbase|kraken (tests/bench/exchange.mjs, over TLS).
# PACE makes market time run faster, so that more candles close (sim only); KEYS are more lines for each strategy.
# trades, signals, and the time from the last trade read to the INSERT sent.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build} feed=${FEED:-sim} symbols=${SYMBOLS:-50} rate=${RATE:-1000} secs=${SECS:-120} pace=${PACE:-1}
make -s B="$build" all
dir=$(mktemp -d /var/tmp/tocsin-live.XXXXXX)
chmod 755 "$dir"
generator='' exchange=''
cleanup() {
	for pid in $generator $exchange; do
		kill "$pid" 2>/dev/null && wait "$pid" || :
	done
	sh etc/cluster.sh stop "$dir" || :
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
sh etc/cluster.sh start "$dir"
list=$(seq "$symbols" | sed 's,.*,S&/USDT,' | paste -sd, - | sed 's|,|, |g')
{
	printf '[tocsin]\ndatabase = host=%s/sock user=postgres dbname=postgres\nruntime_dir = %s\nlog_dir = %s\nstate_dir = %s\n' \
		"$dir" "$dir" "$dir" "$dir"
	case $feed in
	sim)
		printf '[feed sim]\ntype = sim\nsymbols = %s\ntrades_per_minute = %s\npace = %s\n' "$list" \
			$((rate * 60 / symbols / pace)) "$pace"
		;;
	*)
		node tests/bench/exchange.mjs --protocol "$feed" --symbols "$symbols" --rate "$rate" --dir "$dir" >"$dir/exchange.txt" &
		exchange=$!
		for _ in $(seq 100); do
			grep -q '^ca_file' "$dir/exchange.txt" && break
			sleep 0.1
		done
		printf '[feed live]\ntype = %s\n' "$feed"
		cat "$dir/exchange.txt"
		;;
	esac
	for tf in 1m 5m 15m; do
		for type in ema_cross rsi_reversion donchian_breakout macd_cross supertrend_flip bollinger_squeeze; do
			printf '[strategy %s_%s]\ntype = %s\ntimeframe = %s\n%s\n' "$type" "$tf" "$type" "$tf" "${KEYS-warmup = 30}"
		done
	done
} >"$dir/tocsin.conf"
"$build/bin/tocsin" -c "$dir/tocsin.conf" migrate >/dev/null

# The heartbeat pipe stands in for the watchdog: its STATUS lines are the measurement.
mkfifo "$dir/beats"
cat "$dir/beats" >"$dir/status.txt" &
TOCSIN_HEARTBEAT_FD=9 TOCSIN_LOG="$dir/generator.log" "$build/bin/tocsin-generator" -c "$dir/tocsin.conf" 9>"$dir/beats" 2>"$dir/generator.err" &
generator=$!

# status PATH: a number of the newest STATUS, by its path in JSON.
status() {
	grep '^STATUS=' "$dir/status.txt" | tail -n 1 | sed 's/^STATUS=//' |
		node -e 'let t=require("fs").readFileSync(0,"utf8");try{let v=JSON.parse(t);for(const k of process.argv[1].split("."))v=v?.[k];console.log(v??0)}catch{console.log(0)}' "$1"
}
usage() {
	awk '{ print $14 + $15 }' "/proc/$generator/stat"
}
memory() {
	awk '/^VmRSS/ { print $2 }' "/proc/$generator/status"
}
echo "waiting for the warm-up of $symbols markets x 18 strategies"
for _ in $(seq 600); do
	[ "$(status writer.commits)" -gt 0 ] && [ "$(status engine.strategies_running)" = "$(status engine.strategies_warm)" ] && break
	kill -0 "$generator" || { cat "$dir/generator.log" "$dir/generator.err"; exit 1; }
	sleep 0.5
done
echo "warm: $(status engine.strategies_warm) of $(status engine.strategies_running); measuring for $secs s"
sleep 5
cpu=$(usage) rss=$(memory) trades=$(status engine.trades) opened=$(status engine.signals_opened)
sleep "$secs"
cpu=$(($(usage) - cpu)) now=$(status engine.trades)
echo "CPU: $(echo "$cpu $secs $(getconf CLK_TCK)" | awk '{ printf "%.2f", $1 / $3 / $2 * 100 }') % of a core at $(((now - trades) / secs)) trades/s"
echo "RSS: $rss kB, then $(memory) kB after $((now - trades)) trades"
echo "signals opened: $(($(status engine.signals_opened) - opened))"
echo "last trade read to INSERT sent, ms: p50 $(status writer.generated_to_sent.p50_ms) p99 $(status writer.generated_to_sent.p99_ms) max $(status writer.generated_to_sent.max_ms) (n $(status writer.generated_to_sent.count))"
echo "generated to committed, ms: p50 $(status writer.generated_to_committed.p50_ms) p99 $(status writer.generated_to_committed.p99_ms)"
