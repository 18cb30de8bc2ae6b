import LinearAlgebra

/// Conjugate gradient on (G + λI) y = z₀ in the parameter space, for a matrix G that is known by its products.
///
/// All vectors have P numbers and are the same on all ranks, so that an iteration communicates in its product, and where
/// ranks do not compute alike in what they branch on.
final class ParameterConjugateGradient<Scalar: DistributedScalar> {
  /// d, and a copy of z₀.
  private let direction, start: Vector<Scalar>

  init(parameterCount: Int) {
    direction = Vector(zeros: parameterCount)
    start = Vector(zeros: parameterCount)
  }

  /// Solves for y. Collective, if the product is.
  ///
  /// - Parameters:
  ///   - z: z₀ on entry; on return the residual z₀ − (G + λI)y.
  ///   - reference: the norm that `tolerance` is relative to, ‖g‖.
  ///   - step: y on return.
  ///   - agree: gives one rank's word for numbers that every rank has computed for itself.
  ///   - product: G u, which need last only until the next call. One an iteration, and one more every 50th time.
  func solve(
    _ z: Vector<Scalar>, damping λ: Double, reference: Double, step y: Vector<Scalar>, options: SolverOptions,
    agree: ([Double]) throws -> [Double] = { $0 }, product: (Vector<Scalar>) throws -> Vector<Scalar>
  ) throws -> SolverSummary {
    let d = direction
    y.fill(0)
    start.assign(z)
    d.assign(z)
    let norms = try agree([z.squaredNorm, reference])
    var ρ = norms[0]
    let scale = norms[1]
    var δ = ρ
    var summary = SolverSummary(iterations: 0, residual: ρ.squareRoot() / scale, termination: .iterationLimit)
    if ρ == 0 { summary.residual = 0 }

    while true {
      if !summary.residual.isFinite { return summary.ended(.nonFinite) }
      if summary.residual <= options.tolerance { return summary.ended(.converged) }
      if summary.iterations == options.maxIterations { return summary.ended(.iterationLimit) }
      let Gd = try product(d)
      let curvature = try agree([d.dot(Gd) + λ * δ])[0]
      guard curvature > 0, ρ > 0 else { return summary.ended(.breakdown) }

      let α = ρ / curvature
      summary.iterations += 1
      var next = z.subtract(Scalar(α), Gd, Scalar(α * λ), d)
      if summary.iterations % SolverOptions.replacementInterval == 0 {
        // The recurrences drift by rounding: begin again from the residual of y itself.
        y.combine(Scalar(α), d)
        z.assign(start)
        next = z.subtract(1, try product(y), Scalar(λ), y)
        d.combine(1, z, Scalar(SolverOptions.conjugation(next, ρ, replaces: true)))
        δ = d.squaredNorm
      } else {
        // y ← y + αd, d ← z + βd
        δ = y.advance(Scalar(α), d, by: z, Scalar(next / ρ)).u
      }
      let agreed = try agree([next, δ])
      (ρ, δ) = (agreed[0], agreed[1])
      summary.residual = ρ.squareRoot() / scale
    }
  }
}
