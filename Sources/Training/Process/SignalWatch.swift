import Foundation
import MPI

/// Saves a run on a signal, where its step takes longer than whoever sent it may wait: Open MPI's mpirun kills the ranks a
/// second after it has handed on a SIGTERM.
///
/// A step that ends soon saves a checkpoint itself, and none is needed from before it. Only rank 0 has one.
final class SignalWatch: Sendable {
  private let ticker: Ticker

  /// Seconds that a step has to end.
  private static let patience = 0.25

  /// - Parameter save: is called on another thread, once, `patience` after the first signal.
  init(save: @escaping @Sendable () -> Void) {
    let deadline = Deadline()
    ticker = Ticker(interval: 0.1) { now, _ in
      guard Preemption.requested != nil else { return true }
      guard deadline.isPast(now, after: Self.patience) else { return true }
      save()
      return false
    }
  }

  /// Returns when nothing is being saved any more.
  func stop() { ticker.stop() }

  /// Only the thread's.
  private final class Deadline: @unchecked Sendable {
    private var begin: Double?

    func isPast(_ now: Double, after seconds: Double) -> Bool {
      let begin = begin ?? now
      self.begin = begin
      return now - begin >= seconds
    }
  }
}
