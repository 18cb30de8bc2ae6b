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
    (self.network, self.partition, rowCommunicator) = (network.head, classes.rowPartition, classes.rows)
    // The ranks of a group share out its rows below the head.
    self.capacity = partition.ranks / classes.rows.size * capacity
    trunk = network.trunk.map { [rows = self.capacity] in
      Trunk($0, capacity: capacity, headCapacity: rows, classes: classes, over: communicator, phases: phases)
    }
    space = ShardedParameters(classes, replicatedCount: trunk?.parameterCount ?? 0)
  }
}

/// Parameters of which each rank holds a part, those of its classes, and no other rank of its group the same; but all hold the
/// first ones, if they are so.
package struct ShardedParameters: ParameterSpace {
  private let classes: ClassShards
  /// The number of parameters at the beginning that all ranks hold.
  private let replicatedCount: Int

  package init(_ classes: ClassShards, replicatedCount: Int = 0) {
    (self.classes, self.replicatedCount) = (classes, replicatedCount)
  }

  package func parts(of count: Int) -> [(range: Range<Int>, counts: Bool)] {
    replicatedCount == 0
      ? [(0..<count, true)] : [(0..<replicatedCount, classes.rank == 0), (replicatedCount..<count, true)]
  }

  package func totals<Numbers: NumberCoded>(_ own: Numbers) throws -> Numbers {
    var numbers = own.numbers
    try classes.sum(&numbers)
    return Numbers(numbers: try classes.agreedByGroups(numbers))
  }

  package var isReplicated: Bool { false }

  package func unify<Scalar: DistributedScalar>(_ vector: Vector<Scalar>) {}

  package func isWished(_ sum: Double) throws -> Bool { try totals(sum) > 0 }
}
