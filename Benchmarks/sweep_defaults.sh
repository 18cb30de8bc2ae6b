#!/usr/bin/env bash
# The sweeps that the defaults follow from, as Markdown tables on standard output (about 10 minutes on two cores).
# Build first: swift build -c release. Data: Debian's dataset-fashion-mnist; Benchmarks/prepare_wordnet.py data/wordnet_minilm.
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
[ -d data/wordnet_minilm ] || exit 0
sweep "WordNet, linear head of 4796 classes, 2 epochs" configs/wordnet.yaml --set training.epochs=2 \
  --set optimizer.nesterov=false --grid optimizer.learning_rate=0.5,1 --grid optimizer.momentum=0.8,0.9 \
  --grid optimizer.damping.minimum=0.1,0.3,1
sweep "WordNet, 2 epochs: looking ahead" configs/wordnet.yaml --set training.epochs=2 \
  --grid optimizer.nesterov=false,true --grid optimizer.step_length=unit,ggn
