import Foundation
import Training

/// The progress of some work, as a line on standard error that is rewritten in place if that is a terminal.
final class ProgressLine {
  private let isShown = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  private var start = ContinuousClock.now
  private var lastShown = ContinuousClock.now
  private var title = ""
  private var isThere = false

  /// `title` names the work, and `fraction`, from 0 to 1, is its finished part; a new title starts new work.
  func show(_ title: String, _ fraction: Double) {
    let now = ContinuousClock.now
    if title != self.title { (self.title, start) = (title, now) }
    guard isShown, now - lastShown > .milliseconds(100) else { return }
    lastShown = now
    let left = fraction > 0 ? "  \(((now - start) * (1 / fraction - 1)).readable) left" : ""
    isThere = true
    put("\r\(title)  \(Int(100 * fraction)) %\(left)\u{1B}[K")
  }

  func clear() {
    if isThere { put("\r\u{1B}[K") }
    isThere = false
  }

  private func put(_ text: String) {
    // Nobody is left to be told if the terminal has gone.
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}
