import LinearAlgebra
import MPI
import Networks

/// Where the rows and the parameters of a method's steps lie: rows are sharded and parameters replicated, or where ranks
/// share out classes each has all rows and parameters of its own, beside those of the layers below its head.
struct StepPlacement<Scalar: DistributedScalar> {
  /// nil where each rank has all classes.
  let classes: ClassShards?
  let space: any ParameterSpace
  /// The ranks that share out the rows of `network`: this one alone, where they share out classes.
  let rowCommunicator: Communicator
  /// What this rank linearises on its `capacity` rows: the network, or where ranks share out classes its head on all rows.
  let network: Network
  let capacity: Int
  let partition: RowPartition
  /// The layers below that; nil where there are none.
  let trunk: Trunk<Scalar>?

  /// Of a network, which has this rank's classes alone where ranks share them out, for shards of at most `capacity` rows.
  init(
    _ network: Network, capacity: Int, _ partition: RowPartition, classes: ClassShards?,
    over communicator: Communicator, phases: Phases
  ) {
    self.classes = classes?.measured(by: phases)
    guard let classes = self.classes else {
      (self.network, self.capacity, self.partition) = (network, capacity, partition)
      space = ReplicatedParameters(communicator: communicator, phases: phases)
      (rowCommunicator, trunk) = (communicator, nil)
      return
    }
    precondition(!partition.isVirtual, "sums over classes have no order")
    (self.network, self.partition) = (network.head, RowPartition())
    self.capacity = partition.ranks * capacity
    rowCommunicator = Communicator()
    trunk = network.trunk.map {
      Trunk(
        $0, capacity: capacity, headCapacity: partition.ranks * capacity, partition: partition, classes: classes,
        phases: phases)
    }
    space = ShardedParameters(
      communicator: communicator, phases: phases, replicatedCount: trunk?.parameterCount ?? 0)
  }
}

/// Parameters of which each rank holds a part, and no other rank the same; but all hold the first ones, if they are so.
package struct ShardedParameters: ParameterSpace {
  private let communicator: Communicator
  private let phases: Phases
  /// The number of parameters at the beginning that all ranks hold.
  private let replicatedCount: Int

  package init(communicator: Communicator, phases: Phases, replicatedCount: Int = 0) {
    (self.communicator, self.phases, self.replicatedCount) = (communicator, phases, replicatedCount)
  }

  package func parts(of count: Int) -> [(range: Range<Int>, counts: Bool)] {
    replicatedCount == 0
      ? [(0..<count, true)] : [(0..<replicatedCount, communicator.rank == 0), (replicatedCount..<count, true)]
  }

  package func totals<Numbers: NumberCoded>(_ own: Numbers) throws -> Numbers {
    try phases.measure(.communication) { Numbers(numbers: try communicator.allreduce(own.numbers)) }
  }

  package var isReplicated: Bool { false }

  package func unify<Scalar: DistributedScalar>(_ vector: Vector<Scalar>) {}

  package func isWished(_ sum: Double) throws -> Bool { try totals(sum) > 0 }
}
