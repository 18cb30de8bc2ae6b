import Dispatch
import Foundation
import Supervision
import Synchronization
import Training

/// Where the hosts of a run are listed. It is read before each attempt.
struct HostSource {
  enum Kind {
    /// A host file of Open MPI.
    case file
    /// A program that prints such lines.
    case script
  }

  let kind: Kind
  let path: String

  /// The hosts that are listed now. Throws exit code 66, or 64 where there is none.
  func hosts() throws -> [String] {
    let text: String
    switch kind {
    case .file:
      guard let contents = try? String(contentsOfFile: path, encoding: .utf8) else {
        throw ConfigurationError(source: path, "cannot be read; name a file with a host a line", exitCode: 66)
      }
      text = contents
    case .script:
      guard let told = ShellCommand([path], includingErrors: false) else {
        throw ConfigurationError(
          source: path, "cannot be executed; name a program that prints a host a line", exitCode: 66)
      }
      guard told.hasSucceeded else {
        let end = told.code.map { "ended with \($0)" } ?? "did not end within 30 s"
        throw ConfigurationError(source: path, "\(end); it is to print a host a line", exitCode: 66)
      }
      text = told.output
    }
    let names = HostList.names(in: text)
    if names.isEmpty { throw ConfigurationError(source: path, "names no host; write one on each line") }
    return names
  }
}

/// Asks hosts whether they can take ranks.
struct HostProbe: Sendable {
  let remoteShell: [String]
  /// What ranks need: this program, in this folder, with this configuration.
  let program, folder, configuration: String

  /// Seconds that a host has for its answer.
  private static let patience = 10.0

  /// What is wrong with each host, nil where nothing is: all are asked at the same time.
  func problems(of hosts: [String]) -> [String?] {
    let answers = Mutex([String?](repeating: nil, count: hosts.count))
    DispatchQueue.concurrentPerform(iterations: hosts.count) { index in
      let problem = problem(of: hosts[index])
      answers.withLock { $0[index] = problem }
    }
    return answers.withLock { $0 }
  }

  private func problem(of host: String) -> String? {
    let script =
      "cd \(Self.quoted(folder)) && test -x \(Self.quoted(program)) && test -r \(Self.quoted(configuration))"
    guard let told = ShellCommand(remoteShell + [host, script], seconds: Self.patience) else {
      return "there is no \(remoteShell[0]) here"
    }
    switch told.code {
    case 0: return nil
    case 255, nil: return "does not answer" + (told.firstLine.isEmpty ? "" : " (\(told.firstLine))")
    default:
      return "has no \(program), or no \(configuration) in \(folder); share the folder"
        + (told.firstLine.isEmpty ? "" : " (\(told.firstLine))")
    }
  }

  /// A word as a shell reads it.
  private static func quoted(_ word: String) -> String { "'" + word.replacing("'", with: "'\\''") + "'" }
}
