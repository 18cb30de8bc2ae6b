import Glibc

/// The factor on each step, as a function of the step's number.
package struct LearningRateSchedule: Codable, Equatable, Sendable {
  package enum Kind: String, Codable, CaseIterable, Sendable {
    case constant, linear, cosine
  }

  @Setting package var kind = Kind.linear
  /// The number of steps over which the rate rises linearly from zero.
  package var warmup = 0
  /// The final rate of linear and cosine, as a fraction of the peak.
  package var final = 0.0

  package init() {}

  /// The rate of step `step` (from 0) of `total`, for the given peak.
  package func rate(step: Int, of total: Int, peak: Double) -> Double {
    if step < warmup { return peak * Double(step + 1) / Double(warmup + 1) }
    let span = max(1, total - warmup)
    let progress = min(1, Double(step - warmup) / Double(span))
    switch kind {
    case .constant: return peak
    case .linear: return peak * (1 - (1 - final) * progress)
    case .cosine: return peak * (final + (1 - final) * (1 + cos(.pi * progress)) / 2)
    }
  }
}
