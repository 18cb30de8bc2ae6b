import Foundation
import Testing

@testable import Training

@Suite struct HostMemoryTests {
  let folder = TemporaryFolder()

  private func write(_ text: String, _ path: String) throws {
    let url = URL(fileURLWithPath: folder.path(path))
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }

  private var limit: Int { HostMemory.limit(root: folder.path("") + "/", installed: 1000) }

  @Test func `Without control groups it is that of the host`() throws {
    #expect(limit == 1000)
    try write("0::/\nnot a group\n", "proc/self/cgroup")
    #expect(limit == 1000)
    try write("max\n", "sys/fs/cgroup/memory.max")
    #expect(limit == 1000)
  }

  @Test func `A group of version 2 and those above it set a limit`() throws {
    try write("0::/user/job 1\n", "proc/self/cgroup")
    try write("max\n", "sys/fs/cgroup/user/job 1/memory.max")
    try write("700\n", "sys/fs/cgroup/user/memory.max")
    #expect(limit == 700)
    try write("600\n", "sys/fs/cgroup/user/job 1/memory.max")
    #expect(limit == 600)
    try write("2000\n", "sys/fs/cgroup/user/job 1/memory.max")
    #expect(limit == 700)
  }

  @Test func `A group of version 1 sets a limit`() throws {
    try write("5:cpu:/other\n4:hugetlb,memory:/a/b\n0::/\n", "proc/self/cgroup")
    try write("9223372036854771712\n", "sys/fs/cgroup/memory/memory.limit_in_bytes")
    #expect(limit == 1000)
    try write("500\n", "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes")
    #expect(limit == 500)
  }

  @Test func `What it is here is not more than the host has`() {
    let installed = Int(ProcessInfo.processInfo.physicalMemory)
    #expect((1...installed).contains(HostMemory.limit()))
  }
}
