import Networks

/// What the solves of a run have really taken, with the solver that it uses now.
package struct SolveTimes: Equatable, Sendable {
  package private(set) var kind: SolverOptions.Kind?
  private var count = 0
  private var sum = 0.0

  /// Mean seconds of a solve.
  package var seconds: Double { sum / Double(count) }

  mutating func add(_ kind: SolverOptions.Kind, _ seconds: Double) {
    if kind != self.kind { self = SolveTimes(kind: kind) }
    count += 1
    sum += seconds
  }
}

/// Which solver a run takes where it may choose: what a step costs with each, by a model of sizes or from seconds that were
/// measured at the start.
///
/// All solvers need the same forward pass; a matrix-free step then costs its gradient and one pair of products an
/// iteration, a Gram step costs the matrix, its solution and one product. The number of iterations follows the steps of the
/// run, as a mean that forgets. Cholesky tells nothing of iterations, so a run stays with it.
package struct SolverPlan: Codable, Equatable, Sendable {
  package enum Source: String, Codable, Sendable {
    /// `SolverCosts`, whose seconds are good for comparisons.
    case model
    /// This machine at the start of the run.
    case measured
  }

  /// Seconds of a matrix-free solve beside its iterations, and of an iteration, on the slowest rank.
  package var matrixFree, iteration: Double
  /// Seconds of a solve with the matrix, by Cholesky and by conjugate gradient.
  package var gram, gramCG: Double
  /// Seconds of each iteration with the matrix beside those, and how many of them there are for each without; nil where they
  /// are part of them.
  package var gramIteration, gramIterationRatio: Double?
  /// Iterations that conjugate gradient is expected to take.
  package var iterations: Double
  /// nil in checkpoints from when all were measured.
  package var source: Source?

  package init(
    matrixFree: Double, iteration: Double, gram: Double, gramCG: Double, gramIteration: Double? = nil,
    gramIterationRatio: Double? = nil, iterations: Double, source: Source = .measured
  ) {
    self.matrixFree = matrixFree
    self.iteration = iteration
    self.gram = gram
    self.gramCG = gramCG
    self.gramIteration = gramIteration
    self.gramIterationRatio = gramIterationRatio
    self.iterations = iterations
    self.source = source
  }

  /// Whether its seconds are those of this machine.
  package var isMeasured: Bool { source != .model }

  /// Expected seconds of a step's solve.
  package func seconds(_ kind: SolverOptions.Kind) -> Double {
    switch kind {
    case .auto, .measured, .cg: matrixFree + iterations * iteration
    case .gram: gram
    case .gramCG: gramCG + iterations * (gramIterationRatio ?? 1) * (gramIteration ?? 0)
    }
  }

  /// The cheapest; of the same cost to within a tenth, Cholesky, which is exact.
  package var best: SolverOptions.Kind {
    if seconds(.gram) <= 1.1 * min(seconds(.cg), seconds(.gramCG)) { return .gram }
    return seconds(.gramCG) < seconds(.cg) ? .gramCG : .cg
  }

  /// The cheaper solver with the matrix.
  package var bestWithMatrix: SolverOptions.Kind { gram <= 1.1 * seconds(.gramCG) ? .gram : .gramCG }

  /// Takes the iterations of another step into the mean.
  package mutating func observe(_ kind: SolverOptions.Kind, iterations count: Int) {
    guard kind == .cg || kind == .gramCG && gramIteration != nil else { return }
    let count = Double(count) / (kind == .cg ? 1 : gramIterationRatio ?? 1)
    iterations += 0.1 * (count - iterations)
  }

  /// Whether the matrix of a batch of B rows is worth a try: it must fit, and its flops must not be beyond comparison with
  /// those of some hundred iterations.
  package static func isCandidate(batchSize: Int, _ network: Network) -> Bool {
    let (B, P) = (Double(batchSize), Double(network.layout.count))
    let gram = B * B * (Double(network.body.rowGradientCount) + B / 3)
    return batchSize <= 8192 && gram < 100 * 8 * B * P
  }
}
