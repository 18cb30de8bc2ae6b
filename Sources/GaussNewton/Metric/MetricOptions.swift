/// The options of the metric in which damping and momentum measure a step: ‖Δ‖² = ΔᵀMΔ.
public struct MetricOptions: Codable, Equatable, Sendable {
  public enum Kind: String, Codable, CaseIterable, Sendable {
    /// M = I.
    case identity
    /// For each fully connected layer, M = I ⊗ Â with the second moments Â of its inputs.
    case inputs
    /// M = Ŝ ⊗ Â with the second moments Ŝ of the gradients at its outputs as well.
    case kronecker
  }

  @Setting public var kind = Kind.identity
  /// ε, added to the diagonals of Â and Ŝ, whose mean is 1 without it.
  public var epsilon = 0.1
  /// The share of the running moments that stays when a batch's moments are added.
  public var decay = 0.95
  /// The number of steps between batches whose moments are added.
  public var interval = 10

  public init() {}
}
