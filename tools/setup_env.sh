#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: bash tools/setup_env.sh [--compile-mmcv] [--cpu] [--checks]

Makes the environment that DirectPose runs in, or completes the one that is
there: a virtual environment with the stack of requirements/lock.txt and this
repository in editable mode. Nothing is compiled: MMCV gets its operators from
torchvision. Safe to run again and after an interruption; at once done, and
without network, when nothing has changed.

  --compile-mmcv     compile MMCV with all its operators, which may take an hour
                     on two cores; needs a C++ compiler, the headers of Python and, for
                     a GPU, the CUDA toolkit of torch's own CUDA version
  --cpu              torch for CPUs alone, without most of the 1.9 GB that torch and its
                     CUDA libraries are to download. PyPI has no such builds of torch:
                     name the index of PyTorch that has them in PIP_EXTRA_INDEX_URL
  --checks           also what tools/run_tests.sh needs besides, some 80 MB
                     (requirements/checks.txt)

The environment keeps these options: a later run without them does not undo them.

  DIRECTPOSE_VENV    where the environment is (default: .venv in the repository)
  DIRECTPOSE_PYTHON  the Python to make it with, 3.11, 3.12 or 3.13
                     (default: python3, python3.13, python3.12 or python3.11)
EOF
}

fail() {  # LINE...
  printf 'ERROR: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

warn_of_space() {  # FOLDER GB WHAT VARIABLE
  [ "$(df -B 1GB --output=avail "$1" | tail -n 1)" -ge "$2" ] ||
    echo "WARNING: $1 has less than $2 GB free, which $3 needs: make room, or name a folder on" \
      "another disk in $4." >&2
}

is_supported() {  # PYTHON
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12), (3, 13)})' 2>/dev/null
}

find_python() {  # prints the Python to make the environment with
  local python candidates=(python3 python3.13 python3.12 python3.11)
  [ -z "${DIRECTPOSE_PYTHON-}" ] || candidates=("$DIRECTPOSE_PYTHON")
  for python in "${candidates[@]}"; do
    if is_supported "$python"; then
      command -v "$python"
      return
    fi
  done
  return 1
}

