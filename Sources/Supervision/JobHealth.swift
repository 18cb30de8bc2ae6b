/// Tells from looks at the processes of a job, one a second, whether it goes on. Times are seconds of one clock that never goes
/// back.
package struct JobHealth: Sendable {
  package struct Limits: Equatable, Sendable {
    /// Seconds until the ranks have met; infinity: no limit.
    package var start = 120.0
    /// Seconds that a launcher may go on without ranks.
    package var abandoned = 10.0
    /// Seconds that a launcher, or all ranks, may be stopped.
    package var suspended = 15.0

    package init(start: Double = 120) { self.start = start }
  }

  private let limits: Limits
  private let begin: Double
  private var hasSeenRanks = false
  private var withoutRanksSince: Double?
  private var suspendedSince: Double?

  package init(_ limits: Limits, at now: Double) {
    self.limits = limits
    begin = now
  }

  /// What is wrong, if anything.
  ///
  /// - Parameters:
  ///   - processes: of the job on this machine.
  ///   - program: the file that ranks run.
  ///   - hasStarted: whether the ranks have met.
  package mutating func look(
    _ processes: [ProcessState], program: String, hasStarted: Bool, at now: Double
  ) -> Interference? {
    let ranks = processes.filter { $0.program == program }
    // A process that is to become the launcher is this program until then.
    if !ranks.isEmpty, ranks.count < processes.count { hasSeenRanks = true }
    withoutRanksSince = hasSeenRanks && ranks.isEmpty ? withoutRanksSince ?? now : nil
    let isSuspended =
      processes.contains { $0.isStopped && $0.program != program } || !ranks.isEmpty && ranks.allSatisfy(\.isStopped)
    suspendedSince = isSuspended ? suspendedSince ?? now : nil
    if let since = withoutRanksSince, now - since >= limits.abandoned { return .launcherHang }
    if let since = suspendedSince, now - since >= limits.suspended { return .suspended }
    return !hasStarted && now - begin >= limits.start ? .startHang : nil
  }
}
