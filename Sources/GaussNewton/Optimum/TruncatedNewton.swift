import LinearAlgebra
import MPI
import Networks

/// Steps on all rows to a minimum of the objective: d from H d = −g by preconditioned conjugate gradient, which stops the
/// later the smaller g is, and a length with sufficient decrease.
///
/// The objective of a linear head is convex, and H its Hessian, so that steps of length 1 converge faster than linearly.
/// Rows are shared out over the ranks; parameters and all vectors are the same on all ranks. A step follows from θ and
/// the progress alone. Source: Dembo and Steihaug, "Truncated-Newton algorithms for large-scale unconstrained
/// optimization" (1983).
package final class TruncatedNewton<Scalar: DistributedScalar> {
  package let objective: FullObjective<Scalar>
  package let options: OptimumOptions
  package private(set) var progress: OptimumProgress
  /// Called before the parameters change.
  package var willUpdate: () -> Void = {}

  private let parameters: Vector<Scalar>
  private let head: HeadPreconditioner<Scalar>?
  private let diagonal: DiagonalPreconditioner<Scalar>?
  private var preconditioner: (any Preconditioner)? { head ?? diagonal }
  private let space: ReplicatedParameters
  private let scratch: NewtonSystem.Scratch
  /// ∇f at θ and at a candidate, the step d, and the candidate θ + αd (P each).
  private let gradient, nextGradient, step: Vector<Double>
  private let wide: Vector<Double>
  private let candidate: Vector<Scalar>

  /// A step on all rows; the same on all ranks.
  package struct Report: Equatable, Sendable {
    /// The objective and ‖∇f‖ after the step.
    package var objective, gradientNorm: Double
    package var solver: SolverSummary
    /// α
    package var stepLength: Double
    /// ‖d‖
    package var stepNorm: Double
    /// What the model promised of f for α = 1, and what came of it.
    package var expectedDecrease, decrease: Double
  }

  /// Takes θ (P), which its steps change. `initial` are the parameters whose gradient is g₀; nil where the progress is that of a
  /// run that goes on. One pass, or two. Collective.
  package init(
    _ objective: FullObjective<Scalar>, _ parameters: Vector<Scalar>, initial: Vector<Scalar>?,
    resuming progress: OptimumProgress?, options: OptimumOptions
  ) throws {
    let P = parameters.count
    (self.objective, self.options, self.parameters) = (objective, options, parameters)
    space = ReplicatedParameters(communicator: objective.communicator, phases: objective.phases)
    head = HeadPreconditioner(objective)
    diagonal = head == nil ? DiagonalPreconditioner(objective) : nil
    scratch = NewtonSystem.Scratch(parameterCount: P)
    (gradient, nextGradient, step) = (Vector(zeros: P), Vector(zeros: P), Vector(zeros: P))
    wide = Vector(zeros: P)
    candidate = Vector(zeros: P)
    var initialNorm = progress?.initialGradientNorm
    if let initial {
      _ = try objective.evaluate(at: initial, gradient: gradient)
      initialNorm = try space.totals(gradient.squaredNorm).squareRoot()
    }
    let value = try objective.evaluate(at: parameters, gradient: gradient)
    let norm = try space.totals(gradient.squaredNorm).squareRoot()
    self.progress =
      progress
      ?? OptimumProgress(
        initialGradientNorm: initialNorm ?? norm, objective: value.objective, loss: value.loss, gradientNorm: norm)
    objective.passes = self.progress.passes
  }

  /// Changes of the objective below this share of it are rounding.
  private static var rounding: Double { Scalar.self == Float.self ? 1e-7 : 1e-14 }

  /// How far H d = −g is solved: √(rᵀM⁻¹r) of the residual to that of g. No further than half of what is needed to be done
  /// with this step.
  private var forcing: Double {
    min(0.5, max(1e-6, progress.gradientRatio.squareRoot(), 0.5 * progress.leastReduction(options)))
  }

  /// Takes a step; nil if any rank wishes to stop, and θ then is as before. Collective.
  package func advance() throws -> Report? {
    let phases = objective.phases
    try head?.update(at: parameters, forcing: forcing)
    try diagonal?.update(at: parameters)
    phases.measure(.update) { scratch.r.combine(-1, gradient, 0) }
    let summary: SolverSummary
    do {
      summary = try phases.measure(.solve) {
        var system = NewtonSystem(
          scratch, x: step, preconditioner: preconditioner, over: space,
          product: { [objective, parameters] v, image in
            try objective.multiply(v, at: parameters, into: image)
            if objective.isInterrupted { throw Stop() }
          })
        return try ConjugateGradient.solve(
          &system, method: .cg, tolerance: forcing,
          maxIterations: max(1, options.maxPasses - objective.passes - 1))
      }
    } catch is Stop {
      return nil
    }
    if summary.iterations == 0 {
      // Where there is no curvature in the precision of the run, the direction is that of steepest descent.
      step.assign(scratch.z)
    }
    try space.unify(step)
    let normBefore = try preconditionedNorm(gradient)
    let slope = try space.totals(gradient.dot(step))
    let expected = try space.totals(-slope / 2 + scratch.r.dot(step) / 2)
    guard let found = try search(slope: slope, expected: expected) else {
      if objective.isInterrupted { return nil }
      progress.stalls = OptimumOptions.patience
      progress.remainingDecrease = expected
      progress.passes = objective.passes
      return report(summary, length: 0, expected: expected, decrease: 0)
    }
    let before = progress.objective
    willUpdate()
    parameters.assign(candidate)
    gradient.assign(nextGradient)
    progress.take(
      expectedDecrease: expected, remaining: try preconditionedNorm(gradient) / normBefore,
      (found.value.objective, found.value.loss),
      gradientNorm: try space.totals(gradient.squaredNorm).squareRoot(), rounding: Self.rounding / 100)
    progress.passes = objective.passes
    return report(summary, length: found.length, expected: expected, decrease: before - found.value.objective)
  }

  private struct Stop: Error {}

  /// gᵀM⁻¹g, which is about twice what a step from there takes off f; 1 without an M that is like H. Collective.
  private func preconditionedNorm(_ gradient: Vector<Double>) throws -> Double {
    guard let preconditioner else { return 1 }
    preconditioner.apply(gradient, into: scratch.z)
    return try space.totals(gradient.dot(scratch.z))
  }

  private func report(
    _ summary: SolverSummary, length: Double, expected: Double, decrease: Double
  ) -> Report {
    Report(
      objective: progress.objective, gradientNorm: progress.gradientNorm, solver: summary, stepLength: length,
      stepNorm: step.norm, expectedDecrease: expected, decrease: decrease)
  }

  /// The first length α with sufficient decrease of f, or with no change beyond rounding where no more is to be gained;
  /// candidate ← θ + αd, nextGradient ← ∇f there. nil where there is none, or a rank wishes to stop. Collective.
  private func search(
    slope: Double, expected: Double
  ) throws -> (length: Double, value: FullObjective<Scalar>.Value)? {
    let f = progress.objective
    let noise = Self.rounding * abs(f)
    guard slope < 0 else { return nil }
    var length = 1.0
    for _ in 0..<40 {
      wide.assign(widening: parameters)
      wide.combine(length, step)
      candidate.assign(rounding: wide)
      let value = try objective.evaluate(at: candidate, gradient: nextGradient)
      if objective.isInterrupted { return nil }
      let change = value.objective - f
      if change <= 1e-4 * length * slope || length * expected <= noise && change <= noise { return (length, value) }
      // The minimum of the parabola through both values, within bounds.
      let parabola = -slope * length * length / (2 * (change - length * slope))
      length = parabola.isFinite ? min(0.5 * length, max(0.1 * length, parabola)) : 0.1 * length
    }
    return nil
  }
}
