#!/usr/bin/env bash
# From a clean machine to a trained classifier: installs what is missing, builds, and trains on the embedded digits with
# two ranks.
cd "$(dirname "$0")/.."
. launch/install.sh

swift build -c release --product fgn-dist
program="$(swift build -c release --show-bin-path)/fgn-dist"

run=$(mktemp -d "${TMPDIR:-/tmp}/fgn-quickstart.XXXXXX")
mpirun --oversubscribe -np 2 "$program" train configs/digits.yaml --run-directory "$run/digits"
echo
echo "Test set, evaluated from the saved model:"
"$program" evaluate "$run/digits/model.safetensors"
