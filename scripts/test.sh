#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests: those of the distributed parts under mpirun with 1, 2, 3 and 4 ranks,
# runs over two hosts, the same with MPICH, then all in one process.
cd "$(dirname "$0")/.."
. launch/install.sh
# Some tests inject faults into system calls.
if command -v dpkg-query >/dev/null; then install_missing strace; fi

swift build -c release --build-tests -Xswiftc -enable-testing
bundle="$(swift build -c release --show-bin-path)/fgn-distPackageTests.xctest"

for ranks in 1 2 3 4; do
  echo "== mpirun -np $ranks"
  # The heartbeat's tests wait for seconds; beyond two ranks there is nothing new to them.
  skipped=()
  if [ "$ranks" -gt 2 ]; then skipped=(--skip HeartbeatTests); fi
  OPENBLAS_NUM_THREADS=1 timeout --kill-after=10 600 mpirun --oversubscribe -np "$ranks" \
    "$bundle" --testing-library swift-testing --no-parallel --filter 'MPITests|GaussNewtonTests|HistogramTests|RankTimesTests|EvaluationTests|SuspectsTests' "${skipped[@]}" \
    >".build/mpirun-$ranks.log" 2>&1 || {
    cat ".build/mpirun-$ranks.log"
    echo "The tests failed under mpirun -np $ranks." >&2
    exit 1
  }
  grep 'Test run with' ".build/mpirun-$ranks.log"
done

echo "== two hosts"
FGN_SKIP_BUILD=1 scripts/test-hosts.sh

scripts/test-mpich.sh

echo "== swift test"
timeout --kill-after=10 1500 swift test -c release -Xswiftc -enable-testing --skip-build --disable-xctest
