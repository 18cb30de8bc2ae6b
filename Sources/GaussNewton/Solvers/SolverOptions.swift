import Glibc

/// How the damped system is solved.
package struct SolverOptions: Codable, Equatable, Sendable {
  package enum Kind: String, Codable, CaseIterable, Sendable {
    /// The program's choice, by a model of what each would cost.
    case auto
    /// The same by what each takes at the start of a run.
    case measured
    /// Matrix-free conjugate gradient.
    case cg
    /// The B × B system itself, by Cholesky.
    case gram
    /// The B × B system itself, by conjugate gradient.
    case gramCG = "gram-cg"

    /// Whether it is one that the program chooses.
    package var isChosen: Bool { self == .auto || self == .measured }
  }

  package var kind = Kind.auto
  /// The solver stops when ‖(G + λI)Δ + g‖ ≤ tolerance · ‖g‖.
  package var tolerance = 0.1
  /// The same with the matrix, where it is the smaller: its iterations cost next to nothing beside the matrix itself.
  package var gramTolerance = 0.01
  package var maxIterations = 50

  /// Where solves with the matrix stop.
  package var toleranceWithMatrix: Double { min(tolerance, gramTolerance) }

  /// Iterations with the matrix for each without, as far as one tells of the other: the residual falls faster at the end.
  var gramIterationRatio: Double { (1 + log(toleranceWithMatrix) / log(tolerance)) / 2 }

  /// The true residual replaces the recurrence once in so many iterations.
  static let replacementInterval = 50

  enum CodingKeys: String, CodingKey {
    case kind, tolerance
    case gramTolerance = "gram_tolerance"
    case maxIterations = "max_iterations"
  }

  package init() {}
}

/// What a solver says of its work. Numerical trouble is a value here, never an error.
package struct SolverSummary: Equatable, Sendable {
  package enum Termination: String, CaseIterable, Sendable {
    case converged
    case iterationLimit = "iteration-limit"
    /// A search direction without curvature: rounding has eaten the system.
    case breakdown
    /// NaN or infinity appeared.
    case nonFinite = "non-finite"
  }

  package enum Method: String, CaseIterable, Sendable {
    case cg, cholesky
    /// Cholesky in `Double`, after rounding in `Float` had spoilt a pivot.
    case doubleCholesky = "cholesky-float64"
    case gramCG = "gram-cg"
  }

  package var method = Method.cg
  /// Of conjugate gradient; of Cholesky, its solutions with the factor: 1, and one for each refinement.
  package var iterations: Int
  /// ‖(G + λI)Δ + g‖ / ‖g‖
  package var residual: Double
  package var termination: Termination

  func ended(_ termination: Termination) -> SolverSummary {
    var result = self
    result.termination = termination
    return result
  }
}
