import LinearAlgebra

/// A fully connected layer whose inputs h and cotangents d of all rows every rank holds (B × in, B × out).
///
/// Each rank forms the gradient of a share of the outputs from all rows, and the shares are gathered. This sends half
/// as much as a sum over the ranks.
struct GatheredLayer<Scalar: DistributedScalar> {
  let inputs, cotangents: Matrix<Scalar>
  let hasBias: Bool
  /// In a diagonal metric its factors, by which the columns of `inputs` and `cotangents` differ from h and d, and which
  /// the gradient has once more; otherwise nil.
  let scale: DiagonalScale<Scalar>?

  var weightCount: Int { cotangents.columns * inputs.columns }

  /// The number of weights, and of biases where it has them.
  var parameterCount: Int { weightCount + (hasBias ? cotangents.columns : 0) }
}

/// The condition for sharing the outputs of a gathered layer among the ranks.
package enum OutputShares {
  /// With fewer outputs per rank, the products become slow.
  private static let least = 32

  /// Whether ranks should share the outputs of a gathered layer with this number of outputs.
  package static func areWorthwhile(_ outputs: Int, ranks: Int) -> Bool { ranks > 1 && outputs >= least * ranks }
}
