import LinearAlgebra
import MPI

/// Where the rows and the parameters of a method's steps lie: rows are sharded and parameters replicated, or where ranks
/// share out classes each has all rows and parameters of its own.
struct StepPlacement {
  /// nil where each rank has all classes.
  let classes: ClassShards?
  let space: any ParameterSpace
  /// The ranks that share out rows: this one alone, where they share out classes.
  let rowCommunicator: Communicator

  init(_ classes: ClassShards?, over communicator: Communicator, phases: Phases) {
    self.classes = classes?.measured(by: phases)
    (space, rowCommunicator) =
      classes == nil
      ? (ReplicatedParameters(communicator: communicator, phases: phases), communicator)
      : (ShardedParameters(communicator: communicator, phases: phases), Communicator())
  }
}

/// Parameters of which each rank holds a part, and no other rank the same.
package struct ShardedParameters: ParameterSpace {
  private let communicator: Communicator
  private let phases: Phases

  package init(communicator: Communicator, phases: Phases) {
    (self.communicator, self.phases) = (communicator, phases)
  }

  package func totals<Numbers: NumberCoded>(_ own: Numbers) throws -> Numbers {
    try phases.measure(.communication) { Numbers(numbers: try communicator.allreduce(own.numbers)) }
  }

  package var isReplicated: Bool { false }

  package func unify<Scalar: DistributedScalar>(_ vector: Vector<Scalar>) {}

  package func isWished(_ sum: Double) throws -> Bool { try totals(sum) > 0 }
}
