import LinearAlgebra
import Testing

@testable import Datasets

/// The rows of a training set are dealt out to folds, class by class.
@Suite struct FoldTests {
  private func held(_ count: Int, of labels: [Int32], classes: Int, seed: UInt64 = 3) -> [[Int]] {
    (1...count).map { number in
      let fold = Fold(number, of: count)!
      let rows = HeldOutRows(fold, of: labels, classCount: classes, seed: seed)
      #expect((rows.training + rows.validation).sorted() == Array(labels.indices))
      #expect(rows.training == rows.training.sorted() && rows.validation == rows.validation.sorted())
      return rows.validation
    }
  }

  @Test(arguments: [2, 3, 7, 20])
  func `Each row is in one fold, and folds differ by one row at most, in all and in each class`(count: Int) {
    let sizes = [300, 1, 57, 0, 2, 3, 1, 1000, 2, 10, 10, 10]
    let labels = HeldOutRowsTests.labels(sizes)
    let folds = held(count, of: labels, classes: sizes.count)
    #expect(folds.joined().sorted() == Array(labels.indices))
    #expect(folds.map(\.count).max()! - folds.map(\.count).min()! <= 1)
    let shares = folds.map { fold in fold.map { labels[$0] }.counts(below: sizes.count) }
    for label in sizes.indices {
      let own = shares.map { $0[label] }
      #expect(own.max()! - own.min()! <= 1, "\(own)")
    }
  }

  @Test func `Few rows of classes that are not rare have five folds`() {
    #expect(Fold.count(forClasses: [10, 0, 10]) == 5 && Fold.count(forClasses: [2499, 2500]) == 5)
    #expect(Fold.count(forClasses: [2500, 2500]) == nil && Fold.count(forClasses: [9, 10]) == nil)
  }

  @Test func `Seed and labels alone decide, and other seeds give other folds`() {
    let labels = HeldOutRowsTests.labels([40, 40, 20])
    #expect(held(5, of: labels, classes: 3) == held(5, of: labels, classes: 3))
    #expect(held(5, of: labels, classes: 3) != held(5, of: labels, classes: 3, seed: 4))
    // Labels of one class have no order of their own.
    #expect(held(2, of: [Int32](repeating: 0, count: 8), classes: 1)[0] != [0, 2, 4, 6])
  }

  @Test func `Rows stay in place and know their files, and fewer rows than folds are an error`() throws {
    let values = (0..<12).map { Double($0) }
    let set = Dataset(features: FeatureMatrix(values, shape: [1]), labels: (0..<12).map { Int32($0 % 2) })
    let parts = try set.holdingOut(Fold(2, of: 3)!, classCount: 2, seed: 1, "x.npy")
    #expect(parts.training.count == 8 && parts.validation.count == 4)
    for part in [parts.training, parts.validation] {
      #expect(part.kept?.total == 12)
      #expect(column(of: part) == part.kept?.rows.map(Double.init))
    }
    let error = dataError { _ = try set.holdingOut(Fold(2, of: 13)!, classCount: 2, seed: 1, "x.npy") }
    #expect(error?.message.contains("12 examples, too few for 13 folds") == true)
    #expect(try set.holdingOut(Fold(2, of: 12)!, classCount: 2, seed: 1, "x.npy").validation.count == 1)
  }

  private func column(of set: Dataset) -> [Double]? {
    guard case .dense(let matrix) = set.features else { return nil }
    return values(of: matrix)
  }

  @Test func `Folds are numbers of a count, from 2 to 20`() {
    #expect(Fold(1, of: 1) == nil && Fold(1, of: 21) == nil && Fold(0, of: 5) == nil && Fold(6, of: 5) == nil)
    #expect(Fold(5, of: 5)?.description == "5/5")
  }
}
