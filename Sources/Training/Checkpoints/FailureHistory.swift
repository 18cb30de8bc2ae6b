import Foundation
import Supervision

/// The failures of a run, and the time in which they came.
package struct FailureHistory: Equatable, Sendable {
  package var count = 0
  /// Seconds for which the run has been at work.
  package var seconds = 0.0

  /// The time without a failure until which one a day is supposed.
  static let day = 86400.0

  /// M: seconds from one failure to the next.
  var meanTime: Double { count == 0 ? max(seconds, Self.day) : seconds / Double(count) }

  /// A line of a supervisor's log, as far as it counts here.
  private struct Line: Decodable {
    var event: String
    var cause: Cause?
    var seconds: Double?
    /// The last step; nil where the attempt has taken none.
    var reached: Int?
  }

  package init(count: Int = 0, seconds: Double = 0) { (self.count, self.seconds) = (count, seconds) }

  /// Reads the attempts that a supervisor has logged, but for the one that is going on; none where there is no log.
  ///
  /// An attempt without an end, before another one, was lost together with the supervisor. What fails before its first step, as
  /// for want of a folder, says nothing of how long machines last.
  package init(log path: String) {
    var isOpen = false
    let lines = FileManager.default.contents(atPath: path)?.split(separator: UInt8(ascii: "\n")) ?? []
    for line in lines.compactMap({ try? JSONDecoder().decode(Line.self, from: $0) }) {
      switch line.event {
      case "attempt":
        if isOpen { count += 1 }
        isOpen = true
      case "end":
        isOpen = false
        if line.cause?.isFailure == true, line.reached != nil { count += 1 }
        seconds += line.seconds ?? 0
      default: break
      }
    }
  }
}
