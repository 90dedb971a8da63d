#!/usr/bin/env bash
# Builds every fuzzer and runs each for FUZZ_SECONDS (default 20) over its seeds. Stops at the first finding.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-20}
build=build-fuzz
[ -f $build/build.ninja ] || CC=clang meson setup $build -Dfuzz=true -Dtests=false -Db_lundef=false >/dev/null
ninja -C $build --quiet
count=0
for target in "$build"/fuzz/fuzz_*; do
  [ -x "$target" ] && [ -f "$target" ] || continue
  name=$(basename "$target")
  seeds=fuzz/corpus/${name#fuzz_}
  work=$(mktemp -d)
  args=("$work")
  [ -d "$seeds" ] && args+=("$seeds")
  if ! "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=0 "${args[@]}" >"$work.log" 2>&1; then
    tail -n 40 "$work.log"
    echo "$name: FOUND SOMETHING (input in the current folder)"
    exit 1
  fi
  runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$work.log")
  echo "$name: ${runs:-?} runs, nothing found"
  count=$((count + 1))
  rm -rf "$work" "$work.log"
done
echo "fuzz: $count targets, $seconds s each, nothing found"
