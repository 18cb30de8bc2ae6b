import Datasets
import Foundation
import LinearAlgebra
import MPI

extension DataError: ExitCodeProviding {}
extension StorageError: ExitCodeProviding {}

/// The checked examples of a run, with the normalization of the training set. The same on all ranks.
package struct TrainingData {
  package let train: Dataset
  /// The examples that the model is chosen by; those of a fraction are not in `train`.
  package var validation: Dataset?
  package private(set) var test: Dataset?
  package var normalization: Normalization
  /// Whether the features in the files share one scale; nil where this has not been determined.
  package var scales: FeatureScales?
  /// The checksum of the values, labels and probabilities of `train`, and of a fraction that is held out of it, in the
  /// order of their files; nil where it has not been computed.
  package var checksum: UInt64?
  /// The checksum of a validation set of its own; nil for a fraction, which follows from the training set.
  package var validationChecksum: UInt64?
  /// C
  package let classCount: Int
  /// The weights of the examples of `train`; nil where all weigh alike.
  package var weights: ExampleWeights?
  /// Seconds spent on reading and checking.
  package var seconds = 0.0
  /// The smallest memory of a host, in bytes.
  package var memory = Int.max
  /// Whether the training examples exceed that memory, so that they are read from their files on demand.
  package var exceedsMemory: Bool {
    // A quarter is for everything else.
    train.mappedSize > memory / 4 * 3
  }
  /// These examples without the test set.
  package var withoutTest: TrainingData {
    var data = self
    data.test = nil
    return data
  }
  /// A remark for the user on how the examples were read.
  package var note: String?
  /// The remarks for the user on the columns of tables, and on the labels of the validation and test sets. A fraction has
  /// none of its own.
  package var setNotes: [String] {
    let others = [("validation", validationChecksum == nil ? nil : validation), ("test", test)]
    return [train.tableColumns?.note].compactMap { $0 } + others.compactMap { columnsNote($0, $1) }
      + others.compactMap { labelNote($0.1) }
  }
  /// A remark for the user on the labels of another set; nil where they are probabilities like those of the training set.
  private func labelNote(_ set: Dataset?) -> String? {
    train.probabilities != nil && set?.probabilities != nil ? nil : set?.labelNote
  }
  /// A remark for the user on the columns of another set, also where its names have no counterpart in the training set.
  private func columnsNote(_ name: String, _ set: Dataset?) -> String? {
    guard let columns = set?.tableColumns else { return nil }
    if train.tableColumns?.hasNames == true || !columns.hasNames { return columns.note }
    return columns.note == nil ? "\(name) set: \(columns.summary(nil))" : columns.summary(nil)
  }
  /// A warning for the user about the labels.
  package var labelWarning: String?

  /// The mean of ω‖x‖² over the normalised training examples, or over 1024 evenly spaced ones. The same on all ranks.
  package var meanSquaredNorm: Double {
    let weights = weights?.values ?? []
    let counted = weights.indices.filter { weights[$0] > 0 }
    let available = weights.isEmpty ? train.count : counted.count
    let count = min(available, 1024)
    let room = InputRoom<Double>(features: train.features, capacity: 1)
    var (sum, total) = (0.0, 0.0)
    for index in (0..<count).map({ $0 * available / count }) {
      let row = weights.isEmpty ? index : counted[index]
      let ω = weights.isEmpty ? 1 : weights[row]
      sum += ω * room.gather(row..<row + 1, of: train.features, normalization).squaredNorm
      total += ω
    }
    return sum / total
  }

  /// Loads and checks the data sets of a configuration. Collective: ranks share the checks of the values, and a fault
  /// found by one rank is the same error on all.
  package static func load(_ configuration: Configuration, over communicator: Communicator) throws -> TrainingData {
    try CheckedSets.load(configuration, over: communicator).data(configuration, over: communicator)
  }

  /// Returns the checksum of the set. Throws for the first feature that is not finite and the first label that is not a
  /// class. Collective.
  @discardableResult
  package static func check(
    _ set: Dataset, features: String, labels: String, _ classCount: Int, over communicator: Communicator
  ) throws -> UInt64 {
    let shard = BatchSampler.shard(of: 0..<set.count, rank: communicator.rank, count: communicator.size)
    let look = set.look(in: shard)
    // Every rank has all rows, so the number of the first bad row gives the same error everywhere.
    let firsts = try communicator.allreduce(
      [
        set.firstLabelOutOfRange(classes: classCount, in: shard) ?? .max,
        look.firstNonFinite?.row ?? .max,
      ], .min)
    if firsts[0] < .max {
      let place = set.labelFiles.place(of: firsts[0], in: labels)
      throw CollectiveFailure(
        DataError.badContents(
          place.path,
          "example \(place.row) has label \(set.labels[firsts[0]]), and classes go from 0 to \(classCount - 1); "
            + "correct the label or data.classes, or set data.ignore_label: \(set.labels[firsts[0]]) to leave such rows out"
        ))
    }
    if firsts[1] < .max, let (row, column) = set.firstNonFinite(in: firsts[1]..<firsts[1] + 1) {
      let place = set.featureFiles.place(of: row, in: features)
      throw CollectiveFailure(
        DataError.badContents(
          place.path, "example \(place.row) has a value that is not finite at feature \(column); replace or remove it"))
    }
    return try communicator.allgather([look.checksum], counts: Array(repeating: 1, count: communicator.size))
      .reduce(0, &+)
  }
}
