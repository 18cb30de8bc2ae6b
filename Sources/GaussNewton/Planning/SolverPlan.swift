import Networks

/// The measured times of a run's solves, with the solver in use.
package struct SolveTimes: Equatable, Sendable {
  package private(set) var kind: SolverOptions.Kind?
  private var count = 0
  private var sum = 0.0

  /// Mean seconds per solve.
  package var seconds: Double { sum / Double(count) }

  mutating func add(_ kind: SolverOptions.Kind, _ seconds: Double) {
    if kind != self.kind { self = SolveTimes(kind: kind) }
    count += 1
    sum += seconds
  }
}

/// The choice of a solver where the run may choose: seconds per step with each solver, from a model of sizes or from
/// measurements at the start.
///
/// All solvers need the same forward pass. On top of it, a matrix-free step costs its gradient and one pair of products
/// per iteration; a Gram step costs the matrix, its solution and one product. The number of iterations follows the
/// steps of the run as an exponential mean. Cholesky gives no information about iterations, so a run stays with it.
package struct SolverPlan: Codable, Equatable, Sendable {
  package enum Source: String, Codable, Sendable {
    /// `SolverCosts`, whose seconds serve for comparisons.
    case model
    /// Measurements on this machine at the start of the run.
    case measured
  }

  /// Seconds of a matrix-free solve without its iterations, and seconds per iteration, on the slowest rank.
  package var matrixFree, iteration: Double
  /// Seconds of a solve with the matrix, by Cholesky and by conjugate gradient.
  package var gram, gramCG: Double
  /// Seconds per iteration with the matrix in addition, and the number of these per iteration without it; nil where
  /// `gramCG` includes them.
  package var gramIteration, gramIterationRatio: Double?
  /// The number of iterations that conjugate gradient is expected to take.
  package var iterations: Double
  /// nil in checkpoints that do not record it; their seconds are measured.
  package var source: Source? = .measured

  /// Whether the seconds are measured.
  package var isMeasured: Bool { source != .model }

  /// Expected seconds per solve.
  package func seconds(_ kind: SolverOptions.Kind) -> Double {
    switch kind {
    case .auto, .measured, .cg: matrixFree + iterations * iteration
    case .gram: gram
    case .gramCG: gramCG + iterations * (gramIterationRatio ?? 1) * (gramIteration ?? 0)
    }
  }

  /// The cheapest solver; at equal cost to within a tenth it is Cholesky, which is exact.
  package var best: SolverOptions.Kind {
    if seconds(.gram) <= 1.1 * min(seconds(.cg), seconds(.gramCG)) { return .gram }
    return seconds(.gramCG) < seconds(.cg) ? .gramCG : .cg
  }

  /// The cheaper solver with the matrix.
  package var bestWithMatrix: SolverOptions.Kind { gram <= 1.1 * seconds(.gramCG) ? .gram : .gramCG }

  /// Adds the iterations of a step to the mean.
  package mutating func observe(_ kind: SolverOptions.Kind, iterations count: Int) {
    guard kind == .cg || kind == .gramCG && gramIteration != nil else { return }
    let count = Double(count) / (kind == .cg ? 1 : gramIterationRatio ?? 1)
    iterations += 0.1 * (count - iterations)
  }

  /// Whether the matrix of a batch of B rows is worth considering: it must fit into memory, and its flops must be
  /// comparable with those of some hundred iterations.
  package static func isCandidate(batchSize: Int, _ network: Network) -> Bool {
    let (B, P) = (Double(batchSize), Double(network.layout.count))
    let gram = B * B * (Double(network.body.rowGradientCount) + B / 3)
    return batchSize <= 8192 && gram < 100 * 8 * B * P
  }
}
