import Datasets
import MPI

extension Dataset {
  /// Bytes of features and probabilities in memory; mapped files do not count.
  var residentSize: Int { features.residentSize + (probabilities?.values.residentSize ?? 0) }

  /// Bytes of the features and probabilities that are read from their files on demand.
  var mappedSize: Int { (features.matrix?.mappedSize ?? 0) + (probabilities?.values.mappedSize ?? 0) }

  /// Bytes of a row of dense features, and of its probabilities, as the files have them; nil for sparse features.
  var rowSize: Int? { features.matrix.map { $0.rowSize + (probabilities?.values.rowSize ?? 0) } }
}

extension FeatureMatrix {
  /// Bytes in memory; mapped files do not count.
  fileprivate var residentSize: Int { rows * rowSize - mappedSize }
}

extension Features {
  /// Bytes of features in memory; mapped files do not count.
  var residentSize: Int {
    switch self {
    case .dense(let matrix): matrix.residentSize
    case .sparse(let matrix): 8 * matrix.rows + matrix.valueCount * (4 + matrix.element.size)
    }
  }
}

extension TrainingData {
  /// Whether the labels of any set are probabilities.
  var hasProbabilities: Bool { [train, validation, test].contains { $0?.probabilities != nil } }

  /// Bytes of the examples in the memory of a host.
  package var residentSize: Int {
    [train, validation, test].reduce(0) { $0 + ($1?.residentSize ?? 0) }
  }

  /// Throws exit code 65 for so many features that the first layer alone, or their statistics, exceed the memory of a
  /// rank. This check precedes any allocation of that size. Collective.
  static func checkWidth(
    _ set: Dataset, _ name: String, _ classCount: Int, _ configuration: Configuration, over communicator: Communicator
  ) throws {
    let share = try HostMemory.share(resident: set.residentSize, over: communicator)
    let features = Double(set.featureCount)
    let size = configuration.training.precision == .float32 ? 4.0 : 8
    let layer: (outputs: Int, hasBias: Bool)? =
      switch configuration.model.layers.first {
      case nil: (classCount, configuration.model.bias)
      case .linear(let units): (units, true)
      default: nil
      }
    if let indices = set.indices, let (outputs, hasBias) = layer {
      let weights = (features + (hasBias ? 1 : 0)) * Double(outputs)
      let vectors = configuration.parameterVectors
      let bytes = Double(vectors) * weights * size + 24 * features
      if bytes > Double(share.bytes) || weights > Double(Int32.max) {
        throw CollectiveFailure(
          DataError.badContents(
            indices.path,
            "line \(indices.line): the index \(indices.largest) makes \(set.featureCount) features, and with \(outputs) outputs "
              + "of the first layer \(weights.short) weights, which in \(vectors) vectors take \(bytes.gigabytes) a rank; \(share), "
              + "and a layer has at most \(Int32.max) weights: correct the index, or number the features anew"))
      }
    }
    // Means and deviations for 64 blocks of rows.
    let statistics = set.features.isSparse ? 24 * features : 64 * 16 * features
    if configuration.data.normalize != .none, statistics > Double(share.bytes) {
      throw CollectiveFailure(
        DataError.badContents(
          name,
          "has \(set.featureCount) features, whose statistics take \(statistics.gigabytes) a rank, and \(share); "
            + "set data.normalize to none"))
    }
  }
}
