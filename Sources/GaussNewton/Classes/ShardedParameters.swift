import LinearAlgebra
import MPI

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
