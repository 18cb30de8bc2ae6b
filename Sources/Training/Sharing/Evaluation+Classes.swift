import Datasets
import GaussNewton
import LinearAlgebra
import Networks

/// Scores of rows whose classes ranks share out; each rank has all rows, and the same scores.
extension Evaluator {
  /// Adds rows to the scores, given this rank's columns of their logits (rows × #C). Overwrites them. Four exchanges of one or
  /// two numbers a row, and no more with more classes. Rank 0 passes each example to `visit`. Collective.
  func score(
    _ logits: Matrix<Scalar>, _ targets: Targets<Scalar>, over classes: ClassShards, _ scores: inout ClassScores,
    visit: (Suspects.Example) -> Void
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
      let place = (rank: Int(above[row]), best: isRight ? Int(label) : best[row])
      let example = add(row, of: labels, place, confidence: confidence, to: &scores)
      if classes.rank == 0 { visit(example) }
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

/// Logits of examples that are read on demand, where ranks share out classes.
extension Evaluator {
  /// Calls `body` with consecutive ranges of all rows, and this rank's columns of their logits (rows × #C), which it may
  /// overwrite. Collective; errors as those of `scores`.
  ///
  /// - Precondition: all ranks are one group.
  func forEachSharedChunk(
    of features: some FeatureSource, named name: String, _ parameters: Vector<Scalar>, _ normalization: Normalization,
    _ body: (Range<Int>, Matrix<Scalar>) throws -> Void
  ) throws {
    precondition(classes!.rows.size == 1, "groups of ranks do not share out examples here")
    for start in stride(from: 0, to: features.rows, by: chunk) {
      let rows = start..<min(start + chunk, features.rows)
      // Layers below the head are for a part of the rows.
      let own = sharedForward == nil ? rows : rows.part(communicator.rank, of: communicator.size)
      let part = try read(own, next: rows.upperBound, of: features, named: name, normalization)
      func inputs() -> Inputs<Scalar> { room.gather(0..<own.count, of: part!, normalization) }
      try body(rows, try sharedForward?(parameters, rows) { _ in inputs() } ?? forward(parameters, inputs()))
    }
  }
}

extension ClassShards {
  /// Rows of numbers of all classes (rows × C) on rank 0, given this rank's columns (rows × #C); nil elsewhere. Collective.
  func gather<Scalar: DistributedScalar>(columns own: Matrix<Scalar>) throws -> Matrix<Scalar>? {
    let counts = all.map { own.rows * $0.count }
    guard let numbers = try communicator.gather(own.elements.array, counts: counts) else { return nil }
    let parts = Vector(numbers)
    let result = Matrix<Scalar>(zeros: own.rows, count)
    var end = 0
    for range in all {
      let part = Matrix(parts[end..<end + own.rows * range.count], own.rows, range.count)
      for row in 0..<own.rows { result[row: row][range].assign(part[row: row]) }
      end += own.rows * range.count
    }
    return result
  }
}
