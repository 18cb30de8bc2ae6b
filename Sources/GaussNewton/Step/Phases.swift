/// Seconds of a step by kind of work; nested measurements count once, for the inner phase.
package final class Phases {
  package enum Phase: String, CaseIterable {
    case data, forward, vjp, jvp, metric, gram, communication, solve, update
  }

  private var seconds: [Phase: Double] = [:]
  private var current: Phase?
  private var since = ContinuousClock.now

  package init() {}

  package func measure<Result, Failure: Error>(
    _ phase: Phase, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outer = current
    enter(phase)
    defer { enter(outer) }
    return try body()
  }

  /// Seconds of each phase since the last reset.
  package var summary: [(phase: Phase, seconds: Double)] { Phase.allCases.map { ($0, seconds[$0, default: 0]) } }

  package func reset() { seconds = [:] }

  private func enter(_ phase: Phase?) {
    let now = ContinuousClock.now
    if let current { seconds[current, default: 0] += (now - since) / .seconds(1) }
    current = phase
    since = now
  }
}
