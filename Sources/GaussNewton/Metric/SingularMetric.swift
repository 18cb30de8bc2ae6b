import MPI

/// The error for a metric that rounding has made indefinite; the same on all ranks.
struct SingularMetric: Error, CustomStringConvertible, ExitCodeProviding {
  let layer: Int
  let epsilon: Double

  var exitCode: Int32 { 70 }
  var description: String {
    "the metric of fully connected layer \(layer) is not positive definite in this precision; "
      + "raise optimizer.metric.epsilon above \(epsilon)"
  }
}