# All that the environment depends on, in one number: what shall be installed
# and what is.
fingerprint() {
  {
    cat "$root"/requirements/{lock,checks}.txt "$root"/{pyproject.toml,setup.py} \
      "$root"/directpose/version.py "$root"/directpose_stack/*.py "$root"/tools/setup_env.sh
    "$venv/bin/python" -VV
    (cd "$venv" && ls -d lib/python3.*/site-packages/*.dist-info 2>/dev/null)
    echo "$root" "$compile" "$cpu" "$checks"
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

compile='' cpu='' checks=''
for argument in "$@"; do
  case $argument in
    -h | --help) usage; exit ;;
    --compile-mmcv) compile=1 ;;
    --checks) checks=1 ;;
    --cpu) cpu=1 ;;
    *) usage >&2; fail "unknown arguments: $*" ;;
  esac
done
[ "$(uname -s)" = Linux ] || fail "the locked environment is for Linux; this is $(uname -s)"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$(realpath -ms "${DIRECTPOSE_VENV:-$root/.venv}")
log=$venv/setup.log
stamp=$venv/.directpose-ready
# Other scripts call this one without options: those of the environment stay.
[ ! -e "$venv/.directpose-compile-mmcv" ] || compile=1
[ ! -e "$venv/.directpose-cpu" ] || cpu=1
[ ! -e "$venv/.directpose-checks" ] || checks=1
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
    fail "$venv has $("$venv/bin/python" -V 2>&1), DirectPose's stack is locked for 3.11 to 3.13." \
      "Remedy: choose another folder with DIRECTPOSE_VENV, or remove that one."
  base=$venv/bin/python
  [ -z "${DIRECTPOSE_PYTHON-}" ] ||
    [ "$("$base" -V)" = "$("$DIRECTPOSE_PYTHON" -V)" ] ||
    fail "$venv has $("$base" -V), and DIRECTPOSE_PYTHON is another." \
      'Remedy: choose another folder with DIRECTPOSE_VENV, or remove that one.'
elif [ -d "$venv" ] && [ -n "$(ls -A "$venv")" ] &&
  [ ! -e "$venv/pyvenv.cfg" ] && [ ! -e "$venv/.directpose-lock" ]; then
  fail "$venv exists and is not a virtual environment." \
    'Remedy: name another folder in DIRECTPOSE_VENV.'
else
  base=$(find_python) ||
    fail "DirectPose's stack is locked for Python 3.11 to 3.13, and none was found:" \
      "$("${DIRECTPOSE_PYTHON:-python3}" -V 2>&1 | tail -n 1)" \
      'Remedy: install one (Debian, Ubuntu: sudo apt-get install -y python3.12-venv),' \
      'or name it: DIRECTPOSE_PYTHON=/path/to/python3.12 bash tools/setup_env.sh'
fi
# Better to refuse now than after the downloads.
if [ -n "$compile" ] && ! command -v "${CXX:-c++}" >/dev/null; then
  fail '--compile-mmcv needs a C++ compiler, and there is none.' \
    'Remedy: install one (Debian, Ubuntu: sudo apt-get install -y build-essential python3-dev),' \
    'or leave the option out: MMCV then gets its operators from torchvision.'
fi

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
  needed=6 temporary=2
  [ -z "$cpu" ] || needed=2 temporary=1
  warn_of_space "$venv" "$needed" 'the environment' DIRECTPOSE_VENV
  warn_of_space "${TMPDIR:-/tmp}" "$temporary" 'the download' TMPDIR
  logged "$base" -m venv "$venv"
fi
python=$venv/bin/python

# pip writes INSTALLER last: a package without it was being copied when a run
# was interrupted, and pip would take it for whole.
for package in "$venv"/lib/python3.*/site-packages/*.dist-info; do
  [ ! -d "$package" ] || [ -e "$package/INSTALLER" ] || rm -r "$package"
done

install=("$python" -m pip install --disable-pip-version-check --progress-bar off --no-deps)
lock=$root/requirements/lock.txt
left_out=()
[ -z "$cpu" ] || left_out+=(cuda- nvidia- triton== torch== torchvision==)
[ -z "$compile" ] || left_out+=(mmcv-lite==)
if [ ${#left_out[@]} -gt 0 ]; then
  # Each pin goes with its hashes, on the lines that a backslash joins to it.
  sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' "$lock" |
    grep -vE "^($(IFS='|'; echo "${left_out[*]}"))" >"$venv/lock.txt"
  lock=$venv/lock.txt
fi
if [ -n "$cpu" ]; then
  # Hashes are those of the builds with CUDA: the rest of the lock keeps its own.
  echo '==> torch for CPUs, from an index that has it: PyPI does not (PIP_EXTRA_INDEX_URL)'
  logged "${install[@]}" --only-binary :all: \
    $(sed -nE 's/^(torch|torchvision)==([^ ]+).*/\1==\2+cpu/p' "$root/requirements/lock.txt")
fi
echo '==> the locked stack (requirements/lock.txt)'
logged "${install[@]}" --only-binary :all: --require-hashes -r "$lock"
if [ -n "$checks" ]; then
  echo '==> what the tests need besides (requirements/checks.txt)'
  logged "${install[@]}" --only-binary :all: --require-hashes -r "$root/requirements/checks.txt"
fi
echo '==> directpose itself, editable'
logged "${install[@]}" --no-build-isolation -e "$root"
if [ -n "$compile" ]; then
  echo '==> MMCV with all its operators; to compile it may take an hour on two cores'
  logged "${install[@]}" --no-cache-dir ninja
  if ! "$python" -m pip show --quiet mmcv 2>/dev/null; then
    logged "$python" -m pip uninstall -y mmcv-lite
    # What directpose_stack wrote there is not pip's to remove.
    rm -rf "$venv"/lib/python3.*/site-packages/mmcv
  fi
  MMCV_WITH_OPS=1 logged "${install[@]}" --no-cache-dir --no-build-isolation --no-binary mmcv \
    --require-hashes -r "$root/requirements/compiled.txt"
fi
"$python" -P -m directpose_stack | sed 's/^/    /'

[ -z "$compile" ] || touch "$venv/.directpose-compile-mmcv"
[ -z "$cpu" ] || touch "$venv/.directpose-cpu"
[ -z "$checks" ] || touch "$venv/.directpose-checks"
fingerprint >"$stamp.new"
mv "$stamp.new" "$stamp"
echo "The environment in $venv is ready."
