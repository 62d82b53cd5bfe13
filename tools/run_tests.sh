#!/usr/bin/env bash
# Sets up the environment where needed, then checks the style and runs the
# whole test suite. Arguments are pytest's:
#
#   bash tools/run_tests.sh
#   bash tools/run_tests.sh tests/test_models -k kpalign
#
# Without arguments the tests marked slow run beside the others if there is a second core.
# tools/setup_env.sh says which variables choose the environment.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$(realpath -ms "${DIRECTPOSE_VENV:-$root/.venv}")
bash "$root/tools/setup_env.sh" --checks
if [ $# -eq 0 ] && [ "$(df -B 1MB --output=avail "${TMPDIR:-/tmp}" | tail -n 1)" -lt 1000 ]; then
  echo "WARNING: ${TMPDIR:-/tmp} has less than 1 GB free, which the tests need: make room, or name" \
    'a folder on another disk in TMPDIR.' >&2
fi

cd "$root"
status=0
"$venv/bin/python" -m ruff check . || status=$?
"$venv/bin/python" -m ruff format --check . || status=$?
"$venv/bin/python" -m mypy || status=$?
if [ $# -gt 0 ] || [ "$(nproc)" -lt 2 ]; then
  "$venv/bin/python" -m pytest "$@" || status=$?
  exit "$status"
fi
slow=$(mktemp)
"$venv/bin/python" -m pytest -m slow -o cache_dir=.pytest_cache/slow >"$slow" 2>&1 &
trap 'kill $! 2>/dev/null || true; rm -f "$slow"' EXIT
"$venv/bin/python" -m pytest -m 'not slow' || status=$?
wait $! || status=$?
cat "$slow"
exit "$status"
