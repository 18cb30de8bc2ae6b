import LinearAlgebra
import Testing

@testable import Datasets

@Suite struct FeatureScalesTests {
  private static let rows = 300

  /// Columns of numbers of about 1, each changed by `change`.
  private func scales(
    columns: Int = 20, isSparse: Bool = false, _ change: (Int, Double) -> Double
  ) -> FeatureScales {
    var generator = SplitMix64(seed: 3)
    let values = (0..<Self.rows * columns).map { index in
      let number = generator.nextNormal()
      return change(index % columns, number)
    }
    let statistics = FeatureMatrix(values, shape: [columns]).statistics(in: 0..<Self.rows)
    return FeatureScales(statistics, isSparse: isSparse)
  }

  private func column(_ scales: FeatureScales) -> Int? {
    switch scales {
    case .alike: nil
    case .apart(let column, _, _), .shifted(let column, _, _): column
    }
  }

  @Test func `Columns of one scale are alike`() {
    #expect(scales { _, x in x } == .alike)
    #expect(scales { _, x in 1e6 * x } == .alike)
    #expect(scales { $0 == 7 ? 5 * $1 : $1 } == .alike)
    #expect(scales { _, x in x > 0 ? 1 : 0 } == .alike)
    #expect(scales { _, x in 3 + x } == .alike)
    #expect(scales(columns: 1) { _, x in 100 * x } == .alike)
    #expect(scales { _, _ in 0 } == .alike)
    #expect(scales { $0 == 4 ? 1e-33 * $1 : $1 } == .alike)
    #expect(FeatureScales(FeatureStatistics(columns: 3), isSparse: false) == .alike)
  }

  @Test func `A column that is far larger is found, and so are small ones`() {
    #expect(column(scales { $0 == 7 ? 30 * $1 : $1 }) == 7)
    #expect(column(scales { $0 == 7 ? 1e4 * $1 : $1 }) == 7)
    #expect(column(scales { $0 == 7 ? 1e-3 * $1 : $1 }) == 7)
    #expect([4, 5, 6].contains(column(scales { (4...6).contains($0) ? 1e-2 * $1 : $1 })))
    #expect(column(scales(columns: 2) { $0 == 1 ? 1e4 * $1 : $1 }) == 1)
    // A number beside words: one of 40 categories each, and an age.
    #expect(column(scales { $0 == 3 ? 50 + 15 * $1 : $1 > 1.9 ? 1 : 0 }) == 3)
    // A single mistyped value spoils the scale of all others.
    var first = true
    #expect(
      column(
        scales { column, x in
          if column == 2, first { first = false; return 1e6 }
          return x
        }) == 2)
  }

  @Test func `A column far from zero is found, whatever its sign`() {
    guard case .shifted(let column, let mean, let deviation) = scales({ $0 == 5 ? 1985 + 20 * $1 : 2000 * $1 }) else {
      Issue.record("not found")
      return
    }
    #expect(column == 5 && abs(mean - 1985) < 5 && abs(deviation - 20) < 3)
    #expect(self.column(scales { $0 == 5 ? -1985 + 20 * $1 : 2000 * $1 }) == 5)
    // Where zeros are left out, no column can be shifted.
    #expect(scales(isSparse: true) { $0 == 5 ? 1985 + 20 * $1 : 2000 * $1 } == .alike)
  }

  @Test func `Constant columns and those that are nearly always the same do not count`() {
    #expect(scales { $0 == 2 ? 1e9 : $1 } == .alike)
    // Corners of images, on black and on white paper.
    var generator = SplitMix64(seed: 9)
    func corner() -> Double { generator.next(below: 150) == 0 ? Double(generator.next(below: 16)) : 0 }
    #expect(scales { column, x in column < 8 ? corner() : min(255, max(0, 128 + 60 * x)) } == .alike)
    #expect(scales { column, x in 255 - (column < 8 ? corner() : min(255, max(0, 128 + 60 * x))) } == .alike)
  }

  @Test func `Counts of words in sparse rows are of one scale, and amounts beside them are not`() {
    #expect(scales(isSparse: true) { $0 == 0 ? (300 * $1.magnitude).rounded() : $1 > 1.5 ? 1 : 0 } == .alike)
    #expect(column(scales(isSparse: true) { $0 == 0 ? 1e5 * $1 : $1 > 1.5 ? 1 : 0 }) == 0)
  }

  @Test func `The embedded digits are of one scale`() {
    let digits = Dataset.digits().train
    let numbers = FeatureMatrix(
      (0..<digits.count).flatMap { row in
        let target = Matrix<Double>(zeros: 1, digits.featureCount)
        digits.features.matrix!.gather(rows: row..<row + 1, into: target, normalization: .none)
        return target.elements.array
      }, shape: [digits.featureCount])
    #expect(FeatureScales(numbers.statistics(in: 0..<numbers.rows), isSparse: false) == .alike)
  }
}

