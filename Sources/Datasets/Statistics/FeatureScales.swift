/// Whether the columns of a training set share one scale, and the column that stands out if not. Beside a column of far
/// larger values the others have little curvature, and so have the changes of a column that is far from zero.
package enum FeatureScales: Equatable, Sendable {
  case alike
  /// A column whose values reach `magnitude`, where the other columns typically reach `typical`.
  case apart(column: Int, magnitude: Double, typical: Double)
  /// A column whose values are far from zero relative to their spread.
  case shifted(column: Int, mean: Double, deviation: Double)

  /// Training with `scale` suffers if the largest magnitude of a dense column exceeds the typical one by this factor.
  private static let factor = 10.0
  /// The factor for a column with nearly all values far below its largest.
  private static let outlierFactor = 30.0
  /// Counts of words in sparse rows reach this factor without harm, and `unit-variance` would magnify rare columns.
  private static let sparseFactor = 1000.0
  /// The distance of a column from zero, in multiples of its range, above which it counts as shifted.
  private static let shift = 3.0

  /// - Parameter isSparse: whether zeros have to stay zeros, so that no shift can be corrected.
  package init(_ statistics: FeatureStatistics, isSparse: Bool) {
    let deviations = statistics.standardDeviations
    // Deviation over range of a column that is constant except for about four rows, or one in 400.
    let rareSpread = max(0.05, min(0.15, 2 / Double(statistics.count).squareRoot()))
    var columns: [(column: Int, magnitude: Double)] = []
    var active: [(column: Int, magnitude: Double)] = []
    for (column, deviation) in deviations.enumerated() {
      let mean = statistics.means[column]
      // A spread of a few roundings does not count.
      guard deviation > 4 * mean.magnitude.ulp else { continue }
      let magnitude = max(-statistics.minima[column], statistics.maxima[column])
      let range = statistics.maxima[column] - statistics.minima[column]
      // A spread far below the range means nearly constant values: the paper of white pages is not far from zero.
      if !isSparse, mean.magnitude > Self.shift * range, deviation > rareSpread * range {
        self = .shifted(column: column, mean: mean, deviation: deviation)
        return
      }
      columns.append((column, magnitude))
      // A column that is nearly always zero, or zero except for two or three rows, says nothing about scales.
      let fill = (mean / magnitude) * (mean / magnitude) + (deviation / magnitude) * (deviation / magnitude)
      if fill > max(0.01, 3 / Double(statistics.count)) { active.append((column, magnitude)) }
    }
    if isSparse || active.isEmpty { active = columns }
    active.sort { $0.magnitude < $1.magnitude }
    guard let largest = active.last else {
      self = .alike
      return
    }
    let typical = active[(active.count - 1) / 2].magnitude
    // What single precision loses beside the others is no feature at any scale.
    let smallest = active.first { $0.magnitude > typical * Double(Float.ulpOfOne) }!
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
