import Foundation
import Supervision
import Testing

/// A child process in a process group of its own, with its output in files.
///
/// It ends with this object at the latest, and so does the group.
final class Child {
  let pid: pid_t
  private let workspace: Workspace
  private let name = UUID().uuidString
  private let command: [String]
  private var status: Int32?

  /// More time than any child needs on a busy machine; a job that hangs reaches it.
  static let limit = Duration.seconds(120)

  init(_ command: [String], in workspace: Workspace, environment: [String: String] = [:]) throws {
    self.workspace = workspace
    self.command = command
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    for (descriptor, kind) in [(1, "out"), (2, "err")] {
      posix_spawn_file_actions_addopen(
        &actions, Int32(descriptor), workspace.path(".\(name).\(kind)"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o644)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // This thread may block signals; mpirun would inherit the mask and never receive them.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))

    let variables = Program.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
    var process: pid_t = 0
    // `env` changes to the folder, finds the command and executes it.
    let code = withCStrings(["env", "-C", workspace.folder] + command) { arguments in
      withCStrings(variables) { posix_spawn(&process, "/usr/bin/env", &actions, &attributes, arguments, $0) }
    }
    guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO) }
    pid = process
  }

  deinit {
    if !hasEnded { stop() }
  }

  /// Whether the process has ended; does not wait.
  var hasEnded: Bool {
    if status != nil { return true }
    var value: Int32 = 0
    guard waitpid(pid, &value, WNOHANG) == pid else { return false }
    status = value
    return true
  }

  /// Waits for the end. A child beyond its time limit is killed, and the test fails.
  func wait(limit: Duration = limit, sourceLocation: SourceLocation = #_sourceLocation) throws -> Outcome {
    if !poll(for: limit, until: { hasEnded }) {
      Issue.record("still running after \(limit): \(command)\n\(text("err"))", sourceLocation: sourceLocation)
      stop()
    }
    let status = try #require(status, sourceLocation: sourceLocation)
    return Outcome(
      code: status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f, output: text("out"), errorOutput: text("err")
    )
  }

  /// Waits for the end of the process itself; returns its peak of resident bytes.
  func peakMemory() -> Int {
    var peak = 0
    while !hasEnded {
      if let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
        let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM") }),
        let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) })
      {
        peak = max(peak, 1024 * kilobytes)
      }
      usleep(2000)
    }
    return peak
  }

  /// The running processes of the program under test among this child and its descendants.
  var programs: [pid_t] {
    ([pid] + descendants(of: pid)).filter { process in
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")) == Program.path
    }
  }

  /// Kills the child and its descendants.
  func stop() {
    let all = descendants(of: pid)
    // When asked to end, mpirun ends its ranks too.
    kill(pid, SIGTERM)
    _ = poll(for: .seconds(4)) { hasEnded }
    kill(-pid, SIGKILL)
    for process in all { kill(process, SIGKILL) }
    _ = poll(for: .seconds(4)) { hasEnded }
  }

  private func text(_ kind: String) -> String {
    String(decoding: FileManager.default.contents(atPath: workspace.path(".\(name).\(kind)")) ?? Data(), as: UTF8.self)
  }
}

/// Polls `condition`, for at most `limit`; returns whether it became true.
func poll(for limit: Duration, until condition: () -> Bool) -> Bool {
  let start = ContinuousClock.now
  while !condition() {
    if ContinuousClock.now - start > limit { return false }
    usleep(2000)
  }
  return true
}

/// Whether a process exists and is not a zombie.
func isAlive(_ process: pid_t) -> Bool {
  guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return false }
  // The name, in parentheses, may contain anything; the state follows it.
  return status.split(separator: ")").last?.split(separator: " ").first != "Z"
}

private func descendants(of process: pid_t) -> [pid_t] {
  let list = try? String(contentsOfFile: "/proc/\(process)/task/\(process)/children", encoding: .utf8)
  let children = (list ?? "").split(separator: " ").compactMap { pid_t($0) }
  return children + children.flatMap(descendants)
}
