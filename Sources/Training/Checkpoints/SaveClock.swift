import MPI

/// Tells when a checkpoint is due by time. All ranks look at the same steps, and rank 0's clock decides for all.
struct SaveClock {
  private let interval: SaveInterval
  /// The failures before this clock began.
  private let failures: FailureHistory
  private let begin = ContinuousClock.now
  private var last = ContinuousClock.now
  private var nextLook = 0
  /// The checkpoints until now, and what they have cost together, in seconds.
  private var (saves, costs) = (0, 0.0)
  /// How long the last one was being written, in seconds; nil before the first one is there.
  private var writing: Double?

  /// Seconds until the first checkpoint whose cost is measured.
  static let firstInterval = 10.0

  /// - Parameter failures: those of the run before, on rank 0.
  init(_ interval: SaveInterval, after failures: FailureHistory = FailureHistory()) {
    (self.interval, self.failures) = (interval, failures)
  }

  /// Begins anew with a checkpoint, which has cost the steps so many seconds.
  mutating func restart(cost: Double? = nil) {
    last = .now
    guard let cost else { return }
    saves += 1
    costs += cost
  }

  /// Notes the time that the last checkpoint took to be written beside the steps.
  mutating func note(writing seconds: Double?) { writing = seconds ?? writing }

  /// What an automatic interval follows from; nil for another one, and until a checkpoint has been measured.
  var plan: SavePlan? {
    guard interval == .auto, saves > 0, let writing else { return nil }
    var failures = failures
    failures.seconds += (ContinuousClock.now - begin) / .seconds(1)
    return SavePlan(cost: costs / Double(saves), writing: writing, failures: failures)
  }

  /// Seconds from one checkpoint to the next.
  private var seconds: Double {
    switch interval {
    case .minutes(let minutes): 60 * minutes
    case .auto: plan?.interval ?? Self.firstInterval
    }
  }

  /// Whether a checkpoint is due after a step. Collective.
  mutating func isDue(after step: Int, secondsPerStep: Double, over communicator: Communicator) throws -> Bool {
    guard interval.isOn, step >= nextLook else { return false }
    let rest = seconds - (ContinuousClock.now - last) / .seconds(1)
    let steps = try communicator.broadcast(Self.stepsToNextLook(rest: rest, secondsPerStep: secondsPerStep))
    nextLook = step + max(1, steps)
    return steps == 0
  }

  /// 0 where the time is over; else so many steps that half of the rest is over then: a look is an exchange.
  static func stepsToNextLook(rest: Double, secondsPerStep: Double) -> Int {
    rest <= 0 ? 0 : max(1, Int(min(1000, rest / (2 * max(secondsPerStep, 1e-9)))))
  }
}
