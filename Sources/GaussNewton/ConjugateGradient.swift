import LinearAlgebra

/// Matrix-free conjugate gradient on (RRᵀ + λI) x = r₀ in the row space, with one collective an iteration. In a metric
/// M = LLᵀ, R here is RL⁻ᵀ, and what it gives is LᵀΔ.
///
/// Rows are sharded (`#b`), parameters replicated. Δ = Rᵀx and u = Rᵀd follow by recurrence, so an iteration is one
/// local JVP, one local VJP and one allreduce of P + 2 numbers. The test is on z = Rᵀr, the residual of the step in
/// parameter space: ‖r‖ itself is dominated by single misclassified examples. Every branch depends on sums over the ranks, or
/// on norms of replicated vectors that one rank has the word for, so that all ranks take it.
package final class ConjugateGradient<Scalar: DistributedScalar> {
  /// x (#b).
  let solution: Vector<Scalar>
  /// d, a copy of r₀, and a product Rv: all #b.
  private let direction, start, product: Vector<Scalar>
  /// u = Rᵀd (P).
  private let parameterDirection: Vector<Scalar>

  /// Allocates for `capacity` local rows and `parameterCount` parameters.
  package init(capacity: Int, parameterCount: Int) {
    solution = Vector(zeros: capacity)
    direction = Vector(zeros: capacity)
    start = Vector(zeros: capacity)
    product = Vector(zeros: capacity)
    parameterDirection = Vector(zeros: parameterCount)
  }

  /// Solves for Δ = Rᵀx. Collective.
  ///
  /// - Parameters:
  ///   - r: r₀ on entry, the residual rows on return (#b).
  ///   - squaredResidual: r₀ᵀr₀ over all ranks.
  ///   - message: Rᵀr₀, summed over the ranks, on entry; z of the solution on return (P).
  ///   - step: Δ on return (P).
  ///   - reference: the norm that `tolerance` is relative to, ‖g‖.
  package func solve(
    _ rowSpace: RowSpace<Scalar>, _ r: Vector<Scalar>, squaredResidual: Double, damping: Double, reference: Double,
    message: Message<Scalar>,
    step: Vector<Scalar>, options: SolverOptions, phases: Phases
  ) throws -> SolverSummary {
    let rows = 0..<r.count
    let (x, d, r0, t) = (solution[rows], direction[rows], start[rows], product[rows])
    let (z, u) = (message.parameters, parameterDirection)
    let λ = Scalar(damping)

    x.fill(0)
    step.fill(0)
    r0.assign(r)
    d.assign(r)
    u.assign(z)
    var ρ = squaredResidual
    var δ = ρ
    let norms = try message.agreed([z.squaredNorm, reference])
    var squaredU = norms[0]
    let scale = norms[1]
    var summary = SolverSummary(
      iterations: 0, residual: squaredU.squareRoot() / scale, termination: .iterationLimit)
    if squaredU == 0 { summary.residual = 0 }

    while true {
      if !summary.residual.isFinite { return summary.ended(.nonFinite) }
      if summary.residual <= options.tolerance { return summary.ended(.converged) }
      if summary.iterations == options.maxIterations { return summary.ended(.iterationLimit) }
      let curvature = squaredU + damping * δ
      guard curvature > 0, ρ > 0 else { return summary.ended(.breakdown) }

      let α = ρ / curvature
      summary.iterations += 1
      let replaces = summary.iterations % SolverOptions.replacementInterval == 0
      x.combine(Scalar(α), d)
      if replaces {
        // The recurrences drift by rounding: begin again from the residual of x itself.
        step.combine(Scalar(α), u)
        phases.measure(.jvp) { rowSpace.applyWhitened(step, into: t) }
        r.assign(r0)
        r.combine(-1, t)
        r.combine(-λ, x)
      } else {
        phases.measure(.jvp) { rowSpace.applyWhitened(u, into: t) }
        t.combine(λ, d)
        r.combine(Scalar(-α), t)
      }

      let (square, correlation) = (rowSpace.sums { r[$0].squaredNorm }, rowSpace.sums { r[$0].dot(d[$0]) })
      let terms: RowTerms =
        replaces
        ? [
          .squaredResidual: square, .residualAlongDirection: correlation,
          .squaredDirection: rowSpace.sums { d[$0].squaredNorm },
        ]
        : [.squaredResidual: square, .residualAlongDirection: correlation]
      let sums = try rowSpace.sumWhitened(r, with: terms, in: message)
      let (next, σ) = (sums[.squaredResidual], sums[.residualAlongDirection])
      if replaces { δ = sums[.squaredDirection] }
      let β = SolverOptions.conjugation(next, ρ, replaces: replaces)
      δ = next + 2 * β * σ + β * β * δ
      d.combine(1, r, Scalar(β))
      let squares = step.advance(replaces ? 0 : Scalar(α), u, by: z, Scalar(β))
      let agreed = try message.agreed([squares.u, squares.z])
      squaredU = agreed[0]
      ρ = next
      summary.residual = agreed[1].squareRoot() / scale
    }
  }
}
