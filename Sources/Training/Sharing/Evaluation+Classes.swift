import GaussNewton
import LinearAlgebra

/// Scores of rows whose classes ranks share out; each rank has all rows, and the same scores.
extension Evaluator {
  /// Adds rows to the scores, given this rank's columns of their logits (rows × #C). Overwrites them. Four exchanges of one or
  /// two numbers a row, and no more with more classes. Collective.
  func score(
    _ logits: Matrix<Scalar>, _ targets: Targets<Scalar>, over classes: ClassShards, _ scores: inout ClassScores
  ) throws {
    let labels = targets.labels
    let peaks = try margin.peaks(of: logits, labels, over: classes)
    let own = logits.ownPlaces(of: labels, peaks, from: classes.own.lowerBound)
    var (above, best) = (own.map { Double($0.above) }, own.map(\.best))
    try classes.sum(&above)
    try classes.minimize(&best)
    let sums = try margin.assignScores(replacing: logits, targets: targets, peaks, over: classes)
    for (row, label) in labels.enumerated() {
      let isRight = above[row] == 0
      // The largest logit of the competitors is the one that their sum of exponentials is relative to.
      let confidence = isRight ? margin.probabilities[row] : margin.complements[row] / Scalar(sums[row])
      scores.add(
        label: Int(label), predicted: isRight ? Int(label) : best[row], rank: Int(above[row]),
        loss: Double(margin.losses[row]), confidence: Double(confidence))
    }
  }
}

extension Matrix where Scalar: BLASScalar {
  /// For each row, the number of this rank's classes that score above the true one, and the first with the largest logit of
  /// all competitors, or the largest number where it is another rank's. The columns are the classes from `first` on; of equal
  /// scores the first counts as higher.
  fileprivate func ownPlaces(
    of labels: ArraySlice<Int32>, _ peaks: LogitPeaks, from first: Int
  ) -> [(above: Int, best: Int)] {
    mapRows { i, row in
      let (y, score) = (Int(labels[labels.startIndex + i]) - first, Scalar(peaks.trueLogits[i]))
      let above = Self.count(above: score, in: row, before: Swift.min(Swift.max(y, 0), row.count))
      let best = Self.firstIndex(of: Scalar(peaks.competitors[i]), in: row)
      return (above, best.map { first + $0 } ?? .max)
    }
  }

  /// The classes that score above the true one, whose own place holds −∞; of equal scores those before it do.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func count(
    above score: Scalar, in row: UnsafeMutableBufferPointer<Scalar>, before y: Int
  ) -> Int {
    var above = 0
    for c in 0..<y { above &+= row[c] >= score ? 1 : 0 }
    for c in y..<row.count { above &+= row[c] > score ? 1 : 0 }
    return above
  }

  /// The first place of a number that no other one exceeds.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func firstIndex(of largest: Scalar, in row: UnsafeMutableBufferPointer<Scalar>) -> Int? {
    guard row.maximum == largest else { return nil }
    var c = 0
    while c < row.count, row[c] != largest { c &+= 1 }
    return c < row.count ? c : nil
  }
}
