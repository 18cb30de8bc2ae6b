import MPI

/// A signal ended work that cannot be gone on with later. Its description is one line.
package struct Interruption: Error, ExitCodeProviding, CustomStringConvertible {
  package let signal: Preemption.Signal

  package var exitCode: Int32 { 75 }
  package var description: String { "stopped by \(signal) before the end, no result was written; run it again" }

  /// Throws if a signal came to this process.
  package static func check() throws(Interruption) {
    if let signal = Preemption.requested { throw Interruption(signal: signal) }
  }
}
