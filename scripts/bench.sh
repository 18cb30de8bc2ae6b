#!/usr/bin/env bash
# Compares fgn-dist with its peers: builds, makes a virtual environment of Benchmarks/requirements.txt, and runs
# Benchmarks/peers.py with the options given here; `scripts/bench.sh time_to_loss.py …` runs another script there.
# FGN_BENCH_VENV names another virtual environment, PYTHON another interpreter for it.
cd "$(dirname "$0")/.."
. launch/install.sh

swift build -c release --product fgn-dist
program="$(swift build -c release --show-bin-path)/fgn-dist"

venv="${FGN_BENCH_VENV:-.venv-bench}"
if ! cmp -s Benchmarks/requirements.txt "$venv/requirements.txt"; then
  if [ -z "${PYTHON:-}" ] && ! python3 -c 'import ensurepip' 2>/dev/null; then install_missing python3-venv; fi
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r Benchmarks/requirements.txt
  cp Benchmarks/requirements.txt "$venv/requirements.txt"
fi

script=peers.py
if [[ "${1:-}" == *.py ]]; then
  script="$1"
  shift
fi
exec "$venv/bin/python" "Benchmarks/$script" "$program" "$@"
