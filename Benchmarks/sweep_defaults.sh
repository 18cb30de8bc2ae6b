#!/usr/bin/env bash
# The sweeps that the defaults follow from, as Markdown tables on standard output (about a quarter of an hour on two cores).
# Build first: swift build -c release. Data: Debian's dataset-fashion-mnist; Benchmarks/preparation/prepare_wordnet.py
# data/wordnet_minilm, and with --sparse data/wordnet_sparse; Benchmarks/preparation/prepare_small.py data.
set -euo pipefail
cd "$(dirname "$0")/.."

sweep() {
  echo
  echo "## $1"
  echo
  shift
  python3 Benchmarks/sweep.py "$@"
}
identity=(--set optimizer.metric.kind=identity)
kronecker=(--set optimizer.metric.kind=kronecker)

sweep "Digits, linear head, 10 epochs" configs/digits.yaml \
  --grid optimizer.learning_rate=0.2,0.5,1 --grid optimizer.momentum=0,0.9 --grid optimizer.damping.minimum=0.1,0.3,1
sweep "Fashion-MNIST, linear head, 5 epochs: rate and floor of the damping" configs/fashion-mnist-head.yaml \
  --grid optimizer.learning_rate=0.2,0.5,1 --grid optimizer.momentum=0.8,0.9 --grid optimizer.damping.minimum=0.1,0.3,1
sweep "Fashion-MNIST, linear head: where the damping begins, with each policy" configs/fashion-mnist-head.yaml \
  --set optimizer.solver.kind=gram --grid optimizer.damping.policy=levenberg-marquardt,sweep,constant \
  --grid optimizer.damping.initial=1e-3,1e-2,0.1,1,10
averages=(--grid training.average.kind=none,tail,ema --grid optimizer.schedule.kind=linear,constant)
for epochs in 2 4; do
  sweep "Fashion-MNIST, linear head, $epochs epochs: averaged weights" configs/fashion-mnist-head.yaml \
    --set training.epochs=$epochs "${averages[@]}"
done
sweep "Fashion-MNIST, linear head: metric and look ahead" configs/fashion-mnist-head.yaml \
  --grid optimizer.metric.kind=identity,inputs,kronecker --grid optimizer.nesterov=false,true
sweep "Fashion-MNIST, perceptron 784-256-128-10, 5 epochs: metric identity" configs/fashion-mnist-mlp.yaml \
  "${identity[@]}" --grid optimizer.learning_rate=0.1,0.2,0.5 --grid optimizer.damping.minimum=0.1,0.3
sweep "Fashion-MNIST, perceptron, 5 epochs: metric kronecker" configs/fashion-mnist-mlp.yaml \
  "${kronecker[@]}" --grid optimizer.learning_rate=0.1,0.2,0.5 --grid optimizer.damping.minimum=0.3,1,3
sweep "Fashion-MNIST, perceptron, 5 epochs: metric kronecker, batch and interval" configs/fashion-mnist-mlp.yaml \
  "${kronecker[@]}" --grid optimizer.batch_size=256,512,1024 --grid optimizer.metric.interval=5,10,20
sweep "Fashion-MNIST, convolutional network, 1 epoch" configs/fashion-mnist-cnn.yaml --set training.epochs=1 \
  --set optimizer.solver.kind=gram --grid optimizer.metric.kind=identity,kronecker \
  --grid optimizer.learning_rate=0.2,0.5
# The floor of the damping against the mean ‖x‖² of the examples: a third, one and three thousandths of it, and 0.3.
if [ -d data/letters ]; then
  sweep "Digits, 10 epochs: ‖x‖² is 15" configs/digits.yaml --grid optimizer.damping.minimum=0.005,0.015,0.045,0.3
  sweep "Letters, 10 epochs: ‖x‖² is 3.1" configs/letters.yaml --grid optimizer.damping.minimum=0.001,0.0031,0.0093,0.3
  for epochs in 2 4; do
    sweep "Letters, $epochs epochs: averaged weights" configs/letters.yaml --set training.epochs=$epochs "${averages[@]}"
  done
  sweep "Fashion-MNIST of 14 × 14, 10 epochs: ‖x‖² is 37" configs/fashion14.yaml \
    --grid optimizer.damping.minimum=0.012,0.037,0.11,0.3
fi
if [ -d data/wordnet_sparse ]; then
  sweep "WordNet, sparse, 1 epoch: ‖x‖² is 1" configs/wordnet-sparse.yaml --set training.epochs=1 \
    --grid optimizer.damping.minimum=0.00033,0.001,0.003,0.3
fi
[ -d data/wordnet_minilm ] || exit 0
sweep "WordNet, lexicographer files, 20 epochs: ‖x‖² is 384" configs/wordnet-lexicographer.yaml \
  --grid optimizer.damping.minimum=0.13,0.38,1.2,0.3
sweep "WordNet, linear head of 4796 classes, 2 epochs" configs/wordnet.yaml --set training.epochs=2 \
  --set optimizer.nesterov=false --set optimizer.damping.policy=levenberg-marquardt \
  --grid optimizer.learning_rate=0.5,1 --grid optimizer.momentum=0.8,0.9 \
  --grid optimizer.damping.minimum=0.1,0.3,1
sweep "WordNet, 2 epochs: looking ahead" configs/wordnet.yaml --set training.epochs=2 \
  --grid optimizer.nesterov=false,true --grid optimizer.step_length=unit,ggn
