import Foundation
import Testing

@testable import Training

struct CheckpointWriterTests {
  private let folder = TemporaryFolder()
  private var files: CheckpointFiles { CheckpointFiles(folder: folder.path("checkpoints")) }

  private func content(_ step: Int, count: Int = 4) -> TensorFile {
    var file = TensorFile()
    file.add("parameters", Tensor([Float](repeating: Float(step), count: count)))
    return file
  }

  private static func options(keep: Int, verify: Bool = false) -> Configuration.CheckpointOptions {
    var options = Configuration.CheckpointOptions()
    (options.keep, options.verify) = (keep, verify)
    return options
  }

  @Test func `What is written can be read again before older ones are deleted`() throws {
    let writer = CheckpointWriter(files, Self.options(keep: 1, verify: true))
    for step in 1...2 { writer.begin { (step, content(step)) } }
    writer.wait()
    #expect(try writer.collect().map { try $0.get().step } == [1, 2])
    writer.end()
    try files.verify(files.path(step: 2))
    let bytes = try folder.bytes("checkpoints/step-00000002.safetensors")
    for place in [bytes.count - 1, bytes.count / 2] {
      var changed = bytes
      changed[place] ^= 1
      try folder.write("checkpoints/step-00000002.safetensors", changed)
      let error = #expect(throws: StorageError.self) { try files.verify(files.path(step: 2)) }
      #expect(error?.exitCode == 74 && error?.section == "read back")
      #expect(try folder.bytes("checkpoints/step-00000002.safetensors.damaged") == changed && files.list().isEmpty)
    }
  }

  @Test func `Writes one after another prunes and tells`() throws {
    let writer = CheckpointWriter(files, Self.options(keep: 2))
    for step in 1...5 { writer.begin { (step, content(step, count: 100_000)) } }
    writer.wait()
    let written = try writer.collect().map { try $0.get() }
    #expect(written.map(\.step) == [1, 2, 3, 4, 5])
    #expect(written.map(\.path) == (1...5).map(files.path(step:)))
    #expect(written.allSatisfy { $0.seconds > 0 })
    #expect(try files.list().map(\.step) == [4, 5])
    #expect(try files.loadLatest()?.file == content(5, count: 100_000))
    #expect(writer.collect().isEmpty)
    writer.end()
  }

  @Test func `Does not wait for the disk`() throws {
    let writer = CheckpointWriter(files, Self.options(keep: 1))
    let large = content(1, count: 20_000_000)
    let start = ContinuousClock.now
    writer.begin { (1, large) }
    let begun = ContinuousClock.now - start
    writer.wait()
    let whole = ContinuousClock.now - start
    #expect(begun < whole / 5)
    #expect(try writer.collect().map { try $0.get() }.count == 1)
    writer.end()
  }

  @Test func `A copy is made when the one before is gone`() throws {
    let writer = CheckpointWriter(files, Self.options(keep: 1))
    writer.begin { (1, content(1, count: 5_000_000)) }
    writer.begin {
      #expect((try? files.list().map(\.step)) == [1], "the first has been written, and its memory is free")
      return (2, content(2))
    }
    writer.begin { nil }
    writer.wait()
    #expect(try writer.collect().map { try $0.get().step } == [1, 2])
    writer.end()
  }

  @Test func `A failure is kept until it is asked for`() throws {
    try folder.write("checkpoints", [0])
    let writer = CheckpointWriter(files, Self.options(keep: 2))
    writer.begin { (1, content(1)) }
    writer.wait()
    let error = #expect(throws: StorageError.self) { try writer.collect().first?.get() }
    #expect(error?.exitCode == 74)
    #expect(writer.collect().isEmpty)
    writer.end()
  }
}
