import Datasets
import LinearAlgebra
import Testing

/// Sparse rows against equal rows with their zeros.
@Suite struct SparseFeaturesTests {
  private static let columns = 5
  private static let starts = [0, 2, 2, 5, 6]
  private static let indices: [Int32] = [1, 4, 0, 1, 3, 4]
  private static let numbers = [3.5, -2, 1, 0.1, 7, -2]

  private func sparse<Scalar: BLASScalar>(_: Scalar.Type) throws -> SparseFeatures {
    try SparseFeatures(
      name: "sparse", columns: Self.columns, starts: Self.starts, indices: Self.indices,
      values: Self.numbers.map { Scalar($0) })
  }

  private func check<Stored: BLASScalar, Target: BLASScalar>(
    _: Stored.Type, _: Target.Type, _ kind: Normalization.Kind
  ) throws {
    let features = try sparse(Stored.self)
    let dense = try features.dense()
    let normalization = Normalization(kind, features.statistics)
    let rows = [3, 0, 1, 0, 2]
    let expected = Matrix<Target>(zeros: rows.count, Self.columns)
    dense.gather(rows: rows, into: expected, normalization: normalization)
    let gathered: CSRMatrix<Target> = features.gather(rows: rows, normalization: normalization)
    #expect(gathered.rowCounts == [1, 2, 0, 2, 3])
    let result = Matrix<Target>(zeros: rows.count, Self.columns)
    var entry = 0
    for (row, count) in gathered.rowCounts.enumerated() {
      for _ in 0..<count {
        result[row, Int(Array(gathered.entryColumns)[entry])] = gathered.values[entry]
        entry += 1
      }
    }
    for (value, expected) in zip(result.elements.array, expected.elements.array) {
      #expect(abs(value - expected) <= 4 * Target(Float.ulpOfOne) * abs(expected))
    }
  }

  @Test(arguments: [Normalization.Kind.none, .scale, .unitVariance])
  func `Are gathered and normalised as with their zeros`(kind: Normalization.Kind) throws {
    try check(Float.self, Float.self, kind)
    try check(Float.self, Double.self, kind)
    try check(Double.self, Float.self, kind)
    try check(Double.self, Double.self, kind)
  }

  @Test func `Have the statistics of all values`() throws {
    let features = try sparse(Double.self)
    let (found, expected) = (features.statistics, try features.dense().statistics(in: 0..<4))
    #expect(found.count == 4 && found.largestMagnitude == 7)
    for column in 0..<Self.columns {
      #expect(abs(found.means[column] - expected.means[column]) < 1e-14)
      #expect(abs(found.squaredDeviations[column] - expected.squaredDeviations[column]) < 1e-13)
    }
  }

  @Test func `A range of rows is theirs`() throws {
    let part = try sparse(Float.self)[rows: 1..<4][rows: 1..<3]
    #expect(part.rows == 2 && part.valueCount == 4 && part.density == 0.4)
    #expect(values(of: try part.dense()) == [1, Double(Float(0.1)), 0, 7, 0, 0, 0, 0, 0, -2])
    #expect(part.statistics.largestMagnitude == 7)
    let (whole, other) = (try sparse(Float.self), try sparse(Double.self))
    #expect(
      part.checksum(in: 0..<2) != whole.checksum(in: 0..<2) && part.checksum(in: 0..<1) != part.checksum(in: 1..<2))
    #expect(whole.checksum(in: 0..<4) != other.checksum(in: 0..<4))
  }

  @Test func `Tell what is not finite`() throws {
    var numbers = Self.numbers
    numbers[3] = .infinity
    let features = try SparseFeatures(
      name: "sparse", columns: Self.columns, starts: Self.starts, indices: Self.indices, values: numbers)
    let found = features.firstNonFinite(in: 0..<4)
    #expect(found?.row == 2 && found?.column == 1)
    #expect(features.firstNonFinite(in: 2..<4)?.row == 2 && features.firstNonFinite(in: 3..<4) == nil)
    #expect(features.firstNonFinite(in: 0..<2) == nil && features[rows: 2..<4].firstNonFinite(in: 0..<2)?.row == 0)
  }
}
