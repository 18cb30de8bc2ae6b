import Datasets

/// What the choice of settings needs to know of the training data. The same on all ranks.
package struct DataFacts {
  /// Whether zeros are not kept.
  let isSparse: Bool
  /// How many examples are trained on.
  let examples: Int
  /// How many rows the files have; nil for sparse examples.
  let rows: Int?
  /// Bytes of a row, and of its probabilities, as the files have them; nil for sparse examples.
  let rowSize: Int?
  /// The smallest memory of a host, in bytes.
  let memory: Int
  /// Whether that is too small for the examples.
  let exceedsMemory: Bool
  /// The index of the first column in LIBSVM's format; nil in other formats.
  let indexBase: SVMLight.IndexBase?
  /// What suits the features, or what was asked for.
  let normalization: Normalization.Kind
  /// The mean of ω‖x‖² over normalised examples. It reads up to 1024 of them, and is asked for only where a choice depends
  /// on it.
  package let meanSquaredNorm: () -> Double
}

extension TrainingData {
  package var facts: DataFacts {
    let matrix = train.features.matrix
    return DataFacts(
      isSparse: train.features.isSparse, examples: train.count, rows: matrix?.rows, rowSize: train.rowSize,
      memory: memory, exceedsMemory: exceedsMemory, indexBase: train.indices?.base, normalization: normalization.kind,
      meanSquaredNorm: { meanSquaredNorm })
  }
}
