import Glibc
import Synchronization

/// Ends a start that does not come about: before the ranks have their heartbeat, MPI would wait for ever for one that is
/// stopped or was never started.
final class StartupWatch: Sendable {
  /// Sets how long a start may take, in seconds; 0: for ever.
  static let variable = "FGN_STARTUP_TIMEOUT"
  private static let patience = 120.0

  private let rank: Int
  private let limit: Double
  private let environment: [String: String]
  /// When the start began, or went on after this process had been stopped.
  private let begin: Mutex<Double>
  /// The rank that is waited for in a roll call; -1: all, in MPI.
  private let awaited = Atomic(-1)
  private let report: @Sendable (String) -> Void
  private let ticker: Mutex<Ticker?> = Mutex(nil)

  /// Begins to watch. Local.
  ///
  /// - Parameter onHang: is called once, on a thread of its own, with what is the matter; it should end the process.
  /// - Throws: `EnvironmentError`
  init(environment: [String: String], onHang: @escaping @Sendable (String) -> Void) throws(EnvironmentError) {
    let text = environment[Self.variable] ?? ""
    guard let limit = text.isEmpty ? Self.patience : Double(text), limit >= 0, limit.isFinite else {
      throw EnvironmentError(variable: Self.variable, value: text, problem: "is no number of seconds")
    }
    self.limit = limit == 0 ? .infinity : limit
    self.environment = environment
    rank = JobProcess.rank(in: environment) ?? 0
    begin = Mutex(monotonicSeconds())
    report = onHang
    ticker.withLock { $0 = Ticker { now, wasStopped in self.look(now, wasStopped) } }
  }

  /// The start has come about; later calls do nothing.
  func end() {
    ticker.withLock { $0.take() }?.stop()
  }

  /// This rank waits for `rank` now.
  func await(_ rank: Int) { awaited.store(rank, ordering: .relaxed) }

  private func look(_ now: Double, _ wasStopped: Bool) -> Bool {
    let waited = begin.withLock { begin in
      if wasStopped { begin = now }
      return now - begin
    }
    // The lowest rank speaks for all, and the launcher ends the others.
    guard waited > limit + 0.5 * Double(min(rank, 6)) else { return true }
    let idle = JobProcess.others(than: rank, environment: environment).filter { !$0.isAtWork }
    let awaited = awaited.load(ordering: .relaxed)
    // A host that can tell more than the number has the first word.
    if idle.isEmpty, awaited < 0 || rank > 0, waited < limit + 6 { return true }
    var text = "the job has not started within \(limit == limit.rounded() ? "\(Int(limit))" : "\(limit)") s: "
    if !idle.isEmpty {
      text += idle.map(\.description).joined(separator: ", ")
    } else if awaited >= 0 {
      text += "rank \(awaited) has not come"
    } else {
      text += "MPI waits for a rank on another host, or for the network"
    }
    report("\(text) (\(Self.variable) sets the limit)")
    return false
  }
}

/// An environment variable of the program that makes no sense.
package struct EnvironmentError: Error, Equatable, Sendable, CustomStringConvertible, ExitCodeProviding {
  package let variable, value, problem: String

  package var description: String { "\(variable)=\(value) \(problem)" }
  package var exitCode: Int32 { 64 }
}
