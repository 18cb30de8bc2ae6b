import Foundation
import MPI

/// The memory that a process can have, with the files that the system keeps for it.
package enum HostMemory {
  /// Bytes of the host, or of `FGN_MEMORY_LIMIT`, if it says fewer.
  static func installed(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> Int {
    let told = environment["FGN_MEMORY_LIMIT"].flatMap { Int($0) } ?? .max
    return min(Int(ProcessInfo.processInfo.physicalMemory), max(1, told))
  }

  /// Bytes of the host, or fewer where a control group of version 1 or 2, or one above it, sets a limit. `root` is where `proc`
  /// and `sys` are.
  package static func limit(root: String = "/", installed: Int = installed()) -> Int {
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

extension HostMemory {
  /// What a rank can have where ranks can have least.
  package struct Share: Equatable, Sendable {
    /// For each rank, beside the examples that those of a host share.
    package let bytes: Int
    /// All that there is there, for so many ranks.
    package let limit: Int
    package let ranks: Int
  }

  /// The share of the ranks of a job, whose hosts have `resident` bytes of examples in memory. Collective; the same on all
  /// ranks.
  package static func share(resident: Int, over communicator: Communicator) throws -> Share {
    let node = try communicator.splitBySharedMemory()
    // Control groups may be each rank's own.
    let group = FileHandle(forReadingAtPath: "/proc/self/cgroup").flatMap { try? $0.readToEnd() } ?? Data()
    let hash = group.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    let sharers = try node.allgather([hash], counts: Array(repeating: 1, count: node.size)).count { $0 == hash }
    let bounds = [(limit(), sharers), (installed(), node.size)].map { ($0, $1, max(0, $0 - resident) / $1) }
    let own = bounds.min { $0.2 < $1.2 }!
    let all = try communicator.allgather(
      [own.2, own.0, own.1], counts: Array(repeating: 3, count: communicator.size))
    let least = stride(from: 0, to: all.count, by: 3).min { all[$0] < all[$1] }!
    return Share(bytes: all[least], limit: all[least + 1], ranks: all[least + 2])
  }
}

extension HostMemory.Share: CustomStringConvertible {
  package var description: String {
    ranks == 1 ? "there are \(limit.gigabytes)" : "there are \(limit.gigabytes) for the \(ranks) ranks of a host"
  }
}
