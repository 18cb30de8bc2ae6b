import Foundation

/// When a run starts again.
package struct RestartPolicy: Equatable, Sendable {
  /// Restarts in all; those for other hosts do not count.
  package var limit: Int
  /// Attempts in a row without a new checkpoint.
  package var fruitlessLimit: Int
  package var restartsDiverged: Bool

  package init(limit: Int = 100, fruitlessLimit: Int = 10, restartsDiverged: Bool = false) {
    self.limit = limit
    self.fruitlessLimit = fruitlessLimit
    self.restartsDiverged = restartsDiverged
  }

  /// Seconds before the next attempt: 1 after one that saved a checkpoint, then twice as many with each, up to a minute.
  package static func delay(fruitless: Int) -> Double { min(60, pow(2, Double(fruitless))) }
}

package enum Decision: Equatable, Sendable {
  /// Seconds to wait.
  case restart(delay: Double)
  /// The exit code of the supervisor, and why it does not start again; nil where that needs no word.
  case stop(code: Int32, why: String?)
}

/// The attempts until now, as far as the next decision depends on them.
package struct RestartCount: Equatable, Sendable {
  package private(set) var restarts = 0
  package private(set) var fruitless = 0

  package init() {}

  /// What follows from the end of an attempt.
  package mutating func decide(after end: AttemptEnd, _ policy: RestartPolicy) -> Decision {
    switch end.cause {
    case .completed, .stopped: return .stop(code: end.code, why: nil)
    case .badInput: return .stop(code: end.code, why: "another attempt would find the same")
    case .diverged where !policy.restartsDiverged:
      return .stop(code: end.code, why: "a run that diverged starts again with --restart-diverged only")
    case .regrouped: return .restart(delay: 0)
    default: break
    }
    fruitless = end.hasProgressed ? 0 : fruitless + 1
    if restarts >= policy.limit { return .stop(code: end.code, why: "that was the last of \(policy.limit) restarts") }
    if fruitless >= policy.fruitlessLimit {
      return .stop(code: end.code, why: "\(fruitless) attempts in a row have saved no checkpoint")
    }
    restarts += 1
    return .restart(delay: RestartPolicy.delay(fruitless: fruitless))
  }
}
