import LinearAlgebra
import Networks

/// The parts of a step that damped methods share: the gradient before the solve; afterwards Δ, the quadratic model
/// along it, its length, and the update. λ, Δ₀ and weight decay have types of their own.
///
/// A step minimises gᵀΔ + ½ΔᵀGΔ + (λ/2)‖Δ − ηΔ₋‖² + (μ/2)‖Dθ + Δ‖² over Δ: a model of the loss around θ with damping λ,
/// momentum η towards the last step, and weight decay μ of the parameters that D keeps; for other parameters its
/// curvature adds a little damping. The minimiser is Δ = Δ₀ + y, (G + (λ+μ)M) y = −g − GΔ₀, Δ₀ = ηΔ₋ − μ/(λ+μ) M⁻¹(ηΔ₋
/// + Dθ), with M = I. Where damping and momentum measure in a metric N, ‖v‖² = vᵀNv, it is M = (λN + μI)/(λ+μ) (see
/// `Metric`). With `nesterov`, g and G are taken at θ + Δ₀, and the term −GΔ₀ vanishes.
package final class DampedStep<Scalar: DistributedScalar> {
  let options: GaussNewtonOptions
  var control: DampingControl
  let anchor: Anchor<Scalar>
  /// Called before each update.
  var willUpdate: () -> Void = {}
  private let space: any ParameterSpace
  private let decay: WeightDecay<Scalar>
  /// g + μDθ (P).
  let gradient: Vector<Scalar>
  /// y after the solve, then Δ (P).
  private(set) var step: Vector<Scalar>

  init(_ layout: ParameterLayout, options: GaussNewtonOptions, over space: any ParameterSpace) {
    self.options = options
    self.space = space
    control = DampingControl(options.damping)
    decay = WeightDecay(
      rate: options.weightDecay, includesBiases: options.decaysBiases, toInitial: options.decaysToInitial, layout,
      over: space)
    anchor = Anchor(parameterCount: layout.count, options: options, decay: decay)
    gradient = Vector(zeros: layout.count)
    step = Vector(zeros: layout.count)
  }

  var memory: [(name: String, vector: Vector<Scalar>)] {
    (options.momentum == 0 ? [] : [("last_step", anchor.lastStep)]) + decay.memory
  }

  /// Notes the parameters that a run begins with.
  func begin(at parameters: Vector<Scalar>) { decay.begin(at: parameters) }

  /// λ of the next step.
  var damping: Double { control.damping }

  /// λ + μ
  var totalDamping: Double { damping + options.weightDecay }

  /// gradient ← g + μDθ, given −g; returns its norm. Collective.
  func assignGradient(_ parameters: Vector<Scalar>, negativeGradient: Vector<Scalar>) throws -> Double {
    decay.assign(gradient, parameters, times: 1, -1, negativeGradient)
    return try space.totals(space.sum(gradient.count) { gradient[$0].squaredNorm }).squareRoot()
  }

  /// Turns y into Δ = Δ₀ + y, relative to the point of linearisation, and models the objective along it: its slope
  /// ∇fᵀΔ, and the curvature of G and of weight decay. Collective.
  ///
  /// GΔ follows from the solver's residual, z = −g − GΔ₀ − (G+λ+μ)y, without another product. M = I.
  func complete(_ parameters: Vector<Scalar>, residual z: Vector<Scalar>) throws -> StepModel {
    let count = step.count
    let dampingTerm =
      totalDamping * space.sum(count) { step[$0].squaredNorm }
      + (anchor.shift.map { shift in totalDamping * space.sum(count) { step[$0].dot(shift[$0]) } } ?? 0)
    let change = completeOwn(parameters)
    let slope = space.sum(count) { gradient[$0].dot(step[$0]) } - change.decay.slope
    let loss = Quadratic(
      slope: slope, curvature: -slope - dampingTerm - space.sum(count) { z[$0].dot(step[$0]) })
    return try space.totals(StepModel(loss: loss, change))
  }

  /// Turns y into Δ = Δ₀ + y where the loss along Δ is known; returns the change of the decay term, and ‖Δ‖².
  /// Collective.
  func complete(_ parameters: Vector<Scalar>) throws -> StepChange { try space.totals(completeOwn(parameters)) }

  /// Turns this rank's parameters of y into those of Δ, and returns their part of the change. Local.
  private func completeOwn(_ parameters: Vector<Scalar>) -> StepChange {
    anchor.shift.map { decay.change(parameters, step, adding: $0) } ?? decay.change(parameters, step)
  }

  /// Turns y into Δ = Δ₀ + y, relative to the point of linearisation.
  func addShift() {
    if let shift = anchor.shift { step.combine(1, shift) }
  }

  /// The change of the decay term along Δ, and ‖Δ‖². Collective.
  func change(_ parameters: Vector<Scalar>) throws -> StepChange {
    try space.totals(decay.change(parameters, step))
  }

  /// Adapts λ, and moves θ by `length`·Δ, or by `rate`·(Δ₀ + `length`·y), if the step is accepted. Collective.
  func finish(_ parameters: Vector<Scalar>, length: Double, rate: Double, _ report: inout StepReport) throws {
    willUpdate()
    report.accepted = control.finish(report) && length > 0
    anchor.finish()
    // After a rejected step, momentum would lead there again.
    guard report.accepted else { return anchor.lastStep.fill(0) }
    if anchor.looksAhead {
      let own = space.sum(step.count) {
        parameters[$0].advance(
          Scalar(length), step[$0], anchor.vector[$0], rate: Scalar(rate), step: anchor.lastStep[$0])
      }
      report.stepNorm = try space.totals(own).squareRoot()
    } else {
      parameters.combine(Scalar(length), step)
      // The next step overwrites the last but one.
      if options.momentum != 0 { swap(&anchor.lastStep, &step) }
    }
  }
}
