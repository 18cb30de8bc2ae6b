import Datasets
import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// What a model says about consecutive examples.
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

/// Predictions of examples, chunk by chunk: all ranks compute, rank 0 gets the rows in their order.
package final class Predictor<Scalar: DistributedScalar> {
  private let evaluator: Evaluator<Scalar>
  private let parameters: Vector<Scalar>
  private let normalization: Normalization
  private let communicator: Communicator

  package init(
    _ network: Network, _ parameters: Vector<Scalar>, _ normalization: Normalization, communicator: Communicator
  ) {
    evaluator = Evaluator(network, communicator: communicator)
    self.parameters = parameters
    self.normalization = normalization
    self.communicator = communicator
  }

  /// Calls `body` on rank 0 with the predictions for consecutive rows.
  /// Collective: an error of `body` is thrown on every rank, and a feature that is not finite is one (65).
  package func run(
    _ features: FeatureMatrix, named name: String, _ body: (Predictions<Scalar>) throws -> Void
  ) throws {
    let stride = evaluator.chunk * communicator.size
    var start = 0
    while start < features.rows {
      let rows = start..<min(start + stride, features.rows)
      let shard = BatchSampler.shard(of: rows, rank: communicator.rank, count: communicator.size)
      let bad = try communicator.allreduce(features.firstNonFinite(in: shard)?.row ?? .max, .min)
      if bad < .max {
        throw CollectiveFailure(
          DataError.badContents(name, "example \(bad) has a value that is not finite; replace or remove it"))
      }
      var part: [Scalar] = []
      evaluator.forEachChunk(of: shard, parameters, features, normalization) { _, logits in
        part += logits.elements.array
      }
      let columns = evaluator.classCount
      let counts = (0..<communicator.size).map {
        columns * BatchSampler.shard(of: rows, rank: $0, count: communicator.size).count
      }
      let all = try communicator.gather(part, counts: counts)
      try communicator.onRoot {
        try body(Predictions(logits: Matrix(Vector(all!), rows.count, columns)))
      }
      start = rows.upperBound
    }
  }
}

extension Matrix {
  /// Replaces each row of logits by its softmax.
  func applySoftmax() {
    for i in 0..<rows {
      self[row: i].withElements { row in
        let sum = row.assignExponentials(shift: row.maximum)
        row.scale(Scalar(1 / sum))
      }
    }
  }

  /// The column of each row's largest element, the first of equals.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func rowMaxima() -> [Int64] {
    elements.withElements { elements in
      (0..<rows).map { i in
        var best = 0
        for c in 1..<columns where elements[i * columns + c] > elements[i * columns + best] { best = c }
        return Int64(best)
      }
    }
  }
}
