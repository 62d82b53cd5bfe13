#!/usr/bin/env bash
# Sets up the environment where needed, then checks the style and runs the
# whole test suite. Arguments are pytest's:
#
#   bash tools/run_tests.sh
#   bash tools/run_tests.sh tests/test_models -k kpalign
#
# tools/setup_env.sh says which variables choose the environment.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$(realpath -ms "${DIRECTPOSE_VENV:-$root/.venv}")
bash "$root/tools/setup_env.sh"

cd "$root"
status=0
"$venv/bin/python" -m ruff check . || status=$?
"$venv/bin/python" -m ruff format --check . || status=$?
"$venv/bin/python" -m pytest "$@" || status=$?
exit "$status"
