# Sourced by the other scripts: installs the system packages that are missing. Debian and Ubuntu; elsewhere it says what
# is needed.
set -euo pipefail

install_missing() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if ! command -v apt-get >/dev/null; then
    echo "Please install: ${missing[*]} (names as in Debian), then run this again." >&2
    exit 1
  fi
  echo "Installing ${missing[*]}"
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

if ! command -v swift >/dev/null; then
  echo "Please install Swift 6.2 or later (https://www.swift.org/install), then run this again." >&2
  exit 1
fi

if command -v dpkg-query >/dev/null; then
  install_missing pkg-config libopenmpi-dev openmpi-bin libopenblas-dev zlib1g-dev libbz2-dev
fi

# Open MPI refuses to start as root unless it is told twice; in a container root is the normal case.
if [ "$(id -u)" -eq 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
