/// What damping and momentum measure a step by: ‖Δ‖² = ΔᵀMΔ.
package struct MetricOptions: Codable, Equatable, Sendable {
  package enum Kind: String, Codable, CaseIterable, Sendable {
    /// M = I.
    case identity
    /// For each fully connected layer M = I ⊗ Â, the second moments of its inputs.
    case inputs
    /// M = Ŝ ⊗ Â: those of the gradients at its outputs as well.
    case kronecker
  }

  @Setting package var kind = Kind.identity
  /// ε, added to the diagonals of Â and Ŝ, whose mean is 1 without it.
  package var epsilon = 0.1
  /// What remains of the running moments when another batch's are taken into them.
  package var decay = 0.95
  /// Steps from one batch whose moments are taken to the next.
  package var interval = 10

  package init() {}
}
