import Foundation
import LinearAlgebra
import Testing

@testable import Datasets

@Suite struct NormalizationTests {
  static let rows = 101
  static let columns = 5

  /// Columns of different size and spread; one of them is constant.
  static let numbers: [Double] = {
    var generator = SplitMix64(seed: 5)
    return (0..<rows).flatMap { _ in
      [
        generator.nextNormal(), 1e6 + generator.nextNormal(), -3 * generator.nextUniform(), 0.1,
        1e-9 * generator.nextNormal(),
      ]
    }
  }()

  func expectEqual(_ statistics: FeatureStatistics, _ numbers: [Double], _ rows: Range<Int>) {
    #expect(statistics.count == rows.count)
    var largest = 0.0
    for column in 0..<Self.columns {
      let values = rows.map { numbers[$0 * Self.columns + column] }
      let mean = values.reduce(0, +) / Double(values.count)
      let deviations = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      #expect(
        abs(statistics.means[column] - mean) <= 1e-12 * max(abs(mean), (deviations / Double(values.count)).squareRoot())
      )
      // Far from zero, the roundings of the values weigh more: 10⁶ times more in the second column.
      let deviation = (deviations / Double(values.count)).squareRoot()
      let condition = deviation > 0 ? 1 + abs(mean) / deviation : 0
      let error = abs(statistics.squaredDeviations[column] - deviations)
      #expect(error <= 1e-12 * condition * deviations + 1e-28 * Double(values.count) * mean * mean)
      largest = max(largest, values.map(abs).max()!)
    }
    #expect(statistics.largestMagnitude == largest)
  }

  @Test func `Statistics agree with the definition`() {
    let features = FeatureMatrix(Self.numbers, shape: [Self.columns])
    for range in [0..<Self.rows, 0..<1, 17..<64] { expectEqual(features.statistics(in: range), Self.numbers, range) }
    let single = FeatureMatrix(Self.numbers.map { Float($0) }, shape: [Self.columns])
    expectEqual(single.statistics(in: 3..<90), Self.numbers.map { Double(Float($0)) }, 3..<90)
    let bytes = Self.numbers.map { UInt8(abs($0).truncatingRemainder(dividingBy: 256)) }
    let small = FeatureMatrix(bytes, shape: [Self.columns])
    expectEqual(small.statistics(in: 0..<Self.rows), bytes.map { Double($0) }, 0..<Self.rows)
  }

  @Test func `Shards merge in any order into the whole`() {
    let features = FeatureMatrix(Self.numbers, shape: [Self.columns])
    let whole = features.statistics(in: 0..<Self.rows)
    for count in [1, 2, 3, 7, 150] {
      let parts = (0..<count).map {
        features.statistics(in: BatchSampler.shard(of: 0..<Self.rows, rank: $0, count: count))
      }
      for order in [
        parts, parts.reversed(), parts.enumerated().sorted { $0.offset % 3 < $1.offset % 3 }.map(\.element),
      ] {
        let merged = FeatureStatistics(merging: order.flatMap(\.flattened), columns: Self.columns)
        #expect(merged.count == whole.count && merged.largestMagnitude == whole.largestMagnitude)
        for column in 0..<Self.columns {
          let deviation = whole.standardDeviations[column]
          #expect(abs(merged.means[column] - whole.means[column]) <= 1e-12 * max(abs(whole.means[column]), deviation))
          // Relative to the size of the column: at 10⁶ its values carry an absolute error of 10⁻¹⁰.
          let size = max(deviation, 1e-4 * abs(whole.means[column]))
          #expect(abs(merged.standardDeviations[column] - deviation) <= 1e-12 * size)
        }
        #expect(merged.squaredDeviations[3] == 0 && merged.means[3] == 0.1)
      }
    }
  }

  @Test func `Standardised columns have mean zero and spread one`() {
    let features = FeatureMatrix(Self.numbers, shape: [Self.columns])
    let normalization = Normalization(.standardize, features.statistics(in: 0..<Self.rows))
    let target = Matrix<Double>(zeros: Self.rows, Self.columns)
    features.gather(rows: 0..<Self.rows, into: target, normalization: normalization)
    for column in 0..<Self.columns {
      let values = (0..<Self.rows).map { target[$0, column] }
      let mean = values.reduce(0, +) / Double(Self.rows)
      let square = values.reduce(0) { $0 + $1 * $1 } / Double(Self.rows)
      #expect(abs(mean) < 1e-9 && abs(square - (column == 3 ? 0 : 1)) < 1e-8)
    }
  }

  @Test func `A column that is constant in training is zero elsewhere`() {
    let extreme = Double(Float.greatestFiniteMagnitude)
    let train = FeatureMatrix([5, -extreme, 5, -extreme].map { Float($0) }, shape: [2])
    let test = FeatureMatrix([-7, extreme, extreme, 0].map { Float($0) }, shape: [2])
    let normalization = Normalization(.standardize, train.statistics(in: 0..<2))
    let target = Matrix<Float>(zeros: 2, 2)
    test.gather(rows: 0..<2, into: target, normalization: normalization)
    #expect(target.elements.array.allSatisfy { $0 == 0 })
  }

  @Test func `Scaling divides by the largest magnitude`() {
    let data = Dataset.digits().train
    #expect(Normalization(.scale, data.features.matrix!.statistics(in: 0..<data.count)).scales == [1 / 16])
    let zeros = FeatureMatrix([0, 0, 0] as [Float], shape: [3])
    #expect(Normalization(.scale, zeros.statistics(in: 0..<1)).scales == [1])
    let negative = FeatureMatrix([-4, 2] as [Double], shape: [1])
    #expect(Normalization(.scale, negative.statistics(in: 0..<2)).scales == [0.25])
    #expect(Normalization(.none, negative.statistics(in: 0..<2)) == .none)
  }

  @Test func `Normalizations survive coding`() throws {
    let features = FeatureMatrix(Self.numbers, shape: [Self.columns])
    for kind in Normalization.Kind.allCases {
      let normalization = Normalization(kind, features.statistics(in: 0..<Self.rows))
      let coded = try JSONEncoder().encode(normalization)
      #expect(try JSONDecoder().decode(Normalization.self, from: coded) == normalization)
    }
    for text in [
      #"{"kind": "scale", "offsets": [], "scales": []}"#, #"{"kind": "standardize", "offsets": [1], "scales": [1, 2]}"#,
      #"{"kind": "none", "offsets": [1], "scales": [1]}"#, #"{"kind": "other", "offsets": [], "scales": []}"#,
    ] {
      #expect(throws: DecodingError.self) { try JSONDecoder().decode(Normalization.self, from: Data(text.utf8)) }
    }
  }
}
