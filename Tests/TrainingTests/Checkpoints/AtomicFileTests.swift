import Foundation
import Testing

@testable import Training

@Suite struct AtomicFileTests {
  let folder = TemporaryFolder()
  private struct Stop: Error {}

  @Test func `A new file has what was written`() throws {
    try AtomicFile.write(folder.path("a")) { file in
      try file.write("α")
      try file.write([] as [UInt8])
      try file.write([1, 2])
    }
    #expect(try folder.bytes("a") == [0xCE, 0xB1, 1, 2])
    #expect(try folder.names == ["a"])
  }

  @Test func `An old file is replaced only at the end`() throws {
    try folder.write("a", [7])
    try AtomicFile.write(folder.path("a")) { file in
      try file.write([1, 2])
      #expect(try folder.bytes("a") == [7])
      #expect(try folder.names == [".a.tmp-\(getpid())", "a"])
    }
    #expect(try folder.bytes("a") == [1, 2])
  }

  @Test func `An error in the body leaves the old file and no temporary`() throws {
    try folder.write("a", [7])
    #expect(throws: Stop.self) {
      try AtomicFile.write(folder.path("a")) { file in
        try file.write([1, 2])
        throw Stop()
      }
    }
    #expect(try folder.bytes("a") == [7])
    #expect(try folder.names == ["a"])
  }

  /// The kernel itself refuses the write halfway, as on a full disk. The test runs in a process of its own because the
  /// limit applies to the process.
  @Test func `A refused write leaves the old file and no temporary`() async {
    await #expect(processExitsWith: .success) {
      signal(SIGXFSZ, SIG_IGN)
      let folder = TemporaryFolder()
      try folder.write("a", [7])
      var limit = rlimit(rlim_cur: 10_000, rlim_max: rlim_t.max)
      setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      var file = TensorFile()
      file.add("x", Tensor([UInt8](repeating: 1, count: 20_000)))
      let error = #expect(throws: StorageError.self) { try Safetensors.save(file, to: folder.path("a")) }
      #expect(error?.exitCode == 74)
      #expect(error?.description.hasPrefix("\(folder.path("a")): write: File too large; raise the limit") == true)
      #expect(try folder.bytes("a") == [7])
      #expect(try folder.names == ["a"])
    }
  }

  @Test func `A refused rename leaves no temporary`() throws {
    let error = #expect(throws: StorageError.self) {
      try AtomicFile.write(folder.path("a")) {
        try $0.write([1])
        try FileManager.default.createDirectory(atPath: folder.path("a/b"), withIntermediateDirectories: true)
      }
    }
    #expect(error?.exitCode == 74)
    #expect(error?.description.contains("\(folder.path("a")): rename: Is a directory; ") == true)
    #expect(try folder.names == ["a"])
  }

  @Test func `A folder is named before anything is written`() throws {
    try FileManager.default.createDirectory(atPath: folder.path("a"), withIntermediateDirectories: true)
    let error = #expect(throws: StorageError.self) { _ = try AtomicFile(folder.path("a")) }
    #expect(error?.description.hasPrefix("\(folder.path("a")): open for writing: Is a directory; name a file") == true)
    #expect(try folder.names == ["a"])
  }

  @Test func `A missing folder is an output error`() {
    let path = folder.path("none/a")
    let error = #expect(throws: StorageError.self) { try AtomicFile.write(path) { _ in } }
    #expect(error?.exitCode == 74)
    #expect(
      error?.description.hasPrefix("\(path): open for writing: No such file or directory; create the folder, or")
        == true)
  }

  @Test func `A dead processes temporary of the same ID is no obstacle`() throws {
    try folder.write(".a.tmp-\(getpid())", [9, 9, 9])
    try AtomicFile.write(folder.path("a")) { try $0.write([1]) }
    #expect(try folder.bytes("a") == [1])
    #expect(try folder.names == ["a"])
  }

  @Test func `A path without folder is in the current one`() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      #expect(FileManager.default.changeCurrentDirectoryPath(folder.folder))
      try AtomicFile.write("a") { try $0.write([1]) }
      #expect(try folder.names == ["a"])
    }
  }

  @Test func `A pipe or device is no file to replace`() throws {
    let path = folder.path("pipe")
    #expect(mkfifo(path, 0o600) == 0)
    let error = #expect(throws: StorageError.self) { try AtomicFile.write(path) { try $0.write("x") } }
    #expect(error?.exitCode == 74 && error?.description.contains(path) == true)
    var information = stat()
    #expect(stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFIFO)
  }
}
