#!/usr/bin/env bash
# Train on a Slurm cluster, one process a GPU:
#   GPUS=16 GPUS_PER_NODE=8 bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options]
# SRUN_ARGS is passed on to srun, the options to tools/train.py.
set -euo pipefail

if [ $# -lt 3 ]; then
  echo "usage: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options]" >&2
  exit 2
fi
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
ROOT=$(cd "$(dirname "$0")/.." && pwd)

# SRUN_ARGS is a list of options, so it is split into words.
# shellcheck disable=SC2086
PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" exec srun \
  --partition "$PARTITION" \
  --job-name "$JOB_NAME" \
  --gres "gpu:$GPUS_PER_NODE" \
  --ntasks "$GPUS" \
  --ntasks-per-node "$GPUS_PER_NODE" \
  --cpus-per-task "${CPUS_PER_TASK:-5}" \
  --kill-on-bad-exit=1 \
  ${SRUN_ARGS:-} \
  "${PYTHON:-python}" -u "$ROOT/tools/train.py" "$CONFIG" --launcher slurm "${@:4}"
