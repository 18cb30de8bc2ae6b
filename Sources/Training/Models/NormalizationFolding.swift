import LinearAlgebra

/// The first layer of the same classifier for inputs as they are in data files: with scales s and offsets o of the
/// normalization, W(s ∘ (x − o)) + b = (W diag(s)) x + (b − W(s ∘ o)). It is exact except for rounding in `precision` relative to
/// W(s ∘ o). Its rows come in their order, all weights before the biases.
struct NormalizationFolding {
  /// Of each column of the weights.
  let scales, offsets: [Double]
  let precision: Configuration.TrainingOptions.Precision
  /// W(s ∘ o) of the rows so far.
  private var shifts: [Double] = []

  init(scales: [Double], offsets: [Double], precision: Configuration.TrainingOptions.Precision) {
    (self.scales, self.offsets, self.precision) = (scales, offsets, precision)
  }

  /// The largest rounding error of a unit's output, relative to its deviation.
  private static let tolerance = 1e-3

  /// The largest mean of a column, in deviations.
  var largestMean: Double { zip(offsets, scales).map { abs($0 * $1) }.max()! }

  /// Folds the next weights, rows × columns. Returns nil, or where means are so large beside deviations that rounding hides
  /// the differences between inputs, the error of a unit's output.
  mutating func fold(weights: Vector<Double>) -> Double? {
    let unitRoundoff = precision == .float32 ? Double(Float.ulpOfOne) / 2 : Double.ulpOfOne / 2
    for unit in 0..<weights.count / scales.count {
      // For the unit's output: its deviation for inputs of deviation 1, and its error from rounding the terms of W(s ∘
      // x).
      var (spread, rounding) = (0.0, 0.0)
      var shift = 0.0
      for (column, (scale, offset)) in zip(scales, offsets).enumerated() {
        let index = unit * scales.count + column
        spread += weights[index] * weights[index]
        weights[index] *= scale
        let term = weights[index] * offset
        shift += term
        rounding += term * term
      }
      let error = unitRoundoff * rounding.squareRoot()
      guard error <= Self.tolerance * spread.squareRoot() else { return error / spread.squareRoot() }
      shifts.append(shift)
    }
    return nil
  }

  /// Folds biases of the rows that begin at `first`.
  func fold(biases: Vector<Double>, from first: Int) {
    for index in 0..<biases.count { biases[index] -= shifts[first + index] }
  }
}
