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

  package init(_ network: Network, communicator: Communicator) {
    self.communicator = communicator
    chunk = Self.chunk(for: network)
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
      let labels = set.labels[rows]
      let ranks = logits.ranks(of: labels)
      sums[1] += Double(ranks.count { $0 == 0 })
      sums[2] += Double(ranks.count { $0 < 5 })
      margin.assign(replacing: logits, labels: labels)
      sums[0] += margin.lossSum(rows: 0..<rows.count)
    }
    let totals = try communicator.allreduce(sums).map { $0 / Double(set.count) }
    return Evaluation(examples: set.count, loss: totals[0], accuracy: totals[1], top5Accuracy: totals[2])
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