@Suite struct DatasetChecksumTests {
  private let values: [Double] = {
    var generator = SplitMix64(seed: 4)
    return (0..<90 * 7).map { _ in Double(generator.next(below: 200)) }
  }()
  private let labels = (0..<90).map { Int32($0 % 5) }

  private func whole(_ features: Features, _ labels: [Int32]) -> UInt64 {
    Dataset(features: features, labels: labels, classCount: 5).look(in: 0..<labels.count).checksum
  }

  private func whole(_ values: [Double], _ labels: [Int32]) -> UInt64 {
    whole(.dense(FeatureMatrix(values, shape: [7])), labels)
  }

  @Test func `The checksum is that of the values, in whatever type and pieces`() throws {
    let expected = whole(values, labels)
    #expect(whole(.dense(FeatureMatrix(values.map { Float($0) }, shape: [7])), labels) == expected)
    #expect(whole(.dense(FeatureMatrix(values.map { UInt8($0) }, shape: [7])), labels) == expected)
    let pieces = [0..<13, 13..<14, 14..<90].map {
      FeatureMatrix(Array(values[$0.lowerBound * 7..<$0.upperBound * 7]), shape: [7])
    }
    #expect(whole(.dense(FeatureMatrix(joining: pieces)), labels) == expected)
    #expect(whole(values.map { $0 == 0 ? -0.0 : $0 }, labels) == expected)
    let stored = values.enumerated().filter { $0.element != 0 }
    let starts = (0...90).map { row in stored.count { $0.offset < row * 7 } }
    let sparse = try SparseFeatures(
      name: "s", columns: 7, starts: starts, indices: stored.map { Int32($0.offset % 7) },
      values: stored.map { Float($0.element) })
    #expect(whole(.sparse(sparse), labels) == expected)
  }

  @Test func `The checksums of ranges add up to that of all rows`() {
    let set = Dataset(features: FeatureMatrix(values, shape: [7]), labels: labels)
    let parts = [0..<1, 1..<1, 1..<40, 40..<90].map { set.look(in: $0).checksum }
    #expect(parts.reduce(0, &+) == whole(values, labels))
  }

  @Test func `A changed value, label or order changes it`() {
    var seen: Set<UInt64> = [whole(values, labels)]
    func expectNew(_ values: [Double], _ labels: [Int32]) { #expect(seen.insert(whole(values, labels)).inserted) }
    for index in values.indices {
      var changed = values
      changed[index] += 1
      expectNew(changed, labels)
      changed[index] = (values[index] + 1).nextUp
      expectNew(changed, labels)
    }
    for index in labels.indices {
      var changed = labels
      changed[index] = (labels[index] + 1) % 5
      expectNew(values, changed)
    }
    expectNew(values.reversed(), labels)
    expectNew(Array(values[7...] + values[..<7]), Array(labels[1...] + labels[..<1]))
    var swapped = values
    swapped.swapAt(0, values[1] == values[0] ? 2 : 1)
    expectNew(swapped, labels)
  }

  @Test func `The look finds the first value that is not finite in any block`() {
    for (row, column) in [(0, 0), (0, 6), (41, 3), (89, 6)] {
      for bad in [Double.nan, .infinity, -.infinity] {
        var changed = values
        changed[row * 7 + column] = bad
        changed[89 * 7 + 6] = .nan
        let found = Dataset(features: FeatureMatrix(changed, shape: [7]), labels: labels).look(in: 0..<90)
          .firstNonFinite
        #expect(found?.row == row && found?.column == column)
      }
    }
  }
}
