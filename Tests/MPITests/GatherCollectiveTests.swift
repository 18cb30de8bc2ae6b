import Glibc
import TestSupport
import Testing

@testable import MPI

@Suite(.serialized) struct GatherCollectiveTests {
  let world = World.communicator
  static let limits = [1, 3, Int(Int32.max)]

  func chunked(_ limit: Int) throws -> Communicator {
    let own = try world.split(color: 0, key: world.rank)
    own.chunkLimit = limit
    return own
  }

  /// The contribution of rank `rank`, with `count` elements.
  static func part<Element: MPIDatatype>(_ rank: Int, _ count: Int) -> [Element] {
    (0..<count).map { Element(exactly: $0 + 20 * rank)! }
  }

  /// Rank 0 contributes nothing, and neither does every third rank after it.
  static func counts(_ size: Int) -> [Int] { (0..<size).map { $0 % 3 * 4 } }

  func check<Element: MPIDatatype>(_: Element.Type, on own: Communicator) throws {
    let equal: [Element] = (0..<own.size).flatMap { Self.part($0, 5) }
    for root in 0..<own.size {
      let gathered: [Element]? = try own.gather(Self.part(own.rank, 5), root: root)
      #expect(gathered == (own.rank == root ? equal : nil))
    }
    #expect(try own.allgather(Self.part(own.rank, 5)) == equal)

    let counts = Self.counts(own.size)
    let uneven: [Element] = (0..<own.size).flatMap { Self.part($0, counts[$0]) }
    let mine: [Element] = Self.part(own.rank, counts[own.rank])
    #expect(try own.allgather(mine) == uneven)
    #expect(try own.allgather(mine, counts: counts) == uneven)

    var buffer = [Element](repeating: 99, count: uneven.count)
    let offset = counts[..<own.rank].reduce(0, +)
    for (index, element) in mine.enumerated() { buffer[offset + index] = element }
    try buffer.withUnsafeMutableBufferPointer { try own.allgather(into: $0, counts: counts) }
    #expect(buffer == uneven)
  }

  @Test(arguments: limits)
  func `Parts of every type are put together in the order of ranks`(limit: Int) throws {
    let own = try chunked(limit)
    try check(Float.self, on: own)
    try check(Double.self, on: own)
    try check(Int32.self, on: own)
    try check(Int64.self, on: own)
    try check(Int.self, on: own)
    try check(UInt8.self, on: own)
    try check(UInt64.self, on: own)
  }

  /// Parts of no, one and several pieces of the memory that ranks of a host share, in gathers that follow each other at once.
  @Test func `Large parts pass through memory that the ranks of a host share`() throws {
    let own = try chunked(Int(Int32.max))
    let memory = try own.hostMemory()
    #expect((memory == nil) == (own.size == 1), "all ranks of tests are on one host")
    let piece = memory?.pieceSize ?? 1000
    for round in 0..<60 {
      let counts = (0..<own.size).map { [piece - 1, 3 * piece, 0, piece + 7][($0 + round) % 4] }
      let parts = counts.indices.map { rank in
        [UInt8](repeating: UInt8(truncatingIfNeeded: 31 * round + rank), count: counts[rank])
      }
      // One rank comes late, in turn.
      if round % own.size == own.rank { usleep(500) }
      #expect(try own.allgather(parts[own.rank], counts: counts) == parts.flatMap(\.self))
    }
  }

  @Test(arguments: limits)
  func `Only one rank may have something`(limit: Int) throws {
    let own = try chunked(limit)
    for owner in 0..<own.size {
      let part = own.rank == owner ? [1.5, 2.5, 3.5] : []
      #expect(try own.allgather(part) == [1.5, 2.5, 3.5])
      var expected = [[UInt8]](repeating: [], count: own.size)
      expected[owner] = [1, 2, 3, 4, 5]
      #expect(try own.allgatherBytes(own.rank == owner ? [1, 2, 3, 4, 5] : []) == expected)
    }
  }

  @Test func `Nothing everywhere gathers to nothing`() throws {
    #expect(try world.gather([Float]()) == (world.rank == 0 ? [] : nil))
    #expect(try world.allgather([Double]()) == [])
    #expect(try world.allgatherBytes([]) == Array(repeating: [], count: world.size))
    try world.allgather(
      into: UnsafeMutableBufferPointer<Int>(start: nil, count: 0), counts: Array(repeating: 0, count: world.size))
  }

  @Test(arguments: limits)
  func `Texts of different length arrive one by one`(limit: Int) throws {
    let own = try chunked(limit)
    let texts = (0..<own.size).map { String(repeating: "é", count: $0 * 3 % 7) }
    for root in 0..<own.size {
      #expect(try own.gatherStrings(texts[own.rank], root: root) == (own.rank == root ? texts : nil))
      let bytes = try own.gatherBytes(Array(texts[own.rank].utf8), root: root)
      #expect(bytes == (own.rank == root ? texts.map { Array($0.utf8) } : nil))
    }
  }

  @Test func `Long parts are gathered whole`() throws {
    let counts = (0..<world.size).map { 100_000 + 7 * $0 }
    let all: [Int] = (0..<world.size).flatMap { rank in (0..<counts[rank]).map { $0 ^ rank << 40 } }
    let offset = counts[..<world.rank].reduce(0, +)
    let mine = Array(all[offset..<offset + counts[world.rank]])
    #expect(try world.allgather(mine) == all)
    let own = try chunked(65_537)
    #expect(try own.allgather(mine) == all)
  }
}
