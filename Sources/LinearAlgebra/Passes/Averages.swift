extension Collection<Double> {
  /// The mean; NaN without values.
  package var mean: Double { reduce(0, +) / Double(count) }

  /// The middle value, or the mean of the two in the middle. Precondition: there are values.
  package var median: Double {
    let sorted = sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }
}
