import LinearAlgebra

/// An approximation M of H by which conjugate gradient measures: z = M⁻¹r is cheap.
protocol Preconditioner: AnyObject {
  /// z ← M⁻¹r (P). Local; the same on all ranks.
  func apply(_ r: Vector<Double>, into z: Vector<Double>)
}

/// H d = −g for the step d, preconditioned by M. The residual is √(rᵀM⁻¹r), relative to that of the beginning, so that it
/// has no units: features on other scales have the same solve.
struct NewtonSystem: ConjugateGradientSystem {
  /// The memory of a solve (P each).
  struct Scratch {
    let b, r, z, direction, image: Vector<Double>

    init(parameterCount: Int) {
      func vector() -> Vector<Double> { Vector(zeros: parameterCount) }
      (b, r, z, direction, image) = (vector(), vector(), vector(), vector(), vector())
    }
  }

  let scratch: Scratch
  /// The step (P).
  let x: Vector<Double>
  let preconditioner: any Preconditioner
  let space: any ParameterSpace
  /// image ← H·v
  let product: (_ v: Vector<Double>, _ image: Vector<Double>) throws -> Void
  private var reference = 0.0
  /// rᵀz
  private var ρ = 0.0

  /// The scratch begins with r = −g.
  init(
    _ scratch: Scratch, x: Vector<Double>, preconditioner: any Preconditioner, over space: any ParameterSpace,
    product: @escaping (_ v: Vector<Double>, _ image: Vector<Double>) throws -> Void
  ) {
    (self.scratch, self.x, self.preconditioner, self.space) = (scratch, x, preconditioner, space)
    self.product = product
  }

  mutating func begin() throws -> ConjugateGradientState {
    x.fill(0)
    scratch.b.assign(scratch.r)
    try precondition()
    scratch.direction.assign(scratch.z)
    reference = max(0, ρ).squareRoot()
    return state
  }

  func curvature() throws -> Double {
    try product(scratch.direction, scratch.image)
    return try space.totals(scratch.direction.dot(scratch.image))
  }

  mutating func advance(by α: Double, replaces: Bool) throws -> Double {
    x.combine(α, scratch.direction)
    if replaces {
      try product(x, scratch.image)
      scratch.r.assign(scratch.b)
      scratch.r.combine(-1, scratch.image)
    } else {
      scratch.r.combine(-α, scratch.image)
    }
    try precondition()
    return ρ
  }

  func turn(by β: Double) -> ConjugateGradientState {
    scratch.direction.combine(1, scratch.z, β)
    return state
  }

  /// z ← M⁻¹r
  private mutating func precondition() throws {
    preconditioner.apply(scratch.r, into: scratch.z)
    ρ = try space.totals(scratch.r.dot(scratch.z))
  }

  private var state: ConjugateGradientState {
    ConjugateGradientState(squaredResidual: ρ, residual: ρ == 0 ? 0 : max(0, ρ).squareRoot() / reference)
  }
}
