import Glibc

/// A rank of this job on this machine, as the system's list of processes shows it.
struct JobProcess: Equatable, CustomStringConvertible {
  let rank: Int
  let id: Int32
  let state: State

  enum State: Equatable {
    case atWork
    /// Stopped by a signal.
    case stopped
    /// Still this other program.
    case notStarted(String)
  }

  var isAtWork: Bool { state == .atWork }

  var description: String {
    switch state {
    case .atWork: "rank \(rank) (process \(id)) is at work"
    case .stopped: "rank \(rank) (process \(id)) is stopped"
    case .notStarted(let name): "rank \(rank) (process \(id)) is \(name) and has not started the program"
    }
  }

  /// The rank that the launcher gave to a process with this environment.
  static func rank(in environment: [String: String]) -> Int? {
    ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "PMI_ID"].lazy.compactMap { environment[$0].flatMap { Int($0) } }
      .first
  }

  /// The other ranks of the job of `environment` that this process can see, by rank. Local.
  static func others(than own: Int, environment: [String: String]) -> [JobProcess] {
    let job = Self.job(environment, parent: getppid())
    let program = link("/proc/self/exe")
    var found: [Int: JobProcess] = [:]
    for id in processes() {
      guard let environment = contents("/proc/\(id)/environ").map(parse), let rank = rank(in: environment), rank != own,
        let status = contents("/proc/\(id)/stat").map({ String(decoding: $0, as: UTF8.self) }),
        // The name, in parentheses, may contain anything.
        let open = status.firstIndex(of: "("), let close = status.lastIndex(of: ")")
      else { continue }
      let fields = status[status.index(after: close)...].split(separator: " ")
      guard fields.count > 1, fields[0] != "Z", let parent = Int32(fields[1]),
        Self.job(environment, parent: parent) == job
      else { continue }
      let state: State
      let file = link("/proc/\(id)/exe")
      if ["T", "t"].contains(fields[0]) {
        state = .stopped
      } else if file == program {
        state = .atWork
      } else if file != nil {
        state = .notStarted(String(status[status.index(after: open)..<close]))
      } else {
        // The process is ending.
        continue
      }
      // The program itself counts, not the shells and wrappers around it.
      if let before = found[rank], before.isAtWork || state != .atWork { continue }
      found[rank] = JobProcess(rank: rank, id: id, state: state)
    }
    return found.values.sorted { $0.rank < $1.rank }
  }

  /// An identifier that the processes of a job share.
  private static func job(_ environment: [String: String], parent: Int32) -> String {
    environment["PMIX_NAMESPACE"] ?? "child of \(parent)"
  }

  private static func processes() -> [Int32] {
    guard let folder = opendir("/proc") else { return [] }
    defer { closedir(folder) }
    var result: [Int32] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if let id = Int32(name) { result.append(id) }
    }
    return result
  }

  private static func parse(_ bytes: [UInt8]) -> [String: String] {
    var result: [String: String] = [:]
    for entry in bytes.split(separator: 0) {
      guard let equals = entry.firstIndex(of: UInt8(ascii: "=")) else { continue }
      result[String(decoding: entry[..<equals], as: UTF8.self)] = String(
        decoding: entry[(equals + 1)...], as: UTF8.self)
    }
    return result
  }

  /// nil where the file cannot be read: the process belongs to another user, or has ended.
  private static func contents(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var result: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 14)
    while true {
      let count = read(descriptor, &part, part.count)
      if count < 0 { return nil }
      if count == 0 { return result }
      result += part[..<count]
    }
  }

  private static func link(_ path: String) -> String? {
    var target = [CChar](repeating: 0, count: 4096)
    let count = readlink(path, &target, target.count)
    return count > 0 ? String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
  }
}
