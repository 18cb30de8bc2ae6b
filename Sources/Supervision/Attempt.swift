/// Why an attempt at a run ended.
package enum Cause: String, Codable, Sendable {
  case completed
  /// The supervisor was asked to stop, or its time is over.
  case stopped
  /// Somebody else told the ranks to stop, as a machine does that is taken away.
  case preempted
  /// The configuration, the data or a checkpoint: the next attempt would find the same.
  case badInput = "bad-input"
  case diverged
  /// A disk that is full or fails.
  case storage
  /// The ranks lost one of them.
  case lostPeer = "lost-peer"
  /// The launcher lost a host.
  case lostHost = "lost-host"
  /// A rank was killed, or died of a signal.
  case crash
  /// The launcher ended with a code of its own.
  case launcher
  /// The ranks did not meet in time.
  case startHang = "start-hang"
  /// The launcher went on without ranks.
  case launcherHang = "launcher-hang"
  /// The launcher, or all ranks, were stopped and did not go on.
  case suspended
  /// Hosts came or went, and the ranks were told to stop for that.
  case regrouped

  /// Whether it takes the work since the last checkpoint: the others save one, begin none, or would come again.
  package var isFailure: Bool {
    switch self {
    case .storage, .lostPeer, .lostHost, .crash, .launcher, .launcherHang, .suspended: true
    case .completed, .stopped, .preempted, .badInput, .diverged, .startHang, .regrouped: false
    }
  }
}

/// What the supervisor itself did to an attempt.
package enum Interference: Equatable, Sendable {
  /// It asked the ranks for a checkpoint, since it was asked to stop or its time is over.
  case stop
  /// It ended an attempt that had not begun, for the same.
  case stopBeforeStart
  /// It asked the ranks for a checkpoint, since other hosts are there now.
  case regroup
  case startHang
  case launcherHang
  case suspended
}

/// How an attempt at a run ended.
package struct AttemptEnd: Equatable, Sendable {
  /// The exit code of the launcher, or 128 + the signal that ended it.
  package let code: Int32
  package let cause: Cause
  /// Whether a checkpoint was saved that was not there before.
  package let hasProgressed: Bool

  package init(code: Int32, after interference: Interference?, hasProgressed: Bool) {
    // What ended before it began has nothing to save: all that it was asked for is done.
    self.code = interference == .stopBeforeStart ? 75 : code
    self.hasProgressed = hasProgressed
    cause =
      switch (code, interference) {
      case (0, _): .completed
      case (_, .stop), (_, .stopBeforeStart): .stopped
      case (_, .startHang): .startHang
      case (_, .launcherHang): .launcherHang
      case (_, .suspended): .suspended
      case (75, .regroup): .regrouped
      case (64...66, _): .badInput
      case (70, _): .diverged
      case (74, _): .storage
      case (75, _): .preempted
      case (76, _): .lostPeer
      // Open MPI's ORTE_ERR_COMM_FAILURE, as it comes through the eight bits of an exit code.
      case (205, _): .lostHost
      case (129...192, _): .crash
      default: .launcher
      }
  }
}
