import Foundation
import MPI
import Supervision
import Training

/// Starts a run again until it is done, or until that has no point.
final class Supervisor {
  private let plan: LaunchPlan
  private let log: LaunchLog
  /// Keeps other supervisors out; a guard that is still ending a job of a dead one has it, too.
  private let lock: RunLock
  private let begin = ContinuousClock.now
  private let watch: HostWatch?
  private let probe: HostProbe
  private var pool: HostPool
  private var listed: [String] = []
  /// The hosts that are left out, and why.
  private var leftOut: [String: String] = [:]
  private var count = RestartCount()
  private var attempts = 0
  private var lastCode: Int32?

  /// Throws exit code 64 if another supervisor is at work on the run, or `StorageError`.
  init(_ plan: LaunchPlan) throws {
    self.plan = plan
    pool = HostPool(limit: plan.hostFailures)
    try plan.directory.create(resuming: true)
    lock = try RunLock(
      plan.directory.launchLock, of: plan.directory, hostname: Communicator().hostname, patience: .seconds(10))
    log = try LaunchLog(plan.directory)
    probe = HostProbe(
      remoteShell: plan.remoteShell, program: plan.program, folder: FileManager.default.currentDirectoryPath,
      configuration: plan.configuration)
    if plan.grows, case .hosts(let source, _, _) = plan.ranks {
      watch = HostWatch(source, probe, interval: plan.lookInterval)
    } else {
      watch = nil
    }
  }

  /// Runs to the end; returns the exit code of the last attempt.
  func run() throws -> Int32 {
    while true {
      guard let placement = try waitForHosts(), try waitForLeftovers() else { return end(asked: "before an attempt") }
      let (end, report, seconds) = try attempt(on: placement)
      lastCode = end.code
      let decision = count.decide(after: end, plan.policy)
      record(end, report, decision, seconds)
      switch decision {
      case .stop(let code, let why):
        if let why { log.say("not started again: \(why)") }
        return code
      case .restart(let delay):
        if !rest(delay) { return self.end(asked: "before a restart") }
      }
    }
  }

  private func end(asked place: String) -> Int32 {
    log.say("stopped \(place)")
    // What the last attempt saved is there, and the same command goes on from it.
    return Preemption.requested == nil ? lastCode ?? 69 : 75
  }

  // MARK: - Attempts

  private func attempt(on placement: Placement) throws -> (end: AttemptEnd, report: FailureReport, seconds: Double) {
    attempts += 1
    let before = newestCheckpoint
    let hosts = placement.hosts
    log.write(LaunchLog.Attempt(attempt: attempts, hosts: hosts, ranks: placement.ranks, step: before))
    log.say(
      "attempt \(attempts), \(placement.ranks) \(placement.ranks == 1 ? "rank" : "ranks")"
        + (hosts.isEmpty ? "" : " on \(hosts.joined(separator: ", "))")
        + (before.map { ", after step \($0)" } ?? ", from the start"))
    watch?.reset()
    let start = ContinuousClock.now
    let attempt = try RunningAttempt(
      plan, on: placement, restarts: attempts - 1, holding: lock,
      deadline: plan.timeLimit.isFinite ? begin + .seconds(plan.timeLimit) : nil
    ) { [self] in
      // A run that has saved nothing yet would begin anew.
      guard let found = watch?.found(beside: hosts), newestCheckpoint != before else { return false }
      return choice(of: found).map { Set($0) != Set(hosts) } ?? false
    }
    let result = attempt.run()
    let end = AttemptEnd(
      code: result.code, after: result.interference, hasProgressed: newestCheckpoint != before)
    let failed: Set<Cause> = [.crash, .lostPeer, .lostHost]
    if pool.note(failedOn: failed.contains(end.cause) ? result.report.culprit : nil, of: hosts, at: now) {
      log.say("\(result.report.culprit!) has failed \(plan.hostFailures) times in a row, and is left out for a while")
    }
    return (end, result.report, (ContinuousClock.now - start) / .seconds(1))
  }

