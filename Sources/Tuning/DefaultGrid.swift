import Foundation
import Training

/// The settings that are compared where none are named: Fast Gauss-Newton and Adam with several learning rates and weight
/// decays. Twelve settings at most.
package enum DefaultGrid {
  /// - Parameter resolved: the configuration of the search, with all automatic settings chosen for Fast Gauss-Newton.
  package static func grids(_ resolved: Configuration) -> [[SearchAxis]] {
    let peak = resolved.optimizer.learningRate
    let rates = [peak, 0.3 * peak].map { String(format: "%.3g", $0) }
    let isHead = !resolved.model.hasHiddenParameters
    let method = "optimizer.method", decay = "optimizer.weight_decay", rate = "optimizer.learning_rate"
    return [
      [
        SearchAxis(method, ["fgn"]), SearchAxis(rate, rates),
        SearchAxis(decay, isHead ? ["1e-4", "1e-5", "0"] : ["1e-3", "0"]),
      ],
      [
        SearchAxis(method, ["adam"]),
        SearchAxis(rate, isHead ? ["0.1", "0.03", "0.01", "0.003"] : ["0.003", "0.001"]),
        SearchAxis(decay, isHead ? ["0"] : ["1e-4", "0"]),
      ],
    ]
  }
}
