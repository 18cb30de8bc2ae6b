import LinearAlgebra
import MPI
import Networks

/// Fast Gauss-Newton: damped second-order steps with one curvature row per example.
///
/// A step minimises ½‖RΔ − s‖² + (λ/2)‖Δ − ηΔ₋‖² + (μ/2)‖θ + Δ‖² over Δ: the row-space model of the loss around θ with
/// damping λ, momentum η towards the last step Δ₋, and weight decay μ, solved as Δ = Δ₀ + Rᵀx,
/// (RRᵀ + (λ+μ)I) x = s − RΔ₀, Δ₀ = (λη Δ₋ − μθ)/(λ+μ). Rows are sharded over the ranks (`#b` of B), parameters are the
/// same everywhere. Source: Korbit and Zanon, arXiv 2605.06081; momentum: Goldshlager et al., arXiv 2401.10190.
package final class FastGaussNewton<Scalar: DistributedScalar> {
  package let options: FastGaussNewtonOptions
  package let phases = Phases()

  /// λ of the next step.
  package var damping: Double
  /// Δ₋, the last accepted step before its length and rate (P); zero at first.
  package let lastStep: Vector<Scalar>

  private let communicator: Communicator
  private let linearization: Linearization<Scalar>
  private let margin, trialMargin: SoftmaxMargin<Scalar>
  private let rowSpace: RowSpace<Scalar>
  private let solver: ConjugateGradient<Scalar>
  private let message: Message<Scalar>
  private let residualRows, productRows: Vector<Scalar>
  private let gradient, anchor, step, candidate: Vector<Scalar>

  /// Allocates for shards of at most `capacity` rows.
  package init(_ network: Network, options: FastGaussNewtonOptions, capacity: Int, communicator: Communicator) {
    let parameterCount = network.layout.count
    self.options = options
    self.communicator = communicator
    damping = options.damping.initial
    linearization = Linearization(network, capacity: capacity)
    margin = SoftmaxMargin(capacity: capacity)
    trialMargin = SoftmaxMargin(capacity: capacity)
    rowSpace = RowSpace(linearization, capacity: capacity)
    solver = ConjugateGradient(capacity: capacity, parameterCount: parameterCount, communicator: communicator)
    message = Message(parameterCount: parameterCount)
    residualRows = Vector(zeros: capacity)
    productRows = Vector(zeros: capacity)
    lastStep = Vector(zeros: parameterCount)
    gradient = Vector(zeros: parameterCount)
    anchor = Vector(zeros: parameterCount)
    step = Vector(zeros: parameterCount)
    candidate = Vector(zeros: parameterCount)
  }

  /// One global step of the parameters θ (P, the same on all ranks) on a batch of B rows. Collective.
  ///
  /// - Parameters:
  ///   - inputs, labels: this rank's shard of the batch (#b × d, #b), possibly empty.
  ///   - batchSize: B, over all ranks.
  ///   - rate: the learning rate, a factor on the step.
  ///   - interrupt: this rank's wish to stop after the step; it travels with the gradient.
  /// - Returns: what happened, the same on all ranks. At most `solver.iterations` + 4 allreduces.
  package func advance(
    _ parameters: Vector<Scalar>, inputs: Matrix<Scalar>, labels: ArraySlice<Int32>, batchSize: Int, rate: Double,
    interrupt: Bool = false
  ) throws -> StepReport {
    let λ = damping
    let μ = options.weightDecay
    let η = options.momentum
    let (r, t) = (residualRows[0..<inputs.rows], productRows[0..<inputs.rows])

    // Linearise, margins, row space.
    phases.measure(.forward) {
      linearization.linearize(at: parameters, on: inputs)
      margin.assign(replacing: linearization.logits, labels: labels)
      rowSpace.assign(margin, cotangents: linearization.logits, batchSize: batchSize)
    }

    // The gradient g = −Rᵀs, the loss, and with them the solver's first collective.
    r.assign(rowSpace.rightHandSide)
    phases.measure(.vjp) { rowSpace.applyTransposed(r, into: message.parameters) }
    try message.sum(r.squaredNorm, margin.lossSum(rows: inputs.rows), interrupt ? 1 : 0, over: communicator, phases)
    gradient.combine(-1, message.parameters, 0)
    gradient.combine(Scalar(μ), parameters)
    let gradientNorm = gradient.norm
    var report = StepReport(
      loss: message[scalar: 1] / Double(batchSize), gradientNorm: gradientNorm, damping: λ,
      solver: SolverSummary(iterations: 0, residual: .nan, termination: .nonFinite))
    report.interrupted = message[scalar: 2] > 0

    // Momentum and weight decay move the starting point to Δ₀ and the right-hand side to s − RΔ₀.
    let hasAnchor = η != 0 || μ != 0
    if hasAnchor {
      anchor.combine(Scalar(λ * η / (λ + μ)), lastStep, 0)
      anchor.combine(Scalar(-μ / (λ + μ)), parameters)
      phases.measure(.jvp) { rowSpace.apply(anchor, into: t) }
      r.combine(-1, t)
      phases.measure(.vjp) { rowSpace.applyTransposed(r, into: message.parameters) }
      try message.sum(r.squaredNorm, over: communicator, phases)
    }

    // Solve for Δ − Δ₀.
    report.solver = try phases.measure(.solve) {
      try solver.solve(
        rowSpace, r, damping: λ + μ, reference: gradientNorm > 0 ? gradientNorm : message.parameters.norm,
        message: message, step: step, options: options.solver, phases: phases)
    }

    // The quadratic model along Δ: slope ∇fᵀΔ and curvature Δᵀ(G + μI)Δ. GΔ comes without another product from the
    // solver's residual, z = −g − GΔ₀ − (G+λ+μ)(Δ−Δ₀).
    let dampingTerm = (λ + μ) * step.squaredNorm + (hasAnchor ? (λ + μ) * step.dot(anchor) : 0)
    if hasAnchor { step.combine(1, anchor) }
    let squaredStep = step.squaredNorm
    let slope = gradient.dot(step)
    let decayOverlap = μ * parameters.dot(step)
    let curvature = -(slope - decayOverlap) - dampingTerm - message.parameters.dot(step) + μ * squaredStep
    let model = Quadratic(slope: slope, curvature: curvature)
    report.stepNorm = squaredStep.squareRoot()

    // Step length.
    if options.stepLength == .ggn {
      let full = try fullCurvature(along: step, labels, batchSize) + μ * squaredStep
      report.stepLength = StepLength.ggn(slope: slope, curvature: full)
    }
    var length = rate * report.stepLength
    if options.stepLength == .lineSearch || options.damping.policy != .constant {
      // (μ/2)(‖θ + τΔ‖² − ‖θ‖²)
      let decay = Quadratic(slope: decayOverlap, curvature: μ * squaredStep)
      var change = try changes(at: [length], from: parameters, labels, batchSize, decay)[0]
      if options.stepLength == .lineSearch, !StepLength.isSufficient(change: change, length: length, slope: slope) {
        let lengths = StepLength.backtracks.map { $0 * length }
        let trials = try changes(at: lengths, from: parameters, labels, batchSize, decay)
        let chosen = zip(lengths, trials).first { StepLength.isSufficient(change: $1, length: $0, slope: slope) }
        (length, change) = chosen ?? (0, .nan)
      }
      report.stepLength = length / rate
      // A step that momentum turned uphill has no predicted reduction to compare with.
      let predicted = model(length)
      report.reductionRatio = predicted < 0 ? change / predicted : .nan
    }

    // Damping, update.
    phases.measure(.update) {
      let isFinite = report.loss.isFinite && report.stepNorm.isFinite && report.solver.termination != .nonFinite
      let ratio = isFinite ? report.reductionRatio ?? 1 : .nan
      let (nextDamping, accepted) = Damping.update(λ, ratio: ratio, options.damping)
      damping = nextDamping
      report.accepted = accepted && isFinite && length > 0
      // After a step that is not taken, momentum would lead there again.
      guard report.accepted else { return lastStep.fill(0) }
      parameters.combine(Scalar(length), step)
      if η != 0 { lastStep.assign(step) }
    }
    return report
  }

  /// ΔᵀG_GGN Δ of the whole batch: one JVP and the full softmax covariance at the logits. Collective.
  ///
  /// By the exact split diag(π) − ππᵀ = p(1−p) v vᵀ + (1−p)(diag(q) − q qᵀ).
  private func fullCurvature(
    along step: Vector<Scalar>, _ labels: ArraySlice<Int32>, _ batchSize: Int
  ) throws -> Double {
    let tangents = phases.measure(.jvp) { linearization.jvp(step) }
    let sum = phases.measure(.forward) {
      margin.fullCurvatureSum(cotangents: linearization.logits, tangents: tangents, labels: labels)
    }
    return try phases.measure(.communication) { try communicator.allreduce(sum) } / Double(batchSize)
  }

  /// f(θ + τΔ) − f(θ) on the batch for each τ, summed as differences. One collective.
  private func changes(
    at lengths: [Double], from parameters: Vector<Scalar>, _ labels: ArraySlice<Int32>, _ batchSize: Int,
    _ decay: Quadratic
  ) throws -> [Double] {
    let sums = phases.measure(.forward) {
      lengths.map { length in
        candidate.assign(parameters)
        candidate.combine(Scalar(length), step)
        trialMargin.assign(replacing: linearization.logits(at: candidate), labels: labels)
        return trialMargin.lossChange(from: margin, rows: labels.count)
      }
    }
    let totals = try phases.measure(.communication) { try communicator.allreduce(sums) }
    return zip(lengths, totals).map { $1 / Double(batchSize) + decay($0) }
  }
}

/// A change along the step as a function of its length τ: τ·slope + ½τ²·curvature.
private struct Quadratic {
  let slope, curvature: Double

  func callAsFunction(_ length: Double) -> Double { length * slope + length * length * curvature / 2 }
}
