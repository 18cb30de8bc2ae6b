import Datasets
import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// The output of a model for consecutive examples.
package struct Predictions<Scalar: DistributedScalar> {
  /// #rows × C
  package let logits: Matrix<Scalar>

  /// The softmax of the logits (rows × C).
  package var probabilities: Matrix<Scalar> {
    let result = Matrix(logits.elements.copy(), logits.rows, logits.columns)
    result.applySoftmax()
    return result
  }

  /// The most probable class of each row.
  package var classes: [Int64] { logits.rowMaxima() }
}

/// Predicts examples block by block: all ranks compute, and rank 0 gets the rows in order.
///
/// The blocks do not depend on the number of ranks, and each is computed by one rank as a whole, so that all numbers
/// have the same bits (on processors of one kind, with the same number of threads per rank). No rank keeps more than a
/// block. Where ranks share out classes, each computes its columns of all blocks, and the numbers are the same to rounding.
package final class Predictor<Scalar: DistributedScalar> {
  private let evaluator: Evaluator<Scalar>
  private let parameters: Vector<Scalar>
  private let normalization: Normalization
  private let communicator: Communicator

  /// The largest number of rows in a block: enough for fast matrix products, few enough for ranks to share small sets.
  private static var largestBlock: Int { 512 }

  /// - Parameter classes: where ranks share out the classes of the network: each then passes its parameters.
  package init(
    _ network: Network, _ parameters: Vector<Scalar>, _ normalization: Normalization, communicator: Communicator,
    classes: ClassShards? = nil
  ) {
    evaluator = Evaluator(
      network, rowsAtATime: Self.largestBlock, communicator: communicator, classes: classes)
    self.parameters = parameters
    self.normalization = normalization
    self.communicator = communicator
  }

  /// Calls `body` on rank 0 with the predictions for consecutive rows. Collective: an error of `body` or of reading is
  /// thrown on every rank, and so are a feature or a logit that is not finite (65) and a signal to any rank (75).
  package func run(
    _ features: some FeatureSource, named name: String, _ body: (Predictions<Scalar>) throws -> Void
  ) throws {
    if let classes = evaluator.classes { return try run(features, named: name, over: classes, body) }
    var start = 0
    while start < features.rows {
      let blocks = (0..<communicator.size).map { rank in
        let begin = min(start + rank * evaluator.chunk, features.rows)
        return begin..<min(begin + evaluator.chunk, features.rows)
      }
      start = blocks.last!.upperBound
      let part = try compute(blocks[communicator.rank], next: start, features, name)
      for (rank, rows) in blocks.enumerated() where !rows.isEmpty {
        var counts = blocks.map { _ in 0 }
        counts[rank] = rows.count * evaluator.classCount
        let logits = try communicator.gather(rank == communicator.rank ? part : [], counts: counts)
        try communicator.onRoot {
          try body(Predictions(logits: Matrix(Vector(logits!), rows.count, evaluator.classCount)))
        }
      }
    }
  }

  private func run(
    _ features: some FeatureSource, named name: String, over classes: ClassShards,
    _ body: (Predictions<Scalar>) throws -> Void
  ) throws {
    try evaluator.forEachSharedChunk(of: features, named: name, parameters, normalization) { rows, own in
      let bad = own.firstNonFiniteRow.map { rows.lowerBound + $0 }
      try communicator.checkLogits(bad, of: name, features.files, exitCode: 65)
      let logits = try classes.gather(columns: own)
      try communicator.onRoot { try body(Predictions(logits: logits!)) }
    }
  }

  /// The logits of the rows of this rank's block, which may be empty. No rank needs rows between the block and `next`
  /// afterwards. Collective.
  private func compute(
    _ block: Range<Int>, next: Int, _ features: some FeatureSource, _ name: String
  ) throws -> [Scalar] {
    let inputs = try evaluator.read(block, next: next, of: features, named: name, normalization)
    var logits: [Scalar] = []
    var bad: Int?
    if let inputs {
      evaluator.forEachChunk(of: 0..<block.count, parameters, inputs, normalization) { rows, part in
        if bad == nil { bad = part.firstNonFiniteRow.map { block.lowerBound + rows.lowerBound + $0 } }
        logits += part.elements.array
      }
    }
    try communicator.checkLogits(bad, of: name, features.files, exitCode: 65)
    return logits
  }
}

extension Communicator {
  /// Throws on all ranks if one has found a value that is not finite, for the first such value. Collective.
  func checkFinite(_ found: (row: Int, column: Int)?, columns: Int, of name: String, _ files: SetFiles?) throws {
    let first = try allreduce(found.map { $0.row * columns + $0.column } ?? .max, .min)
    guard first < .max else { return }
    let place = files.place(of: first / columns, in: name)
    throw CollectiveFailure(
      DataError.badContents(
        place.path,
        "example \(place.row) has a value that is not finite, or too large for the precision of the model, at feature "
          + "\(first % columns); replace or remove it"))
  }

  /// Throws on all ranks if one has found a row whose logits are not finite, for the first such row. Collective.
  func checkLogits(_ found: Int?, of name: String, _ files: SetFiles?, exitCode: Int32) throws {
    let first = try allreduce(found ?? .max, .min)
    guard first < .max else { return }
    let place = files.place(of: first, in: name)
    throw CollectiveFailure(
      DataError(
        path: place.path,
        message:
          "example \(place.row) has logits that are not finite: its features or the model's weights are too large; "
          + (exitCode == 70
            ? "lower optimizer.learning_rate, or set data.normalize to standardize or unit-variance"
            : "use features of the size that the model was trained on"),
        exitCode: exitCode))
  }
}
