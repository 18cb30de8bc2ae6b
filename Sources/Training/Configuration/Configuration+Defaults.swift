import Foundation
import GaussNewton

extension Configuration {
  /// Keys that may be null: their defaults depend on the method and the network.
  static let dependentDefaults = [
    ["optimizer", "learning_rate"], ["optimizer", "metric", "kind"], ["optimizer", "damping", "initial"],
    ["optimizer", "damping", "minimum"], ["optimizer", "damping", "maximum"], shuffleBlock, shuffleWindow, normalize,
  ]
  private static let normalize = ["data", "normalize"]
  private static let shuffleBlock = ["training", "shuffle_block"]
  private static let shuffleWindow = ["training", "shuffle_window"]

  /// Gives the keys that were null their values. They follow from the sweeps in Benchmarks/defaults.md, and some of them
  /// from the data, once these are known.
  package mutating func resolveDefaults(for data: TrainingData? = nil) {
    resolveShuffle(for: data)
    if let indices = data?.train.indices { self.data.indexBase = indices.base }
    if choosesNormalization, let data { self.data.normalize = data.normalization.kind }
    resolveOptimizer(for: data)
  }

  /// Whether the normalization follows from the data.
  package var choosesNormalization: Bool { defaulted.contains(Self.normalize) }

  /// The same for what follows from the normalised examples.
  package mutating func resolveOptimizer(for data: TrainingData?) {
    let sparseInputs = data?.train.features.isSparse == true
    let isDeep = model.hasHiddenParameters
    func set<Value>(_ path: WritableKeyPath<Optimizer, Value>, _ key: [String], _ value: Value) {
      if defaulted.contains(["optimizer"] + key) { optimizer[keyPath: path] = value }
    }
    switch optimizer.method {
    case .fgn, .ggn: set(\.learningRate, ["learning_rate"], isDeep ? 0.2 : 0.5)
    case .sgd: set(\.learningRate, ["learning_rate"], 0.1)
    case .adam: set(\.learningRate, ["learning_rate"], 0.001)
    }
    let isPerceptron = isDeep && !model.layers.contains(where: \.hasConvolution)
    let hasMetric = optimizer.method == .fgn && isPerceptron && !sparseInputs
    set(\.metric.kind, ["metric", "kind"], hasMetric ? .kronecker : .identity)
    guard optimizer.method.isDamped else { return }
    let λ: Double
    if optimizer.metric.kind == .kronecker {
      λ = 1
    } else if let data, !isDeep || sparseInputs, optimizer.metric.kind == .identity {
      // The curvature of a linear layer goes with the squares of its inputs.
      // Between bounds that leave λ and its products numbers of single precision.
      λ = min(max((1e-3 * data.meanSquaredNorm).roundedToTwoDigits, 1e-8), 1e24)
    } else {
      λ = 0.3
    }
    let isFree = defaulted.contains(["optimizer", "damping", "maximum"])
    let bounded = isFree ? λ : min(λ, optimizer.damping.maximum)
    set(\.damping.initial, ["damping", "initial"], bounded)
    set(\.damping.minimum, ["damping", "minimum"], bounded)
    let floor = max(optimizer.damping.initial, optimizer.damping.minimum)
    set(\.damping.maximum, ["damping", "maximum"], floor.isFinite ? min(1e6 * max(1, floor), 1e30) : 1e6)
  }

  /// Rows that do not stay in memory are read in blocks of 256 kB, at which disks are nearly as fast as they can be, and mixed
  /// in windows, of which two are in memory. What is reproducible does not depend on the memory.
  private mutating func resolveShuffle(for data: TrainingData?) {
    guard let data, let matrix = data.train.features.matrix, case .rows(let batchSize) = optimizer.batchSize else {
      return
    }
    let batch = min(batchSize, matrix.rows) * matrix.rowSize
    let batches = min(128 << 20, data.memory / 8) / max(1, batch)
    let takesBlocks = data.exceedsMemory && batches > 0 && !training.stratify && !training.reproducible
    if defaulted.contains(Self.shuffleBlock) {
      training.shuffleBlock = takesBlocks ? min(max(1, (256 << 10) / matrix.rowSize), 65536) : 1
    }
    if defaulted.contains(Self.shuffleWindow) {
      training.shuffleWindow = training.reproducible ? 1 : min(max(1, batches), training.shuffleBlock)
    }
  }

  /// The same with the normalization and the order of rows that the run of a checkpoint has, where none is asked for.
  func keepingChoices(of saved: Configuration) -> Configuration {
    var result = self
    if choosesNormalization { result.data.normalize = saved.data.normalize }
    if defaulted.contains(Self.shuffleBlock) { result.training.shuffleBlock = saved.training.shuffleBlock }
    if defaulted.contains(Self.shuffleWindow) { result.training.shuffleWindow = saved.training.shuffleWindow }
    return result
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
