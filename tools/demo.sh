#!/usr/bin/env bash
# The main job on a local folder store, visibly: index a FASTQ.gz once, cut it, count its reads in parallel from the shell and from
# Python, and cut it again for nothing. Usage: tools/demo.sh BUILD_DIR
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
meseta=$build/meseta
work=${MESETA_DEMO_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/meseta-demo.XXXXXX")}
[ -n "${MESETA_DEMO_DIR:-}" ] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work"
reads=$work/reads.fastq.gz

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || step() { printf '\n== %s\n' "$*"; }
shown() { printf '$ %s\n' "$*"; }

step "A FASTQ.gz of some 100 MB, one gzip member, as sequencers' software writes it"
.venv/bin/python tools/make_fastq.py "$reads"
ls -l "$reads" | awk '{printf "%s bytes\n", $5}'

step "Index it once: one pass, the index beside it, the file untouched"
shown meseta index reads.fastq.gz
"$meseta" index "$reads"

step "Cut it into 8 slices: no read of the data"
shown meseta slices reads.fastq.gz -n 8 --table
"$meseta" slices "$reads" -n 8 --table | sed "s|file://$work/||"

step "Count the reads in parallel through the shell"
shown "meseta map reads.fastq.gz -n 8 -- sh -c 'wc -l' | awk '{n += \$1} END {print n / 4}'"
map_count=$("$meseta" map "$reads" -n 8 -- sh -c 'wc -l' | awk '{n += $1} END {print n / 4}')
echo "map: $map_count reads"

step "Count them again from Python, in a pool of processes"
python_count=$(.venv/bin/python tools/demo_count.py "$reads" 8)
echo "Python: $python_count reads"

step "What zcat says"
lines=$(zcat "$reads" | wc -l)
echo "zcat: $lines lines = $((lines / 4)) reads"

step "Cut it again, into 50 slices this time: at once, with no new index"
shown meseta slices reads.fastq.gz -n 50
began=$(date +%s%N)
"$meseta" slices "$reads" -n 50 >"$work/slices.jsonl"
echo "$(wc -l <"$work/slices.jsonl") slices in $((($(date +%s%N) - began) / 1000000)) ms; the first one:"
head -n 1 "$work/slices.jsonl" | cut -c1-240

if [ "$map_count" != "$((lines / 4))" ] || [ "$python_count" != "$((lines / 4))" ]; then
  echo "the counts differ" >&2
  exit 1
fi
printf '\nAll three agree.\n'
