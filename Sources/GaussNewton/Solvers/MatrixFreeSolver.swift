import LinearAlgebra

/// Solves (RRᵀ + λI) x = r₀ in the row space for Δ = Rᵀx, with products by R and Rᵀ alone. In a metric M = LLᵀ, R
/// stands for RL⁻ᵀ, and the result is LᵀΔ.
///
/// Δ and u = Rᵀd follow by recurrence, so that an iteration takes one product by R and one by Rᵀ, with its sums. The
/// test is on z = Rᵀr, the residual of the step in parameter space: single misclassified examples dominate ‖r‖.
package final class MatrixFreeSolver<Scalar: DistributedScalar> {
  /// The starting point of a solve; the image of R is Rᵀr₀.
  package struct Start {
    /// r₀, and then the residual rows (#b).
    let residual: Vector<Scalar>
    /// r₀ᵀr₀ over all rows.
    let squaredResidual: Double
    /// The norm that the residual is relative to, ‖g‖.
    let reference: Double

    package init(residual: Vector<Scalar>, squaredResidual: Double, reference: Double) {
      self.residual = residual
      self.squaredResidual = squaredResidual
      self.reference = reference
    }
  }

  /// x of the last solve (#b).
  package private(set) var solution: Vector<Scalar>
  private let space: any ParameterSpace
  private let scratch: MatrixFreeScratch<Scalar>

  /// Allocates memory for `capacity` local rows.
  package init(capacity: Int, parameterCount: Int, over space: any ParameterSpace) {
    self.space = space
    scratch = MatrixFreeScratch(capacity: capacity, parameterCount: parameterCount)
    solution = scratch.x
  }

  /// Solves for Δ and leaves it in `step` (P); afterwards the image of R is z. Collective.
  package func solve(
    _ R: some RowOperator<Scalar>, _ start: Start, damping λ: Double, step: Vector<Scalar>, options: SolverOptions
  ) throws -> SolverSummary {
    let own = scratch[rows: 0..<start.residual.count]
    solution = own.x
    var system = MatrixFreeSystem(R: R, space: space, λ: λ, given: start, step: step, scratch: own)
    return try ConjugateGradient.solve(
      &system, method: .cg, tolerance: options.tolerance, maxIterations: options.maxIterations)
  }
}

private struct MatrixFreeScratch<Scalar: DistributedScalar> {
  /// x, d, r₀ and a product Rv (#b each).
  let x, d, start, product: Vector<Scalar>
  /// u (P)
  let u: Vector<Scalar>

  init(capacity: Int, parameterCount: Int) {
    func rows() -> Vector<Scalar> { Vector(zeros: capacity) }
    self.init(x: rows(), d: rows(), start: rows(), product: rows(), u: Vector(zeros: parameterCount))
  }

  private init(
    x: Vector<Scalar>, d: Vector<Scalar>, start: Vector<Scalar>, product: Vector<Scalar>, u: Vector<Scalar>
  ) {
    (self.x, self.d, self.start, self.product, self.u) = (x, d, start, product, u)
  }

  /// The memory for the rows `range`, shared with this one.
  subscript(rows range: Range<Int>) -> Self {
    Self(x: x[range], d: d[range], start: start[range], product: product[range], u: u)
  }
}

private struct MatrixFreeSystem<Rows: RowOperator>: ConjugateGradientSystem {
  let R: Rows
  let space: any ParameterSpace
  let λ: Double
  let given: MatrixFreeSolver<Rows.Scalar>.Start
  /// Δ (P).
  let step: Vector<Rows.Scalar>
  let scratch: MatrixFreeScratch<Rows.Scalar>
  /// dᵀd and ‖u‖²
  var δ = 0.0
  var squaredU = 0.0
  /// The values that `turn` needs: α that it still has to apply to Δ along u, rᵀr, and rᵀd.
  var advanced = (α: 0.0, ρ: 0.0, σ: 0.0)

  private var r: Vector<Rows.Scalar> { given.residual }

  mutating func begin() throws -> ConjugateGradientState {
    scratch.x.fill(0)
    step.fill(0)
    scratch.start.assign(r)
    scratch.d.assign(r)
    scratch.u.assign(R.image)
    δ = given.squaredResidual
    squaredU = try space.totals(R.image.squaredNorm)
    return state(given.squaredResidual, squaredImage: squaredU)
  }

  /// dᵀ(RRᵀ + λI)d, from known values.
  func curvature() -> Double { squaredU + λ * δ }

  mutating func advance(by α: Double, replaces: Bool) throws -> Double {
    let (x, d, t) = (scratch.x, scratch.d, scratch.product)
    x.combine(Rows.Scalar(α), d)
    if replaces {
      step.combine(Rows.Scalar(α), scratch.u)
      try R.apply(step, into: t)
      r.assign(scratch.start)
      r.combine(-1, t)
      r.combine(-Rows.Scalar(λ), x)
    } else {
      try R.apply(scratch.u, into: t)
      t.combine(Rows.Scalar(λ), d)
      r.combine(Rows.Scalar(-α), t)
    }
    var terms: RowTerms = [(.squaredResidual, R.dot(r, r)), (.residualAlongDirection, R.dot(r, d))]
    if replaces { terms.append((.squaredDirection, R.dot(d, d))) }
    let sums = try R.applyTransposed(r, with: terms)
    if replaces { δ = sums[.squaredDirection] }
    advanced = (replaces ? 0 : α, sums[.squaredResidual], sums[.residualAlongDirection])
    return advanced.ρ
  }

  mutating func turn(by β: Double) throws -> ConjugateGradientState {
    δ = advanced.ρ + 2 * β * advanced.σ + β * β * δ
    scratch.d.combine(1, r, Rows.Scalar(β))
    let own = step.advance(Rows.Scalar(advanced.α), scratch.u, by: R.image, Rows.Scalar(β))
    let squares = try space.totals([own.u, own.z])
    squaredU = squares[0]
    return state(advanced.ρ, squaredImage: squares[1])
  }

  private func state(_ ρ: Double, squaredImage square: Double) -> ConjugateGradientState {
    ConjugateGradientState(
      squaredResidual: ρ, residual: square == 0 ? 0 : square.squareRoot() / given.reference)
  }
}
