import LinearAlgebra
import MPI

/// Parameters that each rank holds completely, and computes with on its own.
package struct ReplicatedParameters: ParameterSpace {
  private let communicator: Communicator
  private let phases: Phases

  package init(communicator: Communicator, phases: Phases) {
    self.communicator = communicator
    self.phases = phases
  }

  /// Returns rank 0's numbers, where ranks may round differently.
  package func totals<Numbers: NumberCoded>(_ own: Numbers) throws -> Numbers {
    if communicator.computesAlike { return own }
    return try phases.measure(.communication) { Numbers(numbers: try communicator.agreed(own.numbers)) }
  }

  package var isReplicated: Bool { communicator.size > 1 }

  /// The wishes have travelled with the sums over the rows.
  package func isWished(_ sum: Double) -> Bool { sum > 0 }

  package func unify<Scalar: DistributedScalar>(_ vector: Vector<Scalar>) throws {
    guard isReplicated else { return }
    try phases.measure(.communication) { try vector.withElements { try communicator.broadcast($0) } }
  }
}
