/// The options of the metric in which damping and momentum measure a step: ‖Δ‖² = ΔᵀMΔ.
public struct MetricOptions: Codable, Equatable, Sendable {
  public enum Kind: String, Codable, CaseIterable, Sendable {
    /// M = I.
    case identity
    /// For each fully connected layer, M = I ⊗ Â with the second moments Â of its inputs.
    case inputs
    /// For each fully connected layer, M = diag(σ) ⊗ I with the roots σ of the second moments of the gradients at its
    /// outputs: one number per output.
    case outputs
    /// For each fully connected layer, M = diag(σ) ⊗ diag(γ) with the roots γ of the second moments of its inputs as well:
    /// one number per output, and one per input.
    case diagonal
    /// M = Ŝ ⊗ Â with the second moments Ŝ of the gradients at its outputs as well.
    case kronecker

    /// Whether M has matrices of second moments, which those of the inputs are among.
    package var hasMatrices: Bool { self == .inputs || self == .kronecker }

    /// Whether M has roots of single second moments.
    package var isDiagonal: Bool { self == .outputs || self == .diagonal }

    /// The decay that suits the moments. One batch has few examples for each of many outputs.
    package var suitedDecay: Double { isDiagonal ? 0.99 : 0.95 }
    /// The interval that suits the moments. Single numbers take hardly any time.
    package var suitedInterval: Int { isDiagonal ? 1 : 10 }
  }

  @Setting public var kind = Kind.identity
  /// ε, added to the diagonals of Â and Ŝ, or to single second moments, whose mean is 1 without it.
  public var epsilon = 0.1
  /// The share of the running moments that stays when a batch's moments are added.
  @Setting public var decay = 0.95
  /// The number of steps between batches whose moments are added.
  @Setting public var interval = 10

  /// Options of a kind, with a decay and an interval that suit it.
  public init(_ kind: Kind = .identity) {
    self.kind = kind
    decay = kind.suitedDecay
    interval = kind.suitedInterval
  }
}
