#!/usr/bin/env bash
# Builds against MPICH, which Debian installs beside Open MPI, and runs the collective tests with 2 and 3 ranks and a handful
# of whole runs. Where MPICH cannot be installed it says so, and that is all. A debug build takes half as long as an optimised
# one; the suites that compute for a minute without optimisation are left out, as their messages are those of the others.
cd "$(dirname "$0")/.."
. launch/install.sh

if ! command -v mpirun.mpich >/dev/null || ! pkg-config --exists mpich; then
  if ! command -v apt-get >/dev/null || ! (install_missing libmpich-dev mpich); then
    echo "Not tested with MPICH: it is not installed, and cannot be installed here."
    exit 0
  fi
fi

scratch=.build-mpich
FGN_MPI=mpich swift build --build-tests --scratch-path "$scratch" -Xswiftc -gnone
bundle="$(swift build --scratch-path "$scratch" --show-bin-path)/fgn-distPackageTests.xctest"

for ranks in 2 3; do
  echo "== mpirun.mpich -np $ranks"
  log="$scratch/mpirun-$ranks.log"
  skipped=(--skip Heartbeat)
  for suite in VirtualShard GramCollective GeneralizedGaussNewton DenseStep; do skipped+=(--skip "$suite"); done
  suites=CollectiveTests
  # With more ranks than CPUs MPICH waits by polling: the operations themselves are enough, without many splits.
  if [ "$ranks" -gt 2 ]; then
    suites='MPITests.*CollectiveTests'
    skipped+=(--skip 'Many splits')
  fi
  OPENBLAS_NUM_THREADS=1 timeout --kill-after=10 600 mpirun.mpich -np "$ranks" \
    "$bundle" --testing-library swift-testing --no-parallel --filter "$suites" \
    "${skipped[@]}" >"$log" 2>&1 || {
    cat "$log"
    echo "The tests failed under mpirun.mpich -np $ranks." >&2
    exit 1
  }
  grep 'Test run with' "$log"
done

echo "== whole runs with MPICH"
FGN_MPIRUN=mpirun.mpich timeout --kill-after=10 600 "$bundle" --testing-library swift-testing \
  --filter 'ExitCodeTests|SingleStepTests|ElasticResumeTests'
