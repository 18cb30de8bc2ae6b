import Foundation
import Supervision
import Synchronization

/// Looks now and then, beside an attempt, whether it could have other hosts.
final class HostWatch: Sendable {
  private let source: HostSource
  private let probe: HostProbe
  /// Seconds between two looks.
  private let interval: Double

  private struct State {
    var isLooking = false
    var lastLook = ContinuousClock.now
    /// Counts attempts: what a look has found is for its own.
    var attempt = 0
    /// What `found` returns next.
    var found: [String]?
  }
  private let state = Mutex(State())

  init(_ source: HostSource, _ probe: HostProbe, interval: Double) {
    (self.source, self.probe, self.interval) = (source, probe, interval)
  }

  /// Begins a new attempt.
  func reset() {
    state.withLock { state in
      (state.lastLook, state.found) = (.now, nil)
      state.attempt += 1
    }
  }

  /// What the last look has found, once: of the hosts of an attempt those that are still listed, of the others those that are
  /// listed and answer. Starts another look, on a thread of its own, where that is due.
  func found(beside hosts: [String]) -> [String]? {
    let (attempt, found) = state.withLock { state in
      let isDue = !state.isLooking && ContinuousClock.now - state.lastLook >= .seconds(interval)
      if isDue { state.isLooking = true }
      defer { state.found = nil }
      return (isDue ? state.attempt : nil, state.found)
    }
    if let attempt { Thread.detachNewThread { self.look(hosts, attempt) } }
    return found
  }

  private func look(_ hosts: [String], _ attempt: Int) {
    var found: [String]?
    if let listed = try? source.hosts() {
      // Those that are at work do not have to answer now.
      let others = listed.filter { !hosts.contains($0) }
      let problems = probe.problems(of: others)
      found = listed.filter(hosts.contains) + zip(others, problems).compactMap { $1 == nil ? $0 : nil }
    }
    state.withLock { state in
      (state.isLooking, state.lastLook) = (false, .now)
      if state.attempt == attempt { state.found = found }
    }
  }
}
