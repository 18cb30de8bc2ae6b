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
      // The place of the true class holds −∞.
      let above = Self.count(above: score, in: row, before: Swift.min(Swift.max(y, 0), row.count))
      let largest = Scalar(peaks.competitors[i])
      let best = row.maximum == largest ? Self.firstIndex(of: largest, in: row) : nil
      return (above, best.map { first + $0 } ?? .max)
    }
  }
}
