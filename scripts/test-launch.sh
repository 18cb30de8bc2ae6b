#!/usr/bin/env bash
# Trains by `fgn-dist launch` over two "hosts" of this machine (network namespaces, see Tests/Hosts/hosts.sh), of which some come,
# go and fail: the scenarios of Horovod's elastic tests. All that end well end with the same bytes, whatever the hosts were. Needs
# root; where that or namespaces are missing it says so, and that is all. FGN_SKIP_BUILD=1 takes the program as it is.
cd "$(dirname "$0")/.."
. Tests/Hosts/session.sh

[ -n "${FGN_SKIP_BUILD:-}" ] || swift build -c release --product fgn-dist
program="${FGN_DIST_PROGRAM:-$PWD/.build/release/fgn-dist}"
export OPENBLAS_NUM_THREADS=1
cat >"$work/run.yaml" <<END
model: {layers: [{linear: 64}, tanh]}
optimizer: {batch_size: 500, solver: {kind: cg, tolerance: 1e-8, max_iterations: 40}, damping: {policy: constant, initial: 0.1}}
training: {steps: 6000, evaluate_every: 0, reproducible: true, peer_timeout: 3}
checkpoint: {every: 10}
END
printf '%s\n' "$first" >"$work/first"
printf '%s\n' "$second" >"$work/second"

