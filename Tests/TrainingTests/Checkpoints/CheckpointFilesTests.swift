import Foundation
import Testing

@testable import Training

@Suite struct CheckpointFilesTests {
  let folder = TemporaryFolder()
  private var files: CheckpointFiles { CheckpointFiles(folder: folder.folder) }

  @Test func `Checkpoints are listed by step and strangers are not`() throws {
    for step in [100_000_000, 20, 3] { try files.save(step: step - 1, content(step)) }
    for step in [100_000_000, 20, 3].reversed() { try files.save(step: step, content(step)) }
    for stranger in [
      "step-7.safetensors", "step-00000008.safetensors.bak", ".step-00000009.safetensors.tmp-1", "step-.safetensors",
      "step--0000001.safetensors", "step-000000010.safetensors", "step-+0000011.safetensors", "notes",
    ] { try folder.write(stranger, [0]) }
    #expect(try files.list().map(\.step) == [2, 3, 20, 100_000_000])
    #expect(try files.latest()?.path == folder.path("step-100000000.safetensors"))
    #expect(files.path(step: 3) == folder.path("step-00000003.safetensors"))
  }

  @Test func `A folder that does not exist is empty and is created`() throws {
    let files = CheckpointFiles(folder: folder.path("run/checkpoints"))
    #expect(try files.latest() == nil)
    #expect(try files.loadLatest()?.checkpoint == nil)
    try files.prune(keepLast: 1)
    try files.save(step: 0, content(0))
    #expect(try files.loadLatest()?.checkpoint.step == 0)
  }

  @Test func `The newest is loaded`() throws {
    for step in 1...3 { try files.save(step: step, content(step)) }
    let loaded = try #require(try files.loadLatest())
    #expect(loaded.checkpoint.step == 3)
    #expect(loaded.file == content(3))
  }

  @Test func `A damaged newest names the previous good one and is not passed over`() throws {
    for step in 1...3 { try files.save(step: step, content(step)) }
    try damage(step: 3)
    try damage(step: 2)
    let error = #expect(throws: StorageError.self) { try files.loadLatest() }
    #expect(error?.exitCode == 65)
    #expect(error?.path == files.path(step: 3))
    #expect(error?.description.contains("--resume \(files.path(step: 1)) resumes from the previous good") == true)
    let latest = try #require(try files.loadLatest(fallsBack: true))
    #expect(latest.checkpoint.step == 1 && latest.file == content(1))
    #expect(latest.damage.map(\.path) == [files.path(step: 3), files.path(step: 2)])
  }

  @Test func `A checkpoint with a number that is not finite is not intact`() throws {
    func file(_ name: String, _ tensor: Tensor) -> TensorFile {
      var file = content(2)
      file.add(name, tensor)
      return file
    }
    try files.save(step: 1, content(1))
    for tensor in [
      Tensor([Float(1), .nan]), Tensor([-Float.infinity]), Tensor([0, 1, Double.infinity]),
      Tensor(dtype: .float16, shape: [2], bytes: [0, 0, 1, 0x7c]),
      Tensor(dtype: .bfloat16, shape: [1], bytes: [0x80, 0xff]),
    ] {
      try files.save(step: 2, file("optimizer.velocity", tensor))
      let error = #expect(throws: StorageError.self) { try files.loadLatest() }
      #expect(error?.exitCode == 65)
      #expect(error?.description.contains("optimizer.velocity") == true)
      #expect(error?.description.contains("--resume \(files.path(step: 1))") == true)
      #expect(try files.loadLatest(fallsBack: true)?.checkpoint.step == 1)
      #expect(throws: StorageError.self) { try CheckpointFiles.load(files.path(step: 2)) }
    }
    for tensor in [Tensor([Int64.min, .max]), Tensor([Float.greatestFiniteMagnitude]), Tensor([Double]())] {
      try files.save(step: 2, file("optimizer.velocity", tensor))
      #expect(try files.loadLatest()?.checkpoint.step == 2)
    }
  }

  @Test func `Damage without a good one before it says so`() throws {
    try files.save(step: 1, content(1))
    try folder.write("step-00000002.safetensors", [])
    try damage(step: 1)
    let error = #expect(throws: StorageError.self) { try files.loadLatest() }
    #expect(error?.exitCode == 65)
    #expect(error?.description.contains("no earlier checkpoint is intact") == true)
    #expect(throws: try #require(error)) { try files.loadLatest(fallsBack: true) }
  }

  @Test func `Pruning keeps the last ones and always the newest`() throws {
    for step in 1...5 { try files.save(step: step, content(step)) }
    try folder.write("notes", [0])
    try files.prune(keepLast: 2)
    #expect(try files.list().map(\.step) == [4, 5])
    try files.prune(keepLast: 0)
    #expect(try files.list().map(\.step) == [5])
    #expect(try folder.names.contains("notes"))
  }

