/// Whether the columns of a training set are of one scale, or what sets one of them apart: next to a column of far larger values
/// the others have little curvature, and far from zero a column's changes have.
package enum FeatureScales: Equatable, Sendable {
  case alike
  /// A column whose values go to `magnitude`, where those of the others typically go to `typical`.
  case apart(column: Int, magnitude: Double, typical: Double)
  /// A column whose values are far from zero for their spread.
  case shifted(column: Int, mean: Double, deviation: Double)

  /// Where the largest magnitude of a dense column is so many times the typical one, training suffers with `scale`.
  private static let factor = 10.0
  /// The same for a column of which nearly all values are far below its largest.
  private static let outlierFactor = 30.0
  /// Counts of words in sparse rows go that far without harm, and rare columns would grow by `unit-variance`.
  private static let sparseFactor = 1000.0
  /// Times its range that a column is from zero.
  private static let shift = 3.0

  /// - Parameter isSparse: whether zeros have to stay zeros, so that a shift is nothing to correct.
  package init(_ statistics: FeatureStatistics, isSparse: Bool) {
    let deviations = statistics.standardDeviations
    // The deviation over the range of a column that is the same but in about four rows, or one in 400.
    let rareSpread = max(0.05, min(0.15, 2 / Double(statistics.count).squareRoot()))
    var columns: [(column: Int, magnitude: Double)] = []
    var active: [(column: Int, magnitude: Double)] = []
    for (column, deviation) in deviations.enumerated() {
      let mean = statistics.means[column]
      // A spread of a few roundings of the values is none.
      guard deviation > 4 * mean.magnitude.ulp else { continue }
      let magnitude = max(-statistics.minima[column], statistics.maxima[column])
      let range = statistics.maxima[column] - statistics.minima[column]
      // Where the spread is far below the range, nearly all values are the same: the paper of white pages is not far from zero.
      if !isSparse, mean.magnitude > Self.shift * range, deviation > rareSpread * range {
        self = .shifted(column: column, mean: mean, deviation: deviation)
        return
      }
      columns.append((column, magnitude))
      // A column that is nearly always zero, or but for two or three rows, says nothing of scales.
      let fill = (mean / magnitude) * (mean / magnitude) + (deviation / magnitude) * (deviation / magnitude)
      if fill > max(0.01, 3 / Double(statistics.count)) { active.append((column, magnitude)) }
    }
    if isSparse || active.isEmpty { active = columns }
    active.sort { $0.magnitude < $1.magnitude }
    guard let smallest = active.first, let largest = active.last else {
      self = .alike
      return
    }
    let typical = active[(active.count - 1) / 2].magnitude
    let outlier = columns.max { $0.magnitude < $1.magnitude }!
    if largest.magnitude > typical * (isSparse ? Self.sparseFactor : Self.factor) {
      self = .apart(column: largest.column, magnitude: largest.magnitude, typical: typical)
    } else if !isSparse, outlier.magnitude > Self.outlierFactor * typical {
      self = .apart(column: outlier.column, magnitude: outlier.magnitude, typical: typical)
    } else if !isSparse, smallest.magnitude < typical / Self.factor {
      self = .apart(column: smallest.column, magnitude: smallest.magnitude, typical: typical)
    } else {
      self = .alike
    }
  }
}
