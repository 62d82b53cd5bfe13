#!/usr/bin/env bash
set -euo pipefail

config=configs/directpose/directpose_r18-aa-tiny_fpn_1xb8-1200_synthetic.py
data=data/synthetic
work=work_dirs/quickstart
num_train=1200 num_val=100 size=144 seed=0 max_people=2

usage() {
  cat <<EOF
Usage: bash tools/quickstart.sh [--images DIR]

From a fresh clone to drawn poses, on a machine without a GPU:
  1. sets the environment up where needed (tools/setup_env.sh says how and where);
  2. draws a data set of people in COCO's format into $data;
  3. trains a small model on it for a few minutes, into $work;
  4. evaluates it, prints COCO's table, and draws the poses it finds beside the
     annotated ones.
Safe to run again: what is there is used again, and training starts anew. Shows progress and
results alone; the whole logs are files in $work.

  --images DIR  draws poses on the pictures in DIR as well. This model has seen
                drawn people only: do not expect much of it on photographs.
EOF
}

images=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit ;;
    --images=*) images=${1#*=} ;;
    --images)
      [ $# -gt 1 ] || { echo 'ERROR: --images needs a folder' >&2; exit 2; }
      images=$2
      shift
      ;;
    *) usage >&2; echo "ERROR: unknown argument: $1" >&2; exit 2 ;;
  esac
  shift
done
if [ -n "$images" ]; then
  [ -d "$images" ] || { echo "ERROR: --images $images is no folder" >&2; exit 2; }
  images=$(realpath "$images")
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$(realpath -ms "${DIRECTPOSE_VENV:-$root/.venv}")

# Passes the set-up's stages on. Its lines for single packages become one that counts, on a
# terminal alone.
count_packages() {
  local line count=0 total erase=
  total=$(grep -c '^[A-Za-z].*==' "$root/requirements/lock.txt")
  [ ! -t 1 ] || erase=$'\r\033[K'
  while IFS= read -r line; do
    case $line in
      '    Collecting '*)
        count=$((count + 1))
        [ ! -t 1 ] || printf '%s    package %d of %d' "$erase" "$count" "$total"
        ;;
      '    Installing '*) [ ! -t 1 ] || printf '%s    copying the packages' "$erase" ;;
      *) printf '%s%s\n' "$erase" "$line" ;;
    esac
  done
}

bash "$root/tools/setup_env.sh" | count_packages
cd "$root"
python() { "$venv/bin/python" "$@"; }

is_drawn() {  # whether the data set is there, whole, and with these settings
  [ -e "$data/annotations/person_keypoints_train2017.json" ] &&
    [ -e "$data/annotations/person_keypoints_val2017.json" ] &&
    python - "$data/synthetic.json" "$num_train" "$num_val" "$size" "$seed" "$max_people" <<'EOF'
import json, sys
made_with = json.load(open(sys.argv[1]))
wanted = [int(number) for number in sys.argv[2:]]
names = ('num_train', 'num_val', 'size', 'seed', 'max_people')
sys.exit([made_with.get(name) for name in names] != wanted)
EOF
}

echo '==> check of the environment'
# Who wants every line calls tools/check_env.py.
python tools/check_env.py | sed -E '/^ok +(mmcv|gpu) /!{/^ok /d}'

echo "==> drawn people in $data"
if is_drawn; then
  echo '    they are there'
else
  python tools/dataset_converters/make_synthetic_coco.py "$data" \
    --train "$num_train" --val "$num_val" --size "$size" --seed "$seed" \
    --max-people "$max_people"
fi

echo "==> training, into $work"
python tools/train.py "$config" --work-dir "$work" --quiet

echo '==> evaluation'
checkpoint=$(cat "$work/last_checkpoint")
python tools/test.py "$config" "$checkpoint" --quiet --work-dir "$work" --show-dir "$work/poses"

if [ -n "$images" ]; then
  echo "==> poses on the pictures of $images"
  python demo/image_demo.py "$images" "$config" "$checkpoint" --out-dir "$work/images" \
    >"$work/images.log" 2>&1 || { cat "$work/images.log"; exit 1; }
fi

echo
echo "Poses beside the annotated ones, for example:"
find "$root/$work/poses" -name '*.jpg' | sort | head -n 3
[ -z "$images" ] || echo "Your pictures: $root/$work/images/visualizations"
echo "The model: $checkpoint"
