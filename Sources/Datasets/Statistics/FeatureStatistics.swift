/// Count, mean, sum of squared deviations and extremes of each column.
///
/// Statistics of disjoint sets of rows merge into the statistics of their union.
package struct FeatureStatistics: Equatable, Sendable {
  package private(set) var count: Int
  package private(set) var means: [Double]
  /// Σ (x − mean)², by column.
  package private(set) var squaredDeviations: [Double]
  /// The smallest and the largest value, by column; ∞ and −∞ without rows.
  package private(set) var minima, maxima: [Double]

  init(count: Int, means: [Double], squaredDeviations: [Double], minima: [Double], maxima: [Double]) {
    self.count = count
    self.means = means
    self.squaredDeviations = squaredDeviations
    self.minima = minima
    self.maxima = maxima
  }

  /// The statistics of no rows.
  package init(columns: Int) {
    count = 0
    means = Array(repeating: 0, count: columns)
    squaredDeviations = means
    minima = Array(repeating: .infinity, count: columns)
    maxima = Array(repeating: -.infinity, count: columns)
  }

  /// Merges, in order, the concatenated `flattened` forms of any number of statistics.
  package init(merging flattened: [Double], columns: Int) {
    self.init(columns: columns)
    let length = 1 + 4 * columns
    precondition(flattened.count % length == 0, "the statistics of \(columns) columns are \(length) numbers")
    for start in stride(from: 0, to: flattened.count, by: length) {
      var part = FeatureStatistics(columns: columns)
      part.count = Int(flattened[start])
      func values(_ number: Int) -> [Double] {
        Array(flattened[start + 1 + number * columns..<start + 1 + (number + 1) * columns])
      }
      (part.means, part.squaredDeviations, part.minima, part.maxima) = (values(0), values(1), values(2), values(3))
      merge(part)
    }
  }

  /// 1 + 4 · columns numbers: count, means, squared deviations, minima, maxima.
  package var flattened: [Double] { [Double(count)] + means + squaredDeviations + minima + maxima }

  /// The largest magnitude of all values; 0 without rows.
  package var largestMagnitude: Double {
    count == 0 ? 0 : zip(minima, maxima).reduce(0) { max($0, max(-$1.0, $1.1)) }
  }

  /// The population's standard deviations, by column; 0 without rows.
  package var standardDeviations: [Double] {
    squaredDeviations.map { count > 0 ? ($0 / Double(count)).squareRoot() : 0 }
  }

  /// self ← the statistics of both sets of rows (Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for
  /// computing sample variances, 1979).
  package mutating func merge(_ other: FeatureStatistics) {
    precondition(other.means.count == means.count, "the statistics differ in columns")
    guard other.count > 0 else { return }
    let total = Double(count + other.count)
    let share = Double(other.count) / total
    let weight = Double(count) * share
    for column in means.indices {
      let delta = other.means[column] - means[column]
      means[column] += delta * share
      squaredDeviations[column] += other.squaredDeviations[column] + delta * delta * weight
      minima[column] = min(minima[column], other.minima[column])
      maxima[column] = max(maxima[column], other.maxima[column])
    }
    count += other.count
  }

  /// Adds rows by Welford's recurrence, all columns side by side: it is exact for constant columns, and vectorises over
  /// the columns. The result does not depend on how rows are split over calls.
  @inline(__always)
  mutating func add<Value>(_ values: UnsafeBufferPointer<Value>, _ widen: (Value) -> Double) {
    let (columns, known) = (means.count, count)
    let rows = values.count / columns
    means.withUnsafeMutableBufferPointer { means in
      squaredDeviations.withUnsafeMutableBufferPointer { squares in
        minima.withUnsafeMutableBufferPointer { minima in
          maxima.withUnsafeMutableBufferPointer { maxima in
            for row in 0..<rows {
              let factor = 1 / Double(known + row + 1)
              for column in 0..<columns {
                let value = widen(values[row &* columns &+ column])
                let delta = value - means[column]
                let mean = means[column] + delta * factor
                means[column] = mean
                squares[column] += delta * (value - mean)
                minima[column] = value < minima[column] ? value : minima[column]
                maxima[column] = value > maxima[column] ? value : maxima[column]
              }
            }
          }
        }
      }
    }
    count = known + rows
  }
}
