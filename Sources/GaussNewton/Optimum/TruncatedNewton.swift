import LinearAlgebra
import MPI
import Networks

/// Steps on all rows to a minimum of the objective: d from H d = −g by preconditioned conjugate gradient, which stops the
/// later the smaller g is, and a length with sufficient decrease.
///
/// The objective of a linear head is convex, and H its Hessian, so that steps of length 1 converge faster than linearly.
/// Rows are shared out over the ranks; parameters and all vectors are the same on all ranks. A step follows from θ and
/// the progress alone. In float64, all is in float32 until the gradient is small, and after that products with H as long as the
/// system is solved roughly: what d is off by, the gradient in float64 shows in the next step. Source: Dembo and Steihaug,
/// "Truncated-Newton algorithms for large-scale unconstrained optimization" (1983).
package final class TruncatedNewton<Scalar: DistributedScalar> {
  package let objective: FullObjective<Scalar>
  package let options: OptimumOptions
  package private(set) var progress: OptimumProgress
  /// Called before the parameters change.
  package var willUpdate: () -> Void = {}

  private let parameters: Vector<Scalar>
  /// f in the precision of the run, made once it is needed, and in float32.
  private lazy var precise: any NewtonObjective = PreconditionedObjective(objective)
  private let rough: (any NewtonObjective)?
  private let space: ReplicatedParameters
  private let scratch: NewtonSystem.Scratch
  /// ∇f at θ and at a candidate, and the step d (P each).
  private let gradient, nextGradient, step: Vector<Double>
  /// θ, and the candidate θ + αd, which the precision of the run can hold (P each).
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

  /// Takes θ (P), which its steps change. One pass, or two. Collective.
  ///
  /// - Parameters:
  ///   - rough: the same objective in float32; nil where all is in the precision of the run.
  ///   - initial: the parameters whose gradient is g₀; nil where the progress is that of a run that goes on.
  package init(
    _ objective: FullObjective<Scalar>, rough: FullObjective<Float>? = nil, _ parameters: Vector<Scalar>,
    initial: Vector<Scalar>?, resuming progress: OptimumProgress?, options: OptimumOptions
  ) throws {
    let P = parameters.count
    (self.objective, self.options, self.parameters) = (objective, options, parameters)
    self.rough = rough.map { PreconditionedObjective($0) }
    self.progress = progress ?? OptimumProgress(precision: rough == nil ? nil : .rough)
    space = ReplicatedParameters(communicator: objective.communicator, phases: objective.phases)
    scratch = NewtonSystem.Scratch(parameterCount: P)
    (gradient, nextGradient, step) = (Vector(zeros: P), Vector(zeros: P), Vector(zeros: P))
    wide = Vector(zeros: P)
    candidate = Vector(zeros: P)
    var start = try evaluateStart(initial)
    if self.progress.precision == .rough, !start.isFinite {
      // What float64 can hold need not fit into float32.
      self.progress.precision = .full
      start = try evaluateStart(initial)
    }
    if progress == nil {
      try take(start.value)
      self.progress.initialGradientNorm = start.initialNorm
    }
    objective.passes = self.progress.passes - (self.rough?.passes ?? 0)
    try sharpen()
  }

  /// f at θ, gradient ← ∇f there, and ‖g₀‖; without parameters for that, ‖∇f‖. Collective.
  private func evaluateStart(
    _ initial: Vector<Scalar>?
  ) throws -> (value: ObjectiveValue, initialNorm: Double, isFinite: Bool) {
    var initialNorm: Double?
    if let initial {
      wide.assign(widening: initial)
      _ = try evaluator.evaluate(at: wide, gradient: gradient)
      initialNorm = try norm(gradient)
    }
    wide.assign(widening: parameters)
    let value = try evaluator.evaluate(at: wide, gradient: gradient)
    let norm = try norm(gradient)
    return (value, initialNorm ?? norm, value.objective.isFinite && norm.isFinite && (initialNorm ?? 0).isFinite)
  }

  private var passes: Int { objective.passes + (rough?.passes ?? 0) }

  /// Whether any rank wished to stop.
  package var isInterrupted: Bool { objective.isInterrupted || rough?.isInterrupted == true }

  private func norm(_ vector: Vector<Double>) throws -> Double { try space.totals(vector.squaredNorm).squareRoot() }

  /// How far H d = −g is solved: √(rᵀM⁻¹r) of the residual to that of g. No further than half of what is needed to be done
  /// with this step.
  private var forcing: Double {
    min(0.5, max(1e-6, progress.gradientRatio.squareRoot(), 0.5 * progress.leastReduction(options)))
  }

  /// f where it is evaluated.
  private var evaluator: any NewtonObjective {
    if let rough, progress.precision == .rough { rough } else { precise }
  }

  /// f where the next system is solved. Products in float32 know six digits.
  private var model: any NewtonObjective {
    if let rough, progress.precision != .full, forcing >= 1e-3 { rough } else { precise }
  }

  /// Takes a step; nil if any rank wishes to stop, and θ then is as before. Collective.
  package func advance() throws -> Report? {
    let phases = objective.phases
    let (model, evaluator, forcing) = (model, evaluator, forcing)
    wide.assign(widening: parameters)
    try model.prepare(at: wide, forcing: forcing, isEvaluated: model === evaluator)
    phases.measure(.update) { scratch.r.combine(-1, gradient, 0) }
    let summary: SolverSummary
    do {
      summary = try phases.measure(.solve) {
        var system = NewtonSystem(
          scratch, x: step, preconditioner: model, over: space,
          product: { [self] v, image in
            try model.multiply(v, into: image)
            if isInterrupted { throw Stop() }
          })
        return try ConjugateGradient.solve(
          &system, method: .cg, tolerance: forcing, maxIterations: max(1, options.maxPasses - passes - 1))
      }
    } catch is Stop {
      return nil
    }
    if summary.iterations == 0 {
      // Where there is no curvature in the precision of the run, the direction is that of steepest descent.
      step.assign(scratch.z)
    }
    try space.unify(step)
    let normBefore = try preconditionedNorm(gradient, by: model)
    let slope = try space.totals(gradient.dot(step))
    let expected = try space.totals(-slope / 2 + scratch.r.dot(step) / 2)
    guard let found = try search(slope: slope, expected: expected) else {
      if isInterrupted { return nil }
      // Where float32 has had part in it, the next step is to be better; otherwise there is none.
      if model === rough { giveUpFloat() } else { progress.stalls = OptimumOptions.patience }
      progress.remainingDecrease = expected
      progress.passes = passes
      try sharpen()
      return report(summary, length: 0, expected: expected, decrease: 0)
    }
    let before = progress
    willUpdate()
    parameters.assign(candidate)
    gradient.assign(nextGradient)
    let remaining = try preconditionedNorm(gradient, by: model) / normBefore
    progress.take(
      expectedDecrease: expected, remaining: remaining, (found.value.objective, found.value.loss),
      gradientNorm: try norm(gradient), rounding: evaluator.rounding / 100)
    progress.passes = passes
    let decrease = before.objective - progress.objective
    if model === rough, remaining > 0.9, progress.gradientNorm > 0.9 * before.gradientNorm, decrease < 0.25 * expected {
      giveUpFloat()
    }
    try sharpen()
    return report(summary, length: found.length, expected: expected, decrease: decrease)
  }

  private struct Stop: Error {}

  /// Goes on in a higher precision where float32 has failed, would soon be in the way of f or ∇f, or its words may be the last.
  /// Where any rank wishes to stop, the run that goes on does so when it begins. One pass, or none. Collective.
  private func sharpen() throws {
    let isNear =
      progress.gradientRatio < 1e-2 || (progress.remainingDecrease ?? .infinity) < 1e-4 * abs(progress.objective)
      || progress.verdict(options) != nil
    guard progress.precision == .failed || progress.precision == .rough && isNear else { return }
    wide.assign(widening: parameters)
    let value = try precise.evaluate(at: wide, gradient: nextGradient)
    if isInterrupted { return }
    gradient.assign(nextGradient)
    progress.precision = progress.precision == .failed ? .full : .mixed
    progress.passes = passes
    try take(value)
  }

  /// All that follows is in the precision of the run.
  private func giveUpFloat() { progress.precision = progress.precision == .rough ? .failed : .full }

  /// Takes f and ∇f at θ as they are in another precision.
  private func take(_ value: ObjectiveValue) throws {
    (progress.objective, progress.loss) = (value.objective, value.loss)
    progress.gradientNorm = try norm(gradient)
  }

  /// gᵀM⁻¹g, which is about twice what a step from there takes off f; 1 without an M that is like H. Collective.
  private func preconditionedNorm(_ gradient: Vector<Double>, by model: any NewtonObjective) throws -> Double {
    guard model.hasPreconditioner else { return 1 }
    model.apply(gradient, into: scratch.z)
    return try space.totals(gradient.dot(scratch.z))
  }

  private func report(
    _ summary: SolverSummary, length: Double, expected: Double, decrease: Double
  ) -> Report {
    Report(
      objective: progress.objective, gradientNorm: progress.gradientNorm, solver: summary, stepLength: length,
      stepNorm: step.norm, expectedDecrease: expected, decrease: decrease)
  }

  /// The first length α with sufficient decrease of f which is not far behind the minimum on its way, or with no change beyond
  /// rounding where no more is to be gained; candidate ← θ + αd, nextGradient ← ∇f there. nil where there is none, or a rank wishes
  /// to stop. Collective.
  private func search(slope: Double, expected: Double) throws -> (length: Double, value: ObjectiveValue)? {
    let evaluator = evaluator
    let f = progress.objective
    let noise = evaluator.rounding * abs(f)
    guard slope < 0 else { return nil }
    var length = 1.0
    for trial in 0..<40 {
      wide.assign(widening: parameters)
      wide.combine(length, step)
      candidate.assign(rounding: wide)
      wide.assign(widening: candidate)
      let value = try evaluator.evaluate(at: wide, gradient: nextGradient)
      if isInterrupted { return nil }
      let change = value.objective - f
      if length * expected <= noise, change <= noise { return (length, value) }
      let end = try space.totals(nextGradient.dot(step))
      let isEnough = change <= 1e-4 * length * slope
      // f rises again from the minimum, which is worth a pass where the step has lost much by it, but no second one.
      if isEnough, end <= -slope / 2 || trial > 0 { return (length, value) }
      length = Self.minimum(length, slope: slope, change: change, end: end, most: isEnough ? 0.9 : 0.5)
    }
    return nil
  }

  /// The place between 0 and `length` of the minimum of the cubic with a slope at both and a change from one to the other, from a tenth
  /// of `length` to the share `most` of it.
  private static func minimum(_ length: Double, slope: Double, change: Double, end: Double, most: Double) -> Double {
    let mean = 3 * change / length
    let bend = mean - slope - end
    let root = (bend * bend - slope * end).squareRoot()
    let place = length * (1 - (end + root + bend) / (end - slope + 2 * root))
    return place.isFinite ? min(most * length, max(0.1 * length, place)) : 0.1 * length
  }
}
