import Foundation
import Supervision
import Training

/// What a job on several hosts needs of each: ssh without a question, and the same program in the same place.
struct HostChecks {
  let program: String
  /// A host file of Open MPI: a host at the start of each line.
  let file: String

  func findings() throws -> [Diagnosis] {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
      throw ConfigurationError(source: file, "cannot be read; name a host file", exitCode: 66)
    }
    let hosts = HostList.names(in: text)
    guard !hosts.isEmpty else {
      throw ConfigurationError(source: file, "names no host; write one on each line", exitCode: 65)
    }
    return hosts.map(check)
  }

  private func check(_ host: String) -> Diagnosis {
    let remote = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", host]
    guard let told = ShellCommand(["ssh"] + remote + [program, "--version"], seconds: 30) else {
      return .problem(host, "there is no ssh here", "install openssh-client")
    }
    if told.code == 255 || told.code == nil {
      return .problem(
        host, told.firstLine.isEmpty ? "does not answer" : told.firstLine,
        "make `ssh \(host) true` work without a question: ssh-copy-id \(host)")
    }
    guard told.hasSucceeded else {
      return .problem(host, told.firstLine, "put the program to \(program) on each host, or on a shared file system")
    }
    let version = told.firstLine
    return version == FgnDist.version
      ? .fine(host, "answers, and has version \(version)")
      : .problem(
        host, "has version \(version), and this is \(FgnDist.version)", "copy this program to \(program) there")
  }
}
