import Foundation

/// The memory that a process can have, with the files that the system keeps for it.
enum HostMemory {
  /// Bytes of the host, or fewer where a control group of version 1 or 2, or one above it, sets a limit. `root` is where `proc`
  /// and `sys` are.
  static func limit(root: String = "/", installed: Int = Int(ProcessInfo.processInfo.physicalMemory)) -> Int {
    func text(_ path: String) -> String? {
      let contents = FileHandle(forReadingAtPath: root + path).flatMap { try? $0.readToEnd() }
      return contents.map { String(decoding: $0, as: UTF8.self) }
    }
    var limit = installed
    for line in (text("proc/self/cgroup") ?? "").split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let (folder, file): (String, String)
      if fields[1].isEmpty {
        (folder, file) = ("sys/fs/cgroup/", "memory.max")
      } else if fields[1].split(separator: ",").contains("memory") {
        (folder, file) = ("sys/fs/cgroup/memory/", "memory.limit_in_bytes")
      } else {
        continue
      }
      // In a container only those near the root may be there.
      let parts = fields[2].split(separator: "/")
      for depth in 0...parts.count {
        let group = parts.prefix(depth).map { $0 + "/" }.joined()
        // `max` is no number.
        let number = text(folder + group + file)?.trimmingCharacters(in: .whitespacesAndNewlines)
        limit = min(limit, number.flatMap { Int($0) } ?? limit)
      }
    }
    return limit
  }
}
