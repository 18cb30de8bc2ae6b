/// The rule for the length of the step along the solution Δ.
public enum StepLength: String, Codable, CaseIterable, Sendable {
  /// The full length.
  case unit
  /// To the minimum of the full Gauss-Newton model along Δ: FGN overshoots where it drops curvature.
  case ggn
  /// The first of 1, ½, ¼, … with sufficient decrease (Armijo).
  case lineSearch = "line-search"

  /// α = −gᵀΔ / (ΔᵀG_GGN Δ), at most 1. A direction that does not descend, which momentum can produce, has no minimum
  /// ahead, and gets the full length.
  package static func ggn(slope: Double, curvature: Double) -> Double {
    guard slope < 0, curvature > 0 else { return 1 }
    return min(1, -slope / curvature)
  }

  /// The candidates after the full step: ½ to 2⁻¹⁰. Their losses travel in one collective.
  package static let backtracks = (1...10).map { 1 / Double(1 << $0) }

  /// Armijo: f(θ + τΔ) ≤ f(θ) + 10⁻⁴ τ gᵀΔ, given the change f(θ + τΔ) − f(θ). False for NaN, and for an increase even
  /// along a direction that does not descend.
  package static func isSufficient(change: Double, length: Double, slope: Double) -> Bool {
    change <= 1e-4 * length * min(slope, 0)
  }
}
