import Foundation
import Testing

@testable import Training

@Suite struct RunDirectoryTests {
  let folder = TemporaryFolder()

  @Test func `Files lie in the folder`() {
    let directory = RunDirectory(path: "a/b")
    #expect(directory.configuration == "a/b/config.yaml")
    #expect(directory.metrics == "a/b/metrics.jsonl")
    #expect(directory.model == "a/b/model.safetensors")
    #expect(directory.checkpoints.folder == "a/b/checkpoints")
  }

  @Test func `A tilde is the home folder`() throws {
    let home = try #require(ProcessInfo.processInfo.environment["HOME"])
    #expect(RunDirectory(path: "~/runs/a").path == "\(home)/runs/a")
  }

  @Test(
    arguments: [
      ["runs/x/checkpoints/step-00000001.safetensors", "runs/x"],
      ["/data/runs/x/checkpoints/step-00000001.safetensors", "/data/runs/x"],
      ["elsewhere/copy.safetensors", "elsewhere"],
    ])
  func `The run of a checkpoint is the folder above its folder`(paths: [String]) {
    #expect(RunDirectory(ofCheckpoint: paths[0]).path == paths[1])
  }

  @Test func `A run is used once it has metrics or a model or checkpoints`() throws {
    for name in ["metrics.jsonl", "model.safetensors", "checkpoints"] {
      let directory = RunDirectory(path: folder.path("used-by-\(name)"))
      #expect(!directory.isUsed)
      try directory.create(resuming: false)
      #expect(!directory.isUsed, "an empty folder is no run")
      try folder.write("used-by-\(name)/config.yaml", [])
      #expect(!directory.isUsed, "neither is one with a configuration")
      try folder.write("used-by-\(name)/\(name)", [])
      #expect(directory.isUsed)
      let error = #expect(throws: ConfigurationError.self) { try directory.create(resuming: false) }
      #expect(error?.exitCode == 64)
      try directory.create(resuming: true)
    }
  }

  @Test func `A folder that cannot be made is an error of output`() throws {
    try folder.write("file", [])
    let error = #expect(throws: StorageError.self) {
      try RunDirectory(path: folder.path("file/run")).create(resuming: false)
    }
    #expect(error?.exitCode == 74)
    #expect(error?.path == folder.path("file/run"))
  }

  /// Runs in a process of its own, because the names are relative to the working folder.
  @Test func `Names are numbered after the configuration`() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      try #require(FileManager.default.changeCurrentDirectoryPath(folder.folder))
      let configuration = "some/where/digits.small.yaml"
      #expect(RunDirectory.newest(for: configuration).path == "runs/digits.small")
      for name in ["runs/digits.small", "runs/digits.small-2", "runs/digits.small-3"] {
        do {
          let begun = try RunDirectory.begin(for: configuration, hostname: "here")
          #expect(begun.directory.path == name)
        }
        let (directory, lock) = try RunDirectory.begin(for: configuration, hostname: "here")
        #expect(directory.path == name, "a folder without a run is free")
        try #require(FileManager.default.createFile(atPath: directory.metrics, contents: nil))
        #expect(RunDirectory.newest(for: configuration).path == name)
        extendLifetime(lock)
      }
      #expect(try RunDirectory.begin(for: "digits.yaml", hostname: "here").directory.path == "runs/digits")
    }
  }

  @Test func `Jobs that begin at once get folders of their own`() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      try #require(FileManager.default.changeCurrentDirectoryPath(folder.folder))
      let begun = try (0..<5).map { _ in try RunDirectory.begin(for: "digits.yaml", hostname: "here") }
      #expect(begun.map(\.directory.path) == ["runs/digits"] + (2...5).map { "runs/digits-\($0)" })
      extendLifetime(begun)
    }
  }

  @Test func `A folder that got a run while the lock was waited for is refused`() async throws {
    let directory = RunDirectory(path: folder.path("run"))
    try directory.create(resuming: false)
    let path = directory.metrics
    var first: RunLock? = try RunLock(directory, hostname: "here")
    let second = Task.detached { try directory.begin(resuming: false, hostname: "here") }
    try await Task.sleep(for: .milliseconds(300))
    try #require(FileManager.default.createFile(atPath: path, contents: nil))
    withExtendedLifetime(first) {}
    first = nil
    let error = await #expect(throws: ConfigurationError.self) { _ = try await second.value }
    #expect(error?.exitCode == 64)
  }
}
