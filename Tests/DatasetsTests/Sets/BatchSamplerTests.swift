import Foundation
import LinearAlgebra
import Testing

@testable import Datasets

@Suite struct BatchSamplerTests {
  func epoch(_ sampler: BatchSampler, _ epoch: Int) -> [[Int]] {
    var sampler = sampler
    return (0..<sampler.batchesPerEpoch).map { Array(sampler.batch(epoch: epoch, step: $0)) }
  }

  @Test func `Every row is visited once an epoch`() {
    for count in [1, 2, 10, 97] {
      for size in [1, 3, 10, 97, 1000] {
        let sampler = BatchSampler(count: count, batchSize: .rows(size), seed: 3)
        let batches = epoch(sampler, 4)
        #expect(batches.flatMap { $0 }.sorted() == Array(0..<count))
        #expect(batches.dropLast().allSatisfy { $0.count == min(size, count) })
        #expect(batches.count == (count + size - 1) / size)
      }
    }
  }

  @Test func `The smaller last batch is dropped on request`() {
    let sampler = BatchSampler(count: 10, batchSize: .rows(4), seed: 3, dropLast: true)
    #expect(epoch(sampler, 0).map(\.count) == [4, 4])
    #expect(epoch(BatchSampler(count: 10, batchSize: .rows(4), seed: 3), 0).map(\.count) == [4, 4, 2])
    #expect(BatchSampler(count: 3, batchSize: .rows(8), seed: 3, dropLast: true).batchesPerEpoch == 1)
  }

  @Test func `Epochs and seeds differ`() {
    let orders = (0..<3).flatMap { seed in
      (0..<5).map { epoch(BatchSampler(count: 200, batchSize: .rows(200), seed: seed), $0)[0] }
    }
    #expect(Set(orders).count == 15)
    #expect(orders.allSatisfy { $0 != Array(0..<200) })
  }

  @Test func `Batches do not depend on what was asked before`() {
    var sampler = BatchSampler(count: 50, batchSize: .rows(7), seed: 11)
    let calls = (0..<4).flatMap { epoch in (0..<sampler.batchesPerEpoch).map { (epoch, $0) } }
    let forward = calls.map { Array(sampler.batch(epoch: $0.0, step: $0.1)) }
    let backward = calls.reversed().map { Array(sampler.batch(epoch: $0.0, step: $0.1)) }
    #expect(forward == backward.reversed())
    let fresh = calls.map { call in
      var sampler = BatchSampler(count: 50, batchSize: .rows(7), seed: 11)
      return Array(sampler.batch(epoch: call.0, step: call.1))
    }
    #expect(forward == fresh)
  }

