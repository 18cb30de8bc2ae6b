import LinearAlgebra
import Networks

/// The change of the decay term along a step Δ, and ‖Δ‖².
struct StepChange {
  let decay: Quadratic
  let squaredStep: Double
}

extension StepChange {
  /// Where nothing decays.
  init(squaredStep: Double) { self.init(decay: Quadratic(slope: 0, curvature: 0), squaredStep: squaredStep) }
}

extension StepChange: NumberCoded {
  var numbers: [Double] { decay.numbers + squaredStep.numbers }

  init(takingFrom numbers: inout ArraySlice<Double>) {
    self.init(decay: Quadratic(takingFrom: &numbers), squaredStep: Double(takingFrom: &numbers))
  }
}

/// The objective's term (μ/2)‖D(θ − c)‖², where D keeps the parameters that decay: all, or all except biases. They decay to
/// zero, or to the parameters that a run begins with.
struct WeightDecay<Scalar: BLASScalar> {
  /// μ
  let rate: Double
  /// Consecutive parts of this rank's parameters, μ or 0 for each, and whether its sums have them.
  let parts: [Part]
  /// Whether c differs from zero.
  private let hasCenter: Bool
  /// c (P); empty for zero.
  private let center: Vector<Scalar>

  typealias Part = (range: Range<Int>, rate: Double, counts: Bool)

  init(
    rate: Double, includesBiases: Bool, toInitial: Bool, _ layout: ParameterLayout, over space: any ParameterSpace
  ) {
    self.rate = rate
    let count = Self.vectorCount(rate: rate, toInitial: toInitial)
    hasCenter = count > 0
    center = Vector(zeros: count * layout.count)
    parts = space.parts(of: layout.count).flatMap { whole, counts in
      var parts: [Part] = []
      for entry in layout.entries where whole.contains(entry.range.lowerBound) {
        let own = includesBiases || !entry.name.hasSuffix("bias") ? rate : 0
        if let last = parts.last, last.rate == own {
          parts[parts.count - 1].range = last.range.lowerBound..<entry.range.upperBound
        } else {
          parts.append((entry.range, own, counts))
        }
      }
      return parts
    }
  }

  /// The sum over this rank's parameters, given those of the parts; a term for the totals of the parameter space.
  func sum(_ body: (Part) -> Double) -> Double {
    parts.reduce(0) { sum, part in
      let own = body(part)
      return part.counts ? sum + own : sum
    }
  }

  /// What a checkpoint has to keep; the same vectors on a rank without parameters.
  var memory: [(name: String, vector: Vector<Scalar>)] { hasCenter ? [("decay_center", center)] : [] }

  /// Sets c, where it is not zero, to the parameters of the start.
  func begin(at parameters: Vector<Scalar>) {
    if center.count > 0 { center.assign(parameters) }
  }

  /// vector ← vector + factor · μD(θ − c).
  func add(_ parameters: Vector<Scalar>, times factor: Double = 1, to vector: Vector<Scalar>) {
    for part in parts { vector[part.range].combine(Scalar(factor * part.rate), parameters[part.range]) }
    removeCenter(from: vector, times: factor)
  }

  /// vector ← vector − factor · μDc, which turns decay to zero into decay to c.
  func removeCenter(from vector: Vector<Scalar>, times factor: Double = 1) {
    guard center.count > 0 else { return }
    for part in parts where part.rate != 0 {
      vector[part.range].combine(Scalar(-factor * part.rate), center[part.range])
    }
  }

  /// θ ← θ + sign · Dc.
  func moveByCenter(_ parameters: Vector<Scalar>, sign: Scalar) {
    guard center.count > 0 else { return }
    for part in parts where part.rate != 0 { parameters[part.range].combine(sign, center[part.range]) }
  }

  /// result ← factor · μD(θ − c) + a·x. The vectors share no memory.
  func assign(
    _ result: Vector<Scalar>, _ parameters: Vector<Scalar>, times factor: Double, _ a: Scalar, _ x: Vector<Scalar>
  ) {
    for (range, rate, _) in parts {
      if rate == 0 {
        result[range].combine(a, x[range], 0)
      } else {
        result[range].assign(Scalar(factor * rate), parameters[range], a, x[range])
      }
    }
    removeCenter(from: result, times: factor)
  }

  /// step ← step + y; returns the change of the term along the sum, as `change(_:_:)` does.
  func change(
    _ parameters: Vector<Scalar>, _ step: Vector<Scalar>, adding y: Vector<Scalar>
  ) -> StepChange {
    if rate == 0 { return StepChange(squaredStep: sum { step[$0.range].add(y[$0.range]) }) }
    return change(along: step) { step[$0].add(y[$0], dotAndSquare: parameters[$0]) }
  }

  /// The change of the term from θ to θ + τΔ, and ‖Δ‖².
  func change(_ parameters: Vector<Scalar>, _ step: Vector<Scalar>) -> StepChange {
    if rate == 0 { return StepChange(squaredStep: sum { step[$0.range].squaredNorm }) }
    return change(along: step) { step[$0].dotAndSquare(parameters[$0]) }
  }

  /// The change, given the sums of Δθ and Δ² over each part; Δ is complete after them.
  private func change(
    along step: Vector<Scalar>, _ sums: (Range<Int>) -> (dot: Double, square: Double)
  ) -> StepChange {
    var (slope, curvature, squaredStep) = (0.0, 0.0, 0.0)
    for part in parts {
      let (dot, square) = sums(part.range)
      if !part.counts { continue }
      slope += part.rate * (center.count == 0 ? dot : dot - step[part.range].dot(center[part.range]))
      curvature += part.rate * square
      squaredStep += square
    }
    return StepChange(decay: Quadratic(slope: slope, curvature: curvature), squaredStep: squaredStep)
  }
}
