#!/bin/sh
# embed.sh NAME FILE...: C source of an array of struct embedded (common/embed.h) called NAME that holds the files' bytes.
set -eu
name=$1
shift
echo '#include "common/embed.h"'
n=0
for file; do
	n=$((n + 1))
	echo "static const unsigned char bytes_${n}[] = {"
	od -An -v -tx1 "$file" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
	echo "0 };"
done
echo "const struct embedded ${name}[] = {"
n=0
for file; do
	n=$((n + 1))
	echo "	{ \"${file##*/}\", bytes_$n, sizeof(bytes_$n) - 1 },"
done
echo "	{ 0 }"
echo "};"
