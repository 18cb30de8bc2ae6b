import LinearAlgebra

/// Δ₀ = ηΔ₋ − μ/(λ+μ) M⁻¹(ηΔ₋ + Dθ), the step from θ that momentum and weight decay ask for, and the part of it that a
/// batch's linear model has to predict.
///
/// With `nesterov` a batch is linearised at θ + Δ₀, so that no linear model has to predict the effect of Δ₀, unless λ
/// or M have changed since. Momentum: Goldshlager et al., arXiv 2401.10190.
final class Anchor<Scalar: DistributedScalar> {
  private let options: GaussNewtonOptions
  private let decay: WeightDecay<Scalar>
  /// Δ₋, the last accepted step before its length and rate (P); zero at first.
  var lastStep: Vector<Scalar>
  /// Δ₀ (P); with `nesterov` its value when the batch was linearised.
  let vector: Vector<Scalar>
  /// Δ₀ relative to the point of linearisation (P), whose effect the linear model has to predict; nil where it is zero.
  private(set) var shift: Vector<Scalar>?
  /// The storage of `shift` with `nesterov`; empty where no shift can occur.
  private let correction: Vector<Scalar>
  /// θ + Δ₀ (P); empty without `nesterov`.
  private let ahead: Vector<Scalar>
  /// With `nesterov`, θ, λ and the version of the metric at the linearisation of the batch; nil between steps.
  private var outset: (parameters: Vector<Scalar>, damping: Double, metricVersion: Int)?

  init(parameterCount: Int, options: GaussNewtonOptions, decay: WeightDecay<Scalar>) {
    self.options = options
    self.decay = decay
    lastStep = Vector(zeros: parameterCount)
    vector = Vector(zeros: parameterCount)
    ahead = Vector(zeros: options.nesterov ? parameterCount : 0)
    let mayShift = options.weightDecay > 0 && (options.metric.kind != .identity || options.damping.policy == .sweep)
    correction = Vector(zeros: options.nesterov && mayShift ? parameterCount : 0)
  }

  /// Whether momentum or weight decay moves Δ₀ from zero.
  private var isMoved: Bool { options.momentum != 0 || options.weightDecay != 0 }

  /// Whether the batch is linearised at θ + Δ₀, so that Δ₀ needs no product of its own.
  var looksAhead: Bool { isMoved && options.nesterov }

  /// Whether the linear model around θ has to predict the effect of Δ₀ in each step.
  var isPredicted: Bool { isMoved && !options.nesterov }

  /// The point of linearisation: θ, or θ + Δ₀. `unify` makes a vector that each rank has divided by the factors of a
  /// metric equal on all ranks.
  func start(
    from parameters: Vector<Scalar>, damping λ: Double, metric: Metric<Scalar>?,
    unify: (Vector<Scalar>) throws -> Void
  ) rethrows -> Vector<Scalar> {
    guard looksAhead else { return parameters }
    outset = (parameters, λ, metric?.version ?? 0)
    if let metric, divides(metric) {
      assign(vector, parameters, λ, metric)
      if metric.hasFactors { try unify(vector) }
      ahead.assign(1, vector, 1, parameters)
    } else {
      let (a, b) = factors(λ)
      for (range, rate, _) in decay.parts {
        vector[range].assign(
          Scalar(a), lastStep[range], Scalar(b * rate), parameters[range], sum: ahead[range])
      }
      for moved in [vector, ahead] { decay.removeCenter(from: moved, times: b) }
    }
    return ahead
  }

  /// Determines Δ₀ relative to the point of linearisation, with the current λ and metric, and returns it.
  ///
  /// - Parameter parameters: the point of linearisation.
  @discardableResult
  func assignShift(
    _ parameters: Vector<Scalar>, damping λ: Double, metric: Metric<Scalar>?
  ) -> Vector<Scalar>? {
    shift = nil
    if isPredicted {
      assign(vector, parameters, λ, metric)
      shift = vector
    } else if looksAhead, options.weightDecay > 0, let outset,
      outset.damping != λ || outset.metricVersion != metric?.version ?? 0
    {
      assign(correction, outset.parameters, λ, metric)
      correction.combine(-1, vector)
      shift = correction
    }
    return shift
  }

  /// Ends a step: forgets the linearisation.
  func finish() { outset = nil }

  /// result ← Δ₀
  private func assign(
    _ result: Vector<Scalar>, _ parameters: Vector<Scalar>, _ λ: Double, _ metric: Metric<Scalar>?
  ) {
    let (a, b) = factors(λ)
    if let metric, divides(metric) {
      let η = options.momentum
      decay.assign(result, parameters, times: b, Scalar(options.weightDecay * b * η), lastStep)
      metric.divide(result, 0..<result.count)
      result.combine(Scalar(η), lastStep)
    } else {
      decay.assign(result, parameters, times: b, Scalar(a), lastStep)
    }
  }

  /// The factors of Δ₋ and of μDθ in Δ₀ where M = I.
  private func factors(_ λ: Double) -> (Double, Double) {
    let total = λ + options.weightDecay
    return (λ * options.momentum / total, -1 / total)
  }

  /// Whether Δ₀ depends on the metric.
  private func divides(_ metric: Metric<Scalar>) -> Bool { metric.isKnown && options.weightDecay > 0 }
}
