import Datasets
import MPI

extension Features {
  /// Bytes of features in memory; mapped files do not count.
  var residentSize: Int {
    switch self {
    case .dense(let matrix): matrix.rows * matrix.rowSize - matrix.mappedSize
    case .sparse(let matrix): 8 * matrix.rows + matrix.valueCount * (4 + matrix.element.size)
    }
  }
}

extension TrainingData {
  /// Bytes of the examples in the memory of a host.
  package var residentSize: Int {
    [train, validation, test].reduce(0) { $0 + ($1?.features.residentSize ?? 0) }
  }

  /// Throws exit code 65 for so many features that the first layer alone, or their statistics, exceed the memory of a
  /// rank. This check precedes any allocation of that size. Collective.
  static func checkWidth(
    _ set: Dataset, _ name: String, _ classCount: Int, _ configuration: Configuration, over communicator: Communicator
  ) throws {
    let share = try HostMemory.share(resident: set.features.residentSize, over: communicator)
    let features = Double(set.featureCount)
    let size = configuration.training.precision == .float32 ? 4.0 : 8
    let outputs: Int? =
      switch configuration.model.layers.first {
      case nil: classCount
      case .linear(let units): units
      default: nil
      }
    if let indices = set.indices, let outputs {
      let weights = (features + 1) * Double(outputs)
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
