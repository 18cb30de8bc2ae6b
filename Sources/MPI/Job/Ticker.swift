import Glibc
import Synchronization

/// A thread that calls a function at intervals until it is stopped. Stopping takes effect at once, since short runs
/// wait for it.
package final class Ticker: Sendable {
  /// A pipe whose writing end is closed to stop the thread.
  private let (wakeUp, waker): (Int32, Int32)
  /// Stops the thread if closing the pipe does not wake it.
  private let isStopping = Atomic(false)
  private let thread: Mutex<pthread_t?> = Mutex(nil)
  private let milliseconds: Int32
  private let look: @Sendable (_ now: Double, _ wasStopped: Bool) -> Bool

  /// - Parameters:
  ///   - interval: seconds between calls.
  ///   - look: called with the time in seconds, and with whether this process or its machine has been suspended since
  ///     the last call; returns whether to continue.
  package init(interval: Double = 0.2, _ look: @escaping @Sendable (_ now: Double, _ wasStopped: Bool) -> Bool) {
    self.look = look
    milliseconds = Int32(1000 * interval)
    var ends: [Int32] = [-1, -1]
    precondition(pipe(&ends) == 0, "no pipe for a watching thread: \(String(cString: strerror(errno)))")
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (wakeUp, waker) = (ends[0], ends[1])
    thread.withLock { thread in
      var created = pthread_t()
      let context = Unmanaged.passRetained(self).toOpaque()
      let code = pthread_create(
        &created, nil,
        { context in
          Unmanaged<Ticker>.fromOpaque(context!).takeRetainedValue().work()
          return nil
        }, context)
      precondition(code == 0, "no watching thread: \(String(cString: strerror(code)))")
      thread = created
    }
  }

  /// Ends the thread and waits for it; later calls do nothing. Must not be called from the thread itself.
  package func stop() {
    guard let thread = thread.withLock({ $0.take() }) else { return }
    isStopping.store(true, ordering: .relaxed)
    close(waker)
    pthread_join(thread, nil)
    close(wakeUp)
  }

  private func work() {
    var last = monotonicSeconds()
    var wakeUp = pollfd(fd: wakeUp, events: 0, revents: 0)
    while poll(&wakeUp, 1, milliseconds) <= 0, !isStopping.load(ordering: .relaxed) {
      let now = monotonicSeconds()
      guard look(now, now - last > 2) else { return }
      last = now
    }
  }
}
