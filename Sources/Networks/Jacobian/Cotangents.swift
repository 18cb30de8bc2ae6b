import LinearAlgebra

/// The argument of a product with Jᵀ.
package enum Cotangents<Scalar: BLASScalar> {
  /// Cotangents of the logits (#b × C).
  case logits(Matrix<Scalar>)
  /// Cotangents of the logits (#b × C), each row times one of these factors (#b). Overwrites the linearization's output
  /// scratch; with a single layer, overwrites the kept row gradients instead.
  case scaledLogits(Matrix<Scalar>, by: Vector<Scalar>)
  /// Cotangents that row gradients have kept, each row times one of these factors (#b): no layer's cotangents are
  /// computed again.
  ///
  /// `assigns` may fill in the gradient of a layer itself; its arguments are the number of the part of the rows, the
  /// layer's range of the parameters, and the place of the gradient.
  case kept(scaledBy: Vector<Scalar>, assigns: (Int, Range<Int>, Vector<Scalar>) -> Bool)
}
