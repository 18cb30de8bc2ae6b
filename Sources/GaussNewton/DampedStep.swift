import LinearAlgebra

/// What the damped methods share before and after their solve: λ, the last step Δ₋ and the starting point Δ₀; then the
/// quadratic model along Δ, its length, and the update.
///
/// A step minimises gᵀΔ + ½ΔᵀGΔ + (λ/2)‖Δ − ηΔ₋‖² + (μ/2)‖θ + Δ‖² over Δ: a model of the loss around θ with damping λ,
/// momentum η towards the last step, and weight decay μ. Its minimiser is Δ = Δ₀ + y,
/// (G + (λ+μ)I) y = −g − GΔ₀, Δ₀ = (λη Δ₋ − μθ)/(λ+μ). Momentum: Goldshlager et al., arXiv 2401.10190.
package final class DampedStep<Scalar: DistributedScalar> {
  let options: GaussNewtonOptions
  /// λ of the next step.
  package var damping: Double
  /// Δ₋, the last accepted step before its length and rate (P); zero at first.
  package let lastStep: Vector<Scalar>
  /// g + μθ (P).
  let gradient: Vector<Scalar>
  /// Δ₀ (P).
  let anchor: Vector<Scalar>
  /// y when it has been solved for, then Δ (P).
  let step: Vector<Scalar>

  init(parameterCount: Int, options: GaussNewtonOptions) {
    self.options = options
    damping = options.damping.initial
    lastStep = Vector(zeros: parameterCount)
    gradient = Vector(zeros: parameterCount)
    anchor = Vector(zeros: parameterCount)
    step = Vector(zeros: parameterCount)
  }

  /// Whether momentum or weight decay move Δ₀ from zero.
  var hasAnchor: Bool { options.momentum != 0 || options.weightDecay != 0 }

  /// gradient ← g + μθ, given −g; the report of the step begins with it.
  func begin(
    _ parameters: Vector<Scalar>, negativeGradient: Vector<Scalar>, loss: Double, interrupted: Bool
  ) -> StepReport {
    gradient.combine(-1, negativeGradient, 0)
    gradient.combine(Scalar(options.weightDecay), parameters)
    var report = StepReport(loss: loss, gradientNorm: gradient.norm, damping: damping)
    report.interrupted = interrupted
    return report
  }

  /// anchor ← Δ₀ = (λη Δ₋ − μθ)/(λ+μ)
  func assignAnchor(_ parameters: Vector<Scalar>) {
    let (λ, μ, η) = (damping, options.weightDecay, options.momentum)
    anchor.combine(Scalar(λ * η / (λ + μ)), lastStep, 0)
    anchor.combine(Scalar(-μ / (λ + μ)), parameters)
  }

  /// Turns y into Δ = Δ₀ + y, and models the objective along it: slope ∇fᵀΔ and curvature Δᵀ(G + μI)Δ.
  ///
  /// GΔ comes without another product from the solver's residual, z = −g − GΔ₀ − (G+λ+μ)y.
  func model(_ parameters: Vector<Scalar>, residual z: Vector<Scalar>) -> StepModel {
    let (λ, μ) = (damping, options.weightDecay)
    let dampingTerm = (λ + μ) * step.squaredNorm + (hasAnchor ? (λ + μ) * step.dot(anchor) : 0)
    if hasAnchor { step.combine(1, anchor) }
    let slope = gradient.dot(step)
    let decayOverlap = μ * parameters.dot(step)
    let curvature = -(slope - decayOverlap) - dampingTerm - z.dot(step)
    return model(lossSlope: slope - decayOverlap, lossCurvature: curvature, decayOverlap: decayOverlap)
  }

  /// The same, where gᵀΔ and ΔᵀGΔ are known from the row space.
  func model(_ parameters: Vector<Scalar>, lossSlope: Double, lossCurvature: Double) -> StepModel {
    if hasAnchor { step.combine(1, anchor) }
    let decayOverlap = options.weightDecay == 0 ? 0 : options.weightDecay * parameters.dot(step)
    return model(lossSlope: lossSlope, lossCurvature: lossCurvature, decayOverlap: decayOverlap)
  }

  /// Of μθᵀΔ, the overlap with weight decay, and the loss's own terms.
  private func model(lossSlope: Double, lossCurvature: Double, decayOverlap: Double) -> StepModel {
    let squaredStep = step.squaredNorm
    let decay = Quadratic(slope: decayOverlap, curvature: options.weightDecay * squaredStep)
    return StepModel(
      objective: Quadratic(slope: lossSlope + decay.slope, curvature: lossCurvature + decay.curvature),
      decay: decay, squaredStep: squaredStep)
  }

  /// How far to go along Δ in all, rate included; 0 where the objective decreases nowhere. Collective.
  ///
  /// - Parameter fullCurvature: Δᵀ(G_GGN + μI)Δ, if the step length is `ggn`.
  func length(
    _ model: StepModel, fullCurvature: Double?, rate: Double, on loss: BatchLoss<Scalar>,
    from parameters: Vector<Scalar>, _ report: inout StepReport
  ) throws -> Double {
    let slope = model.objective.slope
    if let fullCurvature { report.stepLength = StepLength.ggn(slope: slope, curvature: fullCurvature) }
    var length = rate * report.stepLength
    guard options.stepLength == .lineSearch || options.damping.policy != .constant else { return length }

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

  /// Adapts λ, and moves θ by `length`·Δ if the step is good enough.
  func finish(_ parameters: Vector<Scalar>, length: Double, _ report: inout StepReport) {
    let isFinite =
      report.loss.isFinite && report.stepNorm.isFinite && report.solver?.termination != .nonFinite
    let ratio = isFinite ? report.reductionRatio ?? 1 : .nan
    let (nextDamping, accepted) = Damping.update(damping, ratio: ratio, options.damping)
    damping = nextDamping
    report.accepted = accepted && isFinite && length > 0
    // After a step that is not taken, momentum would lead there again.
    guard report.accepted else { return lastStep.fill(0) }
    parameters.combine(Scalar(length), step)
    if options.momentum != 0 { lastStep.assign(step) }
  }
}

/// The objective along Δ as its quadratic model has it, and the share of weight decay, which is exact.
struct StepModel {
  let objective: Quadratic
  /// (μ/2)(‖θ + τΔ‖² − ‖θ‖²)
  let decay: Quadratic
  /// ‖Δ‖²
  let squaredStep: Double
}

/// A change along the step as a function of its length τ: τ·slope + ½τ²·curvature.
struct Quadratic {
  let slope, curvature: Double

  func callAsFunction(_ length: Double) -> Double { length * slope + length * length * curvature / 2 }
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

  package var memory: [(name: String, vector: Vector<Scalar>)] {
    options.momentum == 0 ? [] : [("last_step", lastStep)]
  }

  package var counters: OptimizerCounters {
    get { OptimizerCounters(damping: damping) }
    set { if let damping = newValue.damping { damped.damping = damping } }
  }
}
