/// What the standard error of an attempt says about its end.
package struct FailureReport: Equatable, Sendable {
  /// The first error of the program, or else what the launcher says of a rank.
  package private(set) var detail: String?
  /// The host that failed, where somebody names it.
  package private(set) var culprit: String?
  private var hasError = false

  package init() {}

  /// Reads one line.
  package mutating func read(_ line: String) {
    if let match = line.firstMatch(of: /^fgn-dist: error: (.*)$/) {
      if !hasError { detail = String(match.1) }
      hasError = true
      // The one that is reported, not the one that reports.
      if let lost = match.1.firstMatch(of: /rank \d+ on (\S+) has (?:given no sign of life|gone without)/) {
        culprit = culprit ?? String(lost.1)
      }
      return
    }
    if let noticed = line.firstMatch(of: /noticed that process rank \d+ with PID \d+ on node (\S+) exited on signal/) {
      culprit = culprit ?? String(noticed.1)
      detail = detail ?? line
    } else if let daemon = line.firstMatch(of: /^\s+Remote daemon: +\[\[\d+,\d+\],\d+\] on node (\S+)/) {
      culprit = culprit ?? String(daemon.1)
      detail = detail ?? "the launcher has lost \(daemon.1)"
    }
  }
}
