import LinearAlgebra
import Testing

@testable import Datasets

/// A fraction of a training set is held out for validation, class by class.
@Suite struct HeldOutRowsTests {
  let directory = try! TemporaryDirectory()

  static func labels(_ sizes: [Int], seed: UInt64 = 5) -> [Int32] {
    var labels = sizes.indices.flatMap { [Int32](repeating: Int32($0), count: sizes[$0]) }
    var generator = SplitMix64(seed: seed)
    generator.shuffle(&labels)
    return labels
  }

  @Test(arguments: [0.01, 0.1, 0.25, 0.5, 0.9, 0.999], [0, 7] as [UInt64])
  func `Each class gives the fraction up to one row, and keeps one`(fraction: Double, seed: UInt64) {
    let sizes = [300, 1, 57, 0, 2, 3, 1, 1000, 2, 10, 10, 10]
    let labels = Self.labels(sizes)
    let split = HeldOutRows(fraction, of: labels, classCount: sizes.count, seed: seed)
    #expect((split.training + split.validation).sorted() == Array(labels.indices), "disjoint, and all")
    #expect(split.training == split.training.sorted() && split.validation == split.validation.sorted())
    let held = split.validation.map { labels[$0] }.counts(below: sizes.count)
    for (size, count) in zip(sizes, held) {
      let exact = Double(size) * fraction
      if size < 2 { #expect(count == 0) } else { #expect(count < size) }
      #expect(abs(Double(min(count, size)) - exact) <= 1.0 || size == 1, "\(count) of \(size)")
    }
    if fraction <= 0.5 {
      let eligible = Double(sizes.filter { $0 > 1 }.reduce(0, +))
      #expect(abs(Double(split.validation.count) - fraction * eligible) <= 2, "\(split.validation.count)")
    }
  }

  @Test func `Seed and labels alone decide, and every row has its chance`() {
    let labels = Self.labels([40, 40, 20])
    func held(_ seed: UInt64) -> [Int] { HeldOutRows(0.2, of: labels, classCount: 3, seed: seed).validation }
    #expect(held(1) == held(1) && held(1) != held(2))
    var counts = [Int](repeating: 0, count: labels.count)
    for seed in 0..<400 { for row in held(UInt64(seed)) { counts[row] += 1 } }
    #expect(counts.allSatisfy { (45...120).contains($0) }, "\(counts.min()!) to \(counts.max()!) of 80 expected")
  }

  @Test func `Small classes give rows in turn`() {
    // Rounding class by class would take none of 4 rows at a tenth.
    let labels = Self.labels([Int](repeating: 4, count: 500))
    #expect(abs(HeldOutRows(0.1, of: labels, classCount: 500, seed: 3).validation.count - 200) <= 1)
  }

  @Test(arguments: [false, true])
  func `Rows stay in place, and know their files and weights, also beside ignored ones`(isSparse: Bool) throws {
    // Row k has the value k + 1 in its only column that is not zero.
    let count = 40
    let given = (0..<count).map { $0 % 4 == 3 ? -1 : $0 % 4 }
    let text = (0..<count).map { "\(given[$0]) \($0 % 3 + 1):\($0 + 1)\n" }.joined()
    let path = directory.write(Array(text.utf8), "x.svm")
    let examples = try TextExamples(paths: [path], format: .svmlight, storage: isSparse ? .sparse : .dense)
    let all = try Dataset(examples, path: path, classes: nil, ignoring: .number(-1))
    let set = try all.leavingOutIgnored(path)
    let (training, validation) = try set.holdingOut(0.2, classCount: 3, seed: 11, path)
    #expect(training.count == 24 && validation.count == 6 && training.features.isSparse == isSparse)
    #expect(training.features.place == set.features.place || !isSparse, "the values are not copied")
    let weights = (0..<count).map { Double($0) }
    var seen: [Int] = []
    for part in [training, validation] {
      let kept = try #require(part.kept)
      #expect(kept.total == count && kept.rows.count == part.count)
      #expect(kept.select(weights) == kept.rows.map(Double.init))
      let matrix =
        switch part.features {
        case .dense(let matrix): matrix
        case .sparse(let matrix): try matrix.dense()
        }
      for (index, row) in kept.rows.enumerated() {
        #expect(part.labels[index] == given[row])
        var line = [0.0, 0, 0]
        line[row % 3] = Double(row + 1)
        #expect(Array(values(of: matrix)[3 * index..<3 * index + 3]) == line)
      }
      seen += kept.rows
    }
    #expect(seen.sorted() == (0..<count).filter { given[$0] >= 0 })
    guard case .sparse(let sparse) = training.features else { return }
    #expect(sparse.valueCount == 24 && sparse[rows: 3..<7].valueCount == 4)
    let means = try sparse.dense().statistics(in: 0..<24).means
    #expect(zip(sparse.statistics.means, means).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(training.look(in: 0..<24).checksum == (try dense(training)).look(in: 0..<24).checksum)
  }

  private func dense(_ set: Dataset) throws -> Dataset {
    guard case .sparse(let matrix) = set.features else { return set }
    return Dataset(features: try matrix.dense(), labels: set.labels, classCount: set.classCount)
  }

  @Test func `A fraction that holds out nothing is an error`() {
    let set = Dataset(features: FeatureMatrix([1.0, 2, 3, 4], shape: [1]), labels: [0, 1, 2, 3])
    let error = dataError { _ = try set.holdingOut(0.5, classCount: 4, seed: 0, "x.npy") }
    #expect(error?.message.contains("data.validation.fraction 0.5 holds out none") == true)
  }
}
