import LinearAlgebra
import MPI
import Networks

extension FastGaussNewton {
  /// Exchanges the rows of each rank, and the facts that travel with them. Collective.
  func beginGram(interrupt: Bool) throws -> BatchFacts {
    let (lossSum, interrupted) = try exchange.begin(
      RankFacts(rows: rowSpace.rightHandSide.count, wishesToStop: interrupt, losses: loss.localSums))
    return BatchFacts(loss: loss.mean(lossSum), interrupted: interrupted)
  }

  /// Δ with the matrix K = RM⁻¹Rᵀ of all rows. It takes one or two allgathers per layer, four for a layer on sparse
  /// inputs, and two more; one for K, or an allreduce per product with it; and the collectives of the step. Where ranks
  /// share out classes, it takes what docs/method.md has, and `cg` has products with K without the matrix. The gradient
  /// itself is never formed. Collective.
  ///
  /// - Parameter t: RΔ₀ of the local rows (#b), zero where Δ₀ needs no product.
  func solveGram(
    _ kind: SolverOptions.Kind, _ parameters: Vector<Scalar>, minus t: Vector<Scalar>
  ) throws -> StepSolution {
    // s, RΔ₀ and √(w̃/B) of all rows.
    let columns = try exchange.gather([rowSpace.rightHandSide, t, rowSpace.rowFactors])
    let (s, rowFactors) = (columns[0], columns[2])
    var t = columns[1]
    let sweeps = damped.control.sweeps && !isRehearsal
    // A rehearsal measures the kind of step that is most frequent.
    let gathers = kind == .gram || (isRehearsal ? damped.control.alwaysSweeps : sweeps)
    func assignMatrix() throws {
      if let classes {
        if kind == .cg { return }
        return try gram.assign(loss, rowFactors: rowFactors, metric: metric, gathers: gathers, over: classes)
      }
      try gram.assign(
        loss.linearization, cotangents: loss.cotangents, rowFactors: rowFactors, metric: metric, gathers: gathers)
    }
    try assignMatrix()
    if sweeps { try sweepDamping(s, &t, rowFactors: rowFactors, parameters, assignMatrix: assignMatrix) }

    let gradient = kind == .cg ? try objectiveGradient(parameters, s) : nil
    let own = try phases.measure(.solve) {
      let shift = damped.anchor.shift == nil ? nil : t
      let summary =
        if kind == .cg, let kernel {
          try gramSolver.solve(
            products: kernel, s, minus: shift, damping: damped.totalDamping, relativeTo: gradient?.reference,
            options: options.solver)
        } else {
          try gramSolver.solve(
            gram, s, minus: shift, damping: damped.totalDamping, options: options.solver, kind: kind)
        }
      // RΔ = RΔ₀ + Kx.
      let product = gramSolver.product.copy()
      product.combine(1, t)
      return RowSpaceSolution(
        gradientNorm: gradient?.norm ?? gramSolver.gradientNorm,
        loss: Quadratic(slope: -s.dot(product), curvature: product.squaredNorm),
        solver: summary)
    }
    let solution = try exchange.broadcast(own)
    let change = try assignStep(gramSolver.solution, rowFactors: rowFactors, parameters)
    return StepSolution(
      gradientNorm: solution.gradientNorm, solver: solution.solver, model: StepModel(loss: solution.loss, change))
  }

  /// ‖g + μDθ‖, and that in the metric, which residuals of `cg` are relative to wherever rows and parameters lie; nil where
  /// both are ‖Rᵀs‖ of the solve. Where ranks share out classes. Collective.
  private func objectiveGradient(
    _ parameters: Vector<Scalar>, _ s: Vector<Scalar>
  ) throws -> (norm: Double, reference: Double?)? {
    guard let kernel, options.weightDecay > 0 || damped.anchor.shift != nil || metric.isActive else { return nil }
    _ = try kernel.rows.applyTransposed(s[exchange.rows.own], with: [])
    return try phases.measure(.update) {
      let norm = try damped.assignGradient(parameters, negativeGradient: kernel.rows.image)
      let reference = metric.isActive ? try whitenedGradientNorm() : norm
      return (norm, reference > 0 ? reference : nil)
    }
  }

  /// Δ ← Δ₀ + M⁻¹Rᵀx, given x and √(w̃/B) of all rows (B). Returns the change of the decay term along Δ, and ‖Δ‖². One
  /// allreduce of P numbers; with a gathered layer, which has the first parameters, an allreduce of the others and two
  /// allgathers. Collective.
  func assignStep(
    _ x: Vector<Scalar>, rowFactors: Vector<Scalar>, _ parameters: Vector<Scalar>
  ) throws -> StepChange {
    let all = Vector<Scalar>(zeros: x.count)
    all.assignProduct(rowFactors, by: x)
    let (factors, metric) = (all[exchange.rows.own], metric)
    let layer = classes == nil ? gram.gatheredLayer : nil
    let omitted = layer?.parameterCount ?? 0
    try message.sum(
      .kept(scaledBy: factors) { part, range, gradient in
        range.upperBound <= omitted || metric.assignProduct(range, part: part, scaledBy: factors, into: gradient)
      }, into: damped.step, omitted: omitted)
    if let layer { try gram.assignGradient(damped.step[0..<omitted], of: layer, scaledBy: all) }
    if metric.isDiagonal {
      phases.measure(.metric) { metric.divide(damped.step, omitted..<damped.step.count) }
    }
    return try completeStep(parameters)
  }

  /// RΔ₀ of all rows (B). Collective.
  func predictedAllRows(_ parameters: Vector<Scalar>) throws -> Vector<Scalar> {
    try exchange.gather([predictedOwnRows(parameters)])[0]
  }
}

/// The results of a solve with the matrix besides x; rank 0's values count for all, since processors may round
/// differently.
private struct RowSpaceSolution {
  /// ‖g‖
  var gradientNorm: Double
  /// gᵀΔ and ΔᵀGΔ.
  var loss: Quadratic
  var solver: SolverSummary
}

extension RowSpaceSolution: NumberCoded {
  var numbers: [Double] { gradientNorm.numbers + loss.numbers + solver.numbers }

  init(takingFrom numbers: inout ArraySlice<Double>) {
    self.init(
      gradientNorm: Double(takingFrom: &numbers), loss: Quadratic(takingFrom: &numbers),
      solver: SolverSummary(takingFrom: &numbers))
  }
}
