import Datasets

/// The time from one checkpoint to the next.
package enum SaveInterval: Equatable, Sendable {
  /// 0: time does not count.
  case minutes(Double)
  /// As few lost seconds as what a checkpoint costs and the failures until now let expect.
  case auto

  /// Whether checkpoints come by time.
  var isOn: Bool { self != .minutes(0) }
}

extension SaveInterval: Codable {
  package init(from decoder: any Decoder) throws {
    self =
      try decoder.value(
        Double.self, orWord: "auto", problem: "it must be finite, and 0 or more minutes, or 'auto'",
        where: { $0 >= 0 && $0.isFinite }
      ).map(SaveInterval.minutes) ?? .auto
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .auto: try container.encode("auto")
    case .minutes(let minutes): try container.encode(minutes)
    }
  }
}

/// The seconds from one checkpoint to the next at which a run is expected to lose the fewest, by Young (A first order approximation
/// to the optimum checkpoint interval, 1974), with Daly's term (2006) for the time of the checkpoint itself.
struct SavePlan: Equatable {
  /// δ: what a checkpoint costs the steps.
  var cost: Double
  /// How long one is being written beside the steps.
  var writing: Double
  var failures: FailureHistory

  /// √(2δM) − δ for the mean time M between failures, but at least what it takes to write one.
  var interval: Double { max((2 * cost * failures.meanTime).squareRoot() - cost, writing) }
}

extension SavePlan: CustomStringConvertible {
  var description: String {
    let reason =
      failures.count == 0
      ? "no failure until now, so one in \((failures.meanTime / 3600).short) h"
      : "\(failures.count.counted("failure")) in \((failures.seconds / 3600).short) h"
    return "every \(interval.short) s, for one costs \(cost.short) s and is written in \(writing.short) s; \(reason)"
  }
}
