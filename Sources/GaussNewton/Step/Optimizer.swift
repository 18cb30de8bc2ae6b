import LinearAlgebra
import Networks

/// A method that updates the parameters, with one global batch per step.
package protocol Optimizer<Scalar>: AnyObject {
  associatedtype Scalar: DistributedScalar

  /// Seconds of a step by kind of work.
  var phases: Phases { get }

  /// The sums over the ranks.
  var message: Message<Scalar> { get }

  /// The margins of this rank's rows in the last batch, at the point of linearisation.
  var margin: SoftmaxMargin<Scalar> { get }

  /// The vectors that the method keeps between steps (P each): names and shared storage.
  var memory: [(name: String, vector: Vector<Scalar>)] { get }

  /// The numbers that the method keeps between steps.
  var counters: OptimizerCounters { get set }

  /// The part of `memory` that a step changes at its beginning; the rest, and the parameters, change at its end.
  var earlyMemory: [(name: String, vector: Vector<Scalar>)] { get }

  /// Called before memory and parameters change at the end of a step.
  var willUpdate: () -> Void { get set }

  /// Notes the parameters that a run begins with, before its first step; one that goes on has them in `memory`.
  func begin(at parameters: Vector<Scalar>)

  /// Takes one global step of the parameters θ (P, the same on all ranks) on a batch of B rows. Collective.
  ///
  /// - Parameters:
  ///   - rate: the learning rate, a factor on the step.
  ///   - interrupt: this rank's wish to stop after the step; it travels with the gradient.
  /// - Returns: the report of the step, the same on all ranks.
  func advance(
    _ parameters: Vector<Scalar>, on batch: Batch<Scalar>, rate: Double, interrupt: Bool
  ) throws -> StepReport
}

extension Optimizer {
  package var earlyMemory: [(name: String, vector: Vector<Scalar>)] { [] }
}

/// The numbers of a method in a checkpoint, besides its vectors; nil where the method has none.
package struct OptimizerCounters: Codable, Equatable, Sendable {
  /// λ of the next step.
  package var damping: Double?
  /// The number of steps that the moments have seen.
  package var moments: Int?
  /// The number of steps that the damping has seen.
  package var steps: Int?
  /// The loss of the batch on which λ was last adapted; nil if λ rose.
  package var calmLoss: Double?
  /// The plan by which `auto` chooses its solver.
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
