import MPI

/// Tells when a checkpoint is due by time. All ranks look at the same steps, and rank 0's clock decides for all.
struct SaveClock {
  /// Seconds from one checkpoint to the next; infinity: time does not count.
  private let interval: Double
  private var last = ContinuousClock.now
  private var nextLook = 0

  init(everyMinutes minutes: Double) {
    interval = minutes == 0 ? .infinity : 60 * minutes
  }

  /// Begins anew with a checkpoint.
  mutating func restart() { last = .now }

  /// Whether a checkpoint is due after a step. Collective.
  mutating func isDue(after step: Int, secondsPerStep: Double, over communicator: Communicator) throws -> Bool {
    guard interval.isFinite, step >= nextLook else { return false }
    let rest = interval - (ContinuousClock.now - last) / .seconds(1)
    let steps = try communicator.broadcast(Self.stepsToNextLook(rest: rest, secondsPerStep: secondsPerStep))
    nextLook = step + max(1, steps)
    return steps == 0
  }

  /// 0 where the time is over; else so many steps that half of the rest is over then: a look is an exchange.
  static func stepsToNextLook(rest: Double, secondsPerStep: Double) -> Int {
    rest <= 0 ? 0 : max(1, Int(min(1000, rest / (2 * max(secondsPerStep, 1e-9)))))
  }
}
