import LinearAlgebra
import Networks

/// A global batch of B rows, with the `#b` rows that this rank holds, possibly none.
public struct Batch<Scalar: BLASScalar> {
  /// #b × d
  public let inputs: Inputs<Scalar>
  /// What the rows are trained towards (#b): their labels, or distributions over the classes. Where ranks share out
  /// classes, of all rows of their group.
  public let targets: Targets<Scalar>
  /// ω of the rows, as many as labels, not negative: the loss is (1/B) Σ ω_i ℓ_i. nil: all are 1.
  public let weights: Vector<Scalar>?
  /// B, over all ranks.
  public let globalSize: Int

  /// The labels of the rows (#b).
  public var labels: ArraySlice<Int32> { targets.labels }

  /// A batch that is trained towards its labels.
  public init(
    inputs: Inputs<Scalar>, labels: ArraySlice<Int32>, weights: Vector<Scalar>? = nil, globalSize: Int
  ) {
    self.init(inputs: inputs, targets: Targets(labels), weights: weights, globalSize: globalSize)
  }

  public init(
    inputs: Inputs<Scalar>, targets: Targets<Scalar>, weights: Vector<Scalar>? = nil, globalSize: Int
  ) {
    precondition(
      (inputs.rows...max(inputs.rows, globalSize)).contains(targets.labels.count),
      "one label a row of this rank, or of its group")
    precondition(weights.map { $0.count == targets.labels.count } ?? true, "one weight a label")
    self.inputs = inputs
    self.targets = targets
    self.weights = weights
    self.globalSize = globalSize
  }
}
