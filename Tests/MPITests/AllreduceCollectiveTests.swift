import MPI
import TestSupport
import Testing

@Suite(.serialized) struct AllreduceCollectiveTests {
  let world = World.communicator

  /// Small integers, different on each rank and in each place, so that sums are exact in all types.
  static func value<Element: MPIDatatype>(rank: Int, index: Int) -> Element {
    Element(exactly: (rank * 7 + index * 3) % 11 + rank)!
  }

  /// Checks all reductions of `count` elements against loops over the ranks' contributions.
  func check<Element: MPIDatatype>(_: Element.Type, count: Int, on communicator: Communicator) throws {
    let mine: [Element] = (0..<count).map { Self.value(rank: communicator.rank, index: $0) }
    let columns: [[Element]] = (0..<count).map { index in
      (0..<communicator.size).map { Self.value(rank: $0, index: index) }
    }
    #expect(try communicator.allreduce(mine) == columns.map { $0.reduce(0, +) })
    #expect(try communicator.allreduce(mine, .min) == columns.map { $0.min()! })
    #expect(try communicator.allreduce(mine, .max) == columns.map { $0.max()! })
  }

  func checkAllTypes(count: Int, on communicator: Communicator) throws {
    try check(Float.self, count: count, on: communicator)
    try check(Double.self, count: count, on: communicator)
    try check(Int32.self, count: count, on: communicator)
    try check(Int64.self, count: count, on: communicator)
    try check(Int.self, count: count, on: communicator)
    try check(UInt8.self, count: count, on: communicator)
    try check(UInt64.self, count: count, on: communicator)
  }

  @Test(arguments: [0, 1, 10, 1000])
  func `Every type and operation gives what loops give`(count: Int) throws {
    try checkAllTypes(count: count, on: world)
  }

  @Test(arguments: [1, 2, 3, 10, 11])
  func `Buffers beyond the chunk limit give the same`(limit: Int) throws {
    let own = try world.split(color: 0, key: world.rank)
    own.chunkLimit = limit
    try checkAllTypes(count: 10, on: own)
  }

  @Test func `Full-width integers keep all their bits`() throws {
    let high = UInt64.max - UInt64(world.rank)
    #expect(try world.allreduce(high, .max) == UInt64.max)
    #expect(try world.allreduce(high, .min) == UInt64.max - UInt64(world.size - 1))
    #expect(try world.allreduce(Int64.min + Int64(world.rank), .min) == Int64.min)
    #expect(try world.allreduce(Int.max - world.rank, .max) == Int.max)
    #expect(try world.allreduce(UInt8(255 - world.rank), .min) == UInt8(256 - world.size))
    // Unsigned numbers on both sides of the sign bit must not be compared as signed ones.
    #expect(try world.allreduce(world.rank == 0 ? 1 : UInt64.max, .min) == 1)
    #expect(try world.allreduce(world.rank == 0 ? 1 : UInt8.max, .min) == 1)
    #expect(try world.allreduce(world.rank == 0 ? -1 : 1 as Int64, .min) == -1)
    #expect(try world.allreduce(-Int32.max + Int32(world.rank), .min) == -Int32.max)
  }

  @Test func `Numbers with a fraction keep their precision`() throws {
    let share = 1.0 / 3 + Double(world.rank)
    let sum = try world.allreduce(share)
    #expect(abs(sum - (0..<world.size).reduce(0) { $0 + 1.0 / 3 + Double($1) }) < 1e-14)
    // All ranks have the same bits.
    #expect(try world.allgather([sum]) == Array(repeating: sum, count: world.size))
  }

  @Test func `A buffer is reduced in place`() throws {
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 5)
    defer { buffer.deallocate() }
    buffer.initialize(repeating: Float(world.rank + 1))
    try world.allreduce(UnsafeMutableBufferPointer(rebasing: buffer[1..<4]))
    let total = Float(world.size * (world.size + 1) / 2)
    let mine = Float(world.rank + 1)
    #expect(Array(buffer) == [mine, total, total, total, mine])
  }

  @Test(arguments: [3, Int(Int32.max)], [0, 1, 10])
  func `Sums of parts are complete when the scope ends`(limit: Int, count: Int) throws {
    let own = try world.split(color: 0, key: world.rank)
    own.chunkLimit = limit
    let buffer = UnsafeMutableBufferPointer<Double>.allocate(capacity: 2 * count + 1)
    defer { buffer.deallocate() }
    for index in buffer.indices { buffer[index] = Self.value(rank: own.rank, index: index) }
    let inside = try own.withSums(of: Double.self) { sum in
      // From the last part to the first, as in a backward pass.
      try sum(UnsafeMutableBufferPointer(rebasing: buffer[count...]))
      let ranks = try own.allreduce(1)
      try sum(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      return ranks
    }
    #expect(inside == own.size)
    for index in buffer.indices {
      #expect(buffer[index] == (0..<own.size).map { Self.value(rank: $0, index: index) }.reduce(0, +))
    }
  }

  @Test func `A long sum is complete in every chunk`() throws {
    let own = try world.split(color: 0, key: world.rank)
    own.chunkLimit = 100_000
    var values = (0..<450_000).map { Double($0 + own.rank) }
    try values.withUnsafeMutableBufferPointer { values in try own.withSums { try $0(values) } }
    let offset = Double(own.size * (own.size - 1) / 2)
    #expect(values.indices.allSatisfy { values[$0] == Double($0 * own.size) + offset })
  }

  struct Failure: Error {}

  @Test func `A body that throws still leaves complete sums behind`() throws {
    let own = try world.split(color: 0, key: world.rank)
    own.chunkLimit = 3
    var values = (0..<10).map { Double($0 + world.rank) }
    #expect(throws: Failure.self) {
      try values.withUnsafeMutableBufferPointer { values in
        try own.withSums {
          try $0(values)
          throw Failure()
        }
      }
    }
    #expect(values == (0..<10).map { index in (0..<world.size).reduce(0) { $0 + Double(index + $1) } })
    #expect(try own.allreduce(1) == own.size)
  }

  @Test func `A body that throws on one rank does not hold up the others`() throws {
    var values = [Double(world.rank)]
    let last = world.size - 1
    do {
      try values.withUnsafeMutableBufferPointer { values in
        try world.withSums {
          try $0(values)
          if world.rank == last { throw Failure() }
        }
      }
      #expect(world.rank != last)
    } catch {
      #expect(error is Failure)
      #expect(world.rank == last)
    }
    #expect(values == [Double(last * (last + 1) / 2)])
  }

  @Test func `Statistics count calls and bytes, not chunks or other collectives`() throws {
    let own = try world.split(color: 0, key: world.rank)
    own.chunkLimit = 3
    #expect(own.statistics == Communicator.Statistics())
    _ = try own.allreduce([Double](repeating: 1, count: 10))
    _ = try own.allreduce(Float(1), .max)
    _ = try own.allreduce([Int32]())
    let before = own.statistics
    #expect(before.allreduces == 3)
    #expect(before.allreducedBytes == 84)

    var values = [Float](repeating: 1, count: 7)
    try values.withUnsafeMutableBufferPointer { values in try own.withSums { try $0(values) } }
    _ = try own.broadcast([1, 2, 3])
    _ = try own.allgather([1, 2, 3])
    _ = try own.gather([1, 2, 3])
    try own.barrier()
    let step = own.statistics - before
    #expect(step.allreduces == 1)
    #expect(step.allreducedBytes == 28)
    #expect(own.size == 1 ? own.statistics.seconds == 0 : before.seconds > 0 && step.seconds > 0)
    #expect(own.statistics.seconds < 60)
  }
}
