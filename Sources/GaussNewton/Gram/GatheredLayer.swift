import LinearAlgebra

/// A fully connected layer of which every rank holds the inputs h and the cotangents d of all rows (B × in, B × out).
///
/// Each rank forms the gradient of a share of the outputs from all rows, and then the shares are gathered: half of what a sum
/// over the ranks would send.
struct GatheredLayer<Scalar: DistributedScalar> {
  let inputs, cotangents: Matrix<Scalar>

  var weightCount: Int { cotangents.columns * inputs.columns }

  /// Weights and biases.
  var parameterCount: Int { weightCount + cotangents.columns }
}

/// When the outputs of a gathered layer are shared out among the ranks.
package enum OutputShares {
  /// With fewer outputs a rank, the products of their rows become slow.
  private static let least = 32

  /// Whether a gathered layer of so many outputs is shared out among so many ranks.
  package static func areWorthwhile(_ outputs: Int, ranks: Int) -> Bool { ranks > 1 && outputs >= least * ranks }
}
