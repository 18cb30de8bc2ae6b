import LinearAlgebra
import MPI
import Networks

extension FastGaussNewton {
  /// Conjugate gradient with products by R and Rᵀ: at most `solver.iterations` + 2 allreduces. Collective.
  func solveMatrixFree(
    _ parameters: Vector<Scalar>, batchSize: Int, interrupt: Bool
  ) throws -> (StepReport, StepModel) {
    let (λ, μ) = (damped.damping, options.weightDecay)
    let s = rowSpace.rightHandSide
    let (r, t) = (residualRows[0..<s.count], productRows[0..<s.count])

    // The gradient g = −Rᵀs, the loss, and with them the solver's first collective.
    r.assign(s)
    let linearization = loss.linearization
    let sums = try message.sum(
      rowSpace.product(r),
      with: [
        .squaredResidual: linearization.sums { r[$0].squaredNorm }, .loss: loss.localSums,
        .interruptions: linearization.interruptions(interrupt),
      ])
    var report = phases.measure(.update) {
      damped.begin(
        parameters, negativeGradient: message.parameters, loss: sums[.loss] / Double(batchSize),
        interrupted: sums[.interruptions] > 0)
    }

    let gradientNorm = metric.isActive ? try whitenedGradientNorm() : report.gradientNorm

    // Momentum and weight decay move the starting point to Δ₀ and the right-hand side to s − RΔ₀.
    let shift = phases.measure(.update) { damped.assignShift(parameters, metric: metric) }
    if let shift {
      phases.measure(.jvp) { rowSpace.apply(shift, into: t) }
      r.combine(-1, t)
    }
    var squaredResidual = sums[.squaredResidual]
    if shift != nil || metric.isActive {
      let terms: RowTerms = [.squaredResidual: linearization.sums { r[$0].squaredNorm }]
      squaredResidual = try rowSpace.sumWhitened(r, with: terms, in: message)[.squaredResidual]
    }

    report.solver = try phases.measure(.solve) {
      try solver.solve(
        rowSpace, r, squaredResidual: squaredResidual, damping: λ + μ,
        reference: gradientNorm > 0 ? gradientNorm : message.parameters.norm, message: message, step: damped.step,
        options: options.solver, phases: phases)
    }
    guard metric.isActive else {
      return (report, phases.measure(.update) { damped.model(parameters, residual: message.parameters) })
    }

    // GΔ comes from the solver's residual, Lz = −g − GΔ − (λ+μ)Lw with w = Lᵀy; RΔ = s − r − (λ+μ)x would cancel where rows are
    // badly misclassified. With Δ₀ there is Δ₀ᵀLz = tᵀr and Δ₀ᵀLw = tᵀx, t = RΔ₀.
    let (z, w, x) = (message.parameters, damped.step, solver.solution[0..<s.count])
    var terms = (damping: w.squaredNorm, residual: z.dot(w))
    if shift != nil {
      let sums = try exchange.totals([
        linearization.sums { t[$0].dot(x[$0]) }, linearization.sums { t[$0].dot(r[$0]) },
      ])
      terms = (terms.damping + sums[0], terms.residual + sums[1])
    }
    phases.measure(.metric) { metric.unwhiten(damped.step, 0..<damped.step.count) }
    let change = try completeStep(parameters)
    let model = try damped.model(change, damping: (λ + μ) * terms.damping, residual: terms.residual) { own in
      try exchange.broadcast(own)
    }
    return (report, model)
  }

  /// ‖L⁻¹(g + μDθ)‖, with one rank's word for all. Collective.
  private func whitenedGradientNorm() throws -> Double {
    // The step is not yet of use.
    damped.step.assign(damped.gradient)
    phases.measure(.metric) { metric.whiten(damped.step, 0..<damped.step.count) }
    return try exchange.broadcast(damped.step.norm)
  }

  /// Adds Δ₀ to y, as far as it is from where the batch was linearised. Collective in a metric.
  func completeStep(_ parameters: Vector<Scalar>) throws -> StepChange {
    try phases.measure(.update) {
      guard agrees else { return damped.complete(parameters) }
      damped.addShift()
      try agree(on: damped.step)
      return damped.change(parameters)
    }
  }

  /// Whether ranks divide by the metric each for itself.
  private var agrees: Bool { metric.isActive && !exchange.isAlone }

  /// Makes what every rank has divided by the metric for itself one rank's word for all. Collective in a metric.
  func agree(on vector: Vector<Scalar>) throws {
    guard agrees else { return }
    try exchange.broadcast(vector)
  }
}