fail() {
  echo "Launched: $1" >&2
  for log in "$work"/*.log; do echo "== $log" >&2; tail -n 25 "$log" >&2; done
  exit 1
}
# begin RUN OPTIONS…: a supervisor on the first host in the background, as $job.
begin() {
  local run="$1"
  shift
  timeout --kill-after=5 200 "$hosts" run "$first" "$program" launch "$@" -- train "$work/run.yaml" \
    --run-directory "$work/$run" >"$work/$run.log" 2>&1 9>&- &
  job=$!
}
# attempts RUN: a line for each attempt, its hosts and its cause.
attempts() {
  python3 - "$work/$1/launch.jsonl" <<'END'
import json, sys
for line in open(sys.argv[1]):
    event = json.loads(line)
    if event["event"] == "attempt":
        hosts = ",".join(event["hosts"])
    elif event["event"] == "end":
        print(hosts, event["cause"])
END
}
# until_true WORDS COMMAND…: that the command succeeds within a minute.
until_true() {
  local words="$1"
  shift
  for _ in $(seq 600); do
    "$@" && return
    sleep 0.1
  done
  fail "$words"
}
# on_hosts RUN LIST: whether the last attempt of a run has these hosts.
on_hosts() { grep '"event":"attempt"' "$work/$1/launch.jsonl" 2>/dev/null | tail -n 1 | grep -q "\"hosts\":\[$2\]"; }
steps() { cat "$work/$1/metrics.jsonl" 2>/dev/null | grep -c '"event":"step"' || true; }
# until_at_work RUN HOST…: until an attempt on exactly these hosts has taken steps of its own.
until_at_work() {
  local run="$1" list before
  shift
  list="$(printf '"%s",' "$@")"
  until_true "$run: no attempt on $*" on_hosts "$run" "${list%,}"
  until_true "$run: the ranks on $* do not meet" test -e "$work/$run/launch.started"
  before=$(steps "$run")
  until_true "$run: no steps on $*" more_steps "$run" $((before + 12))
}
more_steps() { [ "$(steps "$1")" -ge "$2" ]; }
# ranks HOST: the processes that train there.
ranks() {
  for process in $(ip netns pids "$1"); do
    [ "$(tr '\0' ' ' <"/proc/$process/cmdline" 2>/dev/null | cut -d' ' -f2)" = train ] \
      && [ "$(readlink "/proc/$process/exe")" = "$(readlink -f "$program")" ] && echo "$process"
  done
  true
}
kill_ranks() { for host in "$@"; do ranks "$host" | xargs -r kill -KILL; done; }
# lose_power: of the second host.
lose_power() {
  ip -n "$second" link set v0 down
  ip netns pids "$second" | xargs -r kill -KILL
}
regain_power() { ip -n "$second" link set v0 up; }
# expect RUN CODE ATTEMPT…: how a run ends, and its attempts; with code 0 also its bytes.
expect() {
  local run="$1" code=0
  wait "$job" || code=$?
  [ $code -eq "$2" ] || fail "$run: ended with $code"
  shift 2
  [ $# -eq 0 ] || [ "$(attempts "$run")" = "$(printf '%s\n' "$@")" ] || { attempts "$run" >&2; fail "$run: other attempts"; }
  [ $code -ne 0 ] || cmp -s "$work/$run/model.safetensors" "$work/alone/model.safetensors" || fail "$run: other weights"
  until_true "$run: a process is left" nothing_runs
  echo "$run: as it should be"
}
nothing_runs() { [ "$(running)" -eq 0 ]; }

"$program" train "$work/run.yaml" --run-directory "$work/alone" >"$work/alone.log" 2>&1 || fail "the run on one host failed"
both="$first,$second"
list="$work/list"
"$hosts" up 9>&-

cp "$work/first" "$list"
begin added-and-removed --hosts "$list" --grow --discovery-interval 1
until_at_work added-and-removed "$first"
cp "$work/hostfile" "$list"
until_at_work added-and-removed "$first" "$second"
cp "$work/second" "$list"
until_at_work added-and-removed "$second"
expect added-and-removed 0 "$first regrouped" "$both regrouped" "$second completed"

cp "$work/hostfile" "$list"
printf '#!/bin/sh\ncat "%s"\n' "$list" >"$work/discover"
chmod +x "$work/discover"
begin removed-and-added --host-discovery-script "$work/discover" --grow --discovery-interval 1
until_at_work removed-and-added "$first" "$second"
cp "$work/first" "$list"
until_at_work removed-and-added "$first"
cp "$work/hostfile" "$list"
until_at_work removed-and-added "$first" "$second"
expect removed-and-added 0 "$both regrouped" "$first regrouped" "$both completed"

begin single-rank --hosts "$work/hostfile"
until_at_work single-rank "$first" "$second"
kill_ranks "$second"
expect single-rank 0 "$both crash" "$both completed"

begin without-scaling --hosts "$work/hostfile" --min-hosts 2
until_at_work without-scaling "$first" "$second"
lose_power
until_true "the supervisor does not wait" grep -qs "1 of 2 hosts are there, and 2 are needed" "$work/without-scaling.log"
regain_power
expect without-scaling 0
[ "$(attempts without-scaling | tail -n 1)" = "$both completed" ] || fail "without-scaling: not on both hosts again"
! attempts without-scaling | grep -qv "^$both " || fail "without-scaling: an attempt on one host"

begin all-but-one --hosts "$work/hostfile" --grow --discovery-interval 1
until_at_work all-but-one "$first" "$second"
lose_power
until_at_work all-but-one "$first"
regain_power
until_at_work all-but-one "$first" "$second"
expect all-but-one 0
[ "$(attempts all-but-one | tail -n 1)" = "$both completed" ] || fail "all-but-one: the host was not taken back"

begin all-ranks --hosts "$work/hostfile"
until_at_work all-ranks "$first" "$second"
kill_ranks "$first" "$second"
expect all-ranks 0 "$both crash" "$both completed"

begin blacklisted --hosts "$work/hostfile"
for _ in 1 2 3; do
  until_at_work blacklisted "$first" "$second"
  rm -f "$work/blacklisted/launch.started"
  kill_ranks "$second"
  sleep 1
done
until_at_work blacklisted "$first"
expect blacklisted 0 "$both crash" "$both crash" "$both crash" "$first completed"
grep -q "$second has failed 3 times in a row" "$work/blacklisted.log" || fail "blacklisted: without a word"

ip -n "$second" link set v0 down
begin min-hosts-timeout --hosts "$work/hostfile" --min-hosts 2 --time-limit 4
expect min-hosts-timeout 69
begin all-hosts-lost --hosts "$work/second" --time-limit 4
expect all-hosts-lost 69
ip -n "$second" link set v0 up

begin reset-limit --hosts "$work/hostfile" --max-restarts 1
for _ in 1 2; do
  until_at_work reset-limit "$first" "$second"
  rm -f "$work/reset-limit/launch.started"
  kill_ranks "$second"
done
expect reset-limit 137 "$both crash" "$both crash"
