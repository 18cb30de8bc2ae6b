import Foundation
import Supervision
import Training

/// What a supervisor is to do.
struct LaunchPlan {
  /// Where ranks run.
  enum Ranks {
    case local(Int)
    case hosts(HostSource, onEach: Int, minimum: Int)
  }

  var ranks: Ranks
  var policy: RestartPolicy
  /// Seconds until the ranks have met, and seconds in all; infinity: no limit.
  var startTimeout: Double
  var timeLimit: Double
  /// Failures of a host in a row after which it is left out for a while.
  var hostFailures: Int
  /// Whether hosts that come and go are followed while ranks are at work.
  var grows: Bool
  /// Seconds between two looks at the hosts then.
  var lookInterval: Double
  /// The path of the launcher, and of this program.
  var launcher, program: String
  /// What each rank is given, from `train` on.
  var command: [String]
  /// The configuration that it names.
  var configuration: String
  var directory: RunDirectory
  /// Where the run has copies of its checkpoints.
  var mirror: RunDirectory?

  private let environment = ProcessInfo.processInfo.environment

  /// The words of a variable, for scripts.
  private func words(_ variable: String) -> [String] {
    environment[variable]?.split(whereSeparator: \.isWhitespace).map(String.init) ?? []
  }

  var remoteShell: [String] {
    let own = words("FGN_RSH")
    return own.isEmpty ? ["ssh", "-oBatchMode=yes", "-oConnectTimeout=10"] : own
  }

  /// The launcher on its way to an attempt. As long as anything of that is left, the lock is held.
  func start(_ placement: Placement, restarts: Int, holding lock: RunLock) throws -> GuardedProgram {
    let variables = [Job.startVariable: directory.started, PrometheusFile.restartsVariable: "\(restarts)"]
    let arguments = LauncherArguments(
      placement, remoteShell: remoteShell.joined(separator: " "),
      workingDirectory: FileManager.default.currentDirectoryPath, exported: variables.keys.sorted(),
      options: words("FGN_MPIRUN_OPTIONS"))
    return try GuardedProgram(
      launcher, arguments.words + [program] + command, environment: environment.merging(variables) { $1 },
      keeping: lock.descriptor)
  }
}
