import LinearAlgebra

/// Solves (K + λI) x = s − t with the matrix K of all rows.
final class GramSolver<Scalar: DistributedScalar> {
  private let factor = CholeskyFactor<Scalar>()
  private let doubleFactor = CholeskyFactor<Double>()
  /// x, Kx, the right-hand side b, its residual r, Kr, a direction d, Kd, and (K + λI)d (B each).
  private var vectors = [Vector<Scalar>](repeating: Vector(zeros: 0), count: 8)

  /// x of the last solve (B).
  private(set) var solution = Vector<Scalar>(zeros: 0)
  /// Kx (B).
  private(set) var product = Vector<Scalar>(zeros: 0)
  /// ‖Rᵀs‖
  private(set) var gradientNorm = 0.0

  /// How often the residual of a factorisation is solved for again, if it does not meet the tolerance.
  private static var refinements: Int { 3 }

  /// Solves for x, until ‖Rᵀ(s − t − (K + λI)x)‖ ≤ tolerance · ‖Rᵀs‖, given s and, unless it is zero, t of all rows (B), on
  /// all ranks. Where K has been gathered, which Cholesky needs, each rank solves for itself. Where it has not, this is
  /// collective, and every branch depends on sums over the ranks, which are the same on all of them.
  func solve(
    _ K: GramMatrix<Scalar>, _ s: Vector<Scalar>, minus t: Vector<Scalar>?, damping λ: Double, options: SolverOptions,
    kind: SolverOptions.Kind
  ) throws -> SolverSummary {
    let size = s.count
    for index in vectors.indices { vectors[index].grow(to: size) }
    let all = vectors.map { $0[0..<size] }
    (solution, product) = (all[0], all[1])
    let b = all[2]
    b.assign(s)
    if let t { b.combine(-1, t) }
    if t != nil || kind != .gramCG {
      gradientNorm = try max(0, K.multiply(s, into: product).curvature).squareRoot()
    }
    if kind != .gramCG, let summary = try cholesky(K, b, λ, options.toleranceWithMatrix) { return summary }
    return try conjugateGradient(K, b, isGradient: t == nil, λ, options)
  }

  /// r ← (K' + λI)⁻¹ r with the first rows and columns of K; NaN where rounding has spoilt K'.
  func solve(first r: Vector<Scalar>, of K: Matrix<Scalar>, damping λ: Double) {
    if factor.factorize(K, first: r.count, shift: Scalar(λ)) { factor.solve(r) } else { r.fill(.nan) }
  }

  /// By a factor of numbers of this precision or, if a pivot is not positive, of float64; nil if that fails too.
  private func cholesky(
    _ K: GramMatrix<Scalar>, _ b: Vector<Scalar>, _ λ: Double, _ tolerance: Double
  ) throws -> SolverSummary? {
    if factor.factorize(K.matrix, shift: Scalar(λ)) {
      return try refine(K, b, λ, tolerance, .cholesky) { factor.solve($0) }
    }
    guard Scalar.self != Double.self, doubleFactor.factorize(K.matrix, shift: λ) else { return nil }
    return try refine(K, b, λ, tolerance, .doubleCholesky) { r in
      let x = Vector(r.array.map { Double($0) })
      doubleFactor.solve(x)
      for i in 0..<r.count { r[i] = Scalar(x[i]) }
    }
  }

  /// x from the factor, and again from its residual.
  private func refine(
    _ K: GramMatrix<Scalar>, _ b: Vector<Scalar>, _ λ: Double, _ tolerance: Double, _ method: SolverSummary.Method,
    solve: (Vector<Scalar>) -> Void
  ) throws -> SolverSummary {
    let (x, r, Kr) = (solution, vectors[3][0..<b.count], vectors[4][0..<b.count])
    var summary = SolverSummary(method: method, iterations: 0, residual: .infinity, termination: .iterationLimit)
    r.assign(b)
    x.fill(0)
    while true {
      solve(r)
      x.combine(1, r)
      summary.iterations += 1
      try K.multiply(x, into: product)
      assignResidual(r, of: b, λ)
      let residual = relative(try K.multiply(r, into: Kr).curvature)
      let improves = residual < summary.residual
      summary.residual = residual
      if !residual.isFinite { return summary.ended(.nonFinite) }
      if residual <= tolerance { return summary.ended(.converged) }
      if !improves { return summary.ended(.breakdown) }
      if summary.iterations > Self.refinements { return summary.ended(.iterationLimit) }
    }
  }

  /// The iteration of `ConjugateGradient` on the matrix.
  ///
  /// - Parameter isGradient: whether b is s, so that ‖Rᵀb‖ is what the tolerance is relative to.
  private func conjugateGradient(
    _ K: GramMatrix<Scalar>, _ b: Vector<Scalar>, isGradient: Bool, _ λ: Double, _ options: SolverOptions
  ) throws -> SolverSummary {
    let all = vectors.map { $0[0..<b.count] }
    let (x, Kx, r, Kr, d, Kd, Ad) = (solution, product, all[3], all[4], all[5], all[6], all[7])
    for vector in [x, Kx, d, Kd, Ad] { vector.fill(0) }
    r.assign(b)
    // ‖r‖²
    var ρ = 0.0
    var replaces = false
    var summary = SolverSummary(method: .gramCG, iterations: 0, residual: .infinity, termination: .iterationLimit)
    while true {
      let sums = try K.multiply(r, into: Kr, dots: [(r, r), (r, Ad), (d, Ad)])
      let (next, correlation, lastCurvature) = (sums.dots[0], sums.dots[1], sums.dots[2])
      if isGradient, summary.iterations == 0 { gradientNorm = max(0, sums.curvature).squareRoot() }
      summary.residual = relative(sums.curvature)
      if !summary.residual.isFinite { return summary.ended(.nonFinite) }
      if summary.residual <= options.toleranceWithMatrix { return summary.ended(.converged) }
      if summary.iterations == options.maxIterations { return summary.ended(.iterationLimit) }

      // d ← r + βd, with its products and its curvature dᵀ(K + λI)d.
      let β = ρ == 0 ? 0 : SolverOptions.conjugation(next, ρ, replaces: replaces)
      ρ = next
      let curvature = sums.curvature + λ * ρ + 2 * β * correlation + β * β * lastCurvature
      guard curvature > 0, ρ > 0 else { return summary.ended(.breakdown) }
      d.combine(1, r, Scalar(β))
      Kd.combine(1, Kr, Scalar(β))
      Ad.assign(Kd)
      Ad.combine(Scalar(λ), d)

      let α = Scalar(ρ / curvature)
      summary.iterations += 1
      x.combine(α, d)
      replaces = summary.iterations % SolverOptions.replacementInterval == 0
      if replaces {
        // The recurrences drift by rounding: begin again from the residual of x itself.
        try K.multiply(x, into: Kx)
        assignResidual(r, of: b, λ)
      } else {
        r.combine(-α, Ad)
        Kx.combine(α, Kd)
      }
    }
  }

  /// r ← b − (K + λI)x
  private func assignResidual(_ r: Vector<Scalar>, of b: Vector<Scalar>, _ λ: Double) {
    r.assign(b)
    r.combine(-1, product)
    r.combine(Scalar(-λ), solution)
  }

  /// ‖Rᵀr‖ over ‖Rᵀs‖, given rᵀKr; where rounding makes that negative, its size is still the error.
  private func relative(_ square: Double) -> Double {
    square == 0 ? 0 : square.magnitude.squareRoot() / gradientNorm
  }
}
