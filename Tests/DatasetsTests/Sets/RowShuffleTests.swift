import Foundation
import LinearAlgebra
import Testing

@testable import Datasets

@Suite struct RowShuffleTests {
  let directory = try! TemporaryDirectory()

  /// Collects the rows that it receives.
  private final class Rows: ExampleSink {
    typealias Scalar = Double
    var features: [[Double]] = []
    var classes: [Int32] = []

    func append(_ rows: Matrix<Double>, classes: ArraySlice<Int32>?) {
      for row in 0..<rows.rows { features.append(rows[row: row].array) }
      self.classes += classes ?? []
    }

    func append(_ rows: SparseFeatures, classes: [Int32]?) throws(DataError) {
      let values = values(of: try rows.dense())
      for row in 0..<rows.rows { features.append(Array(values[row * rows.columns..<(row + 1) * rows.columns])) }
      self.classes += classes ?? []
    }
  }

  private func shuffle(
    _ rows: Int, columns: Int, seed: UInt64, buckets: Int, _ append: (RowShuffle<Double>) throws -> Void
  ) throws -> Rows {
    let target = Rows()
    let shuffle = try RowShuffle<Double>(
      beside: directory.path + "/o.npy", columns: columns, seed: seed, buckets: buckets)
    #expect(directory.names == [])
    try append(shuffle)
    var shares: [Double] = []
    try shuffle.drain(into: target) { shares.append($0) }
    #expect(shares.last == 1 && shares == shares.sorted() && target.features.count == rows)
    return target
  }

  /// Five buckets of 160 KB, which are written in pieces.
  @Test(arguments: [false, true])
  func `Keeps every row with its class`(isSparse: Bool) throws {
    let (rows, columns) = (2000, 50)
    // Row r has values in the columns below r % 51.
    func count(_ row: Int) -> Int { row % (columns + 1) }
    func value(_ row: Int, _ column: Int) -> Double { Double(row * columns + column + 1) }
    func shuffled(_ seed: UInt64) throws -> [Int32] {
      let result = try shuffle(rows, columns: columns, seed: seed, buckets: 5) { shuffle in
        for part in [0..<1, 1..<700, 700..<rows] {
          let classes = part.map { Int32($0) }
          if isSparse {
            try shuffle.append(
              SparseFeatures(
                name: "rows", columns: columns,
                starts: part.reduce(into: [0]) { $0.append($0.last! + count($1)) },
                indices: part.flatMap { (0..<count($0)).map { Int32($0) } },
                values: part.flatMap { row in (0..<count(row)).map { value(row, $0) } }), classes: classes)
          } else {
            let values = part.flatMap { row in (0..<columns).map { $0 < count(row) ? value(row, $0) : 0 } }
            try shuffle.append(Matrix(Vector(values), part.count, columns), classes: classes[...])
          }
        }
      }
      for (features, row) in zip(result.features, result.classes) {
        #expect(features == (0..<columns).map { $0 < count(Int(row)) ? value(Int(row), $0) : 0 })
      }
      #expect(result.classes.sorted() == (0..<Int32(rows)).map { $0 })
      return result.classes
    }
    let order = try shuffled(1)
    #expect(try shuffled(1) == order && shuffled(2) != order)
  }

  /// 24 orders of four rows, with 6000 seeds: for 23 degrees of freedom, χ² exceeds 70 once in a million.
  @Test(arguments: [1, 2, 1024])
  func `All orders are equally likely`(buckets: Int) throws {
    var counts: [[Double]: Double] = [:]
    for seed in 0..<6000 {
      let result = try shuffle(4, columns: 1, seed: UInt64(seed), buckets: buckets) {
        try $0.append(Matrix(Vector([0, 1, 2, 3]), 4, 1), classes: nil)
      }
      counts[result.features.map { $0[0] }, default: 0] += 1
    }
    #expect(counts.count == 24 && counts.values.reduce(0) { $0 + pow($1 - 250, 2) / 250 } < 70)
  }

  @Test func `No rows are no rows`() throws {
    let target = Rows()
    try RowShuffle<Double>(beside: directory.path + "/o.npy", columns: 3, seed: 0).drain(into: target) { _ in }
    #expect(target.features.isEmpty)
  }
}
