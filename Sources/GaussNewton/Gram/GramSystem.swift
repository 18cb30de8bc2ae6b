import LinearAlgebra

/// (K + λI) x = b for all rows (B), through products with K. The residual is ‖Rᵀr‖ = √(rᵀKr), relative to ‖Rᵀs‖.
struct GramSystem<Kernel: KernelOperator>: ConjugateGradientSystem {
  typealias Scalar = Kernel.Scalar

  /// Vectors of all rows (B each): x, r and d with their products by K, and Ad = (K + λI)d.
  struct Scratch {
    let x, Kx, r, Kr, d, Kd, Ad: Vector<Scalar>
  }

  let K: Kernel
  let b: Vector<Scalar>
  let λ: Double
  /// ‖Rᵀs‖; nil where b is s, until the first product.
  private(set) var gradientNorm: Double?
  let scratch: Scratch
  /// rᵀKr, rᵀr, rᵀAd and dᵀAd of the last product, with the direction before the turn.
  private var product = (curvature: 0.0, squaredResidual: 0.0, correlation: 0.0, lastCurvature: 0.0)
  /// dᵀAd
  private var directionCurvature = 0.0

  init(K: Kernel, b: Vector<Scalar>, λ: Double, gradientNorm: Double?, scratch: Scratch) {
    self.K = K
    self.b = b
    self.λ = λ
    self.gradientNorm = gradientNorm
    self.scratch = scratch
  }

  mutating func begin() throws -> ConjugateGradientState {
    for vector in [scratch.x, scratch.Kx, scratch.d, scratch.Kd, scratch.Ad] { vector.fill(0) }
    scratch.r.assign(b)
    _ = try multiplyResidual()
    if gradientNorm == nil { gradientNorm = max(0, product.curvature).squareRoot() }
    return turn(by: 0)
  }

  func curvature() -> Double { directionCurvature }

  mutating func advance(by α: Double, replaces: Bool) throws -> Double {
    let α = Scalar(α)
    scratch.x.combine(α, scratch.d)
    if replaces {
      try K.multiply(scratch.x, into: scratch.Kx)
      scratch.r.assignResidual(of: b, scratch.Kx, λ, scratch.x)
    } else {
      scratch.r.combine(-α, scratch.Ad)
      scratch.Kx.combine(α, scratch.Kd)
    }
    return try multiplyResidual()
  }

  /// d, Kd, Ad and dᵀAd follow from Kr, without a further product.
  mutating func turn(by β: Double) -> ConjugateGradientState {
    directionCurvature =
      product.curvature + λ * product.squaredResidual + 2 * β * product.correlation + β * β * product.lastCurvature
    scratch.d.combine(1, scratch.r, Scalar(β))
    scratch.Kd.combine(1, scratch.Kr, Scalar(β))
    scratch.Ad.assign(scratch.Kd)
    scratch.Ad.combine(Scalar(λ), scratch.d)
    return ConjugateGradientState(
      squaredResidual: product.squaredResidual,
      residual: KernelResidual.relative(product.curvature, to: gradientNorm!))
  }

  /// Kr ← K r; returns rᵀr. Collective.
  private mutating func multiplyResidual() throws -> Double {
    let (r, Ad) = (scratch.r, scratch.Ad)
    let (curvature, sums) = try K.multiply(
      r, into: scratch.Kr,
      with: [
        (.squaredResidual, K.dot(r, r)), (.residualAlongImage, K.dot(r, Ad)),
        (.directionCurvature, K.dot(scratch.d, Ad)),
      ])
    product = (curvature, sums[.squaredResidual], sums[.residualAlongImage], sums[.directionCurvature])
    return product.squaredResidual
  }
}

/// The size of the residual r of a system with K.
enum KernelResidual {
  /// ‖Rᵀr‖ over ‖Rᵀs‖, given rᵀKr; where rounding makes it negative, its magnitude still measures the error.
  static func relative(_ square: Double, to gradientNorm: Double) -> Double {
    square == 0 ? 0 : square.magnitude.squareRoot() / gradientNorm
  }
}

extension Vector {
  /// self ← b − (K + λI)x, given Kx
  func assignResidual(of b: Vector, _ Kx: Vector, _ λ: Double, _ x: Vector) {
    assign(b)
    combine(-1, Kx)
    combine(Scalar(-λ), x)
  }
}
