import LinearAlgebra
import MPI
import Networks

/// Damped steps with the full Gauss-Newton matrix, G = (1/B) Σ ω_i J_iᵀ(diag(π_i) − π_iπ_iᵀ)J_i, by conjugate gradient
/// in the parameter space, as a comparison for Fast Gauss-Newton.
///
/// A step minimises gᵀΔ + ½ΔᵀGΔ + (λ/2)‖Δ − ηΔ₋‖² + (μ/2)‖Dθ + Δ‖² over Δ, as Δ = Δ₀ + y, (G + (λ+μ)I) y = −g − GΔ₀, Δ₀
/// = (λη Δ₋ − μDθ)/(λ+μ). Rows are sharded over the ranks (`#b` of B); parameters and all vectors of the solver are the
/// same on all ranks. Source: Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent"
/// (2002); Martens, "Deep learning via Hessian-free optimization" (2010).
package final class GeneralizedGaussNewton<Scalar: DistributedScalar>: DampedOptimizer {
  package let options: GaussNewtonOptions
  package let phases = Phases()
  package let damped: DampedStep<Scalar>

  private let loss: BatchLoss<Scalar>
  private let space: any ParameterSpace
  private let scratch: CurvatureSystem<Scalar>.Scratch
  package let message: Message<Scalar>
  /// z, the residual of the system (P).
  private let residual: Vector<Scalar>

  package var margin: SoftmaxMargin<Scalar> { loss.margin }

  /// Allocates memory for shards of at most `capacity` rows; for `classes` see `FastGaussNewton`.
  package init(
    _ network: Network, options: GaussNewtonOptions, capacity: Int, partition: RowPartition = RowPartition(),
    communicator: Communicator, classes: ClassShards? = nil
  ) {
    let parameterCount = network.layout.count
    let placement = StepPlacement<Scalar>(
      network, capacity: capacity, partition, classes: classes, over: communicator, phases: phases)
    self.options = options
    space = placement.space
    damped = DampedStep(network.layout, options: options, over: space)
    let exchange = RowExchange(
      partition: partition, communicator: communicator, phases: phases, classes: placement.classes)
    loss = BatchLoss(placement, exchange: exchange)
    scratch = CurvatureSystem.Scratch(parameterCount: parameterCount)
    message = Message(
      loss.linearization, on: loss.trunk, communicator: placement.rowCommunicator, phases: phases)
    residual = Vector(zeros: parameterCount)
  }

  /// Takes one global step, with at most `solver.iterations` + 4 allreduces, and one more per 50 iterations.
  /// Collective.
  package func advance(
    _ parameters: Vector<Scalar>, on batch: Batch<Scalar>, rate: Double, interrupt: Bool
  ) throws -> StepReport {
    // The starting point: θ, or θ + Δ₀.
    let start = phases.measure(.update) {
      damped.anchor.start(from: parameters, damping: damped.damping, metric: nil) { _ in }
    }

    // Linearise, margins.
    try phases.measure(.forward) {
      try loss.linearize(at: start, on: batch)
    }

    // The gradient, −g = (1/B) Σ ω(1−p) Jᵀv, and the loss.
    let sums = try message.sum(
      .scaledLogits(
        loss.cotangents, by: loss.margin.gradientFactors(batch.labels.count, times: 1 / Scalar(batch.globalSize))),
      with: [(.loss, loss.localSums), (.interruptions, loss.linearization.interruptions(interrupt))])
    let gradientNorm = try phases.measure(.update) {
      try damped.assignGradient(start, negativeGradient: message.parameters)
    }
    let facts = BatchFacts(
      loss: loss.mean(try loss.agreed(sums[.loss])), interrupted: try space.isWished(sums[.interruptions]))

    // Momentum and weight decay move the starting point to Δ₀ and the right-hand side to −g − GΔ₀.
    residual.assign(message.parameters)
    let shift = phases.measure(.update) { damped.anchor.assignShift(parameters, damping: damped.damping, metric: nil) }
    if let shift { residual.combine(-1, try curvatureProduct(shift)) }

    // Solve for y = Δ − Δ₀.
    let summary = try phases.measure(.solve) {
      let norm =
        gradientNorm > 0
        ? gradientNorm
        : try space.totals(space.sum(residual.count) { residual[$0].squaredNorm }).squareRoot()
      var system = CurvatureSystem(
        .init(residual: residual, reference: norm), y: damped.step, λ: damped.totalDamping, over: space,
        scratch: scratch, product: curvatureProduct)
      return try ConjugateGradient.solve(
        &system, method: .cg, tolerance: options.solver.tolerance, maxIterations: options.solver.maxIterations)
    }

    // The quadratic model along Δ, with the full curvature, and the step length.
    let model = try phases.measure(.update) { try damped.complete(start, residual: residual) }
    var report = StepReport(
      facts, StepSolution(gradientNorm: gradientNorm, solver: summary, model: model), damping: damped.damping)
    let full = options.stepLength == .ggn ? model.objective.curvature : nil
    let length = try damped.length(
      model, fullCurvature: full, rate: rate, on: loss, from: start, &report)

    // Damping, update.
    try phases.measure(.update) { try damped.finish(parameters, length: length, rate: rate, &report) }
    return report
  }

  /// G u of the whole batch (P), valid until the next sum: a JVP, the curvature at the logits, a VJP, one allreduce.
  /// Collective.
  private func curvatureProduct(_ tangent: Vector<Scalar>) throws -> Vector<Scalar> {
    let tangents = try loss.jvp(tangent)
    try phases.measure(.vjp) { try loss.applyFullCurvature(to: tangents) }
    try message.sum(.logits(tangents))
    return message.parameters
  }
}
