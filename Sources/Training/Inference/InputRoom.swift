import Datasets
import LinearAlgebra
import Networks

/// Reusable memory for a batch of features in the form that a network takes.
package final class InputRoom<Scalar: BLASScalar> {
  /// Memory for dense rows; sparse rows have no fixed size.
  private let rows: Matrix<Scalar>

  /// Memory for at most `capacity` rows of the network's features.
  package init(_ network: Network, capacity: Int) {
    rows = Matrix(zeros: network.takesSparseInputs ? 0 : capacity, network.inputCount)
  }

  /// Memory for at most `capacity` rows of `features`.
  init(features: Features, capacity: Int) {
    rows = Matrix(zeros: features.isSparse ? 0 : capacity, features.columns)
  }

  /// Bytes for `rows` rows of the network's features. Sparse ones take as many numbers and three indices as they have
  /// values, and twice the numbers while they are sorted.
  static func size(_ network: Network, rows: Int, valuesPerRow: Double) -> Double {
    let size = MemoryLayout<Scalar>.size
    return network.takesSparseInputs
      ? (Double(rows) * valuesPerRow).rounded(.down) * Double(2 * size + 3 * MemoryLayout<Int32>.size)
      : Double(size) * Double(rows) * Double(network.inputCount)
  }

  /// The normalised features of `rows`, in that order: good until the next call.
  package func gather(
    _ rows: some Collection<Int>, of features: Features, _ normalization: Normalization
  ) -> Inputs<Scalar> {
    switch features {
    case .dense(let matrix):
      let batch = self.rows[rows: 0..<rows.count]
      matrix.gather(rows: rows, into: batch, normalization: normalization)
      return .dense(batch)
    case .sparse(let matrix):
      return .sparse(matrix.gather(rows: rows, normalization: normalization))
    }
  }
}
