import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// The logits of rows by a network whose head's classes ranks share out: they share out the rows of the layers below, and
/// gather what these give.
final class SharedForward<Scalar: DistributedScalar> {
  private let trunk, head: ForwardPass<Scalar>
  private let hidden: Matrix<Scalar>
  private let communicator: Communicator

  /// nil for a head alone. Allocates memory for at most `capacity` rows.
  ///
  /// - Parameter network: the network with this rank's classes.
  init?(_ network: Network, capacity: Int, over communicator: Communicator) {
    guard let trunk = network.trunk else { return nil }
    self.trunk = ForwardPass(trunk, capacity: (capacity + communicator.size - 1) / communicator.size)
    head = ForwardPass(network.head, capacity: capacity)
    hidden = Matrix(zeros: capacity, trunk.outputCount)
    self.communicator = communicator
  }

  /// The logits of `rows` (b × #C), valid until the next call, given the inputs of some of them. One allgather. Collective.
  func callAsFunction(
    _ parameters: Vector<Scalar>, _ rows: Range<Int>, inputs: (Range<Int>) -> Inputs<Scalar>
  ) throws -> Matrix<Scalar> {
    let parts = (0..<communicator.size).map { rows.part($0, of: communicator.size) }
    let (own, T) = (parts[communicator.rank], trunk.network.layout.count)
    if !own.isEmpty {
      let outputs = trunk(parameters[0..<T], inputs(own))
      hidden[rows: own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound].elements
        .assign(outputs.elements)
    }
    let all = hidden[rows: 0..<rows.count]
    try all.elements.withElements {
      try communicator.allgather(into: $0, counts: parts.map { $0.count * all.columns })
    }
    return head(parameters[T..<parameters.count], .dense(all))
  }
}
