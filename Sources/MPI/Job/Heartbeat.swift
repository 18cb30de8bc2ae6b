import Glibc
import Synchronization

/// Notices ranks that have gone silent: stopped processes, and lost machines or links. MPI itself would wait for them
/// forever.
///
/// Rank 0 has a TCP connection with each other rank. Each end sends one byte per second from a thread of its own,
/// whatever the main thread is doing, so that a long step is not silence. The thread also checks how long the main
/// thread has been waiting in MPI, for ranks that are alive but never arrive.
package final class Heartbeat: Sendable {
  /// Limits in seconds.
  package struct Limits: Sendable, Equatable {
    /// The time without a sign of life from another rank; infinite: no limit.
    package var silence = 10.0
    /// The time in one MPI call; infinite: no limit.
    package var wait = 1800.0

    package init() {}

    package init(silence: Double, wait: Double) {
      self.silence = silence
      self.wait = wait
    }
  }

  /// The ranks without a connection to rank 0, whose silence goes unnoticed. The same on all ranks.
  package let unreachable: [Int]

  private let rank: Int
  private let clock: WaitingClock
  private let report: @Sendable (String) -> Void
  private let limitsNow: Mutex<Limits>
  private let links: Mutex<[HeartbeatLink]>
  private let lastBeat = Mutex(0.0)
  private let ticker: Mutex<Ticker?> = Mutex(nil)

  package var limits: Limits {
    get { limitsNow.withLock { $0 } }
    set { limitsNow.withLock { $0 = newValue } }
  }

  /// Connects the ranks and starts watching. Collective; a network that blocks connections is not an error.
  ///
  /// - Parameter onLoss: called once, on the watching thread, with a description of the loss; should end the process.
  package init(over communicator: Communicator, limits: Limits, onLoss: @escaping @Sendable (String) -> Void) throws {
    rank = communicator.rank
    clock = communicator.clock
    report = onLoss
    limitsNow = Mutex(limits)
    let found = try HeartbeatLink.connect(over: communicator)
    links = Mutex(found.links)
    unreachable = found.unreachable
    ticker.withLock { $0 = Ticker { now, wasStopped in self.look(now, wasStopped) } }
  }

  /// Says farewell to the other ranks, so that the end of this process does not count as a loss.
  package func stop() {
    guard let ticker = ticker.withLock({ $0.take() }) else { return }
    ticker.stop()
    links.withLock { links in
      for link in links {
        link.send(HeartbeatLink.farewell)
        close(link.descriptor)
      }
      links = []
    }
  }

  /// Sends and listens; called by the thread at intervals. Returns false after a loss.
  private func look(_ now: Double, _ wasStopped: Bool) -> Bool {
    let loss = links.withLock { links in
      if wasStopped {
        // While this process was stopped, it could not hear the others.
        for index in links.indices { links[index].lastHeard = now }
        clock.restart(at: now)
      }
      let isDue = lastBeat.withLock { last in
        if now - last <= 1 { return false }
        last = now
        return true
      }
      if isDue { for link in links { link.send(HeartbeatLink.beat) } }
      for index in links.indices { links[index].listen(now) }
      links.removeAll { $0.hasLeft }
      return Self.loss(rank: rank, links, waitingSince: clock.waitingSince, now, limits)
    }
    if let loss { report(loss) }
    return loss == nil
  }

  /// The description of a loss, if there is one. Of the ranks that notice the same loss, all but one wait a little for
  /// the first to report it.
  private static func loss(
    rank: Int, _ links: [HeartbeatLink], waitingSince: Double?, _ now: Double, _ limits: Limits
  ) -> String? {
    let courtesy = 0.5 * Double(min(rank, 6))
    for link in links {
      let name = "rank \(link.rank) on \(link.hostname)"
      if let closed = link.closed, now - closed > closedLimit + courtesy {
        return "\(name) has gone without a farewell"
      }
      if now - link.lastHeard > limits.silence + courtesy {
        return "\(name) has given no sign of life for \(Int(now - link.lastHeard)) s: it is stopped, or its machine or "
          + "the network to it is lost"
      }
    }
    if let waitingSince, now - waitingSince > limits.wait + 4 * courtesy {
      return "waited \(Int(now - waitingSince)) s for the other ranks, of which one must be stuck"
    }
    return nil
  }

  /// Seconds that a launcher has to end the job itself after the death of a rank.
  private static let closedLimit = 5.0
}

/// The time since which the main thread has been waiting in MPI, for the watching thread.
package final class WaitingClock: Sendable {
  /// Nanoseconds; zero if it is not waiting.
  private let since = Atomic<UInt64>(0)

  func begin(at seconds: Double) { since.store(UInt64(1e9 * seconds), ordering: .relaxed) }
  func end() { since.store(0, ordering: .relaxed) }

  /// Restarts the count if the main thread is waiting.
  func restart(at seconds: Double) {
    let before = since.load(ordering: .relaxed)
    if before != 0 {
      _ = since.compareExchange(expected: before, desired: UInt64(1e9 * seconds), ordering: .relaxed)
    }
  }

  var waitingSince: Double? {
    let value = since.load(ordering: .relaxed)
    return value == 0 ? nil : 1e-9 * Double(value)
  }
}
