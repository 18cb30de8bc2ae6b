#!/usr/bin/env bash
# Installs what is missing, and checks everything: format, a build without warnings, all tests in one process, the collective
# ones under mpirun with 1 to 4 ranks, runs over two hosts, a replay in SimGrid where it is installed, collective tests and
# whole runs with MPICH, the examples, the reference of the libraries, and the Python package. Each step has a name, and its
# time in the table at the end; `scripts/test.sh NAME…` takes some.
cd "$(dirname "$0")/.."
. launch/install.sh
. scripts/steps.sh
# Some tests inject faults into system calls.
if command -v dpkg-query >/dev/null; then install_missing strace; fi

mkdir -p .build
# Debug information takes a tenth of the time of a build, and tests name their places without.
build_options=(-c release -Xswiftc -enable-testing -Xswiftc -gnone)

format() { swift format lint --strict --parallel -r Sources Tests Examples/Sources Package.swift Examples/Package.swift; }

build() {
  # The packages of Python come over the network meanwhile.
  scripts/test-python.sh --prepare &
  swift build "${build_options[@]}" --build-tests 2>&1 | tee .build/build.log
  if grep -E '/(Sources|Tests)/.*(warning|error):' .build/build.log; then
    echo "The build has warnings." >&2
    return 1
  fi
  wait $!
}

# Suites of collective operations: their names end in CollectiveTests, which a test sees to.
ranks() {
  local bundle ranks suites skipped
  bundle="$(swift build -c release --show-bin-path)/fgn-distPackageTests.xctest"
  for ranks in 1 2 3 4; do
    # The step unit takes all suites in one process, so that one rank of mpirun is new to MPI alone.
    suites=CollectiveTests
    if [ "$ranks" -eq 1 ]; then suites='MPITests.*CollectiveTests'; fi
    # The heartbeat's tests wait for seconds; beyond two ranks there is nothing new to them.
    skipped=()
    if [ "$ranks" -gt 2 ]; then skipped=(--skip Heartbeat); fi
    OPENBLAS_NUM_THREADS=1 timeout --kill-after=10 600 mpirun --oversubscribe -np "$ranks" \
      "$bundle" --testing-library swift-testing --no-parallel --filter "$suites" "${skipped[@]}" \
      >".build/mpirun-$ranks.log" 2>&1 || {
      cat ".build/mpirun-$ranks.log"
      echo "The tests failed under mpirun -np $ranks." >&2
      return 1
    }
    echo "-np $ranks: $(grep 'Test run with' ".build/mpirun-$ranks.log")"
  done
}

python() { FGN_SKIP_BUILD=1 scripts/test-python.sh; }

hosts() { FGN_SKIP_BUILD=1 scripts/test-hosts.sh; }

launch() { FGN_SKIP_BUILD=1 scripts/test-launch.sh; }

mpich() { scripts/test-mpich.sh; }

# The examples are a package of their own, which sees the public interface alone.
examples() {
  local options=(--package-path Examples --scratch-path .build-examples) folder
  swift build "${options[@]}"
  folder="$(swift build "${options[@]}" --show-bin-path)"
  "$folder/train-network" | tee .build/example.log
  grep -Eq '^accuracy: (1|0\.9)' .build/example.log
  mpirun --oversubscribe -np 2 "$folder/train-across-ranks" | tee .build/example.log
  grep -q '^epoch 5 on 2 ranks: loss 0\.' .build/example.log
}

documentation() {
  local target
  for target in MPI LinearAlgebra Networks GaussNewton; do
    FGN_DOCUMENTATION=1 swift package generate-documentation --target "$target" --warnings-as-errors
  done
}

# All tests, side by side, so that each gets one thread of BLAS; tests of threads ask for theirs. One process is a case of
# its own for those of the ranks.
unit() {
  OPENBLAS_NUM_THREADS=1 timeout --kill-after=10 1500 \
    swift test "${build_options[@]}" --skip-build --disable-xctest 2>&1 | tee .build/unit.log || {
    # What failed stands among what a thousand other tests say.
    echo "== failures"
    grep -a -A 3 'recorded an issue' .build/unit.log | head -n 60
    return 1
  }
}

# A step on ranks that are not there, where SimGrid is installed.
simulation() {
  if ! command -v smpirun >/dev/null; then
    echo "There is no SimGrid here, so that nothing is replayed."
    return
  fi
  local program folder shard
  program="$(swift build -c release --show-bin-path)/fgn-dist"
  folder="$(mktemp -d)"
  for shard in none classes; do
    OPENBLAS_NUM_THREADS=1 mpirun --oversubscribe -np 2 "$program" train configs/digits.yaml --run-directory "$folder/$shard" \
      --set training.steps=8 --set logging.traffic=true --set model.head.shard="$shard" >"$folder/log" || {
      cat "$folder/log" >&2
      return 1
    }
  done
  scripts/simulate "$folder"/{none,classes}/metrics.jsonl --ranks 2 3 16 | tee "$folder/table"
  grep -Eq '^\| 2 \| [0-9.]+ \(took [0-9.]+\) \| [0-9.]+ \(took [0-9.]+\) \|$' "$folder/table"
  grep -Eq '^\| 16 \| [0-9.]+ \| [0-9.]+ \|$' "$folder/table"
  scripts/simulate "$folder/classes/metrics.jsonl" --ranks 16 --share 16="$folder/classes/metrics.jsonl" | grep -Eq '^\| 16 \| [0-9.]+ \|$'
  rm -r "$folder"
}

steps=(format build python examples documentation ranks hosts simulation mpich unit)
# Those that take minutes of waiting are for who asks for them.
if [ -n "${FGN_TEST_FULL:-}" ]; then steps+=(launch); fi
for name in "${@:-${steps[@]}}"; do
  case " ${steps[*]} launch " in
    *" $name "*) step "$name" "$name" ;;
    *) echo "There is no step $name; there are ${steps[*]} launch." >&2; exit 64 ;;
  esac
done
show_steps
# The runner's closing line comes last.
if [ -f .build/unit.log ]; then grep -a 'Test run with' .build/unit.log | tail -n 1; fi
