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

  /// The largest number of refinements of a factorisation's solution that does not meet the tolerance.
  private static var refinements: Int { 3 }

  /// Solves for x until ‖Rᵀ(s − t − (K + λI)x)‖ ≤ tolerance · ‖Rᵀs‖, given s and, unless it is zero, t of all rows (B),
  /// on all ranks. If K has been gathered, which Cholesky needs, each rank solves on its own. Otherwise this is
  /// collective, and all branches depend on sums over the ranks, which are the same on all ranks.
  func solve(
    _ K: GramMatrix<Scalar>, _ s: Vector<Scalar>, minus t: Vector<Scalar>?, damping λ: Double, options: SolverOptions,
    kind: SolverOptions.Kind
  ) throws -> SolverSummary {
    let b = begin(s, minus: t)
    if t != nil || kind != .gramCG {
      gradientNorm = try max(0, K.multiply(s, into: product)).squareRoot()
    }
    if kind != .gramCG, let summary = try cholesky(K, b, λ, options.toleranceWithMatrix) { return summary }
    return try conjugateGradient(
      K, b, isGradient: t == nil, λ, (.gramCG, options.toleranceWithMatrix), options.maxIterations)
  }

  /// Solves as above by conjugate gradient, through products with K alone. Collective.
  ///
  /// - Parameter reference: the norm that the residual is relative to; nil for ‖Rᵀ(s − t)‖.
  func solve(
    products K: some KernelOperator<Scalar>, _ s: Vector<Scalar>, minus t: Vector<Scalar>?, damping λ: Double,
    relativeTo reference: Double?, options: SolverOptions
  ) throws -> SolverSummary {
    let b = begin(s, minus: t)
    gradientNorm = reference ?? 0
    return try conjugateGradient(
      K, b, isGradient: reference == nil, λ, (.cg, options.tolerance), options.maxIterations)
  }

  /// Makes room, and returns b = s − t.
  private func begin(_ s: Vector<Scalar>, minus t: Vector<Scalar>?) -> Vector<Scalar> {
    for index in vectors.indices { vectors[index].grow(to: s.count) }
    let all = vectors.map { $0[0..<s.count] }
    (solution, product) = (all[0], all[1])
    let b = all[2]
    b.assign(s)
    if let t { b.combine(-1, t) }
    return b
  }

  /// r ← (K' + λI)⁻¹ r with the first rows and columns of K; NaN where rounding makes K' + λI indefinite.
  func solve(first r: Vector<Scalar>, of K: Matrix<Scalar>, damping λ: Double) {
    if factor.factorize(K, first: r.count, shift: Scalar(λ)) { factor.solve(r) } else { r.fill(.nan) }
  }

  /// Solves by a factor in this precision or, if a pivot is not positive, in float64; nil if that fails as well.
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

  /// Solves with the factor, and refines x from its residual.
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
      r.assignResidual(of: b, product, λ, x)
      let residual = KernelResidual.relative(try K.multiply(r, into: Kr), to: gradientNorm)
      let improves = residual < summary.residual
      summary.residual = residual
      if !residual.isFinite { return summary.ended(.nonFinite) }
      if residual <= tolerance { return summary.ended(.converged) }
      if !improves { return summary.ended(.breakdown) }
      if summary.iterations > Self.refinements { return summary.ended(.iterationLimit) }
    }
  }

  /// Solves by conjugate gradient.
  ///
  /// - Parameter isGradient: whether b is s, so that the tolerance is relative to ‖Rᵀb‖.
  private func conjugateGradient(
    _ K: some KernelOperator<Scalar>, _ b: Vector<Scalar>, isGradient: Bool, _ λ: Double,
    _ goal: (method: SolverSummary.Method, tolerance: Double), _ maxIterations: Int
  ) throws -> SolverSummary {
    let all = vectors.map { $0[0..<b.count] }
    var system = GramSystem(
      K: K, b: b, λ: λ, gradientNorm: isGradient ? nil : gradientNorm,
      scratch: .init(x: solution, Kx: product, r: all[3], Kr: all[4], d: all[5], Kd: all[6], Ad: all[7]))
    let summary = try ConjugateGradient.solve(
      &system, method: goal.method, tolerance: goal.tolerance, maxIterations: maxIterations)
    gradientNorm = system.gradientNorm ?? 0
    return summary
  }
}
