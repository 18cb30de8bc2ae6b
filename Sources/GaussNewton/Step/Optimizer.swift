import LinearAlgebra
import Networks

/// A method that moves the parameters, one global batch a step.
package protocol Optimizer<Scalar>: AnyObject {
  associatedtype Scalar: DistributedScalar

  /// Where the time of the steps goes.
  var phases: Phases { get }

  /// Where the sums over the ranks come together.
  var message: Message<Scalar> { get }

  /// The margins of this rank's rows of the last batch, where they were linearised.
  var margin: SoftmaxMargin<Scalar> { get }

  /// What the method remembers from step to step, as vectors of P numbers: names and shared storage.
  var memory: [(name: String, vector: Vector<Scalar>)] { get }

  /// The rest of what it remembers.
  var counters: OptimizerCounters { get set }

  /// That part of it which a step changes as it begins; the rest, and the parameters, change at its end.
  var earlyMemory: [(name: String, vector: Vector<Scalar>)] { get }

  /// Is called before they change at the end of a step.
  var willUpdate: () -> Void { get set }

  /// One global step of the parameters θ (P, the same on all ranks) on a batch of B rows. Collective.
  ///
  /// - Parameters:
  ///   - rate: the learning rate, a factor on the step.
  ///   - interrupt: this rank's wish to stop after the step; it travels with the gradient.
  /// - Returns: what happened, the same on all ranks.
  func advance(
    _ parameters: Vector<Scalar>, on batch: Batch<Scalar>, rate: Double, interrupt: Bool
  ) throws -> StepReport
}

extension Optimizer {
  package var earlyMemory: [(name: String, vector: Vector<Scalar>)] { [] }
}

/// The numbers that a checkpoint keeps of a method beside its vectors; nil where the method has none.
package struct OptimizerCounters: Codable, Equatable, Sendable {
  /// λ of the next step.
  package var damping: Double?
  /// Steps that the moments have seen.
  package var moments: Int?
  /// Steps that the damping has seen.
  package var steps: Int?
  /// The loss of the batch on which λ was last looked at; nil if that raised it.
  package var calmLoss: Double?
  /// How `auto` chooses its solver.
  package var plan: SolverPlan?

  package init(damping: Double? = nil, moments: Int? = nil, steps: Int? = nil, calmLoss: Double? = nil) {
    self.damping = damping
    self.moments = moments
    self.steps = steps
    self.calmLoss = calmLoss
  }
}

extension OptimizerCounters: CustomStringConvertible {
  package var description: String {
    let parts = [damping.map { "damping \($0)" }, moments.map { "moments of \($0) steps" }].compactMap { $0 }
    return parts.isEmpty ? "no damping" : parts.joined(separator: " and ")
  }
}
