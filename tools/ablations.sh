#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<EOF
Usage: bash tools/ablations.sh DATA WORK_DIR "SEEDS" ROW [ROW ...]

Trains configs/ablation/ROW.py once with each seed, one run after another, into
WORK_DIR/ROW-SEED. A run that is complete is not repeated, and one that was interrupted
goes on. Then
    python tools/analysis_tools/ablation_table.py WORK_DIR
prints the table. The pictures of docs/en/ablations.md:
    python tools/dataset_converters/make_synthetic_coco.py DATA --train 4000 --val 300 \\
        --size 224 --max-people 2 --seed 21
EOF
}

case ${1:-} in -h | --help) usage; exit ;; esac
[ $# -ge 4 ] || { usage >&2; exit 2; }
data=$(realpath "$1") work=$(realpath -m "$2") seeds=$3
shift 3
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for seed in $seeds; do
  for row; do
    out=$work/$row-$seed
    [ ! -e "$out/complete" ] || continue
    "${PYTHON:-python}" tools/train.py "configs/ablation/$row.py" --data-root "$data" \
      --work-dir "$out" --seed "$seed" --resume
    touch "$out/complete"
  done
done
