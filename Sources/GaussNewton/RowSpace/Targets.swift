import LinearAlgebra

/// What the rows of a batch are trained towards: a distribution t over the classes for each, with all of its weight on
/// the label (t = e_y) where nothing softens it. Rows are this rank's shard (`#b`).
public struct Targets<Scalar: BLASScalar> {
  /// y (#b), the label, or the class that stands for it: the margin is that of y against all others.
  public let labels: ArraySlice<Int32>
  /// ε: t is mixed with the uniform distribution, (1−ε)t + ε/C.
  package let smoothing: Double
  /// t before it is smoothed (#b × C); nil: e_y. What is read is the other classes' share, and t_y is the rest of 1.
  package let distributions: Matrix<Scalar>?

  public init(_ labels: ArraySlice<Int32>, smoothing: Double = 0, distributions: Matrix<Scalar>? = nil) {
    precondition((0..<1).contains(smoothing), "label smoothing is at least 0 and less than 1")
    precondition(distributions.map { $0.rows == labels.count } ?? true, "one distribution a row")
    self.labels = labels
    self.smoothing = smoothing
    self.distributions = distributions
  }

  /// The number of rows.
  var count: Int { labels.count }

  /// Whether each target is its label alone, t = e_y.
  var areLabels: Bool { smoothing == 0 && distributions == nil }

  /// y of a row.
  func label(_ row: Int) -> Int { Int(labels[labels.startIndex + row]) }

  /// The targets of some rows, sharing storage.
  func rows(_ range: Range<Int>) -> Targets {
    Targets(
      labels.dropFirst(range.lowerBound).prefix(range.count), smoothing: smoothing,
      distributions: distributions.map { $0[rows: range] })
  }

  /// Calls `body` with the targets of each row over all classes but y, in numbers that must not outlive the call.
  ///
  /// - Parameter all: C, where `columns` are those of a rank that holds a part of the classes.
  func withRows<Result>(
    _ columns: Int, of all: Int? = nil, _ body: ((Int) -> TargetRow<Scalar>) -> Result
  ) -> Result {
    let (base, keep) = (Scalar(smoothing / Double(all ?? columns)), Scalar(1 - smoothing))
    guard let distributions else { return body { _ in TargetRow(base: base, keep: keep, x: nil) } }
    precondition(distributions.columns == columns, "one probability a class")
    return distributions.elements.withElements { t in
      body { row in TargetRow(base: base, keep: keep, x: t.baseAddress.map { $0 + row * columns }) }
    }
  }
}