  @Test func `The order of a seed stays the same forever`() {
    // A checkpoint resumes in the middle of an epoch by this order alone.
    var sampler = BatchSampler(count: 10, batchSize: .rows(10), seed: 42)
    #expect(sampler.batch(epoch: 0, step: 0) == [8, 1, 9, 2, 6, 0, 4, 5, 3, 7])
    #expect(sampler.batch(epoch: 1, step: 0) == [6, 9, 3, 4, 8, 7, 2, 0, 1, 5])
    var strata = BatchSampler(count: 10, batchSize: .rows(10), seed: 42, strata: [0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    #expect(strata.batch(epoch: 0, step: 0) == [1, 9, 8, 6, 4, 2, 0, 7, 5, 3])
    #expect(strata.batch(epoch: 1, step: 0) == [6, 4, 8, 9, 7, 3, 2, 1, 0, 5])
  }

  @Test func `Blocks stay together`() {
    for (count, block) in [(1, 3), (10, 10), (10, 64), (97, 1), (97, 5), (100, 4)] {
      let sampler = BatchSampler(count: count, batchSize: .rows(7), seed: 3, shuffle: .init(block: block))
      let orders = (0..<4).map { epoch(sampler, $0).flatMap { $0 } }
      for order in orders {
        #expect(order.sorted() == Array(0..<count))
        // A row that does not begin a block follows the one before it.
        for (row, next) in zip(order, order.dropFirst()) where next % block != 0 { #expect(next == row + 1) }
      }
      if count > 2 * block { #expect(Set(orders).count == 4) }
    }
    #expect(
      epoch(BatchSampler(count: 97, batchSize: .rows(7), seed: 3), 2)
        == epoch(BatchSampler(count: 97, batchSize: .rows(7), seed: 3, shuffle: .init(block: 1)), 2))
  }

  @Test func `Windows mix the rows of their blocks`() {
    for (count, size, block, window) in [
      (97, 7, 5, 5), (97, 7, 5, 3), (100, 10, 4, 4), (64, 16, 8, 2), (10, 3, 20, 9),
    ] {
      for dropLast in [false, true] {
        var sampler = BatchSampler(
          count: count, batchSize: .rows(size), seed: 3, dropLast: dropLast,
          shuffle: .init(block: block, window: window))
        let batches = epoch(sampler, 2)
        let rows = batches.flatMap { $0 }
        #expect(Set(rows).count == rows.count && rows.allSatisfy { (0..<count).contains($0) })
        #expect(rows.count == (dropLast ? count / size * size : count))
        #expect(batches != epoch(sampler, 3))
        for (step, batch) in batches.enumerated() {
          // T rows in block order are in T batches, or in one less where the last is smaller: a batch has few rows of a
          // block.
          let mixed = sampler.window(of: step).count { batches[$0].count == size }
          let most = (block + mixed - 2) / mixed + 1
          for (_, own) in Dictionary(grouping: batch, by: { $0 / block }) where batch.count == size {
            #expect(own.count <= most)
          }
          // For any number of ranks, a rank that has read its part of the window in block order has its rows.
          let batches = sampler.window(of: step)
          for ranks in 1...3 where batch.count == size {
            for rank in 0..<ranks {
              let own = BatchSampler.shard(of: 0..<size, rank: rank, count: ranks)
              let range = sampler.range(at: own, ofWindow: batches)
              let read = sampler.rows(range, ofWindow: batches, epoch: 2)
              let places = Array(sampler.places(epoch: 2, step: step))[own]
              #expect(places.map { read[$0 - range.lowerBound] } == Array(batch[own]))
            }
          }
        }
      }
    }
  }

  @Test func `A window of one batch keeps blocks in order`() {
    let sampler = BatchSampler(count: 97, batchSize: .rows(7), seed: 3, shuffle: .init(block: 5))
    let same = BatchSampler(count: 97, batchSize: .rows(7), seed: 3, shuffle: .init(block: 5, window: 1))
    #expect(epoch(sampler, 1) == epoch(same, 1))
    let single = BatchSampler(count: 97, batchSize: .rows(7), seed: 3, shuffle: .init(window: 9))
    #expect(epoch(single, 1) == epoch(BatchSampler(count: 97, batchSize: .rows(7), seed: 3), 1))
    // This order is fixed for all versions, as without blocks.
    #expect(
      epoch(BatchSampler(count: 10, batchSize: .rows(4), seed: 42, shuffle: .init(block: 3, window: 2)), 1)
        == [[4, 9, 1, 2], [3, 5, 0, 6], [7, 8]])
  }

  @Test func `Strata of one size are in each batch alike`() {
    // 7 strata of 12 rows, in any order: each run of 7 rows has one row of each.
    let strata = (0..<84).map { Int32($0 * 5 % 7) }
    for seed in 0..<20 {
      let sampler = BatchSampler(count: 84, batchSize: .rows(14), seed: UInt64(seed), strata: strata)
      let orders = (0..<3).map { epoch(sampler, $0) }
      for batch in orders.joined() {
        let counts = batch.reduce(into: Array(repeating: 0, count: 7)) { $0[Int(strata[$1])] += 1 }
        #expect(counts == Array(repeating: 2, count: 7))
      }
      #expect(orders.allSatisfy { $0.flatMap { $0 }.sorted() == Array(0..<84) })
      #expect(Set(orders).count == 3)
    }
  }

  @Test func `Strata of all sizes are spread`() {
    // The first stratum has no row, the second has one, and the last has half of all.
    var generator = SplitMix64(seed: 5)
    let strata = (0..<997).map { row in
      row == 500 ? Int32(1) : row % 2 == 0 ? 40 : Int32(2 + generator.next(below: 38))
    }
    let sizes = strata.reduce(into: Array(repeating: 0, count: 41)) { $0[Int($1)] += 1 }
    for seed in 0..<20 {
      let sampler = BatchSampler(count: 997, batchSize: .rows(100), seed: UInt64(seed), strata: strata)
      let order = epoch(sampler, 1).flatMap { $0 }
      #expect(order.sorted() == Array(0..<997))
      // By chance alone, the number of rows of the largest stratum in a batch would have a deviation of five.
      for batch in epoch(sampler, 1) {
        let counts = batch.reduce(into: Array(repeating: 0, count: 41)) { $0[Int(strata[$1])] += 1 }
        for (count, size) in zip(counts, sizes) {
          #expect(abs(Double(count) - Double(size * batch.count) / 997) < 5)
        }
      }
    }
  }

  @Test func `Every row of a stratum is in every place alike often`() {
    let strata: [Int32] = [0, 1, 0, 1, 0, 0]
    var counts = Array(repeating: Array(repeating: 0, count: 6), count: 6)
    for seed in 0..<3000 {
      var sampler = BatchSampler(count: 6, batchSize: .rows(6), seed: UInt64(seed), strata: strata)
      for (place, row) in sampler.batch(epoch: seed % 3, step: 0).enumerated() { counts[row][place] += 1 }
    }
    // By symmetry, rows of one stratum have equal expectations: four and two multinomials on at most six places.
    for rows in [[0, 2, 4, 5], [1, 3]] {
      for place in 0..<6 {
        let own = rows.map { Double(counts[$0][place]) }
        let mean = own.reduce(0, +) / Double(own.count)
        for count in own { #expect(abs(count - mean) < 5 * mean.squareRoot() + 1) }
      }
    }
  }

  @Test func `Strata of single rows or of all rows change nothing of an epoch`() {
    for count in [1, 2, 31] {
      for strata in [Array(repeating: 0, count: count), (0..<count).map { Int32($0) }] as [[Int32]] {
        let sampler = BatchSampler(count: count, batchSize: .rows(8), seed: 3, strata: strata)
        #expect(epoch(sampler, 2).flatMap { $0 }.sorted() == Array(0..<count))
      }
    }
    // A single stratum has no effect.
    #expect(
      epoch(BatchSampler(count: 31, batchSize: .rows(8), seed: 3, strata: Array(repeating: 0, count: 31)), 2)
        == epoch(BatchSampler(count: 31, batchSize: .rows(8), seed: 3), 2))
    // Full batches keep their order.
    var full = BatchSampler(count: 6, batchSize: .full, seed: 1, strata: [1, 1, 0, 0, 2, 2])
    #expect(Array(full.batch(epoch: 1, step: 0)) == Array(0..<6))
  }

  @Test func `Full batches keep the natural order`() {
    var sampler = BatchSampler(count: 6, batchSize: .full, seed: 1)
    for epoch in 0..<3 { #expect(Array(sampler.batch(epoch: epoch, step: 0)) == Array(0..<6)) }
    #expect(sampler.batchesPerEpoch == 1 && sampler.batchSize == 6)
  }

  @Test func `Steps count through the epochs`() {
    let sampler = BatchSampler(count: 10, batchSize: .rows(4), seed: 1)
    #expect((0..<7).map { sampler.position(ofStep: $0).epoch } == [0, 0, 0, 1, 1, 1, 2])
    #expect((0..<7).map { sampler.position(ofStep: $0).step } == [0, 1, 2, 0, 1, 2, 0])
  }

  @Test func `Shards partition the batch`() {
    for size in 0...20 {
      for count in 1...25 {
        let shards = (0..<count).map { BatchSampler.shard(of: 5..<5 + size, rank: $0, count: count) }
        #expect(shards.flatMap { Array($0) } == Array(5..<5 + size))
        #expect(shards[0].lowerBound == 5 && shards.map(\.count).max()! - shards.map(\.count).min()! <= 1)
      }
    }
  }

  @Test func `Batch sizes are numbers or full`() throws {
    func decode(_ text: String) throws -> BatchSize {
      try JSONDecoder().decode(BatchSize.self, from: Data(text.utf8))
    }
    #expect(try decode("12") == .rows(12))
    #expect(try decode("\"full\"") == .full)
    for text in ["0", "-3", "1.5", "\"half\"", "null", "[]"] {
      #expect(throws: DecodingError.self) { try decode(text) }
    }
    for size in [BatchSize.full, .rows(5)] {
      #expect(try JSONDecoder().decode(BatchSize.self, from: JSONEncoder().encode(size)) == size)
    }
  }
}
