import LinearAlgebra
import Networks

/// The objective's term (μ/2)‖Dθ‖², where D keeps the parameters that decay: all, or all but biases.
struct WeightDecay<Scalar: BLASScalar> {
  /// μ
  let rate: Double
  /// Consecutive parts of the parameters, and μ or 0 for each.
  let parts: [(range: Range<Int>, rate: Double)]

  init(rate: Double, includesBiases: Bool, _ layout: ParameterLayout) {
    self.rate = rate
    var parts: [(range: Range<Int>, rate: Double)] = []
    for entry in layout.entries {
      let own = includesBiases || !entry.name.hasSuffix("bias") ? rate : 0
      if let last = parts.last, last.rate == own {
        parts[parts.count - 1].range = last.range.lowerBound..<entry.range.upperBound
      } else {
        parts.append((entry.range, own))
      }
    }
    self.parts = parts
  }

  /// vector ← vector + factor · μDθ.
  func add(_ parameters: Vector<Scalar>, times factor: Double = 1, to vector: Vector<Scalar>) {
    for part in parts { vector[part.range].combine(Scalar(factor * part.rate), parameters[part.range]) }
  }

  /// How the term changes from θ to θ + τΔ, and ‖Δ‖².
  func change(_ parameters: Vector<Scalar>, _ step: Vector<Scalar>) -> (decay: Quadratic, squaredStep: Double) {
    if rate == 0 { return (Quadratic(slope: 0, curvature: 0), step.squaredNorm) }
    var (slope, curvature, squaredStep) = (0.0, 0.0, 0.0)
    for part in parts {
      let (dot, square) = step[part.range].dotAndSquare(parameters[part.range])
      slope += part.rate * dot
      curvature += part.rate * square
      squaredStep += square
    }
    return (Quadratic(slope: slope, curvature: curvature), squaredStep)
  }
}
