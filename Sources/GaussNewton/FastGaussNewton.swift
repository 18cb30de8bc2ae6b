import LinearAlgebra
import MPI
import Networks

/// Fast Gauss-Newton: damped second-order steps with one curvature row per example.
///
/// A step minimises ½‖RΔ − s‖² + (λ/2)‖Δ − ηΔ₋‖² + (μ/2)‖θ + Δ‖² over Δ: the row-space model of the loss around θ with
/// damping λ, momentum η towards the last step Δ₋, and weight decay μ, solved as Δ = Δ₀ + Rᵀx,
/// (RRᵀ + (λ+μ)I) x = s − RΔ₀, Δ₀ = (λη Δ₋ − μθ)/(λ+μ). Rows are sharded over the ranks (`#b` of B), parameters are the
/// same everywhere. Source: Korbit and Zanon, arXiv 2605.06081.
package final class FastGaussNewton<Scalar: DistributedScalar>: DampedOptimizer {
  package let options: GaussNewtonOptions
  package let phases = Phases()
  package let damped: DampedStep<Scalar>

  private let loss: BatchLoss<Scalar>
  private let rowSpace: RowSpace<Scalar>
  private let solver: ConjugateGradient<Scalar>
  package let message: Message<Scalar>
  private let residualRows, productRows: Vector<Scalar>

  /// Allocates for shards of at most `capacity` rows.
  package init(_ network: Network, options: GaussNewtonOptions, capacity: Int, communicator: Communicator) {
    let parameterCount = network.layout.count
    self.options = options
    damped = DampedStep(parameterCount: parameterCount, options: options)
    loss = BatchLoss(network, capacity: capacity, communicator: communicator, phases: phases)
    rowSpace = RowSpace(loss.linearization, capacity: capacity)
    solver = ConjugateGradient(capacity: capacity, parameterCount: parameterCount)
    message = Message(loss.linearization, communicator: communicator, phases: phases)
    residualRows = Vector(zeros: capacity)
    productRows = Vector(zeros: capacity)
  }

  /// One global step, with at most `solver.iterations` + 4 allreduces. Collective.
  package func advance(
    _ parameters: Vector<Scalar>, inputs: Matrix<Scalar>, labels: ArraySlice<Int32>, batchSize: Int, rate: Double,
    interrupt: Bool = false
  ) throws -> StepReport {
    let (λ, μ) = (damped.damping, options.weightDecay)
    let (r, t) = (residualRows[0..<inputs.rows], productRows[0..<inputs.rows])

    // Linearise, margins, row space.
    phases.measure(.forward) {
      loss.linearize(at: parameters, on: inputs, labels, batchSize: batchSize)
      rowSpace.assign(loss.margin, cotangents: loss.cotangents, batchSize: batchSize)
    }

    // The gradient g = −Rᵀs, the loss, and with them the solver's first collective.
    r.assign(rowSpace.rightHandSide)
    let scaled = phases.measure(.vjp) { rowSpace.cotangents(scaledBy: r) }
    try message.sumProduct(scaled, [r.squaredNorm, loss.localSum, interrupt ? 1 : 0])
    var report = damped.begin(
      parameters, negativeGradient: message.parameters, loss: message[scalar: 1] / Double(batchSize),
      interrupted: message[scalar: 2] > 0)

    // Momentum and weight decay move the starting point to Δ₀ and the right-hand side to s − RΔ₀.
    if damped.hasAnchor {
      damped.assignAnchor(parameters)
      phases.measure(.jvp) { rowSpace.apply(damped.anchor, into: t) }
      r.combine(-1, t)
      let scaled = phases.measure(.vjp) { rowSpace.cotangents(scaledBy: r) }
      try message.sumProduct(scaled, [r.squaredNorm])
    }

    // Solve for Δ − Δ₀ = Rᵀx.
    report.solver = try phases.measure(.solve) {
      try solver.solve(
        rowSpace, r, damping: λ + μ,
        reference: report.gradientNorm > 0 ? report.gradientNorm : message.parameters.norm, message: message,
        step: damped.step, options: options.solver, phases: phases)
    }

    // The quadratic model along Δ, step length.
    let model = damped.model(parameters, residual: message.parameters)
    report.stepNorm = model.squaredStep.squareRoot()
    let full = options.stepLength == .ggn ? try loss.fullCurvature(along: damped.step) + μ * model.squaredStep : nil
    let length = try damped.length(
      model, fullCurvature: full, rate: rate, on: loss, from: parameters, &report)

    // Damping, update.
    phases.measure(.update) { damped.finish(parameters, length: length, &report) }
    return report
  }
}
