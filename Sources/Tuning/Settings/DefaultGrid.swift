import Foundation
import GaussNewton
import Training

/// The settings that are compared where none are named: Fast Gauss-Newton, for linear heads in two metrics, and Adam, with several
/// learning rates and weight decays. Twelve settings at most.
package enum DefaultGrid {
  private static let method = "optimizer.method", rate = "optimizer.learning_rate", decay = "optimizer.weight_decay"

  /// - Parameter resolved: the configuration of the search, with all automatic settings chosen for Fast Gauss-Newton.
  package static func grids(_ resolved: Configuration) -> [[SearchAxis]] {
    let peak = resolved.optimizer.learningRate
    if resolved.model.hasHiddenParameters {
      return [
        [SearchAxis(method, ["fgn"]), rates(peak, 0.3 * peak), SearchAxis(decay, ["1e-3", "0"])],
        [SearchAxis(method, ["adam"]), rates(0.003, 0.001), SearchAxis(decay, ["1e-4", "0"])],
      ]
    }
    return [
      [SearchAxis(method, ["fgn"]), rates(peak, 0.3 * peak), SearchAxis(decay, ["1e-4", "1e-5", "0"])],
      // Where rows of many classes swing, long momentum and more damping go with a scale for each class and feature.
      [
        SearchAxis(method, ["fgn"]), SearchAxis("optimizer.metric.kind", [MetricOptions.Kind.diagonal.rawValue]),
        SearchAxis("optimizer.momentum", ["0.97"]),
        SearchAxis("optimizer.damping.minimum", [text(2.5 * resolved.optimizer.damping.initial)]),
        rates(0.6 * peak, 0.2 * peak), SearchAxis(decay, ["1e-5", "0"]),
      ],
      [SearchAxis(method, ["adam"]), rates(0.01, 0.003)],
    ]
  }

  private static func rates(_ values: Double...) -> SearchAxis { SearchAxis(rate, values.map(text)) }

  private static func text(_ value: Double) -> String { String(format: "%.3g", value) }
}
