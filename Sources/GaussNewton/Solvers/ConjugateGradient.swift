/// A symmetric positive definite system Ax = b as conjugate gradient sees it.
///
/// The system holds x, the residual r = b − Ax and the search direction d in scratch of its caller, and takes inner products, be
/// they over all ranks. Every rank is told the same numbers, and so takes the same branch.
protocol ConjugateGradientSystem {
  /// x ← 0, r ← b, d ← r. Collective.
  mutating func begin() throws -> ConjugateGradientState

  /// dᵀAd. Collective.
  mutating func curvature() throws -> Double

  /// x ← x + αd, and r ← r − αAd or, if `replaces`, b − Ax of x as it is. Returns rᵀr. Collective.
  mutating func advance(by α: Double, replaces: Bool) throws -> Double

  /// d ← r + βd. Collective.
  mutating func turn(by β: Double) throws -> ConjugateGradientState
}

/// Where conjugate gradient is.
struct ConjugateGradientState {
  /// rᵀr
  var squaredResidual: Double
  /// What the tolerance is about.
  var residual: Double
}

enum ConjugateGradient {
  /// Solves a system for x, until its residual is within the tolerance. Numerical trouble ends it with what has been found so
  /// far. Collective, as the system is.
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
      // The recurrences drift by rounding: now and then r begins again from x itself.
      let replaces = summary.iterations % SolverOptions.replacementInterval == 0
      let next = try system.advance(by: ρ / curvature, replaces: replaces)
      state = try system.turn(by: conjugation(next, ρ, replaces: replaces))
    }
  }

  /// β of the next direction r + βd, where ‖r‖² was ρ and is `next`. Where the true residual is larger than that before,
  /// rounding rules and β would follow it without bound, iteration by iteration: conjugacy is lost, and d begins anew.
  private static func conjugation(_ next: Double, _ ρ: Double, replaces: Bool) -> Double {
    replaces && next > ρ ? 0 : next / ρ
  }
}
