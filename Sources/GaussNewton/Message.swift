import LinearAlgebra
import MPI

/// The numbers a distributed step computes with: known to BLAS and to MPI.
package typealias DistributedScalar = BLASScalar & MPIDatatype

/// P parameters and up to three scalars that travel in one allreduce.
package struct Message<Scalar: DistributedScalar> {
  private let buffer: Vector<Scalar>
  /// The parameter part (P).
  package let parameters: Vector<Scalar>

  package init(parameterCount: Int) {
    buffer = Vector(zeros: parameterCount + 3)
    parameters = buffer[0..<parameterCount]
  }

  /// A scalar of the last sum.
  package subscript(scalar index: Int) -> Double { Double(buffer[parameters.count + index]) }

  /// Replaces the parameters and the scalars by their sums over all ranks: one allreduce. Collective.
  package func sum(
    _ first: Double? = nil, _ second: Double? = nil, _ third: Double? = nil, over communicator: Communicator,
    _ phases: Phases
  ) throws {
    let scalars = [first, second, third].compactMap { $0 }
    for (index, scalar) in scalars.enumerated() { buffer[parameters.count + index] = Scalar(scalar) }
    try phases.measure(.communication) {
      try buffer[0..<parameters.count + scalars.count].withElements { try communicator.allreduce($0, .sum) }
    }
  }
}
