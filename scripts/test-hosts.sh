#!/usr/bin/env bash
# Trains over two "hosts" of this machine (network namespaces, see Tests/Hosts/hosts.sh) and harms the link between them. Needs
# root; where that or namespaces are missing it says so, and that is all. FGN_HOSTS_ROUNDS repeats it, and FGN_SKIP_BUILD=1
# takes the program as it is.
cd "$(dirname "$0")/.."
. Tests/Hosts/session.sh

# A fault is to end the job here: healing is for test-launch.sh.
export FGN_LAUNCH_OPTIONS="--max-restarts 0"
[ -n "${FGN_SKIP_BUILD:-}" ] || swift build -c release --product fgn-dist
printf '%s\n' 'optimizer: {batch_size: 200, solver: {kind: cg}}' 'training: {steps: 400, evaluate_every: 0}' \
  'checkpoint: {every: 10}' >"$work/run.yaml"
# Steps that send megabytes.
printf '%s\n' 'model: {layers: [{linear: 1024}, tanh]}' 'optimizer: {batch_size: 200, solver: {kind: cg}}' \
  'training: {steps: 30, evaluate_every: 0}' >"$work/wide.yaml"

# train RUN [CONFIG]: on both hosts; the code that it ends with.
train() {
  timeout --kill-after=5 90 "$hosts" run "$first" launch/train-hosts.sh "$work/hostfile" "$work/${2:-run}.yaml" \
    --run-directory "$work/$1" >"$work/$1.log" 2>&1 9>&-
}
fail() {
  echo "Two hosts: $1" >&2
  for log in "$work"/*.log; do tail -n 15 "$log" >&2; done
  exit 1
}
# same RUN [CONFIG]: that it has the weights of the run on one host.
same() {
  cmp -s "$work/$1/model.safetensors" "$work/alone-${2:-run}/model.safetensors" || fail "$1: other weights than on one host"
}
# speed RATE: of the link, both ways.
speed() {
  for host in "$first" "$second"; do tc -n "$host" qdisc replace dev v0 root tbf rate "$1" burst 128kb latency 50ms; done
}
full_speed() { for host in "$first" "$second"; do tc -n "$host" qdisc del dev v0 root; done; }
milliseconds() { date +%s%3N; }
# until_checkpoint RUN
until_checkpoint() {
  for _ in $(seq 600); do
    ls "$work/$1/checkpoints"/step-*.safetensors >/dev/null 2>&1 && return
    sleep 0.05
  done
  fail "$1: no checkpoint appears"
}
# begin RUN: trains in the background, as $job, until there is a checkpoint.
begin() {
  train "$1" &
  job=$!
  until_checkpoint "$1"
}
# expect_end JOB RUN: that the job ends within 15 s, on both hosts, and the run goes on to the same weights.
expect_end() {
  local start=$SECONDS code=0
  wait "$1" || code=$?
  [ $((SECONDS - start)) -le 15 ] || fail "$2: ended only after $((SECONDS - start)) s"
  for _ in $(seq 60); do
    [ "$(running)" -eq 0 ] && break
    [ $((SECONDS - start)) -le 15 ] || fail "$2: a process is left after 15 s"
    sleep 0.1
  done
  [ $code -ne 0 ] && [ $code -ne 124 ] || fail "$2: ended with $code"
  echo "$2: both ends ended within $((SECONDS - start)) s (code $code)"
}

for config in run wide; do
  mpirun --oversubscribe -np 2 .build/release/fgn-dist train "$work/$config.yaml" --run-directory "$work/alone-$config" \
    >"$work/alone-$config.log" 2>&1 || fail "the run on one host failed"
done

for round in $(seq "${FGN_HOSTS_ROUNDS:-1}"); do
  rm -rf "$work"/{plain,wide,slow,pulled,far,pause,cut}
  "$hosts" up 9>&-
  train plain || fail "a plain link"
  same plain
  start=$(milliseconds)
  train wide wide || fail "a plain link, long messages"
  same wide wide
  plain=$(($(milliseconds) - start))
  echo "plain link: the same weights as on one host"
  speed 100mbit
  start=$(milliseconds)
  train slow wide || fail "a slow link"
  same slow wide
  slow=$(($(milliseconds) - start))
  [ $slow -gt $plain ] || fail "100 Mbit/s: $slow ms, but $plain ms without the limit"
  echo "100 Mbit/s: the same weights, in $slow ms, $plain ms without the limit"
  # Slow enough to be caught in the middle.
  speed 1mbit
  begin pulled
  ip -n "$second" link set v0 down
  expect_end $job "pulled cable"
  ip -n "$second" link set v0 up
  full_speed
  train pulled || fail "the run did not go on with the cable back"
  same pulled
  echo "cable back: went on to the same weights"
  "$hosts" down

  "$hosts" up 5 1% 9>&-
  start=$SECONDS
  train far || fail "5 ms away"
  same far
  echo "5 ms away, 1 % lost: the same weights ($((SECONDS - start)) s)"
  begin pause
  kill -STOP "$(cat "$FGN_HOSTS/relay.pid")"
  sleep 3
  kill -CONT "$(cat "$FGN_HOSTS/relay.pid")"
  wait $job || fail "a partition of 3 s was not survived"
  same pause
  echo "partition of 3 s: survived, the same weights"
  begin cut
  kill -STOP "$(cat "$FGN_HOSTS/relay.pid")"
  expect_end $job "partition"
  kill -CONT "$(cat "$FGN_HOSTS/relay.pid")"
  train cut || fail "the run did not go on after the partition"
  same cut
  echo "after the partition: went on to the same weights"
  "$hosts" down
done
