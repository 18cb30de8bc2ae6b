import LinearAlgebra
import MPI
import Networks

extension FastGaussNewton {
  /// The matrix K = RRᵀ of all rows: one or two allgathers a layer, four for one on sparse inputs, two more and one for K, or
  /// an allreduce for each product with it; and those of the step. The gradient itself is never formed. Collective.
  func solveGram(
    _ kind: SolverOptions.Kind, _ parameters: Vector<Scalar>, batchSize: Int, interrupt: Bool
  ) throws -> (StepReport, StepModel) {
    let shard = rowSpace.rightHandSide.count

    // What is known of each rank: its rows, its wish to stop, the sums of its losses.
    let (lossSum, interrupted) = try exchange.begin(
      RankFacts(rows: shard, wishesToStop: interrupt, losses: loss.localSums))

    // Of all rows s, RΔ₀ and √(w̃/B).
    let columns = try exchange.gather([rowSpace.rightHandSide, ownPredictedRows(parameters), rowSpace.rowFactors])
    let s = columns[0]
    var t = columns[1]
    let sweeps = damped.sweeps && !isRehearsal
    // What is measured is the step that most are like.
    let gathers = kind == .gram || (isRehearsal ? damped.alwaysSweeps : sweeps)
    func assignMatrix() throws {
      try gram.assign(
        loss.linearization, cotangents: loss.cotangents, rowFactors: columns[2], metric: metric, gathers: gathers)
    }
    try assignMatrix()

    if sweeps { try sweepDamping(s, &t, rowFactors: columns[2], parameters, assignMatrix: assignMatrix) }
    let (λ, μ) = (damped.damping, options.weightDecay)

    let scalars = try phases.measure(.solve) {
      let summary = try gramSolver.solve(
        gram, s, minus: damped.shift == nil ? nil : t, damping: λ + μ, options: options.solver, kind: kind)
      // RΔ = RΔ₀ + Kx.
      let product = gramSolver.product.copy()
      product.combine(1, t)
      return RowSpaceSolution(
        gradientNorm: gramSolver.gradientNorm, slope: -s.dot(product), curvature: product.squaredNorm, solver: summary)
    }
    let solution = try exchange.broadcast(scalars)

    var report = StepReport(
      loss: lossSum / Double(batchSize),
      gradientNorm: solution.gradientNorm, damping: λ)
    report.interrupted = interrupted
    report.solver = solution.solver

    let change = try assignStep(gramSolver.solution, rowFactors: columns[2], parameters)
    return (report, damped.model(loss: Quadratic(slope: solution.slope, curvature: solution.curvature), change))
  }

  /// Δ ← Δ₀ + M⁻¹Rᵀx, given x, √(w̃/B) of all rows (B), and θ for what is to be known of Δ. One allreduce of P numbers; if there is a gathered layer, which has
  /// the first parameters, of the others alone, and two allgathers. Collective.
  func assignStep(
    _ x: Vector<Scalar>, rowFactors: Vector<Scalar>, _ parameters: Vector<Scalar>
  ) throws -> StepChange {
    let all = Vector<Scalar>(zeros: x.count)
    all.assignProduct(rowFactors, by: x)
    let (factors, metric) = (all[exchange.rows.own], metric)
    let layer = gram.gatheredLayer
    let omitted = layer?.parameterCount ?? 0
    try message.sum(
      .rowGradients(scaledBy: factors) { part, range, gradient in
        range.upperBound <= omitted || metric.assignProduct(range, part: part, scaledBy: factors, into: gradient)
      }, into: damped.step, omitted: omitted)
    if let layer { try gram.assignGradient(damped.step[0..<omitted], of: layer, scaledBy: all) }
    return try completeStep(parameters)
  }

  /// RΔ₀ of the local rows (#b), until the next call; zero where the batch is linearised at θ + Δ₀.
  private func ownPredictedRows(_ parameters: Vector<Scalar>) -> Vector<Scalar> {
    let own = productRows[0..<rowSpace.rightHandSide.count]
    guard let shift = phases.measure(.update, { damped.assignShift(parameters, metric: metric) }) else {
      own.fill(0)
      return own
    }
    phases.measure(.jvp) { rowSpace.apply(shift, into: own) }
    return own
  }

  /// The same of all rows (B). Collective.
  func predictedRows(_ parameters: Vector<Scalar>) throws -> Vector<Scalar> {
    try exchange.gather([ownPredictedRows(parameters)])[0]
  }
}

/// What a solve in the row space says beside x; one rank's word counts for all, should their processors round differently.
private struct RowSpaceSolution {
  /// ‖g‖, gᵀΔ and ΔᵀGΔ.
  var gradientNorm, slope, curvature: Double
  var solver: SolverSummary
}

extension RowSpaceSolution: NumberCoded {
  var numbers: [Double] { gradientNorm.numbers + slope.numbers + curvature.numbers + solver.numbers }

  init(takingFrom numbers: inout ArraySlice<Double>) {
    self.init(
      gradientNorm: Double(takingFrom: &numbers), slope: Double(takingFrom: &numbers),
      curvature: Double(takingFrom: &numbers), solver: SolverSummary(takingFrom: &numbers))
  }
}
