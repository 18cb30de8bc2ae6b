import Datasets
import LinearAlgebra
import Networks

extension Configuration {
  /// The network for the examples of a run, whose axes are `axes` if given, else those of the files. Throws exit code 64
  /// for settings that sparse features do not go with.
  package func network(for data: TrainingData, axes: [Int]? = nil) throws(ConfigurationError) -> Network {
    let isSparse = data.train.features.isSparse
    if isSparse, optimizer.method == .fgn, optimizer.metric.kind.hasMatrices {
      throw ConfigurationError(
        key: "optimizer.metric.kind",
        "\(optimizer.metric.kind.rawValue) needs second moments of all pairs of features, and they are sparse; "
          + "set it to identity, outputs or diagonal, or data.storage to dense")
    }
    return try model.network(
      featureShape: axes ?? data.train.featureShape, classes: data.classCount, sparseInputs: isSparse)
  }

  /// Whether the features are the values of images, which are of one scale whatever their statistics.
  func hasImages(_ set: Dataset) -> Bool {
    set.features.element == .uint8 || set.featureShape.count > 1 || model.inputShape != nil
  }

  /// The batches of a run on `set`.
  package func sampler(of set: Dataset) -> BatchSampler {
    BatchSampler(
      count: set.count, batchSize: optimizer.batchSize, seed: training.seed, dropLast: training.dropLast,
      shuffle: .init(block: training.shuffleBlock, window: training.shuffleWindow),
      strata: training.stratify ? set.labels : [])
  }
}

extension Configuration.TrainingOptions {
  /// The steps of a run.
  package func steps(of sampler: BatchSampler) -> Int { steps ?? epochs * sampler.batchesPerEpoch }

  /// How often a run is evaluated within its steps, about.
  package func evaluations(of sampler: BatchSampler) -> Int {
    let intervals = [evaluateEvery * sampler.batchesPerEpoch, evaluateEverySteps ?? 0].filter { $0 > 0 }
    return intervals.min().map { steps(of: sampler) / $0 } ?? 0
  }
}

extension Configuration.ModelOptions {
  /// The network for examples of the extents `featureShape`, as a data file has them, and with their zeros or without.
  package func network(
    featureShape: [Int], classes: Int, sparseInputs: Bool = false
  ) throws(ConfigurationError) -> Network {
    if let inputShape, inputShape.elementCount != featureShape.elementCount {
      throw ConfigurationError(
        key: "model.input_shape",
        "\(inputShape) is no shape for examples of \(featureShape.reduce(1, *)) features; their product must be that")
    }
    if let inputShape, !ExampleAxes(inputShape).agree(with: ExampleAxes(featureShape)) {
      throw ConfigurationError(
        key: "model.input_shape",
        "\(inputShape) would read examples of \(ExampleAxes(featureShape)) in another order; leave it null"
          + (featureShape.count == 3 ? ", and set model.channels to where the file has the channels" : ""))
    }
    do {
      return try Network(
        layers, example: inputShape ?? featureShape, channels: channels, classes: classes, bias: bias,
        sparseInputs: sparseInputs)
    } catch {
      let note = noteOnChannels(featureShape: featureShape).map { "; \($0)" } ?? ""
      throw ConfigurationError(key: error.key, error.problem + note)
    }
  }

  /// A remark for the user where the axes of images are likely to have the channels at the other end; nil elsewhere.
  package func noteOnChannels(featureShape: [Int]) -> String? {
    let axes = inputShape ?? featureShape
    guard layers.takeImages, axes.count == 3 else { return nil }
    let (own, other, area) = channels == .first ? (axes[0], axes[2], axes[1...]) : (axes[2], axes[0], axes[..<2])
    guard own > 4, [1, 3, 4].contains(other) else { return nil }
    let end = channels == .first ? ChannelOrder.last : .first
    return
      "images of \(ExampleAxes(axes)) are taken for \(own) channels of \(ExampleAxes(Array(area))); if the "
      + "\(end.rawValue) axis has the channels, set model.channels to \(end.rawValue)"
  }

  /// θ at the start: by rule, or from a file.
  package func initialParameters<Scalar: BLASScalar>(of network: Network, seed: UInt64) throws -> Vector<Scalar> {
    try initialParameters(ParameterShare(network), seed: seed)
  }

  /// A rank's share of θ at the start, which does not depend on the number of ranks.
  func initialParameters<Scalar: BLASScalar>(_ share: ParameterShare, seed: UInt64) throws -> Vector<Scalar> {
    switch resolvedInitialization {
    case "zeros": return Vector(zeros: share.own.layout.count)
    case "scaled":
      return share.classes.map { share.network.initialParameters(seed: seed, keeping: $0.own) }
        ?? share.network.initialParameters(seed: seed)
    case let path:
      let header = try Safetensors.header(path: resolvedPath(path))
      return try share.parameters(from: header, names: ModelFile.initialNames(of: share.network, in: header))
    }
  }

  /// With `auto` replaced by what it means: a linear head starts at zero, hidden units must differ.
  var resolvedInitialization: String {
    initialization != "auto" ? initialization : hasHiddenParameters ? "scaled" : "zeros"
  }

  /// Whether the parameters begin with those of a model, in a file.
  var beginsWithModel: Bool { !["zeros", "scaled"].contains(resolvedInitialization) }

  /// Whether the first layer can be one for sparse features.
  var takesSparseInputs: Bool {
    if case .linear? = layers.first { true } else { layers.isEmpty }
  }

  /// Whether any layer has biases, which hidden layers with parameters always have.
  package var hasBiases: Bool { bias || hasHiddenParameters }

  package var hasHiddenParameters: Bool { layers.contains(where: \.isTrained) }
}
