/// A symmetric positive definite system Ax = b, in the form that conjugate gradient needs.
///
/// The system holds x, the residual r = b − Ax and the search direction d in memory of its caller, and computes inner
/// products, over all ranks if need be. All ranks get the same numbers, and so take the same branch.
protocol ConjugateGradientSystem {
  /// x ← 0, r ← b, d ← r. Collective.
  mutating func begin() throws -> ConjugateGradientState

  /// dᵀAd. Collective.
  mutating func curvature() throws -> Double

  /// x ← x + αd, and r ← r − αAd or, if `replaces`, r ← b − Ax. Returns rᵀr. Collective.
  mutating func advance(by α: Double, replaces: Bool) throws -> Double

  /// d ← r + βd. Collective.
  mutating func turn(by β: Double) throws -> ConjugateGradientState
}

/// The state of conjugate gradient.
struct ConjugateGradientState {
  /// rᵀr
  var squaredResidual: Double
  /// The number that the tolerance bounds.
  var residual: Double
}

enum ConjugateGradient {
  /// Solves a system for x until its residual is within the tolerance. Numerical trouble ends the solve with the result
  /// so far. Collective if the system is.
  static func solve(
    _ system: inout some ConjugateGradientSystem, method: SolverSummary.Method, tolerance: Double, maxIterations: Int
  ) throws -> SolverSummary {
    var state = try system.begin()
    var summary = SolverSummary(method: method, iterations: 0, residual: 0, termination: .iterationLimit)
    while true {
      summary.residual = state.residual
      if !summary.residual.isFinite { return summary.ended(.nonFinite) }
      if summary.residual <= tolerance { return summary.ended(.converged) }
      if summary.iterations == maxIterations { return summary.ended(.iterationLimit) }

      let ρ = state.squaredResidual
      let curvature = try system.curvature()
      guard curvature > 0, ρ > 0 else { return summary.ended(.breakdown) }
      summary.iterations += 1
      // The recurrences drift by rounding, so r is computed from x at intervals.
      let replaces = summary.iterations % SolverOptions.replacementInterval == 0
      let next = try system.advance(by: ρ / curvature, replaces: replaces)
      state = try system.turn(by: conjugation(next, ρ, replaces: replaces))
    }
  }

  /// β of the next direction r + βd, where ‖r‖² was ρ and is `next`. If the true residual has grown, rounding dominates
  /// and β would grow without bound: conjugacy is lost, and d starts afresh.
  private static func conjugation(_ next: Double, _ ρ: Double, replaces: Bool) -> Double {
    replaces && next > ρ ? 0 : next / ρ
  }
}
