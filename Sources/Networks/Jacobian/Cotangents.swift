import LinearAlgebra

/// What a product with Jᵀ is taken of.
package enum Cotangents<Scalar: BLASScalar> {
  /// Cotangents of the logits (#b × C).
  case logits(Matrix<Scalar>)
  /// Cotangents of the logits (#b × C), each row times one of these factors (#b). Overwrites the linearization's output
  /// scratch, or with a single layer what row gradients have kept.
  case scaledLogits(Matrix<Scalar>, by: Vector<Scalar>)
  /// Those that row gradients have kept, each row times one of these factors (#b): no layer's cotangents are found again.
  ///
  /// `assigns` may fill in the gradient of a layer itself, given the number of the part of the rows, the layer's part of the
  /// parameters and where its gradient is to be.
  case kept(scaledBy: Vector<Scalar>, assigns: (Int, Range<Int>, Vector<Scalar>) -> Bool)
}
