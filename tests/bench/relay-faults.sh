# relay-faults.sh: the stages of relay.sh in which things come, go and fail.  Sourced by it.
# shellcheck shell=sh disable=SC2154,SC2046,SC2086

# The relay under a watchdog that holds its socket: sets port.
start_watched() {
	port=$((port + 1))
	{
		configure
		[ ! -e "$dir/webhooks.conf" ] || cat "$dir/webhooks.conf"
		cat <<C
[watchdog]
check_interval = 1s
[process relay]
command = $(realpath "$bin")/tocsin-relay -c $dir/tocsin.conf
listen = 127.0.0.1:$port
stable_after = 1s
C
	} >"$dir/tocsin.conf"
	spawn "$bin/tocsin-watchdog" -c "$dir/tocsin.conf"
	wait_for readyz
}

# What kills the relay, for a shell that has no functions of ours.
kill_relay="kill -9 \$($bin/tocsin -c $dir/tocsin.conf status --json | jq '.processes[] | select(.name == \"relay\").pid')"

case $stage in
churn)
	for name in ${NAMES:-relay realtime}; do
		start "$name"
		echo "$name:"
		"$build/bench/churn" -u "http://127.0.0.1:$port$url" -k "$kind" -p "$pids" -n "${COUNT:-1000000}" -b 500
		stop
	done
	;;
herd)
	# Killed after 3 s and again after 13, with signals written all the time.
	start_watched
	"$build/bench/faithful" -d "$db" -r 10 -b 1 -g "sse:sse:${SSE:-10000}:http://127.0.0.1:$port/v1/stream" \
		$([ "${REALTIME:-2000}" = 0 ] || echo "-g realtime:realtime:${REALTIME:-2000}:http://127.0.0.1:$port/realtime/v1/websocket?apikey=none&vsn=2.0.0") \
		-x "sleep 3; $kill_relay; sleep 10; $kill_relay; sleep 10"
	stop
	;;
loss)
	hooks=${WEBHOOKS:-200} port=$((port + 1)) hook_port=$port
	[ "$hooks" = 0 ] || for i in $(seq 0 $((hooks - 1))); do
		cat <<C
[webhook w$i]
url = http://127.0.0.1:$hook_port/$i
secret_file = $dir/webhook.secret
symbol = S$i/USDT
allow_private = yes
C
	done >"$dir/webhooks.conf"
	(umask 077; echo "whsec_$(head -c 32 /dev/urandom | base64)" >"$dir/webhook.secret")
	start_watched
	relay_port=$port
	bridge=
	if have node-sse; then
		port=$((port + 1))
		spawn sh -c "trap 'kill \$! 2>/dev/null; exit' TERM; while :; do node tests/bench/peers/bridge.mjs retry $port $dir/sock & echo \$! >$dir/bridge.pid; wait; done"
		wait_for healthz
		bridge="-g bridge-node:sse:${BRIDGE:-20}:http://127.0.0.1:$port/"
	else
		echo 'the Node bridge is not installed: left out' >&2
	fi
	# By turns: the relay, then the database; the relay while the database is away.  The waits hit ever other moments.
	kill="$kill_relay; [ ! -e $dir/bridge.pid ] || kill -9 \$(cat $dir/bridge.pid)"
	away="sh etc/cluster.sh kill $dir" back="sh etc/cluster.sh restart $dir"
	faults="sleep 2; for i in \$(seq ${FAULTS:-10}); do
		if [ \$((i % 2)) = 1 ]; then $kill; sleep 1.\$((i * 37 % 90 + 10)); $away; $back; else $away; $kill; sleep 0.\$((i * 17 % 90 + 10)); $back; fi
		sleep 3.\$((i * 53 % 90 + 10))
	done"
	"$build/bench/faithful" -d "$db" -r "${RATE:-500}" -b "${BATCH:-50}" \
		$([ "${SSE:-200}" = 0 ] || echo "-g sse:sse:${SSE:-200}:http://127.0.0.1:$relay_port/v1/stream") \
		$([ "${REALTIME:-200}" = 0 ] || echo "-g realtime:realtime:${REALTIME:-200}:http://127.0.0.1:$relay_port/realtime/v1/websocket?apikey=none&vsn=2.0.0") \
		$([ "$hooks" = 0 ] || echo "-w $hooks:$hook_port") $bridge -x "$faults"
	stop
	;;
esac
