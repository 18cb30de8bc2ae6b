#!/usr/bin/env bash
# Random faults for a run under `fgn-dist launch` over two "hosts" of this machine, for FGN_TEST_CHAOS minutes; without that
# nothing. FGN_TEST_SEED repeats the faults of a run, as far as time does. Needs root, see scripts/test-launch.sh.
cd "$(dirname "$0")/.."
if [ -z "${FGN_TEST_CHAOS:-}" ]; then
  echo "No chaos: FGN_TEST_CHAOS says for how many minutes."
  exit 0
fi
. Tests/Hosts/session.sh

[ -n "${FGN_SKIP_BUILD:-}" ] || swift build -c release --product fgn-dist
if command -v dpkg-query >/dev/null; then (install_missing strace) || skip "strace cannot be installed"; fi
export OPENBLAS_NUM_THREADS=1
# A link that can be cut without either end noticing.
"$hosts" up 0 0% 9>&-
code=0
python3 Tests/Chaos/chaos.py "${FGN_DIST_PROGRAM:-.build/release/fgn-dist}" "$work" "$FGN_TEST_CHAOS" \
  "${FGN_TEST_SEED:-$RANDOM}" 9>&- || code=$?
[ $code -eq 0 ] || tail -n 60 "$work/launch.log" >&2
"$hosts" down
umount "$work/disk" "$work/mirror" 2>/dev/null || true
exit $code
