import MPI
import TestSupport
import Testing

@Suite(.serialized) struct AgreementCollectiveTests {
  @Test func `Rank 0 has the word where ranks do not compute alike`() throws {
    let world = World.communicator
    defer { world.computesAlike = true }
    let own = [Double(world.rank), 2, Double(10 * world.rank)]
    #expect(try world.agreed(own) == own)
    world.computesAlike = false
    #expect(try world.agreed(own) == [0, 2, 0])
    #expect(try world.split(color: 0, key: world.rank).computesAlike == false)
  }

  let world = World.communicator

  struct Missing: ExitCodeProviding, CustomStringConvertible {
    let path: String
    var description: String { "\(path): no such file" }
    var exitCode: Int32 { 66 }
  }

  struct Unnamed: Error {}

  @Test func `Equal fingerprints pass`() throws {
    try world.agree(0xdead_beef, about: "the configuration")
    try world.agree([], about: "the data")
    try world.agree("batch_size: 64".utf8, about: "the configuration")
  }

  @Test func `The lowest rank that differs is named to every rank`() throws {
    for differing in 1..<max(world.size, 2) where differing < world.size {
      // All ranks from this one on differ from rank 0, and from each other.
      let fingerprint = world.rank >= differing ? UInt64(world.rank) : 1 << 63
      let error = try #require(throws: Disagreement.self) {
        try world.agree(fingerprint, about: "the configuration")
      }
      #expect(error.rank == differing)
      #expect(error.hostname == world.hostname)
      #expect(
        error.description == "the configuration on rank \(differing) (\(world.hostname)) is not what rank 0 has")
      #expect(error.exitCode == 65)
    }
  }

  @Test func `One byte is a difference, and so is an exchange of two`() throws {
    let last = world.size - 1
    guard last > 0 else { return }
    for other in [[1, 2, 4], [2, 1, 3], [1, 2], [0, 1, 2, 3]] as [[UInt8]] {
      let error = try #require(throws: Disagreement.self) {
        try world.agree(world.rank == last ? other : [1, 2, 3], about: "the data")
      }
      #expect(error.rank == last)
    }
  }

  @Test func `Work that succeeds everywhere costs one allreduce`() throws {
    let before = world.statistics
    #expect(try world.collectively { "result \(world.rank)" } == "result \(world.rank)")
    let cost = world.statistics - before
    #expect(cost.allreduces == 1)
    #expect(cost.allreducedBytes == 8)
  }

  @Test func `A failure alike on all ranks reads as one process would say it`() throws {
    let error = try #require(throws: CollectiveFailure.self) {
      try world.collectively { throw Missing(path: "train.csv") }
    }
    #expect(error.description == "train.csv: no such file")
    #expect(error.origin == nil)
    #expect(error.exitCode == 66)
  }

  @Test func `A failure of one rank is thrown by all, with the rank named`() throws {
    for failing in 0..<world.size {
      let error = try #require(throws: CollectiveFailure.self) {
        try world.collectively { if world.rank == failing { throw Missing(path: "shard-\(failing)") } }
      }
      let prefix = world.size > 1 ? "rank \(failing) on \(world.hostname): " : ""
      #expect(error.description == "\(prefix)shard-\(failing): no such file")
      #expect(error.origin?.rank == (world.size > 1 ? failing : nil))
      #expect(error.exitCode == 66)
    }
    #expect(try world.allreduce(1) == world.size)
  }

  @Test func `Of different failures the lowest rank's is told`() throws {
    guard world.size > 1 else { return }
    let error = try #require(throws: CollectiveFailure.self) {
      try world.collectively { if world.rank > 0 { throw Missing(path: "shard-\(world.rank)") } }
    }
    #expect(error.description == "rank 1 on \(world.hostname): shard-1: no such file")

    let mixed = try #require(throws: CollectiveFailure.self) {
      try world.collectively { throw Missing(path: "shard-\(world.rank)") }
    }
    #expect(mixed.description == "rank 0 on \(world.hostname): shard-0: no such file")
  }

  @Test func `An error without an exit code is an internal one`() throws {
    let error = try #require(throws: CollectiveFailure.self) { try world.collectively { throw Unnamed() } }
    #expect(error.exitCode == 70)
    #expect(error.description == "Unnamed()")
  }

  @Test func `The same text with another exit code is another failure`() throws {
    guard world.size > 1 else { return }
    struct Coded: ExitCodeProviding, CustomStringConvertible {
      let exitCode: Int32
      var description: String { "bad" }
    }
    let error = try #require(throws: CollectiveFailure.self) {
      try world.collectively { throw Coded(exitCode: world.rank == 0 ? 65 : 74) }
    }
    #expect(error.origin?.rank == 0)
    #expect(error.exitCode == 65)
  }

  @Test func `A failure passes through an enclosing one unchanged`() throws {
    let last = world.size - 1
    let inner = try #require(throws: CollectiveFailure.self) {
      try world.collectively { if world.rank == last { throw Missing(path: "x") } }
    }
    let outer = try #require(throws: CollectiveFailure.self) { try world.collectively { throw inner } }
    #expect(outer.description == inner.description)
    #expect(outer.exitCode == 66)
  }

  @Test func `Failures travel in chunks as well`() throws {
    let own = try world.split(color: 0, key: world.rank)
    own.chunkLimit = 3
    let error = try #require(throws: CollectiveFailure.self) {
      try own.collectively { if own.rank == own.size - 1 { throw Missing(path: "größer") } }
    }
    #expect(error.description.hasSuffix("größer: no such file"))
  }
}
