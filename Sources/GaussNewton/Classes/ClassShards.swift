import LinearAlgebra
import MPI

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
  let communicator: Communicator
  private let phases: Phases

  /// Consecutive ranges of `count` classes, as even as they can be.
  package init(_ count: Int, over communicator: Communicator, phases: Phases = Phases()) {
    self.count = count
    own = (0..<count).part(communicator.rank, of: communicator.size)
    self.communicator = communicator
    self.phases = phases
  }

  /// The same classes, with the time of their sums in `phases`.
  func measured(by phases: Phases) -> ClassShards { ClassShards(count, over: communicator, phases: phases) }

  /// The classes of each rank.
  package var all: [Range<Int>] { (0..<communicator.size).map { (0..<count).part($0, of: communicator.size) } }

  /// The number of this rank.
  package var rank: Int { communicator.rank }

  /// The largest number of classes that a rank has.
  package var largest: Int { all.map(\.count).max()! }

  /// The column of a class among those of this rank; nil where another rank has it.
  func column(of label: Int) -> Int? { own.contains(label) ? label - own.lowerBound : nil }

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

  /// Numbers that each rank has computed from the same rows: rank 0's, where ranks may round differently. Collective.
  package func agreed(_ numbers: [Double]) throws -> [Double] {
    try phases.measure(.communication) { try communicator.agreed(numbers) }
  }

  private func reduce(_ numbers: inout [Double], _ operation: Reduction) throws {
    try phases.measure(.communication) {
      try numbers.withUnsafeMutableBufferPointer { try communicator.allreduce($0, operation) }
    }
  }
}
