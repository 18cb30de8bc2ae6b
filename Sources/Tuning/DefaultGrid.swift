import Foundation
import Training

/// The settings that are compared where none are named: Fast Gauss-Newton with its own damping and a larger one, and Adam with
/// several rates, each with weight decays. Twelve settings at most.
package enum DefaultGrid {
  /// - Parameter resolved: the configuration of the search, with all automatic settings chosen for Fast Gauss-Newton.
  package static func grids(_ resolved: Configuration) -> [[SearchAxis]] {
    let λ = resolved.optimizer.damping.initial
    let dampings = [λ, 10 * λ].map { String(format: "%.6g", $0) }
    let isHead = !resolved.model.hasHiddenParameters
    let method = "optimizer.method", decay = "optimizer.weight_decay"
    return [
      [
        SearchAxis(method, ["fgn"]), SearchAxis("optimizer.damping.initial", dampings),
        SearchAxis(decay, isHead ? ["1e-3", "1e-4", "1e-5", "0"] : ["1e-3", "0"]),
      ],
      [
        SearchAxis(method, ["adam"]),
        SearchAxis("optimizer.learning_rate", isHead ? ["0.001", "0.01"] : ["0.001", "0.003"]),
        SearchAxis(decay, ["1e-4", "0"]),
      ],
    ]
  }
}
