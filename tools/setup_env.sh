#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: bash tools/setup_env.sh

Makes the environment that DirectPose runs in, or completes and checks the one
that is there: a virtual environment with the stack of requirements/lock.txt,
mmcv and xtcocotools compiled for it (requirements/source.txt), and this
repository installed in editable mode. Safe to run again and after an
interruption; at once done, and without network, when nothing has changed.

  DIRECTPOSE_VENV         where the environment is (default: .venv in the repository)
  DIRECTPOSE_PYTHON       the Python to make it with, 3.11 or 3.12
                          (default: python3, python3.12 or python3.11)
  DIRECTPOSE_WHEEL_CACHE  where compiled wheels are kept
                          (default: ~/.cache/directpose/wheels)
EOF
}

fail() {  # LINE...
  printf 'ERROR: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

is_supported() {  # PYTHON
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' 2>/dev/null
}

find_python() {  # prints the Python to make the environment with
  local python candidates=(python3 python3.12 python3.11)
  [ -z "${DIRECTPOSE_PYTHON-}" ] || candidates=("$DIRECTPOSE_PYTHON")
  for python in "${candidates[@]}"; do
    if is_supported "$python"; then
      command -v "$python"
      return
    fi
  done
  return 1
}

# All that the environment depends on, in one number: what shall be installed,
# what is, and for which machine.
fingerprint() {
  {
    cat "$root"/requirements/{lock,source}.txt "$root"/{pyproject.toml,setup.py} \
      "$root"/directpose/version.py "$root"/tools/{setup_env.sh,install_from_source.py}
    "$venv/bin/python" -VV
    (cd "$venv" && ls -d lib/python3.*/site-packages/*.dist-info 2>/dev/null)
    echo "$root" "$(ls -d /dev/nvidia[0-9]* /dev/dxg /usr/local/cuda* 2>/dev/null)" \
      "${CUDA_HOME-}" "$(command -v nvcc)"
  } 2>/dev/null | sha256sum
}

# Runs a pip command; the whole output goes to the log, a line per package to
# the screen.
logged() {
  "$@" </dev/null 2>&1 | tee -a "$log" | sed -uEn \
    -e 's/^(Collecting [^ ]+).*/    \1/p' \
    -e 's/^Installing collected packages.*/    Installing what was collected/p' ||
    fail "this failed: $*" "the end of the log: $(tail -n 15 "$log")" \
      "The whole log is in $log. What is done is kept: run this again to go on from here."
}

case "$#:${1-}" in
  0:) ;;
  1:-h | 1:--help) usage; exit ;;
  *) usage >&2; fail "unknown arguments: $*" ;;
esac
[ "$(uname -s)" = Linux ] || fail "the locked environment is for Linux; this is $(uname -s)"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$(realpath -ms "${DIRECTPOSE_VENV:-$root/.venv}")
log=$venv/setup.log
stamp=$venv/.directpose-ready
# Of the caller's settings these would lead Python or pip astray.
unset PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_HASHES

if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ]; then
  echo "The environment in $venv is ready."
  exit
fi

# A Python ---------------------------------------------------------------
if [ -L "$venv/bin/python" ] && ! "$venv/bin/python" -c '' 2>/dev/null; then
  fail "the environment in $venv is broken: its Python has moved or gone." \
    "Remedy: remove it and run this again:  rm -r $(printf %q "$venv")"
fi
if [ -e "$venv/bin/python" ]; then
  is_supported "$venv/bin/python" ||
    fail "$venv has $("$venv/bin/python" -V 2>&1), DirectPose's stack is locked for 3.11 and 3.12." \
      "Remedy: choose another folder with DIRECTPOSE_VENV, or remove that one."
  base=$venv/bin/python
  [ -z "${DIRECTPOSE_PYTHON-}" ] ||
    [ "$("$base" -V)" = "$("$DIRECTPOSE_PYTHON" -V)" ] ||
    fail "$venv has $("$base" -V), and DIRECTPOSE_PYTHON is another." \
      'Remedy: choose another folder with DIRECTPOSE_VENV, or remove that one.'
elif [ -d "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
  fail "$venv exists and is no virtual environment." \
    'Remedy: name another folder in DIRECTPOSE_VENV.'
else
  base=$(find_python) ||
    fail "DirectPose's stack is locked for Python 3.11 and 3.12, and neither was found:" \
      "$("${DIRECTPOSE_PYTHON:-python3}" -V 2>&1 | tail -n 1)" \
      'Remedy: install one (Debian, Ubuntu: sudo apt-get install -y python3.12-venv python3.12-dev),' \
      'or name it: DIRECTPOSE_PYTHON=/path/to/python3.12 bash tools/setup_env.sh'
fi
# Better to refuse now than after the downloads.
"$base" "$root/tools/install_from_source.py" --check

# The environment --------------------------------------------------------
mkdir -p "$venv"
exec 9>"$venv/.directpose-lock"
if ! flock -n 9; then
  echo "Another set-up is at work in $venv; waiting for it."
  flock 9
fi
rm -f "$stamp"
: >"$log"
echo "==> environment in $venv"
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  "$base" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$base cannot make virtual environments." \
      "Remedy (Debian, Ubuntu): sudo apt-get install -y python$("$base" -c \
        'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  logged "$base" -m venv "$venv"
fi
python=$venv/bin/python

# pip writes INSTALLER last: a package without it was being copied when a run
# was interrupted, and pip would take it for whole.
for package in "$venv"/lib/python3.*/site-packages/*.dist-info; do
  [ ! -d "$package" ] || [ -e "$package/INSTALLER" ] || rm -r "$package"
done

echo '==> the locked stack (requirements/lock.txt), some 3 GB on first use'
logged "$python" -m pip install --no-deps --only-binary :all: --progress-bar off \
  -r "$root/requirements/lock.txt"
# By name, as an mmcv compiled for another torch than the lock's may still import.
"$python" "$root/tools/install_from_source.py" mmcv xtcocotools
echo '==> directpose itself, editable'
logged "$python" -m pip install --no-deps --no-build-isolation -e "$root"

fingerprint >"$stamp.new"
mv "$stamp.new" "$stamp"
echo "The environment in $venv is ready."
