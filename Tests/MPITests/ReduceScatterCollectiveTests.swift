import MPI
import TestSupport
import Testing

@Suite(.serialized) struct ReduceScatterCollectiveTests {
  let world = World.communicator

  /// Numbers of each rank whose sums are exact.
  func value(rank: Int, index: Int) -> Double { Double((rank * 7 + index * 3) % 11 + rank) }

  func check(_ counts: [Int], on communicator: Communicator) throws {
    let total = counts.reduce(0, +)
    var numbers = (0..<total).map { value(rank: communicator.rank, index: $0) }
    try numbers.withUnsafeMutableBufferPointer { try communicator.reduceScatter($0, counts: counts) }
    let first = counts[..<communicator.rank].reduce(0, +)
    let own = (first..<first + counts[communicator.rank]).map { index in
      (0..<communicator.size).reduce(0) { $0 + value(rank: $1, index: index) }
    }
    #expect(Array(numbers.prefix(own.count)) == own)
  }

  @Test(arguments: [0, 1, 5, 1000])
  func `Each rank gets its part of the sums, also where some have none`(count: Int) throws {
    try check((0..<world.size).map { _ in count }, on: world)
    try check((0..<world.size).map { $0 % 2 == 0 ? count : 0 }, on: world)
    try check((0..<world.size).map { $0 * count }, on: world)
  }

  @Test(arguments: [1, 7, 100])
  func `Buffers beyond the chunk limit give the same`(limit: Int) throws {
    let own = try world.split(color: 0, key: world.rank)
    own.chunkLimit = limit
    try check((0..<own.size).map { 20 + $0 }, on: own)
  }

  @Test func `It counts as an allreduce, and is recorded with its time`() throws {
    let own = try world.split(color: 0, key: world.rank)
    let before = own.statistics
    own.beginRecord()
    try check(Array(repeating: 3, count: own.size), on: own)
    _ = try own.allreduce(1)
    let operations = own.endRecord()
    let used = own.statistics - before
    #expect(used.allreduces == 2 && used.allreducedBytes == 8 * (3 * own.size + 1))
    // One rank exchanges nothing.
    #expect(operations.map(\.kind) == (own.size == 1 ? [] : [.reduceScatter, .allreduce]))
    #expect(operations.map(\.bytes) == (own.size == 1 ? [] : [24 * own.size, 8]))
    #expect(operations.allSatisfy { $0.before >= 0 && $0.seconds > 0 })
    // What comes behind the record is no part of it.
    _ = try own.allreduce(1)
    #expect(own.endRecord().isEmpty)
  }
}
