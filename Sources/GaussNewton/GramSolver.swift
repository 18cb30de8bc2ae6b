import LinearAlgebra

/// Solves (K + λI) x = r with the matrix K of all rows at hand. Local, and the same on all ranks.
final class GramSolver<Scalar: DistributedScalar> {
  private let factor = CholeskyFactor<Scalar>()
  private let doubleFactor = CholeskyFactor<Double>()
  /// x, the residual r − (K + λI)x, K times it, a direction d, and Kd (B each).
  private var vectors = [Vector<Scalar>](repeating: Vector(zeros: 0), count: 5)

  /// x of the last solve (B).
  private(set) var solution = Vector<Scalar>(zeros: 0)
  /// Kx (B).
  private(set) var product = Vector<Scalar>(zeros: 0)

  /// How often the residual of a factorisation is solved for again, if it does not meet the tolerance.
  private static var refinements: Int { 3 }

  /// Solves for x, until ‖Rᵀ(r − (K + λI)x)‖ ≤ tolerance · `reference`.
  func solve(
    _ K: Matrix<Scalar>, _ r: Vector<Scalar>, damping λ: Double, reference: Double, options: SolverOptions,
    kind: SolverOptions.Kind
  ) -> SolverSummary {
    let size = r.count
    for index in vectors.indices { vectors[index].grow(to: size) }
    solution = vectors[0][0..<size]
    product = vectors[4][0..<size]
    if kind == .gramCG { return conjugateGradient(K, r, λ, reference, options) }
    return cholesky(K, r, λ, reference, options.tolerance) ?? doubleCholesky(K, r, λ, reference, options.tolerance)
      ?? conjugateGradient(K, r, λ, reference, options)
  }

  /// r ← (K' + λI)⁻¹ r with the first rows and columns of K; NaN where rounding has spoilt K'.
  func solve(first r: Vector<Scalar>, of K: Matrix<Scalar>, damping λ: Double) {
    if factor.factorize(K, first: r.count, shift: Scalar(λ)) { factor.solve(r) } else { r.fill(.nan) }
  }

  /// nil if a pivot is not positive.
  private func cholesky(
    _ K: Matrix<Scalar>, _ r: Vector<Scalar>, _ λ: Double, _ reference: Double, _ tolerance: Double
  ) -> SolverSummary? {
    guard factor.factorize(K, shift: Scalar(λ)) else { return nil }
    return refine(K, r, λ, reference, tolerance, .cholesky) { factor.solve($0) }
  }

  private func doubleCholesky(
    _ K: Matrix<Scalar>, _ r: Vector<Scalar>, _ λ: Double, _ reference: Double, _ tolerance: Double
  ) -> SolverSummary? {
    if Scalar.self == Double.self { return nil }
    guard doubleFactor.factorize(K, shift: λ) else { return nil }
    return refine(K, r, λ, reference, tolerance, .doubleCholesky) { b in
      let x = Vector(b.array.map { Double($0) })
      doubleFactor.solve(x)
      for i in 0..<b.count { b[i] = Scalar(x[i]) }
    }
  }

  /// x from the factor, and again from its residual.
  private func refine(
    _ K: Matrix<Scalar>, _ r: Vector<Scalar>, _ λ: Double, _ reference: Double, _ tolerance: Double,
    _ method: SolverSummary.Method, solve: (Vector<Scalar>) -> Void
  ) -> SolverSummary {
    let rows = 0..<r.count
    let (e, Ke) = (vectors[1][rows], vectors[2][rows])
    var summary = SolverSummary(method: method, iterations: 0, residual: .infinity, termination: .iterationLimit)
    e.assign(r)
    solution.fill(0)
    while true {
      solve(e)
      solution.combine(1, e)
      summary.iterations += 1
      product.assignSymmetricProduct(K, solution)
      e.assign(r)
      e.combine(-1, product)
      e.combine(Scalar(-λ), solution)
      Ke.assignSymmetricProduct(K, e)
      let residual = relative(e.dot(Ke), to: reference)
      let improves = residual < summary.residual
      summary.residual = residual
      if !residual.isFinite { return summary.ended(.nonFinite) }
      if residual <= tolerance { return summary.ended(.converged) }
      if !improves { return summary.ended(.breakdown) }
      if summary.iterations > Self.refinements { return summary.ended(.iterationLimit) }
    }
  }

  /// The iteration of `ConjugateGradient` on the matrix.
  private func conjugateGradient(
    _ K: Matrix<Scalar>, _ r0: Vector<Scalar>, _ λ: Double, _ reference: Double, _ options: SolverOptions
  ) -> SolverSummary {
    let rows = 0..<r0.count
    let (x, r, Kr, d, Kd) = (solution, vectors[1][rows], vectors[2][rows], vectors[3][rows], vectors[4][rows])
    // Kd is where the product will be.
    defer { product.assignSymmetricProduct(K, x) }
    x.fill(0)
    r.assign(r0)
    Kr.assignSymmetricProduct(K, r)
    d.assign(r)
    Kd.assign(Kr)
    var ρ = r.squaredNorm
    var summary = SolverSummary(
      method: .gramCG, iterations: 0, residual: relative(r.dot(Kr), to: reference), termination: .iterationLimit)
    while true {
      if !summary.residual.isFinite { return summary.ended(.nonFinite) }
      if summary.residual <= options.tolerance { return summary.ended(.converged) }
      if summary.iterations == options.maxIterations { return summary.ended(.iterationLimit) }
      let curvature = d.dot(Kd) + λ * d.squaredNorm
      guard curvature > 0, ρ > 0 else { return summary.ended(.breakdown) }
      let α = Scalar(ρ / curvature)
      summary.iterations += 1
      x.combine(α, d)
      let replaces = summary.iterations % SolverOptions.replacementInterval == 0
      if replaces {
        // The recurrences drift by rounding: begin again from the residual of x itself.
        Kr.assignSymmetricProduct(K, x)
        r.assign(r0)
        r.combine(-1, Kr)
        r.combine(Scalar(-λ), x)
      } else {
        r.combine(-α, Kd)
        r.combine(-α * Scalar(λ), d)
      }
      Kr.assignSymmetricProduct(K, r)
      let next = r.squaredNorm
      let β = Scalar(SolverOptions.conjugation(next, ρ, replaces: replaces))
      d.combine(1, r, β)
      Kd.combine(1, Kr, β)
      ρ = next
      summary.residual = relative(r.dot(Kr), to: reference)
    }
  }

  /// The norm of Rᵀe over `reference`, given eᵀKe; where rounding makes that negative, its size is still the error.
  private func relative(_ square: Double, to reference: Double) -> Double {
    square == 0 ? 0 : square.magnitude.squareRoot() / reference
  }
}
