import Foundation
import Supervision
import Training

/// An attempt at a run, from the start of its launcher to its end.
final class RunningAttempt {
  /// What the attempt came to.
  struct Result {
    var code: Int32
    var interference: Interference?
    var report: FailureReport
  }

  private let plan: LaunchPlan
  private let program: GuardedProgram
  private let deadline: ContinuousClock.Instant?
  private let begin = ContinuousClock.now
  private var health: JobHealth
  private var report = FailureReport()
  /// The part of a line that has come.
  private var line: [UInt8] = []
  private var interference: Interference?
  private var hasStarted = false
  private var isOutputOpen = true
  /// Whether the attempt should have other hosts.
  private let wantsOthers: () -> Bool

  /// Starts the launcher. Throws what the system says.
  init(
    _ plan: LaunchPlan, on placement: Placement, restarts: Int, holding lock: RunLock,
    deadline: ContinuousClock.Instant?,
    wantsOthers: @escaping () -> Bool
  ) throws {
    (self.plan, self.deadline, self.wantsOthers) = (plan, deadline, wantsOthers)
    try? FileManager.default.removeItem(atPath: plan.directory.started)
    program = try plan.start(placement, restarts: restarts, holding: lock)
    health = JobHealth(JobHealth.Limits(start: plan.startTimeout), at: 0)
  }

  private var now: Double { (ContinuousClock.now - begin) / .seconds(1) }

  /// Watches the attempt to its end.
  func run() -> Result {
    var nextLook = 0.0
    while true {
      _ = readErrors(patience: 250)
      if let code = program.exitCode {
        while readErrors(patience: 0) {}
        return Result(code: code, interference: interference, report: report)
      }
      if !hasStarted { hasStarted = FileManager.default.fileExists(atPath: plan.directory.started) }
      if Preemption.requested != nil || deadline.map({ ContinuousClock.now >= $0 }) == true { stop() }
      guard now >= nextLook else { continue }
      nextLook = now + 1
      let processes = ProcessState.descendants(of: program.guardProcess)
      if let fault = health.look(processes, program: plan.program, hasStarted: hasStarted, at: now) {
        if interference == nil || interference == .regroup { interference = fault }
        program.endAll()
      } else if interference == nil, hasStarted, wantsOthers() {
        interference = .regroup
        program.signal(SIGUSR1)
      }
    }
  }

  /// Asks the ranks for a checkpoint and their end, once.
  private func stop() {
    switch interference {
    case .stop, .stopBeforeStart, .startHang, .launcherHang, .suspended: return
    case nil, .regroup: break
    }
    // Before the ranks have met, the signal would kill one that does not expect it yet.
    interference = hasStarted ? .stop : .stopBeforeStart
    if hasStarted { program.signal(SIGUSR1) } else { program.endAll() }
  }

  /// Passes on what has come on the launcher's standard error, and waits for it at most some milliseconds. Whether anything
  /// came.
  private func readErrors(patience: Int32) -> Bool {
    guard isOutputOpen else {
      // The guard ends soon.
      if patience > 0 { usleep(20_000) }
      return false
    }
    var source = pollfd(fd: program.errorOutput, events: Int16(POLLIN), revents: 0)
    guard poll(&source, 1, patience) == 1 else { return false }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(program.errorOutput, &bytes, bytes.count)
    if count == 0 { isOutputOpen = false }
    guard count > 0 else { return false }
    // Nobody is left to be told if the terminal has gone.
    try? FileHandle.standardError.write(contentsOf: Data(bytes[..<count]))
    for byte in bytes[..<count] {
      if byte == UInt8(ascii: "\n") {
        report.read(String(decoding: line, as: UTF8.self))
        line = []
      } else if line.count < 4096 {
        line.append(byte)
      }
    }
    return true
  }
}
