import LinearAlgebra
import Networks

/// An objective f as Newton's method needs it, in a precision of its own: values, gradients, products with H at θ, and a
/// preconditioner M. All vectors have P numbers.
protocol NewtonObjective: Preconditioner {
  /// Passes over all rows so far.
  var passes: Int { get }
  /// Whether any rank wished to stop in a pass.
  var isInterrupted: Bool { get }
  /// Whether M is like H; without, M = I.
  var hasPreconditioner: Bool { get }
  /// Changes of f below this share of it are rounding.
  var rounding: Double { get }
  /// f(θ); gradient ← ∇f(θ). One pass. Collective.
  func evaluate(at parameters: Vector<Double>, gradient: Vector<Double>) throws -> ObjectiveValue
  /// Takes H and M at θ, for a system that is solved to `forcing`; `isEvaluated` where the last evaluation was at θ. Collective.
  func prepare(at parameters: Vector<Double>, forcing: Double, isEvaluated: Bool) throws
  /// image ← H·v. One pass. Collective.
  func multiply(_ v: Vector<Double>, into image: Vector<Double>) throws
}

/// The objective of all rows, with the preconditioner that suits its network.
final class PreconditionedObjective<Scalar: DistributedScalar>: NewtonObjective {
  private let objective: FullObjective<Scalar>
  /// θ
  private let parameters: Vector<Scalar>
  private let head: HeadPreconditioner<Scalar>?
  private let diagonal: DiagonalPreconditioner<Scalar>?

  init(_ objective: FullObjective<Scalar>) {
    self.objective = objective
    parameters = Vector(zeros: objective.network.layout.count)
    head = HeadPreconditioner(objective)
    diagonal = head == nil ? DiagonalPreconditioner(objective) : nil
  }

  var passes: Int { objective.passes }
  var isInterrupted: Bool { objective.isInterrupted }
  var hasPreconditioner: Bool { head != nil || diagonal != nil }
  var rounding: Double { Scalar.self == Float.self ? 1e-7 : 1e-14 }

  func evaluate(at parameters: Vector<Double>, gradient: Vector<Double>) throws -> ObjectiveValue {
    self.parameters.assign(rounding: parameters)
    return try objective.evaluate(at: self.parameters, gradient: gradient)
  }

  func prepare(at parameters: Vector<Double>, forcing: Double, isEvaluated: Bool) throws {
    self.parameters.assign(rounding: parameters)
    if !isEvaluated { objective.keepMargins(at: self.parameters) }
    try head?.update(at: self.parameters, forcing: forcing)
    try diagonal?.update(at: self.parameters)
  }

  func multiply(_ v: Vector<Double>, into image: Vector<Double>) throws {
    try objective.multiply(v, at: parameters, into: image)
  }

  func apply(_ r: Vector<Double>, into z: Vector<Double>) {
    if let head { head.apply(r, into: z) } else if let diagonal { diagonal.apply(r, into: z) } else { z.assign(r) }
  }
}
