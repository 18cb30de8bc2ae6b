import Glibc
import MPI
import TestSupport
import Testing

@Suite(.serialized) struct OrderedSumCollectiveTests {
  let world = World.communicator

  /// Terms of all sizes and signs, whose sum depends on the order: `count` numbers each.
  func terms<Element: BinaryFloatingPoint>(_ terms: Int, of count: Int) -> [[Element]] {
    var samples = Samples(seed: 5)
    return (0..<terms).map { _ in
      (0..<count).map { _ in Element(samples.normal() * [1, 1e4, 1e-4][samples.integer(below: 3)]) }
    }
  }

  /// Sums terms that are distributed over the ranks, and compares with a loop over all terms.
  func check<Element: MPIDatatype & BinaryFloatingPoint>(
    _: Element.Type, terms number: Int, of count: Int, piece: Int, on communicator: Communicator
  ) throws {
    let terms: [[Element]] = terms(number, of: count)
    let mine = terms[
      number * communicator.rank / communicator.size..<number * (communicator.rank + 1) / communicator.size]
    // The previous contents do not matter.
    var sum = [Element](repeating: .nan, count: count)
    var covered: [Int] = []
    try sum.withUnsafeMutableBufferPointer { sum in
      try communicator.orderedSum(sum, piece: piece) { range in
        covered += range
        for term in mine { for index in range { sum[index] += term[index] } }
      }
    }
    let expected = (0..<count).map { index in terms.reduce(0) { $0 + $1[index] } }
    #expect(sum == expected)
    #expect(covered == Array(0..<count))
  }

  @Test(arguments: [0, 1, 3, 12, 29], [0, 1, 7, 1000])
  func `The sum has the bits of a loop over all terms, whoever has them`(terms: Int, count: Int) throws {
    for piece in [1, 5, 7, 1 << 16] {
      try check(Double.self, terms: terms, of: count, piece: piece, on: world)
      try check(Float.self, terms: terms, of: count, piece: piece, on: world)
    }
  }

  @Test func `Another order gives other bits`() {
    let terms: [[Float]] = terms(12, of: 1000)
    #expect(terms.reversed().reduce(0) { $0 + $1[3] } != terms.reduce(0) { $0 + $1[3] })
  }

  @Test(arguments: [3, 8, 11])
  func `Messages beyond the chunk limit give the same`(limit: Int) throws {
    let own = try world.split(color: 0, key: world.rank)
    own.chunkLimit = limit
    try check(Double.self, terms: 12, of: 10, piece: 4, on: own)
  }

  @Test func `What one rank makes of the sum is that of all`() throws {
    var sum = [0.0, 0]
    var calls = 0
    try sum.withUnsafeMutableBufferPointer { sum in
      try world.orderedSum(
        sum, piece: 1, add: { for index in $0 { sum[index] += Double(index + world.rank) } },
        finish: {
          calls += 1
          for index in sum.indices { sum[index] = sum[index] * 2 + 1 }
        })
    }
    let ranks = Double(world.size * (world.size - 1) / 2)
    #expect(sum == [2 * ranks + 1, 2 * (ranks + Double(world.size)) + 1])
    #expect(try world.allreduce(calls) == 1)
  }

  @Test func `It counts as one allreduce of the buffer`() throws {
    let before = world.statistics
    var sum = [Float](repeating: 0, count: 100)
    try sum.withUnsafeMutableBufferPointer { try world.orderedSum($0, piece: 9) { _ in } }
    let used = world.statistics - before
    #expect(used.allreduces == 1 && used.allreducedBytes == 400)
    #expect(world.size == 1 || used.seconds > 0)
  }

  @Test func `Its waiting is counted once`() throws {
    var sum = [Float](repeating: 0, count: 100)
    let (before, start) = (world.statistics, ContinuousClock.now)
    // All others wait for the last rank, most of them for the final message.
    if world.rank == world.size - 1 { usleep(100_000) }
    try sum.withUnsafeMutableBufferPointer { try world.orderedSum($0) { _ in } }
    let whole = (ContinuousClock.now - start) / .seconds(1)
    #expect((world.statistics - before).seconds <= whole)
  }
}
