import Datasets
import GaussNewton

/// Whether the model of a run is an average of its parameters, and of which.
package struct AverageOptions: Codable, Equatable, Sendable {
  package enum Kind: String, Codable, CaseIterable, Sendable {
    /// No average: the model has the parameters of one step.
    case none
    /// The mean of the parameters after each step of the last part of a run.
    case tail
    /// An exponential moving average of the parameters after each step.
    case ema
  }

  package var kind = Kind.none
  /// The share of a run's steps that a `tail` leaves out.
  package var from = 0.5
  /// β, what remains of an `ema` at each step.
  @Setting package var decay = Self.standardDecay

  package init() {}

  private static let standardDecay = 0.999

  /// Chooses β so that the time constant of an `ema`, 1/(1 − β) steps, is half an epoch: the noise of batches that differ
  /// averages out, and the end of the run need not be known. Ten steps at least, since full batches are an epoch each.
  mutating func chooseDecay(stepsPerEpoch: Int?) {
    guard kind == .ema, let stepsPerEpoch else { return $decay.choose(Self.standardDecay) }
    $decay.choose(1 - 1 / max(10, Double(stepsPerEpoch) / 2))
  }

  /// Keeps the β that a run began with unless another one is given.
  mutating func goOn(from saved: Self) {
    if kind == .ema, saved.kind == .ema { $decay.choose(saved.decay) }
  }

  /// The settings that its kind reads and in which it differs from `other`.
  func differences(from other: Self) -> [(key: String, old: String, new: String)] {
    var result: [(key: String, old: String, new: String)] = []
    if kind != other.kind {
      result.append(("training.average.kind", other.kind.rawValue, kind.rawValue))
    } else if kind == .tail, from != other.from {
      result.append(("training.average.from", other.from.short, from.short))
    } else if kind == .ema, decay != other.decay {
      result.append(("training.average.decay", "\(other.decay)", "\(decay)"))
    }
    return result
  }

  /// Keys of settings that differ from their defaults although the kind does not read them.
  var unread: [String] {
    [
      kind != .tail && from != Self().from ? "training.average.from" : nil,
      kind != .ema && decay != Self.standardDecay ? "training.average.decay" : nil,
    ].compactMap { $0 }
  }
}
