import Foundation

/// The output for the user while the program runs: lines, and on a terminal a progress line that is rewritten in place.
package final class Console {
  private let progress: Configuration.LoggingOptions.Progress
  private var isShowing = false
  private var lastShown = ContinuousClock.now

  /// `launched`: by mpirun, whose own terminal is the one that counts.
  package init(_ progress: Configuration.LoggingOptions.Progress, launched: Bool) {
    self.progress = progress == .auto ? (Self.hasTerminal(launched: launched) ? .live : .plain) : progress
  }

  /// Prints a line.
  package func say(_ line: String) {
    clear()
    put(line + "\n", patience: .milliseconds(100))
  }

  /// Shows a progress line: a milestone at once, other lines ten times per second on a terminal and twice per minute
  /// elsewhere.
  package func show(_ text: () -> String, isMilestone: Bool) {
    switch progress {
    case .none: return
    case .auto, .plain:
      guard isMilestone || ContinuousClock.now - lastShown > .seconds(30) else { return }
      put(text() + "\n")
    case .live:
      if isMilestone {
        clear()
        put(text() + "\n")
      } else if ContinuousClock.now - lastShown > .milliseconds(100) {
        put("\r\(text())\u{1B}[K")
        isShowing = true
      } else {
        return
      }
    }
    lastShown = .now
  }

  private func clear() {
    if isShowing { put("\r\u{1B}[K") }
    isShowing = false
  }

  /// Writes `text` unless nobody reads it: a run does not wait for a stopped terminal, nor for an mpirun that is
  /// exiting and does not read.
  private func put(_ text: String, patience: Duration = .zero) {
    var output = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
    guard poll(&output, 1, Int32(patience / .milliseconds(1))) == 1 else { return }
    // Nobody is left to be told if the terminal has gone.
    try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
  }

  /// Whether a user watches. Under mpirun, standard output is a terminal that mpirun creates wherever its text goes, so
  /// the launcher's own output decides.
  private static func hasTerminal(launched: Bool) -> Bool {
    if ProcessInfo.processInfo.environment["TERM"] == "dumb" { return false }
    guard launched else { return isatty(STDOUT_FILENO) == 1 }
    let descriptor = open("/proc/\(getppid())/fd/1", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return isatty(descriptor) == 1
  }
}
