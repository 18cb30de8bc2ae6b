import Datasets
import Foundation
import GaussNewton

extension Normalization.Kind: NamesAutomatic {}

extension Configuration {
  /// With all automatic settings chosen: by the other settings, by the data once it is known, and for a run that goes on
  /// by what it had until now. The choices follow from the sweeps in Benchmarks/defaults.md.
  ///
  /// Throws a `ConfigurationError` for a value that is impossible then; `source` names where it was set.
  package func resolved(
    for facts: DataFacts? = nil, goingOnFrom saved: Configuration? = nil, source: String = ""
  ) throws -> Configuration {
    var result = self
    result.data.$normalize.choose(facts?.normalization ?? .scale)
    if let base = facts?.indexBase { result.data.indexBase = base }
    result.training.chooseShuffle(result.optimizer.batchSize, facts)
    // Steps on all rows need no more than a beginning from which they converge.
    result.training.$epochs.choose(training.until == .optimum ? 1 : 10)
    result.training.$keep.choose(data.validation.isGiven ? .best : .last)
    result.training.average.chooseDecay(stepsPerEpoch: facts.map { stepsPerEpoch(of: $0.examples) })
    result.optimizer.choose(for: model, facts)
    // An average takes the noise from the steps, as a falling rate does, and needs steps that go on being long.
    result.optimizer.schedule.$kind.choose(training.average.kind == .none ? .linear : .constant)
    if let saved { result = result.goingOn(from: saved) }
    try result.validate(source: source)
    return result
  }

  /// With the normalization, the order of rows, the rate, the first λ, its floor and the average that the run of a checkpoint has, where none
  /// is asked for.
  func goingOn(from saved: Configuration) -> Configuration {
    var result = self
    result.data.$normalize.choose(saved.data.normalize)
    result.training.$shuffleBlock.choose(saved.training.shuffleBlock)
    result.training.$shuffleWindow.choose(saved.training.shuffleWindow)
    result.optimizer.damping.$initial.choose(saved.optimizer.damping.initial)
    if saved.optimizer.method == optimizer.method {
      result.optimizer.$learningRate.choose(saved.optimizer.learningRate)
      let floor = min(saved.optimizer.damping.minimum, result.optimizer.damping.maximum)
      result.optimizer.damping.$minimum.choose(floor)
    }
    result.training.average.goOn(from: saved.training.average)
    return result
  }
}

extension Configuration {
  private func stepsPerEpoch(of examples: Int) -> Int {
    BatchSampler(
      count: examples, batchSize: optimizer.batchSize, seed: training.seed, dropLast: training.dropLast
    ).batchesPerEpoch
  }
}

extension Configuration.TrainingOptions {
  /// Rows that do not stay in memory are read in blocks of 256 kB, at which disks are nearly as fast as they can be, and mixed
  /// in windows, of which two are in memory. What is reproducible does not depend on the memory.
  fileprivate mutating func chooseShuffle(_ batchSize: BatchSize, _ facts: DataFacts?) {
    guard let facts, let rows = facts.rows, let rowSize = facts.rowSize, case .rows(let batchSize) = batchSize else {
      $shuffleBlock.choose(1)
      $shuffleWindow.choose(1)
      return
    }
    let batch = min(batchSize, rows) * rowSize
    let batches = min(128 << 20, facts.memory / 8) / max(1, batch)
    let takesBlocks = facts.exceedsMemory && batches > 0 && !stratify && !reproducible
    $shuffleBlock.choose(takesBlocks ? min(max(1, (256 << 10) / rowSize), 65536) : 1)
    $shuffleWindow.choose(reproducible ? 1 : min(max(1, batches), shuffleBlock))
  }
}

extension Configuration.OptimizerOptions {
  fileprivate mutating func choose(for model: Configuration.ModelOptions, _ facts: DataFacts?) {
    let isDeep = model.hasHiddenParameters
    switch method {
    case .fgn, .ggn: $learningRate.choose(isDeep ? 0.2 : model.beginsWithModel ? 0.1 : 0.3)
    case .sgd: $learningRate.choose(0.1)
    case .adam: $learningRate.choose(0.001)
    }
    let isPerceptron = isDeep && !model.layers.contains(where: \.hasConvolution)
    let hasMetric =
      method == .fgn && isPerceptron && facts?.isSparse != true && !model.head.shard.sharesClasses
    metric.$kind.choose(hasMetric ? .kronecker : .identity)
    metric.$decay.choose(metric.kind.suitedDecay)
    metric.$interval.choose(metric.kind.suitedInterval)
    damping.choose(method.isDamped ? startDamping(for: model, facts) : nil)
  }

  /// λ at the start; more where a head begins with what it has learnt, which is not to be lost in the first steps.
  private func startDamping(for model: Configuration.ModelOptions, _ facts: DataFacts?) -> Double {
    let isDeep = model.hasHiddenParameters
    let λ = suitedDamping(isDeep: isDeep, facts)
    return model.beginsWithModel && !isDeep ? Double(String(format: "%.2g", 3 * λ))! : λ
  }

  /// The λ that suits the curvature.
  private func suitedDamping(isDeep: Bool, _ facts: DataFacts?) -> Double {
    if metric.kind == .kronecker { return 1 }
    guard let facts, !isDeep || facts.isSparse, !metric.kind.hasMatrices else { return 0.3 }
    // The curvature of a linear layer goes with the squares of its inputs.
    // Between bounds that leave λ and its products numbers of single precision.
    return min(max((1e-3 * facts.meanSquaredNorm()).roundedToTwoDigits, 1e-8), 1e24)
  }
}

extension Damping.Options {
  /// The start and the bounds for the λ that suits a method; nil for one that does not damp.
  fileprivate mutating func choose(_ λ: Double?) {
    // A maximum that is none is an error of its own.
    let isBounded = !$maximum.isAutomatic && maximum > 0
    let start = λ ?? Self().initial
    let bounded = isBounded ? min(start, maximum) : start
    $initial.choose(bounded)
    $minimum.choose(bounded)
    let floor = max(initial, minimum)
    $maximum.choose(floor.isFinite ? min(1e6 * max(1, floor), 1e30) : 1e6)
  }
}

extension Double {
  /// With two significant digits, as a person would set it.
  fileprivate var roundedToTwoDigits: Double {
    guard self > 0, isFinite else { return self }
    let unit = pow(10, floor(log10(self)) - 1)
    return (self / unit).rounded() * unit
  }
}
