import LinearAlgebra

/// Δ₀ = ηΔ₋ − μ/(λ+μ) M⁻¹(ηΔ₋ + Dθ), where momentum and weight decay lead from θ, and how much of it the linear model of a batch
/// must tell.
///
/// With `nesterov` a batch is linearised at θ + Δ₀: no linear model needs to tell what Δ₀ does, unless λ or M have changed since
/// then. Momentum: Goldshlager et al., arXiv 2401.10190.
final class Anchor<Scalar: DistributedScalar> {
  private let options: GaussNewtonOptions
  private let decay: WeightDecay<Scalar>
  /// Δ₋, the last accepted step before its length and rate (P); zero at first.
  var lastStep: Vector<Scalar>
  /// Δ₀ (P); with `nesterov` what it was when the batch was linearised there.
  let vector: Vector<Scalar>
  /// How far Δ₀ is from where the batch was linearised (P), which the linear model must tell; nil if it is there.
  private(set) var shift: Vector<Scalar>?
  /// With `nesterov` the memory of that, where there can be one.
  private let correction: Vector<Scalar>
  /// θ + Δ₀ (P), if it is ever looked at.
  private let ahead: Vector<Scalar>
  /// With `nesterov` θ, and the λ and the metric of Δ₀ as the batch was linearised there; nil before a step.
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

  /// Whether momentum or weight decay move Δ₀ from zero.
  private var isMoved: Bool { options.momentum != 0 || options.weightDecay != 0 }

  /// Whether the batch is linearised at θ + Δ₀, so that Δ₀ needs no product of its own.
  var looksAhead: Bool { isMoved && options.nesterov }

  /// Whether the linear model around θ tells in every step what Δ₀ does.
  var isPredicted: Bool { isMoved && !options.nesterov }

  /// Where the batch is linearised: θ, or θ + Δ₀. `unify` makes one rank's word for all of what each has divided by the metric
  /// for itself.
  func start(
    from parameters: Vector<Scalar>, damping λ: Double, metric: Metric<Scalar>?,
    unify: (Vector<Scalar>) throws -> Void
  ) rethrows -> Vector<Scalar> {
    guard looksAhead else { return parameters }
    outset = (parameters, λ, metric?.version ?? 0)
    if let metric, divides(metric) {
      assign(vector, parameters, λ, metric)
      try unify(vector)
      ahead.assign(1, vector, 1, parameters)
    } else {
      let (a, b) = factors(λ)
      for (range, rate) in decay.parts {
        vector[range].assign(
          Scalar(a), lastStep[range], Scalar(b * rate), parameters[range], sum: ahead[range])
      }
    }
    return ahead
  }

  /// Finds out how far Δ₀ is from where the batch was linearised, for λ and the metric as they are now. Returns it.
  ///
  /// - Parameter parameters: where that was.
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

  /// Forgets where the batch was linearised.
  func finish() { outset = nil }

  /// result ← Δ₀
  private func assign(
    _ result: Vector<Scalar>, _ parameters: Vector<Scalar>, _ λ: Double, _ metric: Metric<Scalar>?
  ) {
    let (a, b) = factors(λ)
    if let metric, divides(metric) {
      let η = options.momentum
      result.combine(Scalar(options.weightDecay * b * η), lastStep, 0)
      decay.add(parameters, times: b, to: result)
      metric.divide(result, 0..<result.count)
      result.combine(Scalar(η), lastStep)
    } else {
      decay.assign(result, parameters, times: b, Scalar(a), lastStep)
    }
  }

  /// Of Δ₋ and of μDθ in Δ₀ where M = I.
  private func factors(_ λ: Double) -> (Double, Double) {
    let total = λ + options.weightDecay
    return (λ * options.momentum / total, -1 / total)
  }

  /// Whether the metric has a part in Δ₀.
  private func divides(_ metric: Metric<Scalar>) -> Bool { metric.isKnown && options.weightDecay > 0 }
}
