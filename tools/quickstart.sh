#!/usr/bin/env bash
set -euo pipefail

people=configs/directpose/directpose_efficientnet-lite0_fpn_scores_1xb16-300_synthetic.py
mice=configs/directpose/directpose_efficientnet-lite0_fpn_1xb8-420_mice.py
weights=directpose://directpose-tiny
work=work_dirs/quickstart
num_people_pictures=100 size=256 seed=1 max_people=4

usage() {
  cat <<EOF
Usage: bash tools/quickstart.sh [--images DIR]

From a fresh clone to poses, on a machine without a GPU:
  1. sets the environment up where needed (tools/setup_env.sh says how and where);
  2. draws people, and evaluates the model that comes with the package on them: it has
     never seen these pictures;
  3. draws mice, which have other keypoints, and trains that model on them for some
     minutes;
  4. evaluates the trained model on other mice.
Sheets of pictures with poses, and the curve of the training, go into $work. Safe to
run again: training starts anew. Shows progress and results alone; the whole logs are files
in $work.

  --images DIR  draws poses on the pictures in DIR as well, with the model that comes with
                the package. It never saw photographs of people: on photographs it finds
                people in full view, roughly, and misses many.
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
  [ -d "$images" ] || { echo "ERROR: --images $images is not a folder" >&2; exit 2; }
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

echo '==> check of the environment'
# Who wants every line calls tools/check_env.py.
python tools/check_env.py | sed -E '/^ok +(mmcv|gpu) /!{/^ok /d}'

test_and_draw() {  # CONFIG WEIGHTS NAME [options]: COCO's table, and a sheet of pictures
  rm -rf "$work/$3/poses"
  python tools/test.py "$1" "$2" --quiet --work-dir "$work/$3" --show-dir "$work/$3/poses" "${@:4}"
  python tools/analysis_tools/contact_sheet.py "$work/$3/poses" "$work/$3.jpg"
}

echo '==> the model that comes with the package, on drawn people'
python tools/dataset_converters/make_synthetic_coco.py data/drawn_people --train 1 \
  --val "$num_people_pictures" --size "$size" --seed "$seed" --max-people "$max_people"
test_and_draw "$people" "$weights" people --data-root data/drawn_people

if [ -n "$images" ]; then
  echo "==> poses on the pictures of $images"
  mkdir -p "$work"
  python demo/image_demo.py "$images" "$people" "$weights" --score-thr 0.2 \
    --out-dir "$work/images" \
    >"$work/images.log" 2>&1 || { cat "$work/images.log"; exit 1; }
fi

echo '==> training on mice, from that model'
python tools/dataset_converters/make_drawn_mice.py data/drawn_mice
rm -f "$work"/mice/iter_*.pth  # those of an earlier run, which a training does not overwrite
python tools/train.py "$mice" --quiet --work-dir "$work/mice"
python tools/analysis_tools/analyze_logs.py plot_curve "$work/mice" --keys loss coco/AP \
  --out "$work/mice_curve.png"

echo '==> the trained model, on other mice'
checkpoint=$(cat "$work/mice/last_checkpoint")
test_and_draw "$mice" "$checkpoint" mice

echo
echo "People, annotated and found: $root/$work/people.jpg"
echo "Mice, annotated and found:   $root/$work/mice.jpg"
echo "The curve of the training:   $root/$work/mice_curve.png"
echo "The trained model:           $checkpoint"
[ -z "$images" ] || echo "Your pictures:               $root/$work/images/visualizations"