  @Test func `Pruning removes temporaries of dead processes only`() throws {
    let child = Process()
    child.executableURL = URL(filePath: "/bin/true")
    try child.run()
    child.waitUntilExit()
    let dead = child.processIdentifier
    // A process that has ended and that its parent, this one, has not asked for.
    var zombie: pid_t = 0
    try #require(posix_spawn(&zombie, "/bin/true", nil, nil, [nil], [nil]) == 0)
    defer { waitpid(zombie, nil, 0) }
    var information = siginfo_t()
    waitid(P_PID, id_t(zombie), &information, WEXITED | WNOWAIT)
    let kept = [
      ".step-00000001.safetensors.tmp-\(getppid())", ".step-00000001.safetensors.tmp-x", ".notes.tmp-\(dead)",
      ".step-00000001.safetensors.tmp-0", ".step-00000001.safetensors.tmp--1",
    ]
    let removed = [
      ".step-00000001.safetensors.tmp-\(dead)", ".step-00000002.safetensors.tmp-\(getpid())",
      ".step-00000003.safetensors.tmp-\(zombie)",
    ]
    for name in kept + removed { try folder.write(name, [0]) }
    try files.prune(keepLast: 1)
    #expect(try folder.names == kept.sorted())
  }

  @Test func `Saving after a resume from an earlier step sets the later ones aside`() throws {
    for step in [10, 20, 30] { try files.save(step: step, content(step)) }
    try damage(step: 30)
    try files.save(step: 15, content(15))
    try files.prune(keepLast: 2)
    #expect(try files.loadLatest()?.checkpoint.step == 15)
    #expect(
      try folder.names == [
        "step-00000010.safetensors", "step-00000015.safetensors", "step-00000020.safetensors.abandoned",
        "step-00000030.safetensors.abandoned",
      ])
  }

  @Test func `A failed save leaves the old checkpoint and no temporary`() throws {
    try files.save(step: 1, content(1))
    try FileManager.default.createDirectory(atPath: files.path(step: 2), withIntermediateDirectories: true)
    let error = #expect(throws: StorageError.self) { try files.save(step: 2, content(2)) }
    #expect(error?.exitCode == 74)
    #expect(try folder.names == ["step-00000001.safetensors", "step-00000002.safetensors"])
    #expect(try Safetensors.load(path: files.path(step: 1), requireChecksum: true) == content(1))
  }

  @Test func `A run goes back to an intact checkpoint of a regular step, here or in a mirror`() throws {
    for step in [10, 20, 23, 30, 34] { try files.save(step: step, content(step)) }
    func retreat(_ last: Int, every: Int) throws -> Int? { try files.retreat(upTo: last, every: every)?.step }
    #expect(try [34, 33, 29, 20, 9].map { try retreat($0, every: 10) } == [30, 30, 20, 20, nil])
    #expect(try [34, 33, 29].map { try retreat($0, every: 0) } == [34, 30, 23])
    #expect(try retreat(29, every: 100) == nil)
    try damage(step: 30)
    #expect(try retreat(33, every: 10) == 20)
    let mirror = CheckpointFiles(folder: folder.path("mirror"))
    for step in [10, 30, 40] { try mirror.save(step: step, content(step)) }
    #expect(try files.retreat(upTo: 33, every: 10, mirror: mirror)?.path == mirror.path(step: 30))
    #expect(try files.retreat(upTo: 19, every: 10, mirror: mirror)?.path == files.path(step: 10))
  }

  @Test func `What a run goes back to stays behind newer ones`() throws {
    var options = Configuration.CheckpointOptions()
    (options.keep, options.every) = (2, 10)
    for step in [10, 20, 30, 40, 50] {
      try files.save(step: step, content(step))
      try files.finish(files.path(step: step), options, soundStep: 25)
    }
    #expect(try files.list().map(\.step) == [20, 40, 50])
    try files.finish(files.path(step: 50), options)
    #expect(try files.list().map(\.step) == [40, 50])
  }

  @Test func `Of a course that was given up no more checkpoints stay than of the run`() throws {
    var options = Configuration.CheckpointOptions()
    options.keep = 2
    for step in [10, 20, 30, 40, 5] { try files.save(step: step, content(step)) }
    try files.finish(files.path(step: 5), options)
    #expect(
      try folder.names == [
        "step-00000005.safetensors", "step-00000030.safetensors.abandoned", "step-00000040.safetensors.abandoned",
      ])
  }

  private func content(_ step: Int) -> TensorFile {
    var file = TensorFile()
    file.add("parameters", Tensor([Float(step), 1]))
    file.encode(["step": step], forKey: "state")
    return file
  }

  private func damage(step: Int) throws {
    let name = URL(filePath: files.path(step: step)).lastPathComponent
    var bytes = try folder.bytes(name)
    bytes[bytes.count - 1] ^= 0x10
    try folder.write(name, bytes)
  }
}
