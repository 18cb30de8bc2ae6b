#!/bin/sh
# Runs every command of an installed fgn-dist once: smoke.sh CONFIGS, where that is the folder of configurations, and MPIRUN in
# the environment the launcher (mpirun; none: one process). What it prints is shown where something fails.
set -eu
configs="$1"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
# Open MPI refuses to start as root unless it is told twice.
if [ "$(id -u)" -eq 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi

try() {
  "$@" >log 2>&1 || { code=$?; cat log; echo "smoke.sh: ended with $code: $*" >&2; exit 1; }
}
ranks() {
  if [ "${MPIRUN:-mpirun}" = none ]; then try "$@"; else try "${MPIRUN:-mpirun}" --oversubscribe --bind-to none -np 2 "$@"; fi
}

ranks fgn-dist train "$configs/digits.yaml" --run-directory digits --set data.validation.fraction=0.1
grep -h 'test' log | tail -n 1
model=digits/model.safetensors
ranks fgn-dist tune "$configs/digits.yaml" --run-directory search --set training.epochs=2 \
  --over optimizer.weight_decay=1e-4,1e-2
ranks fgn-dist evaluate "$model"
try fgn-dist calibrate "$model" --out calibrated.safetensors
# Ten rows of 64 pixels and a label.
awk 'BEGIN {for (i = 0; i < 10; i++) {for (j = 0; j < 64; j++) printf "%d,", (i * j) % 17; print i}}' >table.csv
try fgn-dist convert table.csv --output table.npy --output-labels labels.npy
try fgn-dist convert table.npy --labels labels.npy --output table.svm
gzip table.csv
try fgn-dist convert table.csv.gz --output table.tsv
ranks fgn-dist predict "$model" --features table.npy --probabilities p.npy --classes c.csv
[ "$(wc -l <c.csv)" -ge 10 ]
try fgn-dist export "$model" --out exported.safetensors
try fgn-dist inspect "$model" --config
try fgn-dist report digits search --out report.html
grep -q '</html>' report.html
try fgn-dist bench --rows 256 --features 64 --classes 10 --repetitions 2
try fgn-dist study --help
# As one process it ends with 69: there is no launcher.
if [ "${MPIRUN:-mpirun}" != none ]; then
  try fgn-dist doctor
  grep -E 'MPI|BLAS|two ranks' log
fi
echo "all commands: done"
