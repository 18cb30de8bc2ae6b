import LinearAlgebra
import Networks

extension FastGaussNewton {
  /// The gradient g = −Rᵀs, and the facts that travel with it. Collective.
  func beginMatrixFree(_ parameters: Vector<Scalar>, interrupt: Bool) throws -> BatchFacts {
    let r = residualRows[0..<rowSpace.rightHandSide.count]
    r.assign(rowSpace.rightHandSide)
    let sums = try rows.applyTransposed(
      r,
      with: [
        (.squaredResidual, rows.dot(r, r)), (.loss, loss.localSums),
        (.interruptions, loss.linearization.interruptions(interrupt)),
      ])
    let gradientNorm = try phases.measure(.update) {
      try damped.assignGradient(parameters, negativeGradient: rows.image)
    }
    return BatchFacts(
      loss: self.loss.mean(sums[.loss]), interrupted: sums[.interruptions] > 0,
      formed: (gradientNorm, sums[.squaredResidual]))
  }

  /// Δ by conjugate gradient with products by R and Rᵀ: at most `solver.iterations` + 1 allreduces. In a metric M =
  /// LLᵀ, the system is that of RL⁻ᵀ, and its solution is LᵀΔ. Collective.
  ///
  /// - Parameter t: RΔ₀ of the local rows (#b), zero where Δ₀ needs no product.
  func solveMatrixFree(
    _ parameters: Vector<Scalar>, _ facts: BatchFacts, minus t: Vector<Scalar>
  ) throws -> StepSolution {
    let (gradientNorm, squaredRightHandSide) = facts.formed!
    let reference = metric.isActive ? try whitenedGradientNorm() : gradientNorm

    // s − RΔ₀, and its image.
    let r = residualRows[0..<t.count]
    var square = squaredRightHandSide
    if damped.anchor.shift != nil { r.combine(-1, t) }
    if damped.anchor.shift != nil || metric.isActive {
      square = try whitenedRows.applyTransposed(r, with: [(.squaredResidual, rows.dot(r, r))])[.squaredResidual]
    }

    let summary = try phases.measure(.solve) {
      let start = MatrixFreeSolver<Scalar>.Start(
        residual: r, squaredResidual: square,
        reference: reference > 0 ? reference : try space.totals(rows.image.squaredNorm).squareRoot())
      return try solver.solve(
        whitenedRows, start, damping: damped.totalDamping, step: damped.step, options: options.solver)
    }
    let model =
      metric.isActive ? try modelWhitened(parameters, t) : try damped.complete(parameters, residual: rows.image)
    return StepSolution(gradientNorm: gradientNorm, solver: summary, model: model)
  }

  /// Turns the solution w = LᵀΔ into Δ = Δ₀ + L⁻ᵀw, and models the objective along it. Collective.
  ///
  /// GΔ follows from the solver's residual, Lz = −g − GΔ − (λ+μ)Lw; RΔ = s − r − (λ+μ)x would cancel where rows are
  /// badly misclassified. With Δ₀, Δ₀ᵀLz = tᵀr and Δ₀ᵀLw = tᵀx, where t = RΔ₀.
  private func modelWhitened(_ parameters: Vector<Scalar>, _ t: Vector<Scalar>) throws -> StepModel {
    let (z, w, x, r) = (rows.image, damped.step, solver.solution, residualRows[0..<t.count])
    var terms = try space.totals([w.squaredNorm, z.dot(w)])
    if damped.anchor.shift != nil {
      let linearization = loss.linearization
      let sums = try exchange.totals([
        linearization.sums { t[$0].dot(x[$0]) }, linearization.sums { t[$0].dot(r[$0]) },
      ])
      terms = zip(terms, sums).map { $0 + $1 }
    }
    phases.measure(.metric) { metric.unwhiten(damped.step, 0..<damped.step.count) }
    let change = try completeStep(parameters)
    let slope = try space.totals(damped.gradient.dot(damped.step)) - change.decay.slope
    let curvature = -slope - damped.totalDamping * terms[0] - terms[1]
    return StepModel(loss: try exchange.broadcast(Quadratic(slope: slope, curvature: curvature)), change)
  }

  /// ‖L⁻¹(g + μDθ)‖. Collective.
  func whitenedGradientNorm() throws -> Double {
    // The step's memory is free at this time.
    let step = damped.step
    step.assign(damped.gradient)
    phases.measure(.metric) { metric.whiten(step, 0..<step.count) }
    return try space.totals(space.sum(step.count) { step[$0].squaredNorm }).squareRoot()
  }

  /// Adds Δ₀ to y, relative to the point of linearisation. Collective.
  func completeStep(_ parameters: Vector<Scalar>) throws -> StepChange {
    try phases.measure(.update) {
      guard metric.hasFactors, space.isReplicated else { return try damped.complete(parameters) }
      // Each rank has divided by the metric on its own, and solves with triangles may be rounded differently.
      damped.addShift()
      try space.unify(damped.step)
      return try damped.change(parameters)
    }
  }
}
