#!/bin/sh
# reference.sh BUILD [man]: docs/configuration.md, or docs/man/tocsin.conf.5, from the programs' own tables of keys (their
# -T print).
set -eu
export LC_ALL=C
bin=$1/bin
form=${2:-md}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf 'time,open,high,low,close\n2026-01-01,1,1,1,1\n' >"$dir/x.csv"
(umask 077 && printf 'AAAAAAAAAAAAAAAAAAAAAA==\n' >"$dir/x.key")
{
	printf '[process name]\ncommand = /PROGRAM\n'
	printf '[feed sim]\ntype = sim\nsymbols = BASE/QUOTE\n[feed file]\ntype = file\npath = %s/x.csv\nsymbols = BASE/QUOTE\n' "$dir"
	printf '[feed exec]\ntype = exec\ncommand = /bin/true\nsymbols = BASE/QUOTE\n'
	printf '[feed binance]\ntype = binance\nsymbols = BASE/QUOTE\n'
	for type in ema_cross rsi_reversion donchian_breakout macd_cross supertrend_flip bollinger_squeeze; do
		printf '[strategy %s]\ntype = %s\ntimeframe = 1m\n' "$type" "$type"
	done
	printf '[token name]\nsha256 = %064d\n' 0
	printf '[webhook name]\nurl = https://example.org/\nsecret_file = %s/x.key\n' "$dir"
} >"$dir/x.conf"

# Fields apart by tabs: S, title and condition of a section; or K, key, default (- for required) and help.
# A value that the file above had to give is required.
keys() {
	{
		"$bin/tocsin-watchdog" -c "$dir/x.conf" -T
		"$bin/tocsin-generator" -c "$dir/x.conf" -T
		"$bin/tocsin-relay" -c "$dir/x.conf" -T
	} | sed "s|$dir/x.csv||; s|$dir/x.key||" | awk '
	/^\[/ { head = substr($0, 2, length($0) - 2); skip = seen[head]++; if (skip) next
		title = head; with = ""
		if (sub(/^process .*/, "process NAME", title)) ;
		else if (sub(/^feed .*/, "feed NAME", title)) with = "type = " substr(head, 6) (head == "feed binance" ? ", coinbase or kraken" : "")
		else if (sub(/^token .*/, "token NAME", title)) ;
		else if (sub(/^webhook .*/, "webhook NAME", title)) ;
		else if (sub(/^strategy .*/, "strategy NAME", title)) with = "type = " substr(head, 10)
		print "S\t" title "\t" with; next }
	skip { next }
	/^; / { help = substr($0, 3); next }
	/^[a-z0-9_]+ = / { key = $1; value = substr($0, length(key) + 4)
		if (key == "command" || key == "symbols" && head ~ /^feed/ || key == "path" || key == "sha256" || key == "type" || key == "timeframe" && head ~ /^strategy/)
			value = "-"
		if (key == "url" && head ~ /^webhook/)
			value = ""
		print "K\t" key "\t" value "\t" help }'
}

if [ "$form" = md ]; then
	cat <<'T'
# Configuration

One INI file, `/etc/tocsin/tocsin.conf` unless a program is started with `-c FILE`. A line is `key = value`; a comment
begins with `;` or `#` at the start of a line, or with ` ;` behind a value. Durations carry their unit (`500ms`, `5s`, `10m`,
`1h`, `90d`), sizes may (`64K`, `1M`, `2G`), lists are separated by commas. Each program reads the sections that are its own,
reports every mistake at once as `file:line: key: what, and what is allowed`, and ends with code 100; `-n` only checks, `-T`
prints the effective values. This page is made from the programs' own tables (`sh etc/reference.sh build`).
T
	keys | awk -F '\t' '
	$1 == "S" { printf "\n## `[%s]`%s\n\n| key | default | meaning |\n| --- | --- | --- |\n", $2, $3 == "" ? "" : " with `" $3 "`" }
	$1 == "K" { gsub(/\|/, "\\|", $4); printf "| `%s` | %s | %s |\n", $2, $3 == "-" ? "required" : $3 == "" ? "empty" : "`" $3 "`", $4 }'
	exit
fi

cat <<'T'
.\" Made by: sh etc/reference.sh build man > docs/man/tocsin.conf.5
.Dd November 23, 2026
.Dt TOCSIN.CONF 5
.Os
.Sh NAME
.Nm tocsin.conf
.Nd configuration of tocsin
.Sh DESCRIPTION
One INI file for all programs of
.Xr tocsin 1 ,
.Pa /etc/tocsin/tocsin.conf
unless a program is started with
.Fl c Ar file .
A line is
.Ql key = value ;
a comment begins with
.Ql \&;
or
.Ql #
at the start of a line, or with a blank and
.Ql \&;
behind a value.
Durations carry their unit
.Pq Ql 500ms , 5s , 10m , 1h , 90d ,
sizes may
.Pq Ql 64K , 1M , 2G ,
lists are separated by commas.
.Pp
Each program reads the sections that are its own, reports every mistake at
once as
.Ql file:line: key: what, and what is allowed ,
and ends with code 100.
.Fl n
only checks,
.Fl T
prints the effective values.
.Ql tocsin reload
applies times, limits, commands, users, on_alert and log settings to the running
watchdog; processes, their
.Cm listen
addresses, the folders and the hardware watchdog need a restart of it.
The generator and the relay read their own sections when they start; the
relay takes new tokens and a new key for JSON Web Tokens at a reload too.
T
keys | awk -F '\t' '
	# Text of a page, in lines of its own: a backslash is no escape, a point at the start no request.
	function text(s,    n, i, words, line, all) {
		gsub(/\\/, "\\e", s)
		n = split(s, words, " ")
		for (i = 1; i <= n; i++)
			if (line != "" && length(line " " words[i]) > 70) { all = all guard(line) "\n"; line = words[i] }
			else line = line == "" ? words[i] : line " " words[i]
		return all guard(line)
	}
	function guard(line) { return line ~ /^[.\047]/ ? "\\&" line : line }
	$1 == "S" { if (open) print ".El"; open = 1; sub(/ NAME$/, " name", $2)
		printf ".Sh [%s] %s\n.Bl -tag -width Ds\n", $2, $3 == "" ? "SECTION" : "WITH " $3 }
	$1 == "K" { printf ".It Cm %s\n%s.\n%s\n", $2, text($4), $3 == "-" ? "Required." : $3 == "" ? "Empty by default." : "Default:\n.Ql " (length($3) == 1 ? "\\&" : "") text($3) " ." }
	END { print ".El" }'
cat <<'T'
.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/tocsin/tocsin.conf
should be 0640 and root's, with the group of the processes: whoever may write it
decides what root runs.
.It Pa /usr/local/share/doc/tocsin/tocsin.conf
an example.
.El
.Sh EXAMPLES
A program of one's own beside the two of tocsin:
.Bd -literal -offset indent
[process mailer]
command = /usr/local/bin/mailer --db "dbname=tocsin user=tocsin_reader"
user = tocsin
heartbeat_timeout = 0
.Ed
.Sh SEE ALSO
.Xr tocsin 1 ,
.Xr tocsin-watchdog 8
T
