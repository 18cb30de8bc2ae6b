import LinearAlgebra
import MPI
import Networks

/// The classes of a head, shared out over the ranks: each holds a range of them (#C of C), with their weights and
/// biases, and knows all rows of a batch. What ranks must agree on are numbers of rows.
///
/// Sums travel as numbers of 8 bytes, and are the same on all ranks. Source of such heads, for first-order steps: An et
/// al., "Partial FC", arXiv 2203.15565.
package struct ClassShards {
  /// C
  package let count: Int
  /// The classes of this rank, possibly none.
  package let own: Range<Int>
  /// The ranks that share out the classes: a group of all ranks, or all.
  package let communicator: Communicator
  /// The ranks that have the same classes in other groups, which share out the rows of a batch: this one alone where all ranks
  /// are one group.
  package let rows: Communicator
  private let phases: Phases

  /// Consecutive ranges of `count` classes, as even as they can be.
  package init(
    _ count: Int, over communicator: Communicator, rows: Communicator = Communicator(), phases: Phases = Phases()
  ) {
    self.count = count
    own = (0..<count).part(communicator.rank, of: communicator.size)
    (self.communicator, self.rows) = (communicator, rows)
    self.phases = phases
  }

  /// Classes that each group of `size` consecutive ranks shares out, while the groups share out the rows. Collective.
  ///
  /// - Precondition: `size` divides the number of ranks.
  package init(_ count: Int, inGroupsOf size: Int, over communicator: Communicator) throws {
    precondition(communicator.size % size == 0, "groups are equally large")
    if size == communicator.size {
      self.init(count, over: communicator)
    } else {
      let (rank, group) = (communicator.rank, communicator.rank / size)
      self.init(
        count, over: try communicator.split(color: group, key: rank, countsHere: true),
        rows: try communicator.split(color: rank % size, key: rank, countsHere: true))
    }
  }

  /// The same classes, with the time of their sums in `phases`.
  func measured(by phases: Phases) -> ClassShards {
    ClassShards(count, over: communicator, rows: rows, phases: phases)
  }

  /// How groups share out the rows of a batch.
  package var rowPartition: RowPartition { RowPartition(rank: rows.rank, ranks: rows.size) }

  /// The ranks of this group among all ranks.
  var group: Range<Int> { rows.rank * communicator.size..<(rows.rank + 1) * communicator.size }

  /// The classes of each rank.
  package var all: [Range<Int>] { (0..<communicator.size).map { (0..<count).part($0, of: communicator.size) } }

  /// The number of this rank in its group.
  package var rank: Int { communicator.rank }

  /// The largest number of classes that a rank has.
  package var largest: Int { all.map(\.count).max()! }

  /// The column of a class among those of this rank; nil where another rank has it.
  package func column(of label: Int) -> Int? { own.contains(label) ? label - own.lowerBound : nil }

  /// Each number ← its sum over the ranks. One allreduce. Collective.
  package func sum(_ numbers: inout [Double]) throws { try reduce(&numbers, .sum) }

  /// Each number ← the largest of all ranks. One allreduce. Collective.
  package func maximize(_ numbers: inout [Double]) throws { try reduce(&numbers, .max) }

  /// Each number ← the smallest of all ranks. One allreduce. Collective.
  package func minimize(_ numbers: inout [Int]) throws {
    try phases.measure(.communication) {
      try numbers.withUnsafeMutableBufferPointer { try communicator.allreduce($0, .min) }
    }
  }

  /// Each number ← its sum over the ranks, as numbers of 8 bytes. One allreduce. Collective.
  func sum<Scalar: DistributedScalar>(_ rows: Vector<Scalar>) throws {
    var numbers = rows.array.map { Double($0) }
    try sum(&numbers)
    for (index, number) in numbers.enumerated() { rows[index] = Scalar(number) }
  }

  /// The first `counts[rank]` numbers ← this rank's part of the sums over the ranks. One reduce-scatter. Collective.
  func reduceScatter<Scalar: DistributedScalar>(_ numbers: Vector<Scalar>, counts: [Int]) throws {
    try phases.measure(.communication) {
      try numbers.withElements { try communicator.reduceScatter($0, counts: counts) }
    }
  }

  /// Numbers that each rank of all groups has computed alike: rank 0's, where ranks may round differently. Collective.
  package func agreed(_ numbers: [Double]) throws -> [Double] {
    try phases.measure(.communication) { try communicator.agreed(rows.agreed(numbers)) }
  }

  /// Numbers that are the same on all ranks of a group: those of the first group, where groups may round differently.
  /// Collective.
  func agreedByGroups(_ numbers: [Double]) throws -> [Double] {
    try phases.measure(.communication) { try rows.agreed(numbers) }
  }

  /// The sums over all groups of numbers that each rank of a group has computed from the same rows. Collective.
  package func totals(_ numbers: [Double]) throws -> [Double] {
    try phases.measure(.communication) { try communicator.agreed(rows.allreduce(numbers)) }
  }

  private func reduce(_ numbers: inout [Double], _ operation: Reduction) throws {
    try phases.measure(.communication) {
      try numbers.withUnsafeMutableBufferPointer { try communicator.allreduce($0, operation) }
    }
  }
}
