import Glibc

/// A process as the system's list shows it.
package struct ProcessState: Equatable, Sendable {
  package let id: pid_t
  /// Whether a signal has stopped it.
  package let isStopped: Bool
  /// The file that it runs; nil for one that has ended or belongs to somebody else.
  package let program: String?

  package init(id: pid_t, isStopped: Bool, program: String?) {
    (self.id, self.isStopped, self.program) = (id, isStopped, program)
  }

  /// The processes that a process started, and those that they started, without zombies.
  package static func descendants(of process: pid_t) -> [ProcessState] {
    guard let list = contents("/proc/\(process)/task/\(process)/children") else { return [] }
    return list.split(separator: " ").compactMap { pid_t($0) }.flatMap { child in
      (ProcessState(child).map { [$0] } ?? []) + descendants(of: child)
    }
  }

  /// Whether a process has ended and waits for its parent to ask.
  package static func isZombie(_ id: pid_t) -> Bool { letter(of: id) == "Z" }

  /// The state of a process as proc(5) has it; nil where there is none.
  private static func letter(of id: pid_t) -> Character? {
    // The name, in parentheses, may contain anything; the state follows it.
    guard let status = contents("/proc/\(id)/stat"), let close = status.lastIndex(of: ")") else { return nil }
    return status[status.index(after: close)...].first { $0 != " " }
  }

  private init?(_ id: pid_t) {
    guard let state = Self.letter(of: id), state != "Z" else { return nil }
    self.id = id
    isStopped = state == "T" || state == "t"
    var target = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/\(id)/exe", &target, target.count)
    program = count > 0 ? String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
  }
}

/// A small file of the system.
private func contents(_ path: String) -> String? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var part = [UInt8](repeating: 0, count: 4096)
  while true {
    let count = read(descriptor, &part, part.count)
    if count <= 0 { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
    bytes += part[..<count]
  }
}
