import LinearAlgebra
import Networks

/// A global batch of B rows, with the `#b` rows that this rank holds, possibly none.
public struct Batch<Scalar: BLASScalar> {
  /// #b × d
  public let inputs: Inputs<Scalar>
  /// #b
  public let labels: ArraySlice<Int32>
  /// ω of the rows (#b), not negative: the loss is (1/B) Σ ω_i ℓ_i. nil: all are 1.
  public let weights: Vector<Scalar>?
  /// B, over all ranks.
  public let globalSize: Int

  public init(
    inputs: Inputs<Scalar>, labels: ArraySlice<Int32>, weights: Vector<Scalar>? = nil, globalSize: Int
  ) {
    precondition(labels.count == inputs.rows, "one label a row")
    precondition(weights.map { $0.count == inputs.rows } ?? true, "one weight a row")
    self.inputs = inputs
    self.labels = labels
    self.weights = weights
    self.globalSize = globalSize
  }
}
