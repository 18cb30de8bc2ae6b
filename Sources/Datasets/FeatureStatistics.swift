/// Count, mean and sum of squared deviations of every column, and the largest magnitude of all values.
///
/// Statistics of disjoint sets of rows merge into those of their union.
package struct FeatureStatistics: Equatable, Sendable {
  package private(set) var count: Int
  package private(set) var means: [Double]
  /// Σ (x − mean)², by column.
  package private(set) var squaredDeviations: [Double]
  package private(set) var largestMagnitude: Double

  init(count: Int, means: [Double], squaredDeviations: [Double], largestMagnitude: Double) {
    self.count = count
    self.means = means
    self.squaredDeviations = squaredDeviations
    self.largestMagnitude = largestMagnitude
  }

  /// Those of no rows.
  package init(columns: Int) {
    count = 0
    means = Array(repeating: 0, count: columns)
    squaredDeviations = means
    largestMagnitude = 0
  }

  /// The merge, in order, of the concatenated `flattened` forms of any number of statistics.
  package init(merging flattened: [Double], columns: Int) {
    self.init(columns: columns)
    let length = 2 + 2 * columns
    precondition(flattened.count % length == 0, "the statistics of \(columns) columns are \(length) numbers")
    for start in stride(from: 0, to: flattened.count, by: length) {
      var part = FeatureStatistics(columns: columns)
      part.count = Int(flattened[start])
      part.largestMagnitude = flattened[start + 1]
      part.means = Array(flattened[start + 2..<start + 2 + columns])
      part.squaredDeviations = Array(flattened[start + 2 + columns..<start + length])
      merge(part)
    }
  }

  /// 2 + 2 · columns numbers: count, largest magnitude, means, squared deviations.
  package var flattened: [Double] { [Double(count), largestMagnitude] + means + squaredDeviations }

  /// The population's standard deviations, by column; 0 of no rows.
  package var standardDeviations: [Double] {
    squaredDeviations.map { count > 0 ? ($0 / Double(count)).squareRoot() : 0 }
  }

  /// self ← statistics of both sets of rows (Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for
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
    }
    count += other.count
    largestMagnitude = max(largestMagnitude, other.largestMagnitude)
  }

  /// Takes further rows in. Welford's recurrence, all columns side by side: it is exact for constant columns, and vectorises
  /// over the columns. The result does not depend on how rows are shared out to calls.
  @inline(__always)
  mutating func add<Value>(_ values: UnsafeBufferPointer<Value>, _ widen: (Value) -> Double) {
    let (columns, known) = (means.count, count)
    let rows = values.count / columns
    var magnitudes = [Double](repeating: 0, count: columns)
    means.withUnsafeMutableBufferPointer { means in
      squaredDeviations.withUnsafeMutableBufferPointer { squares in
        magnitudes.withUnsafeMutableBufferPointer { magnitudes in
          for row in 0..<rows {
            let factor = 1 / Double(known + row + 1)
            for column in 0..<columns {
              let value = widen(values[row &* columns &+ column])
              let delta = value - means[column]
              let mean = means[column] + delta * factor
              means[column] = mean
              squares[column] += delta * (value - mean)
              let magnitude = value.magnitude
              magnitudes[column] = magnitude > magnitudes[column] ? magnitude : magnitudes[column]
            }
          }
        }
      }
    }
    count = known + rows
    largestMagnitude = max(largestMagnitude, magnitudes.max() ?? 0)
  }
}
