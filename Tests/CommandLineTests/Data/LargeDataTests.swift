import Datasets
import Foundation
import LinearAlgebra
import Testing

extension DataTests {
  @Suite("Data larger than memory")
  struct LargeDataTests {
    @Test(.memoryCanBeLimited)
    func `Are read while steps compute, to the same model`() throws {
      let workspace = Workspace()
      let (rows, columns, megabyte) = (65_536, 1024, 1 << 20)
      var generator = SplitMix64(seed: 3)
      let features = Matrix<Float>(zeros: rows, columns)
      for i in 0..<features.elements.count { features.elements[i] = Float(generator.next() >> 40) }
      try NPY.write(features, to: workspace.path("features.npy"))
      try NPY.write((0..<rows).map { Int64($0 % 4) }, to: workspace.path("labels.npy"))
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: features.npy, labels: labels.npy}}
        optimizer: {batch_size: 256, solver: {kind: cg}}
        training: {steps: 40}
        """)
      let command = Program.command(.plain, ["train", "run.yaml", "--run-directory"])
      let group = try MemoryGroup(limit: 128 * megabyte)
      for (name, settings, reading) in [
        // 256 kB are 64 rows, and 16 MB 16 batches.
        ("blocks", ["shuffle_block=64", "shuffle_window=16"], "blocks of 64 rows, mixed in windows of 16 batches"),
        ("rows", ["shuffle_block=1"], "rows one by one"),
      ] {
        let set = settings.flatMap { ["--set", "training.\($0)"] }
        let free = try Child(command + ["free-\(name)"] + set, in: workspace).wait()
        free.expectSuccess()
        #expect(!free.output.contains("stay in"))

        try workspace.forget("features.npy")
        let limited = try Child(
          group.entering(command + ["limited-\(name)"] + (name == "blocks" ? [] : set)), in: workspace
        ).wait()
        limited.expectSuccess()
        #expect(limited.output.contains("\(reading): the examples do not stay in 134.2 MB of memory"))
        #expect(try workspace.steps("limited-\(name)").map(\.loss) == workspace.steps("free-\(name)").map(\.loss))
      }
    }

    @Test(.memoryCanBeLimited)
    func `Are in memory once on a host, where they are text`() throws {
      let workspace = Workspace()
      // 100 MB as numbers, and a third of that as text.
      let row = (0..<1000).map { "\($0 % 10)" }.joined(separator: ",")
      let table = (0..<25_000).map { "\(row),\($0 % 3)\n" }.joined()
      try workspace.write("train.csv", table)
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: train.csv}}
        optimizer: {batch_size: 64, solver: {kind: cg}}
        training: {steps: 3}
        """)
      let megabyte = 1 << 20
      let group = try MemoryGroup(limit: 330 * megabyte)
      let set = ["run/model.safetensors", "--features", "train.csv"]
      for arguments in [
        ["train", "run.yaml", "--run-directory", "run"], ["evaluate"] + set,
        ["predict"] + set + ["--classes", "classes.csv"],
      ] {
        let outcome = try Child(group.entering(Program.command(.mpirun(4), arguments)), in: workspace).wait()
        outcome.expectSuccess()
        #expect(!outcome.output.contains("once more"))
      }
    }
  }
}

extension Trait where Self == ConditionTrait {
  fileprivate static var memoryCanBeLimited: Self {
    .enabled("a memory control group can be made, and temporary files are on a disk") {
      MemoryGroup.canBeMade && !Workspace().isInMemory
    }
  }
}

/// A control group that limits the memory of its processes, of version 1 or 2; it is removed with this object.
private final class MemoryGroup {
  private let folder: String

  /// The folder of this process's group, and the name of its limit.
  private static let parent: (folder: String, limit: String)? = {
    guard let text = try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8) else { return nil }
    let groups = text.split(separator: "\n").map {
      $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
    }
    if let memory = groups.first(where: { $0[1] == "memory" }) {
      return ("/sys/fs/cgroup/memory\(memory[2])", "memory.limit_in_bytes")
    }
    return groups.first { $0[0] == "0" }.map { ("/sys/fs/cgroup\($0[2])", "memory.max") }
  }()

  static var canBeMade: Bool { (try? MemoryGroup(limit: 1 << 30)) != nil }

  init(limit: Int) throws {
    guard let parent = Self.parent else { throw POSIXError(.ENOENT) }
    folder = "\(parent.folder)/fgn-dist-\(UUID().uuidString)"
    guard mkdir(folder, 0o755) == 0 else { throw POSIXError(.EACCES) }
    try "\(limit)".write(toFile: "\(folder)/\(parent.limit)", atomically: false, encoding: .utf8)
  }

  deinit { rmdir(folder) }

  /// The words that start `command` within the group.
  func entering(_ command: [String]) -> [String] {
    ["sh", "-c", "echo $$ > \(folder)/cgroup.procs && exec \"$@\"", "sh"] + command
  }
}

extension Workspace {
  /// Whether the folder's files are themselves in memory.
  fileprivate var isInMemory: Bool {
    let system = try? Child(["stat", "-f", "-c", "%T", "."], in: self).wait().output
    return system?.contains("tmpfs") != false
  }

  /// Makes the system drop the pages of a file, which belong to the process that wrote them.
  fileprivate func forget(_ name: String) throws {
    let file = open(path(name), O_RDONLY)
    guard file >= 0 else { throw POSIXError(.ENOENT) }
    defer { close(file) }
    fsync(file)
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
  }
}
