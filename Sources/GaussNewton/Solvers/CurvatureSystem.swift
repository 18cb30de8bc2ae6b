import LinearAlgebra

/// (G + λI) y = z₀ in the parameter space, for a matrix G known by its products. y, its residual z and the direction d
/// have P numbers. The residual is ‖z‖, relative to ‖g‖.
struct CurvatureSystem<Scalar: DistributedScalar>: ConjugateGradientSystem {
  /// The memory of a solve: d, and a copy of z₀.
  struct Scratch {
    fileprivate let direction, start: Vector<Scalar>

    init(parameterCount: Int) {
      direction = Vector(zeros: parameterCount)
      start = Vector(zeros: parameterCount)
    }
  }

  /// The starting point of a solve.
  struct Start {
    /// z₀, and then z.
    let residual: Vector<Scalar>
    /// The norm that the residual is relative to, ‖g‖.
    let reference: Double
  }

  let start: Start
  let y: Vector<Scalar>
  let λ: Double
  let space: any ParameterSpace
  let scratch: Scratch
  /// G u, valid until the next call. One product per iteration, and one more where the residual is replaced.
  let product: (Vector<Scalar>) throws -> Vector<Scalar>
  /// G d
  private var productOfDirection: Vector<Scalar>?
  /// zᵀz and dᵀd
  private var squaredResidual = 0.0
  private var squaredDirection = 0.0
  /// α that `turn` still has to apply to y along d.
  private var pendingLength: Double?

  private var z: Vector<Scalar> { start.residual }
  private var d: Vector<Scalar> { scratch.direction }

  init(
    _ start: Start, y: Vector<Scalar>, λ: Double, over space: any ParameterSpace, scratch: Scratch,
    product: @escaping (Vector<Scalar>) throws -> Vector<Scalar>
  ) {
    (self.start, self.y, self.λ, self.space, self.scratch) = (start, y, λ, space, scratch)
    self.product = product
  }

  mutating func begin() throws -> ConjugateGradientState {
    y.fill(0)
    scratch.start.assign(z)
    d.assign(z)
    squaredResidual = try space.totals(space.sum(z.count) { z[$0].squaredNorm })
    squaredDirection = squaredResidual
    return state
  }

  mutating func curvature() throws -> Double {
    let Gd = try product(d)
    productOfDirection = Gd
    return try space.totals(space.sum(d.count) { d[$0].dot(Gd[$0]) }) + λ * squaredDirection
  }

  mutating func advance(by α: Double, replaces: Bool) throws -> Double {
    let Gd = productOfDirection!
    var square = space.sum(d.count) { z[$0].subtract(Scalar(α), Gd[$0], Scalar(α * λ), d[$0]) }
    pendingLength = replaces ? nil : α
    if replaces {
      y.combine(Scalar(α), d)
      z.assign(scratch.start)
      let Gy = try product(y)
      square = space.sum(y.count) { z[$0].subtract(1, Gy[$0], Scalar(λ), y[$0]) }
    }
    squaredResidual = try space.totals(square)
    return squaredResidual
  }

  mutating func turn(by β: Double) throws -> ConjugateGradientState {
    let square: Double
    if let α = pendingLength {
      // y ← y + αd, d ← z + βd
      square = space.sum(y.count) { y[$0].advance(Scalar(α), d[$0], by: z[$0], Scalar(β)).u }
    } else {
      d.combine(1, z, Scalar(β))
      square = space.sum(d.count) { d[$0].squaredNorm }
    }
    squaredDirection = try space.totals(square)
    return state
  }

  private var state: ConjugateGradientState {
    ConjugateGradientState(
      squaredResidual: squaredResidual,
      residual: squaredResidual == 0 ? 0 : squaredResidual.squareRoot() / start.reference)
  }
}
