import LinearAlgebra
import Networks

/// What the damped methods share before and after their solve: λ, the last step Δ₋ and the starting point Δ₀; then the
/// quadratic model along Δ, its length, and the update.
///
/// A step minimises gᵀΔ + ½ΔᵀGΔ + (λ/2)‖Δ − ηΔ₋‖² + (μ/2)‖Dθ + Δ‖² over Δ: a model of the loss around θ with damping λ,
/// momentum η towards the last step, and weight decay μ of the parameters that D keeps; for the others its curvature is a little
/// more damping. Its minimiser is Δ = Δ₀ + y, (G + (λ+μ)M) y = −g − GΔ₀, Δ₀ = ηΔ₋ − μ/(λ+μ) M⁻¹(ηΔ₋ + Dθ), with M = I;
/// where damping and momentum measure in a metric N, ‖v‖² = vᵀNv, M = (λN + μI)/(λ+μ) (see `Metric`). With `nesterov` g and G
/// are those at θ + Δ₀, in place of −GΔ₀: no linear model needs to tell what Δ₀ does, unless λ or M have changed since the
/// batch was linearised. Momentum: Goldshlager et al., arXiv 2401.10190.
package final class DampedStep<Scalar: DistributedScalar> {
  let options: GaussNewtonOptions
  /// λ of the next step.
  package var damping: Double
  /// Steps so far.
  package var steps = 0
  /// The batch's loss when λ was last looked at; nil if that raised it.
  private var calmLoss: Double?
  /// Δ₋, the last accepted step before its length and rate (P); zero at first.
  package private(set) var lastStep: Vector<Scalar>
  /// Is called before an update.
  var willUpdate: () -> Void = {}
  private let space: any ParameterSpace
  private let decay: WeightDecay<Scalar>
  /// g + μDθ (P).
  let gradient: Vector<Scalar>
  /// Δ₀ (P); with `nesterov` what it was when the batch was linearised there.
  let anchor: Vector<Scalar>
  /// How far Δ₀ is from where the batch was linearised (P), which the linear model must tell; nil if it is there.
  private(set) var shift: Vector<Scalar>?
  /// With `nesterov` the memory of that, where there can be one.
  private let correction: Vector<Scalar>
  /// With `nesterov` θ, and the λ and the metric of Δ₀ as the batch was linearised there; nil before a step.
  private var outset: (parameters: Vector<Scalar>, damping: Double, metricVersion: Int)?
  /// y when it has been solved for, then Δ (P).
  private(set) var step: Vector<Scalar>
  /// θ + Δ₀ (P), if it is ever looked at.
  private let ahead: Vector<Scalar>

  init(_ layout: ParameterLayout, options: GaussNewtonOptions, over space: any ParameterSpace) {
    let parameterCount = layout.count
    self.options = options
    self.space = space
    decay = WeightDecay(rate: options.weightDecay, includesBiases: options.decaysBiases, layout)
    damping = options.damping.start
    lastStep = Vector(zeros: parameterCount)
    gradient = Vector(zeros: parameterCount)
    anchor = Vector(zeros: parameterCount)
    step = Vector(zeros: parameterCount)
    ahead = Vector(zeros: options.nesterov ? parameterCount : 0)
    let mayShift = options.weightDecay > 0 && (options.metric.kind != .identity || options.damping.policy == .sweep)
    correction = Vector(zeros: options.nesterov && mayShift ? parameterCount : 0)
  }

  func resume(_ counters: OptimizerCounters) {
    if let damping = counters.damping { self.damping = damping }
    if let steps = counters.steps { self.steps = steps }
    calmLoss = counters.calmLoss
  }

  var counters: OptimizerCounters {
    OptimizerCounters(damping: damping, steps: steps, calmLoss: calmLoss)
  }

  var memory: [(name: String, vector: Vector<Scalar>)] {
    options.momentum == 0 ? [] : [("last_step", lastStep)]
  }

  /// Whether momentum or weight decay move Δ₀ from zero.
  var hasAnchor: Bool { options.momentum != 0 || options.weightDecay != 0 }

  /// Whether the batch is linearised at θ + Δ₀, so that Δ₀ needs no product of its own.
  var looksAhead: Bool { hasAnchor && options.nesterov }

  /// Whether the linear model around θ tells in every step what Δ₀ does.
  var predictsAnchor: Bool { hasAnchor && !options.nesterov }

  /// Whether an interval begins with the next step.
  private var isDue: Bool { steps % options.damping.interval == 0 }

  /// Whether every step chooses λ by a sweep.
  var alwaysSweeps: Bool { options.damping.policy == .sweep && options.damping.interval == 1 }

  /// Whether the next step chooses λ by a sweep.
  var sweeps: Bool { options.damping.policy == .sweep && isDue }

  /// Whether the success of this step, on a batch of loss `loss`, decides on λ: once in an interval, after a step that raised
  /// it, and where the loss has grown by a quarter since the last time.
  private func adapts(at loss: Double) -> Bool {
    guard options.damping.policy == .levenbergMarquardt else { return false }
    return isDue || !(loss <= 1.25 * (calmLoss ?? -.infinity))
  }

  /// Where the batch is linearised: θ, or θ + Δ₀, which leaves Δ₀ in the anchor. `agree` makes one rank's word for all of
  /// what each has divided by the metric for itself.
  func start(
    from parameters: Vector<Scalar>, metric: Metric<Scalar>?,
    agree: (Vector<Scalar>) throws -> Void
  ) rethrows -> Vector<Scalar> {
    guard looksAhead else { return parameters }
    outset = (parameters, damping, metric?.version ?? 0)
    if let metric, divides(metric) {
      assignAnchor(anchor, parameters, metric: metric)
      try agree(anchor)
      ahead.assign(1, anchor, 1, parameters)
    } else {
      let (a, b) = anchorFactors
      for (range, rate) in decay.parts {
        anchor[range].assign(
          Scalar(a), lastStep[range], Scalar(b * rate), parameters[range], sum: ahead[range])
      }
    }
    return ahead
  }

  /// gradient ← g + μDθ, given −g; returns its norm. Collective.
  func assignGradient(_ parameters: Vector<Scalar>, negativeGradient: Vector<Scalar>) throws -> Double {
    decay.assign(gradient, parameters, times: 1, -1, negativeGradient)
    return try space.total(gradient.squaredNorm).squareRoot()
  }

  /// Finds out how far Δ₀ is from where the batch was linearised, for λ and the metric as they are now. Returns it.
  ///
  /// - Parameter parameters: where that was.
  @discardableResult
  func assignShift(_ parameters: Vector<Scalar>, metric: Metric<Scalar>? = nil) -> Vector<Scalar>? {
    shift = nil
    if predictsAnchor {
      assignAnchor(anchor, parameters, metric: metric)
      shift = anchor
    } else if looksAhead, options.weightDecay > 0, let outset,
      outset.damping != damping || outset.metricVersion != metric?.version ?? 0
    {
      assignAnchor(correction, outset.parameters, metric: metric)
      correction.combine(-1, anchor)
      shift = correction
    }
    return shift
  }

  /// anchor ← Δ₀ = ηΔ₋ − μ/(λ+μ) M⁻¹(ηΔ₋ + Dθ)
  private func assignAnchor(_ anchor: Vector<Scalar>, _ parameters: Vector<Scalar>, metric: Metric<Scalar>?) {
    let (a, b) = anchorFactors
    if let metric, divides(metric) {
      let η = options.momentum
      anchor.combine(Scalar(options.weightDecay * b * η), lastStep, 0)
      decay.add(parameters, times: b, to: anchor)
      metric.divide(anchor, 0..<anchor.count)
      anchor.combine(Scalar(η), lastStep)
    } else {
      decay.assign(anchor, parameters, times: b, Scalar(a), lastStep)
    }
  }

  /// Of Δ₋ and of μDθ in Δ₀ where M = I.
  private var anchorFactors: (Double, Double) {
    let total = damping + options.weightDecay
    return (damping * options.momentum / total, -1 / total)
  }

  /// Whether the metric has a part in Δ₀.
  private func divides(_ metric: Metric<Scalar>) -> Bool { metric.isKnown && options.weightDecay > 0 }

  /// Turns y into Δ = Δ₀ + y, seen from where the batch was linearised, and models the objective along it: slope ∇fᵀΔ and the
  /// curvature of G and the decay. Collective.
  ///
  /// GΔ comes without another product from the solver's residual, z = −g − GΔ₀ − (G+λ+μ)y. M = I.
  func complete(_ parameters: Vector<Scalar>, residual z: Vector<Scalar>) throws -> StepModel {
    let total = damping + options.weightDecay
    let dampingTerm = total * step.squaredNorm + (shift.map { total * step.dot($0) } ?? 0)
    let change = completeOwn(parameters)
    let slope = gradient.dot(step) - change.decay.slope
    let loss = Quadratic(slope: slope, curvature: -slope - dampingTerm - z.dot(step))
    return try space.totals(StepModel(loss: loss, change))
  }

  /// The same where the loss along Δ is known otherwise: what else is to be known of Δ. Collective.
  func complete(_ parameters: Vector<Scalar>) throws -> StepChange { try space.totals(completeOwn(parameters)) }

  /// The same of this rank's parameters.
  private func completeOwn(_ parameters: Vector<Scalar>) -> StepChange {
    shift.map { decay.change(parameters, step, adding: $0) } ?? decay.change(parameters, step)
  }

  /// Turns y into Δ = Δ₀ + y, seen from where the batch was linearised.
  func addShift() {
    if let shift { step.combine(1, shift) }
  }

  /// What is to be known of Δ. Collective.
  func change(_ parameters: Vector<Scalar>) throws -> StepChange {
    try space.totals(decay.change(parameters, step))
  }

  /// How far to go along Δ in all, rate included, or along y from θ + Δ₀; 0 where the objective decreases nowhere.
  /// Collective.
  ///
  /// - Parameter fullCurvature: Δᵀ(G_GGN + μD)Δ, if the step length is `ggn`.
  func length(
    _ model: StepModel, fullCurvature: Double?, rate: Double, on loss: BatchLoss<Scalar>,
    from parameters: Vector<Scalar>, _ report: inout StepReport
  ) throws -> Double {
    let slope = model.objective.slope
    // The rate is for the way from θ, not for that from θ + Δ₀.
    let rate = looksAhead ? 1 : rate
    if let fullCurvature { report.stepLength = StepLength.ggn(slope: slope, curvature: fullCurvature) }
    var length = rate * report.stepLength
    guard options.stepLength == .lineSearch || adapts(at: report.loss) else { return length }

    /// f(θ + τΔ) − f(θ) with weight decay, for each τ.
    func changes(at lengths: [Double]) throws -> [Double] {
      zip(lengths, try loss.changes(at: lengths, along: step, from: parameters)).map { $1 + model.decay($0) }
    }
    var change = try changes(at: [length])[0]
    if options.stepLength == .lineSearch, !StepLength.isSufficient(change: change, length: length, slope: slope) {
      let lengths = StepLength.backtracks.map { $0 * length }
      let chosen = zip(lengths, try changes(at: lengths))
        .first { StepLength.isSufficient(change: $1, length: $0, slope: slope) }
      (length, change) = chosen ?? (0, .nan)
    }
    report.stepLength = length / rate
    // A step that momentum turned uphill has no predicted reduction to compare with.
    let predicted = model.objective(length)
    report.reductionRatio = predicted < 0 ? change / predicted : .nan
    return length
  }

  /// Adapts λ, and moves θ by `length`·Δ, or by `rate`·(Δ₀ + `length`·y), if the step is good enough.
  func finish(_ parameters: Vector<Scalar>, length: Double, rate: Double, _ report: inout StepReport) {
    willUpdate()
    let isFinite =
      report.loss.isFinite && report.stepNorm.isFinite && report.solver?.termination != .nonFinite
    let ratio = isFinite ? report.reductionRatio ?? 1 : .nan
    var accepted = true
    // What is not finite does not wait.
    if adapts(at: report.loss) || !isFinite {
      let before = damping
      (damping, accepted) = Damping.update(before, ratio: ratio, options.damping)
      calmLoss = damping > before || !isFinite ? nil : report.loss
    }
    steps += 1
    outset = nil
    report.accepted = accepted && isFinite && length > 0
    // After a step that is not taken, momentum would lead there again.
    guard report.accepted else { return lastStep.fill(0) }
    if looksAhead {
      report.stepNorm = parameters.advance(Scalar(length), step, anchor, rate: Scalar(rate), step: lastStep)
        .squareRoot()
    } else {
      parameters.combine(Scalar(length), step)
      // The next step is written where the last but one was.
      if options.momentum != 0 { swap(&lastStep, &step) }
    }
  }
}

