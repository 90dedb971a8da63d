#!/usr/bin/env bash
# Installs what a step needs and is missing: Debian packages (as root or through sudo), and Python packages into .venv.
# Usage: tools/setup.sh build|test|bench|lint|fuzz
set -euo pipefail
cd "$(dirname "$0")/.."
step=${1:?build, test, bench, lint or fuzz}

packages="gcc libc6-dev make pkg-config meson ninja-build python3-venv python3-dev libcurl4-openssl-dev libssl-dev libexpat1-dev
  libdeflate-dev libzstd-dev zlib1g-dev libjansson-dev libsnappy-dev liblz4-dev libbrotli-dev"
case $step in
  build) ;;
  test) packages="$packages libcmocka-dev gzip zstd" ;;
  bench) packages="$packages gzip pigz isal libdeflate-tools seqtk samtools tabix bcftools gztool" ;;
  lint) packages="$packages clang clang-format clang-tidy" ;;
  fuzz) packages="$packages clang libclang-rt-14-dev" ;;
  *) echo "setup.sh: unknown step $step" >&2; exit 2 ;;
esac

missing=""
for p in $packages; do
  dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' || missing="$missing $p"
done
if [ -n "$missing" ]; then
  echo "installing Debian packages:$missing" >&2
  as_root=""
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "setup.sh: run as root, or install sudo; missing:$missing" >&2; exit 1; }
    as_root=sudo
  fi
  log=$(mktemp)
  if ! { $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2; rm -f "$log"; exit 1
  fi
  rm -f "$log"
fi

# The virtual environment: one requirements file a step, installed again only when it changed.
if [ ! -x .venv/bin/python ]; then
  python3 -m venv .venv
fi
files="tools/requirements/build.txt"
[ "$step" = test ] && files="$files tools/requirements/test.txt"
[ "$step" = bench ] && files="$files tools/requirements/bench.txt"
[ "$step" = lint ] && files="$files tools/requirements/lint.txt"
for f in $files; do
  [ -f "$f" ] || continue
  mark=.venv/.$(basename "$f").$(sha256sum "$f" | cut -c1-16)
  [ -f "$mark" ] && continue
  echo "installing Python packages of $f" >&2
  .venv/bin/python -m pip install -q --disable-pip-version-check -r "$f"
  rm -f .venv/."$(basename "$f")".*
  touch "$mark"
done
