import Glibc

/// The options for solving the damped system.
public struct SolverOptions: Codable, Equatable, Sendable {
  public enum Kind: String, Codable, CaseIterable, Sendable {
    /// The program chooses by a cost model.
    case auto
    /// The program chooses by measurements at the start of a run.
    case measured
    /// Matrix-free conjugate gradient.
    case cg
    /// The B × B system, by Cholesky.
    case gram
    /// The B × B system, by conjugate gradient.
    case gramCG = "gram-cg"

    /// Whether the program chooses the solver.
    package var isChosen: Bool { self == .auto || self == .measured }
  }

  public var kind = Kind.auto
  /// The solver stops when ‖(G + λI)Δ + g‖ ≤ tolerance · ‖g‖.
  public var tolerance = 0.1
  /// The tolerance with the matrix, where it is smaller: iterations cost little beside the matrix itself.
  public var gramTolerance = 0.01
  public var maxIterations = 50

  /// The tolerance of solves with the matrix.
  package var toleranceWithMatrix: Double { min(tolerance, gramTolerance) }

  /// A rough estimate of iterations with the matrix per iteration without it: the residual falls faster at the end.
  var gramIterationRatio: Double { (1 + log(toleranceWithMatrix) / log(tolerance)) / 2 }

  /// The true residual replaces the recurrence at intervals of this many iterations.
  static let replacementInterval = 50

  enum CodingKeys: String, CodingKey {
    case kind, tolerance
    case gramTolerance = "gram_tolerance"
    case maxIterations = "max_iterations"
  }

  public init() {}
}

/// The outcome of a solve. Numerical trouble is a value here, not an error.
public struct SolverSummary: Equatable, Sendable {
  public enum Termination: String, CaseIterable, Sendable {
    case converged
    case iterationLimit = "iteration-limit"
    /// A search direction without curvature: rounding dominates the system.
    case breakdown
    /// NaN or infinity appeared.
    case nonFinite = "non-finite"
  }

  public enum Method: String, CaseIterable, Sendable {
    case cg, cholesky
    /// Cholesky in `Double`, after rounding in `Float` has spoilt a pivot.
    case doubleCholesky = "cholesky-float64"
    case gramCG = "gram-cg"
  }

  public var method = Method.cg
  /// Iterations of conjugate gradient; for Cholesky, solutions with the factor: 1, and one more per refinement.
  public var iterations: Int
  /// ‖(G + λI)Δ + g‖ / ‖g‖
  public var residual: Double
  public var termination: Termination

  func ended(_ termination: Termination) -> SolverSummary {
    var result = self
    result.termination = termination
    return result
  }
}