/// The objective along Δ as its quadratic model has it, and the share of weight decay, which is exact.
struct StepModel {
  let objective: Quadratic
  /// (μ/2)(‖D(θ + τΔ)‖² − ‖Dθ‖²)
  let decay: Quadratic
  /// ‖Δ‖²
  let squaredStep: Double

  /// Given how the loss changes along Δ.
  init(loss: Quadratic, _ change: StepChange) {
    objective = Quadratic(
      slope: loss.slope + change.decay.slope, curvature: loss.curvature + change.decay.curvature)
    decay = change.decay
    squaredStep = change.squaredStep
  }
}

/// A change along the step as a function of its length τ: τ·slope + ½τ²·curvature.
struct Quadratic {
  let slope, curvature: Double

  func callAsFunction(_ length: Double) -> Double { length * slope + length * length * curvature / 2 }
}

extension Quadratic: NumberCoded {
  var numbers: [Double] { slope.numbers + curvature.numbers }

  init(takingFrom numbers: inout ArraySlice<Double>) {
    self.init(slope: Double(takingFrom: &numbers), curvature: Double(takingFrom: &numbers))
  }
}

extension StepModel: NumberCoded {
  var numbers: [Double] { objective.numbers + decay.numbers + squaredStep.numbers }

  init(takingFrom numbers: inout ArraySlice<Double>) {
    objective = Quadratic(takingFrom: &numbers)
    decay = Quadratic(takingFrom: &numbers)
    squaredStep = Double(takingFrom: &numbers)
  }
}

/// A method whose steps are damped and whose memory is λ and Δ₋.
package protocol DampedOptimizer: Optimizer {
  var options: GaussNewtonOptions { get }
  var damped: DampedStep<Scalar> { get }
}

extension DampedOptimizer {
  /// λ of the next step.
  package var damping: Double { damped.damping }

  /// Δ₋, the last accepted step before its length and rate (P); zero at first.
  package var lastStep: Vector<Scalar> { damped.lastStep }

  package var memory: [(name: String, vector: Vector<Scalar>)] { damped.memory }

  package var willUpdate: () -> Void {
    get { damped.willUpdate }
    set { damped.willUpdate = newValue }
  }

  package var counters: OptimizerCounters {
    get { damped.counters }
    set { damped.resume(newValue) }
  }
}
