#!/usr/bin/env bash
# Formatting, static checks, types and layers. Usage: tools/lint.sh BUILD_DIR. Fails when anything is found.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
failed=0
step() { echo "== $*"; "$@" || failed=1; }

step python3 tools/check_layers.py
step .venv/bin/ruff check python tests tools bench
step .venv/bin/mypy --strict python/meseta --exclude '_meseta\.pyx'
mapfile -t sources < <(git ls-files 'src/*.c' 'cli/*.c')
echo "== clang-format (dry run) over ${#sources[@]} files"
clang-format --dry-run --Werror "${sources[@]}" 2>&1 | grep -c 'error:' | { read -r n; [ "$n" -eq 0 ] || { echo "$n places differ: clang-format -i"; exit 1; }; } || failed=1
echo "== clang-tidy"
clang-tidy --quiet -p "$build" "${sources[@]}" 2>/dev/null | grep -E 'warning:|error:' && failed=1
exit $failed
