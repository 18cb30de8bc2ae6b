import Glibc
import Synchronization

/// Ends a start that does not complete: before the ranks have their heartbeat, MPI would wait forever for a rank that
/// is stopped or was never started.
final class StartupWatch: Sendable {
  /// The variable that limits the duration of a start, in seconds; 0: no limit.
  static let variable = "FGN_STARTUP_TIMEOUT"
  private static let patience = 120.0

  private let rank: Int
  private let limit: Double
  private let environment: [String: String]
  /// The time at which the start began, or continued after this process had been stopped.
  private let begin: Mutex<Double>
  /// The rank that a roll call waits for; -1: all ranks, in MPI.
  private let awaited = Atomic(-1)
  private let report: @Sendable (String) -> Void
  private let ticker: Mutex<Ticker?> = Mutex(nil)

  /// Starts watching. Local.
  ///
  /// - Parameter onHang: called once, on a thread of its own, with a description; should end the process.
  /// - Throws: `EnvironmentError` if the variable is not a number of seconds.
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

  /// Ends the watch over a completed start; later calls do nothing.
  func end() {
    ticker.withLock { $0.take() }?.stop()
  }

  /// Records that this rank waits for `rank`.
  func await(_ rank: Int) { awaited.store(rank, ordering: .relaxed) }

  private func look(_ now: Double, _ wasStopped: Bool) -> Bool {
    let waited = begin.withLock { begin in
      if wasStopped { begin = now }
      return now - begin
    }
    // The lowest rank reports for all, and the launcher ends the others.
    guard waited > limit + 0.5 * Double(min(rank, 6)) else { return true }
    let idle = JobProcess.others(than: rank, environment: environment).filter { !$0.isAtWork }
    let awaited = awaited.load(ordering: .relaxed)
    // A host that can tell more than a number reports first.
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

/// The error of an environment variable with an invalid value.
public struct EnvironmentError: Error, Equatable, Sendable, CustomStringConvertible, ExitCodeProviding {
  public let variable, value, problem: String

  public var description: String { "\(variable)=\(value) \(problem)" }
  public var exitCode: Int32 { 64 }
}
