import LinearAlgebra

/// The classes that rows of logits (n × C) indicate, computed on all threads.
extension Matrix {
  /// The first row with an infinite number or a NaN; nil if there is none.
  var firstNonFiniteRow: Int? { findNonFiniteRow() }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func findNonFiniteRow() -> Int? {
    elements.withElements { elements in
      (0..<rows).first { row in
        // The loop has no early exit, so that the compiler vectorises it.
        var count = 0
        for index in row * columns..<(row + 1) * columns { count &+= elements[index].isFinite ? 0 : 1 }
        return count > 0
      }
    }
  }

  /// Replaces each row of logits by its softmax.
  func applySoftmax() {
    forEachRow { _, row in
      let sum = row.assignExponentials(shift: row.maximum)
      row.scale(Scalar(1 / sum))
    }
  }

  /// The column of each row's largest element, the first of equals.
  func rowMaxima() -> [Int64] { mapRows { Int64(Self.firstMaximum($1)) } }

  /// The number of classes that score above the true one, for each row; among equal scores the first counts as higher.
  /// A row whose true score is NaN ranks last.
  func ranks(of labels: ArraySlice<Int32>) -> [Int] {
    mapRows { Self.rank(of: Int(labels[labels.startIndex + $0]), in: $1) }
  }

  /// For each row, the rank of the true class as in `ranks`, and the class with the largest score, the first among
  /// equals.
  func places(of labels: ArraySlice<Int32>) -> [(rank: Int, best: Int)] {
    mapRows { i, row in
      let y = Int(labels[labels.startIndex + i])
      let rank = Self.rank(of: y, in: row)
      // If no class scores above the true one, the true one is the best.
      return (rank, rank == 0 ? y : Self.firstMaximum(row))
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func rank(of y: Int, in row: UnsafeMutableBufferPointer<Scalar>) -> Int {
    row[y].isNaN ? row.count : count(above: row[y], in: row, before: y)
  }

  /// The classes that score above `score`, where those before place `y` do so with the same score, too.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func count(above score: Scalar, in row: UnsafeMutableBufferPointer<Scalar>, before y: Int) -> Int {
    var above = 0
    for c in 0..<y { above &+= row[c] >= score ? 1 : 0 }
    for c in y..<row.count { above &+= row[c] > score ? 1 : 0 }
    return above
  }

  /// The index of the largest element, the first among equals. NaNs do not count, but a NaN in the first place gives 0.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func firstMaximum(_ row: UnsafeMutableBufferPointer<Scalar>) -> Int {
    row[0].isNaN ? 0 : firstIndex(of: row.maximum, in: row)!
  }

  /// The first place of a number; nil where it is none of the row's.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func firstIndex(of number: Scalar, in row: UnsafeMutableBufferPointer<Scalar>) -> Int? {
    var c = 0
    while c < row.count, row[c] != number { c &+= 1 }
    return c < row.count ? c : nil
  }

  private func forEachRow(_ body: (Int, UnsafeMutableBufferPointer<Scalar>) -> Void) {
    elements.withElements { elements in
      Threads.parallel(rows, grain: max(1, 16384 / max(1, columns))) { range in
        for i in range { body(i, UnsafeMutableBufferPointer(rebasing: elements[i * columns..<(i + 1) * columns])) }
      }
    }
  }

  func mapRows<Result>(_ body: (Int, UnsafeMutableBufferPointer<Scalar>) -> Result) -> [Result] {
    [Result](unsafeUninitializedCapacity: rows) { results, initialized in
      let results = results
      forEachRow { results.initializeElement(at: $0, to: body($0, $1)) }
      initialized = rows
    }
  }
}
