import TestSupport
import Testing

@testable import MPI

@Suite(.serialized) struct CommunicatorCollectiveTests {
  let world = World.communicator

  @Test func `Ranks count from zero and agree on the size`() throws {
    #expect(try world.allgather([world.rank]) == Array(0..<world.size))
    #expect(try world.allgather([world.size]) == Array(repeating: world.size, count: world.size))
  }

  @Test func `Every rank knows the name of its machine`() throws {
    #expect(!world.hostname.isEmpty)
    #expect(try world.splitBySharedMemory().hostname == world.hostname)
  }

  @Test func `A split by parity sums over its own ranks only`() throws {
    let part = try world.split(color: world.rank % 2, key: world.rank)
    let members = (0..<world.size).filter { $0 % 2 == world.rank % 2 }
    #expect(part.size == members.count)
    #expect(members[part.rank] == world.rank)
    #expect(try part.allgather([world.rank]) == members)
    #expect(try part.allreduce(world.rank) == members.reduce(0, +))
  }

  @Test func `The key of a split orders its ranks`() throws {
    let reversed = try world.split(color: 5, key: -world.rank)
    #expect(reversed.rank == world.size - 1 - world.rank)
    #expect(try reversed.allgather([world.rank]) == (0..<world.size).reversed())
  }

  @Test func `A split of one works without the others`() throws {
    let alone = try world.split(color: world.rank, key: 0)
    #expect(alone.size == 1)
    #expect(alone.handle == nil)
    // Only rank 0 calls, so it would wait in vain for a message of any other rank.
    if world.rank == 0 {
      #expect(try alone.allreduce([3, 4]) == [3, 4])
      #expect(try alone.broadcast("text") == "text")
      #expect(try alone.gather([1.5]) == [1.5])
      #expect(try alone.gatherBytes([1, 2]) == [[1, 2]])
      #expect(try alone.allgather([UInt8(7)]) == [7])
      #expect(try alone.split(color: 3, key: 1).size == 1)
      #expect(try alone.collectively { 5 } == 5)
      try alone.agree(1, about: "x")
      try alone.barrier()
    }
    try world.barrier()
  }

  @Test func `Splits inherit the chunk limit and start their own statistics`() throws {
    let own = try world.split(color: 0, key: world.rank)
    own.chunkLimit = 3
    _ = try own.allreduce(1)
    let part = try own.split(color: 0, key: own.rank)
    #expect(part.chunkLimit == 3)
    #expect(try own.splitBySharedMemory().chunkLimit == 3)
    #expect(part.statistics == Communicator.Statistics())
  }

  @Test func `Ranks of one node share memory`() throws {
    let node = try world.splitBySharedMemory()
    // The suite runs on one machine.
    #expect(node.size == world.size)
    #expect(node.rank == world.rank)
  }

  @Test func `Many splits, one after the other, do not exhaust MPI`() throws {
    // MPICH supports 2048 communicators at a time.
    for _ in 0..<2100 { _ = try world.split(color: 0, key: 0) }
  }

  @Test func `A barrier holds until the last rank arrives`() throws {
    let clock = ContinuousClock()
    try world.barrier()
    let start = clock.now
    if world.rank == world.size - 1 { while clock.now - start < .milliseconds(50) {} }
    try world.barrier()
    // Ranks leave the first barrier at slightly different times.
    #expect(clock.now - start > .milliseconds(40))
  }

  @Test func `The library's version is a name and a number`() {
    #expect(World.libraryVersion.contains("MPI"))
    #expect(World.libraryVersion.contains { $0.isNumber })
    #expect(World.libraryVersion.count < 80)
    #expect(!World.libraryVersion.contains { $0.isNewline })
  }

  @Test(.enabled(if: World.size > 1, "asking for an error's text needs a running MPI"))
  func `An error of MPI reads as one line that names the operation`() {
    // Open MPI and MPICH both count error classes from 1, the class of a bad buffer.
    let error = MPIError(operation: "MPI_Bcast", code: 1)
    #expect(error.description.hasPrefix("MPI_Bcast failed: "))
    #expect(error.description.hasSuffix(" (code 1)"))
    #expect(error.message.lowercased().contains("buf"))
    #expect(!error.description.contains { $0.isNewline })
    #expect(error.exitCode == 76)
  }

  @Test(.enabled(if: World.size == 1, "the child process would be one more rank"))
  func `A request that is dropped traps`() async {
    await #expect(processExitsWith: .failure) {
      var values = [1.0]
      try values.withUnsafeMutableBufferPointer { _ = try Communicator().startSum($0) }
    }
  }
}
