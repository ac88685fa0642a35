#!/bin/sh
# reference.sh BUILD: docs/configuration.md, from the programs' own tables of keys (their -T print).
set -eu
bin=$1/bin
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf 'time,open,high,low,close\n2026-01-01,1,1,1,1\n' >"$dir/x.csv"
{
	printf '[process NAME]\ncommand = /PROGRAM\n'
	printf '[feed sim]\ntype = sim\nsymbols = BASE/QUOTE\n[feed file]\ntype = file\npath = %s/x.csv\nsymbols = BASE/QUOTE\n' "$dir"
	for type in ema_cross rsi_reversion donchian_breakout; do
		printf '[strategy %s]\ntype = %s\ntimeframe = 1m\n' "$type" "$type"
	done
} >"$dir/x.conf"
sed -i 's/process NAME/process name/' "$dir/x.conf"

# One table a section; a value that the file above had to give is required.
tables() {
	sed "s|$dir/x.csv||" | awk '
	/^\[/ { head = substr($0, 2, length($0) - 2); if (seen[head]++) skip = 1; else { skip = 0; title = head
		sub(/^process .*/, "process NAME", title); sub(/^feed .*/, "feed NAME]` with `type = " substr(head, 6) "`, `[", title)
		sub(/^strategy .*/, "strategy NAME]` with `type = " substr(head, 10) "`, `[", title); sub(/, `\[$/, "", title)
		printf "\n## `[%s%s\n\n| key | default | meaning |\n| --- | --- | --- |\n", title, title ~ /type =/ ? "" : "]`" } next }
	skip { next }
	/^; / { help = substr($0, 3); gsub(/\|/, "\\|", help); next }
	/^[a-z_]+ = / { key = $1; value = substr($0, length(key) + 4)
		if (key == "command" || key == "symbols" && head ~ /^feed/ || key == "path" || key == "type" || key == "timeframe" && head ~ /^strategy/)
			value = "required"; else value = value == "" ? "empty" : "`" value "`"
		printf "| `%s` | %s | %s |\n", key, value, help }'
}

cat <<'T'
# Configuration

One INI file, `/etc/tocsin/tocsin.conf` unless a program is started with `-c FILE`. A line is `key = value`; a comment
begins with `;` or `#` at the start of a line, or with ` ;` behind a value. Durations carry their unit (`500ms`, `5s`, `10m`,
`1h`, `90d`), sizes may (`64K`, `1M`, `2G`), lists are separated by commas. Each program reads the sections that are its own,
reports every mistake at once as `file:line: key: what, and what is allowed`, and ends with code 100; `-n` only checks, `-T`
prints the effective values. This page is made from the programs' own tables (`sh etc/reference.sh build`).
T
{
	"$bin/tocsin-watchdog" -c "$dir/x.conf" -T
	"$bin/tocsin-generator" -c "$dir/x.conf" -T
	"$bin/tocsin-relay" -c "$dir/x.conf" -T
} | tables