  private func record(_ end: AttemptEnd, _ report: FailureReport, _ decision: Decision, _ seconds: Double) {
    var delay: Double?
    if case .restart(let seconds) = decision { delay = seconds }
    let reached = MetricsLog.lastStep(path: plan.directory.metrics)
    log.write(
      LaunchLog.End(
        attempt: attempts, code: end.code, cause: end.cause, detail: report.detail, host: report.culprit,
        step: newestCheckpoint, reached: reached, seconds: seconds, delay: delay))
    log.say(
      "attempt \(attempts) ended with \(end.code) after \(Int(seconds)) s: \(end.cause.rawValue)"
        + (reached.map { ", at step \($0)" } ?? "") + (delay.map { "; starts again in \(Int($0)) s" } ?? ""))
  }

  /// The step of the newest one in the run directory; where that is lost, in the mirror.
  private var newestCheckpoint: Int? {
    [plan.directory, plan.mirror].lazy.compactMap { (try? $0?.checkpoints.latest())?.step }.first
  }

  /// Waits until no process of an earlier job is at work on the run; false where the wait was ended. Throws exit code 64 where
  /// one stays.
  private func waitForLeftovers() throws -> Bool {
    let hostname = Communicator().hostname
    let start = ContinuousClock.now
    while Preemption.requested == nil, now < plan.timeLimit {
      do {
        // Somebody may have removed it since the last attempt.
        try plan.directory.create(resuming: true)
        _ = try RunLock(plan.directory, hostname: hostname, patience: .seconds(1))
        return true
      } catch let error as ConfigurationError {
        let waited = ContinuousClock.now - start
        if waited > RunLock.patienceWithLostHosts { throw error }
        if waited < .seconds(2) { log.say("waits for the end of another job: \(error)") }
      }
    }
    return false
  }

  // MARK: - Hosts

  /// Seconds since the start.
  private var now: Double { (ContinuousClock.now - begin) / .seconds(1) }

  private func choice(of answering: [String]) -> [String]? {
    guard case .hosts(_, _, let minimum) = plan.ranks else { return nil }
    return pool.choice(of: answering, minimum: minimum, at: now)
  }

  /// The hosts for an attempt, once there are enough; nil where the wait was ended.
  private func waitForHosts() throws -> Placement? {
    guard case .hosts(let source, let ranks, let minimum) = plan.ranks else {
      guard case .local(let ranks) = plan.ranks else { return nil }
      return Preemption.requested == nil && now < plan.timeLimit ? .local(ranks: ranks) : nil
    }
    for round in 0... {
      guard Preemption.requested == nil, now < plan.timeLimit else { return nil }
      do {
        listed = try source.hosts()
      } catch {
        // Whoever writes the list anew may be at it.
        if listed.isEmpty { throw error }
        log.say("the hosts stay as they were: \(error)")
      }
      let problems = probe.problems(of: listed)
      let answering = zip(listed, problems).compactMap { $1 == nil ? $0 : nil }
      let chosen = choice(of: answering)
      report(zip(listed, problems), chosen: chosen)
      if let chosen { return .hosts(chosen, ranksOnEach: ranks) }
      let delay = RestartPolicy.delay(fruitless: round)
      log.say(
        "\(answering.count) of \(listed.count) hosts are there, and \(minimum) are needed; looks again in \(Int(delay)) s"
      )
      if !rest(delay) { return nil }
    }
    return nil
  }

  /// Says which hosts are left out from now on, and which are back.
  private func report(_ problems: some Sequence<(String, String?)>, chosen: [String]?) {
    for (host, problem) in problems {
      let isExcluded = problem == nil && chosen.map { !$0.contains(host) } == true
      let reason = isExcluded ? "has failed too often" : problem
      guard leftOut[host] != reason else { continue }
      log.write(LaunchLog.Host(host: host, problem: reason))
      log.say(reason.map { "\(host) is left out: \($0)" } ?? "\(host) is back")
      leftOut[host] = reason
    }
  }

  /// Waits; false where a signal or the time limit ends that.
  private func rest(_ seconds: Double) -> Bool {
    let end = min(now + seconds, plan.timeLimit)
    while now < end, Preemption.requested == nil { usleep(50_000) }
    return Preemption.requested == nil && now < plan.timeLimit
  }
}
