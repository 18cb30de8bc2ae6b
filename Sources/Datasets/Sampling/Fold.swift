import LinearAlgebra

/// One of several parts of a training set, each of which is held out once in a cross-validation; as text `NUMBER/COUNT`, such
/// as 2/5.
package struct Fold: Equatable, Hashable, Sendable {
  /// Counted from 1.
  package let number: Int
  package let count: Int

  package static let counts = 2...20

  /// nil for a number of folds out of `counts`, and for a fold that is none of them.
  package init?(_ number: Int, of count: Int) {
    guard Self.counts.contains(count), (1...count).contains(number) else { return nil }
    (self.number, self.count) = (number, count)
  }

  /// How many folds suit a training set with so many examples of each class; nil where a tenth of it is a validation set that says
  /// enough, which has a standard error of about 1 % of accuracy with 5000 examples, and where the classes there are have fewer
  /// than ten examples in the mean, so that folds would lack many.
  package static func count(forClasses sizes: [Int]) -> Int? {
    let total = sizes.reduce(0, +)
    return total < 5000 && total >= 10 * sizes.count { $0 > 0 } ? 5 : nil
  }
}

extension Fold: CustomStringConvertible {
  package var description: String { "\(number)/\(count)" }
}

extension Fold: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let parts = (try? container.decode(String.self))?.split(separator: "/", omittingEmptySubsequences: false) ?? []
    guard parts.count == 2, let number = Int(parts[0]), let count = Int(parts[1]),
      let fold = Fold(number, of: count)
    else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription:
          "it must be null or NUMBER/COUNT, such as 2/5, with \(Self.counts.lowerBound) to \(Self.counts.upperBound) folds"
      )
    }
    self = fold
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension HeldOutRows {
  /// The rows of a fold as those that are held out. Each row is in one fold: folds differ by one row at most, and so do
  /// their shares of each class. A class with fewer rows than there are folds has one row in each of so many folds.
  ///
  /// - Precondition: labels are class numbers below `classCount`.
  package init(_ fold: Fold, of labels: [Int32], classCount: Int, seed: UInt64) {
    var generator = SplitMix64(seed: seed, stream: .max - 2)
    var isHeldOut = [Bool](repeating: false, count: labels.count)
    // Rows are dealt out like cards, class by class.
    for (place, row) in labels.shuffledByClass(below: classCount, by: &generator).enumerated() {
      isHeldOut[row] = place % fold.count == fold.number - 1
    }
    self.init(isHeldOut)
  }
}

extension [Int32] {
  /// The rows class by class, at random within a class.
  func shuffledByClass(below classCount: Int, by generator: inout SplitMix64) -> [Int] {
    var order = Array<Int>(indices)
    generator.shuffle(&order)
    var ends = counts(below: classCount).reduce(into: [0]) { $0.append($0.last! + $1) }
    var rows = order
    for row in order {
      let label = Int(self[row])
      rows[ends[label]] = row
      ends[label] += 1
    }
    return rows
  }
}

extension Dataset {
  /// The training set without a fold, and the fold, both in place. Labels must be class numbers below `classCount`. Throws
  /// exit code 65 where there are fewer rows than folds, or where there is no memory for the places of sparse rows.
  package func holdingOut(
    _ fold: Fold, classCount: Int, seed: UInt64, _ path: String
  ) throws(DataError) -> (training: Dataset, validation: Dataset) {
    guard count >= fold.count else {
      throw .badContents(
        path, "has \(count) examples, too few for \(fold.count) folds of one or more; take fewer folds")
    }
    return try holdingOut(HeldOutRows(fold, of: labels, classCount: classCount, seed: seed))
  }
}
