#!/usr/bin/env bash
# Tests the Python package with the program of the release build, in a virtual environment of python/requirements-test.txt.
# FGN_PYTHON_VENV names another environment, PYTHON another interpreter for it; options are those of pytest. With --prepare the
# environment is all that is made.
cd "$(dirname "$0")/.."
. launch/install.sh

if ! command -v "${PYTHON:-python3}" >/dev/null; then
  echo "There is no Python, so its package is not tested."
  exit 0
fi
program="${FGN_DIST_PROGRAM:-}"
[ "${1:-}" = --prepare ] && program=none
if [ -z "$program" ]; then
  [ -n "${FGN_SKIP_BUILD:-}" ] || swift build -c release --product fgn-dist
  program="$(swift build -c release --show-bin-path)/fgn-dist"
fi

venv="${FGN_PYTHON_VENV:-.venv-python}"
if ! cmp -s python/requirements-test.txt "$venv/requirements.txt"; then
  if [ -z "${PYTHON:-}" ] && ! python3 -c 'import ensurepip' 2>/dev/null; then install_missing python3-venv; fi
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r python/requirements-test.txt
  cp python/requirements-test.txt "$venv/requirements.txt"
fi
[ "${1:-}" = --prepare ] && exit
"$venv/bin/ruff" check --quiet python/src python/tests
"$venv/bin/ruff" format --check --quiet python/src python/tests
FGN_DIST_PROGRAM="$program" PYTHONPATH="$PWD/python/src" "$venv/bin/python" -m pytest -q python/tests "$@"
