import Datasets
import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// What a model scores on a data set.
package struct Evaluation: Equatable, Sendable {
  package var examples: Int
  /// Mean cross-entropy.
  package var loss: Double
  package var accuracy: Double
  /// How often the true class is among the five most probable.
  package var top5Accuracy: Double
}

/// Runs a network forward over a data set, in chunks of rows, each rank on its own shard.
package final class Evaluator<Scalar: DistributedScalar> {
  private let communicator: Communicator
  private let forward: ForwardPass<Scalar>
  private let margin: SoftmaxMargin<Scalar>
  private let inputs: Matrix<Scalar>

  /// C
  package var classCount: Int { forward.network.outputCount }

  /// Rows at a time.
  package let chunk: Int

  /// With at most `limit` rows at a time, if that is given.
  package init(_ network: Network, rowsAtATime limit: Int = .max, communicator: Communicator) {
    self.communicator = communicator
    chunk = min(limit, Self.chunk(for: network))
    forward = ForwardPass(network, capacity: chunk)
    margin = SoftmaxMargin(capacity: chunk)
    inputs = Matrix(zeros: chunk, network.inputCount)
  }

  /// Enough rows for the matrix products to be fast, few enough to keep memory small.
  static func chunk(for network: Network) -> Int { max(16, min(4096, (1 << 23) / network.forwardCount)) }

  /// Scores the network with the given parameters on all of `set`. Collective; the same on all ranks.
  package func evaluate(
    _ parameters: Vector<Scalar>, on set: Dataset, normalization: Normalization
  ) throws -> Evaluation {
    let shard = BatchSampler.shard(of: 0..<set.count, rank: communicator.rank, count: communicator.size)
    var sums = [0.0, 0, 0]
    forEachChunk(of: shard, parameters, set.features, normalization) { rows, logits in
      score(logits, set.labels[rows], &sums)
    }
    return try total(sums, of: set.count)
  }

  /// Scores the network on examples that are read as they are needed, and checked. Collective; the same on all ranks.
  /// Throws exit code 65 for a value that is not finite, and what reading throws.
  package func evaluate(
    _ parameters: Vector<Scalar>, on set: EvaluationSet, normalization: Normalization
  ) throws -> Evaluation {
    let shard = BatchSampler.shard(of: 0..<set.count, rank: communicator.rank, count: communicator.size)
    var sums = [0.0, 0, 0]
    var bad: (row: Int, column: Int)?
    try communicator.collectively {
      for start in stride(from: shard.lowerBound, to: shard.upperBound, by: chunk) where bad == nil {
        try Interruption.check()
        let rows = start..<min(start + chunk, shard.upperBound)
        let part = try set.features.read(rows)
        bad = part.firstNonFinite(in: 0..<rows.count).map { (start + $0.row, $0.column) }
        forEachChunk(of: 0..<rows.count, parameters, part, normalization) { score($1, set.labels[rows], &sums) }
      }
      // All ranks look at all of a compressed file, so that all find what is wrong with it.
      if bad == nil { try set.features.skip(to: set.count) }
    }
    try communicator.checkFinite(bad, columns: set.features.columns, of: set.name)
    return try total(sums, of: set.count)
  }

  /// Adds the loss and the hits of some rows to `sums`. Overwrites the logits.
  private func score(_ logits: Matrix<Scalar>, _ labels: ArraySlice<Int32>, _ sums: inout [Double]) {
    let ranks = logits.ranks(of: labels)
    sums[1] += Double(ranks.count { $0 == 0 })
    sums[2] += Double(ranks.count { $0 < 5 })
    margin.assign(replacing: logits, labels: labels)
    sums[0] += margin.lossSum(rows: 0..<labels.count)
  }

  private func total(_ sums: [Double], of count: Int) throws -> Evaluation {
    let totals = try communicator.allreduce(sums).map { $0 / Double(count) }
    return Evaluation(examples: count, loss: totals[0], accuracy: totals[1], top5Accuracy: totals[2])
  }

  /// Calls `body` with consecutive ranges of `rows` and their logits (rows × C), which it may overwrite. Local.
  package func forEachChunk(
    of rows: Range<Int>, _ parameters: Vector<Scalar>, _ features: FeatureMatrix, _ normalization: Normalization,
    _ body: (Range<Int>, Matrix<Scalar>) throws -> Void
  ) rethrows {
    var start = rows.lowerBound
    while start < rows.upperBound {
      let part = start..<min(start + chunk, rows.upperBound)
      let batch = inputs[rows: 0..<part.count]
      features.gather(rows: part, into: batch, normalization: normalization)
      try body(part, forward(parameters, batch))
      start = part.upperBound
    }
  }
}

extension Matrix {
  /// How many classes score above the true one, for each row; of equal scores the first counts as higher. A row whose
  /// true score is not a number ranks last.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func ranks(of labels: ArraySlice<Int32>) -> [Int] {
    elements.withElements { elements in
      (0..<rows).map { i in
        let y = Int(labels[labels.startIndex + i])
        let row = UnsafeMutableBufferPointer(rebasing: elements[i * columns..<(i + 1) * columns])
        let score = row[y]
        if score.isNaN { return columns }
        var above = 0
        for c in 0..<y where row[c] >= score { above += 1 }
        for c in y..<columns where row[c] > score { above += 1 }
        return above
      }
    }
  }
}
