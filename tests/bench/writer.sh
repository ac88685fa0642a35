#!/bin/sh
# writer.sh [BUILD]: signals a second through all triggers, the generator's writer against bare libpq, by turns on one
# private cluster (fsync on).  Needs what `make bench` needs.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
make -s B="$build" all "$build/bench/writer"
dir=$(mktemp -d /var/tmp/tocsin-writer.XXXXXX)
chmod 755 "$dir"
trap 'sh etc/cluster.sh stop "$dir" || :; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
sh etc/cluster.sh start "$dir"
db="host=$dir/sock user=postgres dbname=postgres"
printf '[tocsin]\ndatabase = %s\nruntime_dir = %s\nlog_dir = %s\nstate_dir = %s\n' "$db" "$dir" "$dir" "$dir" >"$dir/tocsin.conf"
"$build/bin/tocsin" -c "$dir/tocsin.conf" migrate >/dev/null
"$build/bench/writer" "$db" "$dir/journal" 2>"$dir/generator.log"
