import Foundation
import Testing

@testable import Training

@Suite struct CheckpointMirrorTests {
  private let folder = TemporaryFolder()
  private var run: RunDirectory { RunDirectory(path: folder.path("run")) }

  private func mirror(_ place: String? = "copies", of run: RunDirectory? = nil) throws -> CheckpointMirror? {
    var options = Configuration.CheckpointOptions()
    (options.keep, options.verify, options.mirror) = (2, true, place.map(folder.path))
    let mirror = try CheckpointMirror(of: run ?? self.run, options, hostname: "here")
    mirror?.take(configuration: "seed")
    return mirror
  }

  private func content(_ step: Int) -> TensorFile {
    var file = TensorFile()
    file.add("parameters", Tensor([Float](repeating: Float(step), count: 1000)))
    return file
  }

  private func begin() throws { try run.create(resuming: false) }

  private func damage(_ path: String) throws {
    var bytes = try folder.bytes(path)
    bytes[bytes.count - 3] ^= 4
    try folder.write(path, bytes)
  }

  @Test func `Copies have the same bytes and the newest stay`() throws {
    try begin()
    let mirror = try #require(try mirror())
    try mirror.begin(resuming: false)
    for step in 1...4 {
      mirror.copy(try run.checkpoints.save(step: step, content(step)))
      mirror.wait()
    }
    let copies = mirror.collect()
    #expect(copies.map(\.step) == [1, 2, 3, 4] && mirror.collect().isEmpty)
    #expect(try copies.allSatisfy { try $0.result.get() > 0 })
    #expect(try mirror.directory.checkpoints.list().map(\.step) == [3, 4])
    #expect(try folder.bytes("copies/run/config.yaml") == Array("seed".utf8))
    for name in ["checkpoints/step-00000003.safetensors", "checkpoints/step-00000004.safetensors"] {
      #expect(try folder.bytes("copies/run/\(name)") == folder.bytes("run/\(name)"))
    }
    try folder.write("run/model.safetensors", [7, 8])
    mirror.copyModel(step: 4)
    #expect(try folder.bytes("copies/run/model.safetensors") == [7, 8])
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path("copies/run/checkpoints"))
    #expect(!names.contains { $0.hasPrefix(".") }, "a temporary is left")
  }

  @Test func `A checkpoint of an earlier step puts later ones aside`() throws {
    try begin()
    let mirror = try #require(try mirror())
    try mirror.begin(resuming: false)
    for step in [5, 8, 6] {
      mirror.copy(try run.checkpoints.save(step: step, content(step)))
      mirror.wait()
    }
    #expect(try mirror.directory.checkpoints.list().map(\.step) == [5, 6])
  }

  @Test func `A failure is told and the next checkpoint is copied`() throws {
    try begin()
    try folder.write("copies", [0])
    let mirror = try #require(try mirror())
    try mirror.begin(resuming: false)
    mirror.copy(try run.checkpoints.save(step: 1, content(1)))
    mirror.wait()
    let failures = mirror.collect()
    #expect(failures.map(\.step) == [0, 1])
    for failure in failures {
      let error = #expect(throws: StorageError.self) { try failure.result.get() }
      #expect(error?.problem == "Not a directory")
    }
    try FileManager.default.removeItem(atPath: folder.path("copies"))
    mirror.copy(try run.checkpoints.save(step: 2, content(2)))
    mirror.wait()
    #expect(try mirror.collect().map { try $0.result.get() }.count == 1)
    #expect(try mirror.directory.checkpoints.list().map(\.step) == [2])
  }

  @Test func `A run of the same name is not mixed with another`() throws {
    try begin()
    let first = try #require(try mirror())
    try first.begin(resuming: false)
    let second = try #require(try mirror(of: RunDirectory(path: folder.path("elsewhere/run"))))
    #expect(second.directory == first.directory)
    #expect(throws: ConfigurationError.self, "the first is at work") { try second.begin(resuming: false) }
    try first.directory.checkpoints.save(step: 1, content(1))
    let error = #expect(throws: ConfigurationError.self) { try second.begin(resuming: false) }
    #expect(error?.exitCode == 64 && error?.problem.contains("already holds a run") == true)
  }

  @Test func `A place in the run directory is refused`() throws {
    try begin()
    try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: folder.path("run"))
    for place in ["run", "run/checkpoints", "run/new/deep", "link/checkpoints", "link/../run", "."] {
      let error = #expect(throws: ConfigurationError.self, "\(place)") { try mirror(place) }
      #expect(error?.exitCode == 64 && error?.key == "checkpoint.mirror")
    }
    for place in ["run2", "runs/run", ".."] { #expect(try mirror(place) != nil) }
    #expect(try mirror(nil) == nil)
  }

  @Test func `The newest good checkpoint of both places is loaded`() throws {
    let (own, other) = (run.checkpoints, CheckpointFiles(folder: folder.path("copies")))
    #expect(try own.loadLatest(mirror: other) == nil)
    for step in 1...2 { try other.save(step: step, content(step)) }
    var latest = try #require(try own.loadLatest(mirror: other))
    #expect(latest.checkpoint.path == other.path(step: 2) && latest.copies == [other.path(step: 2)])
    for step in 1...3 { try own.save(step: step, content(step)) }
    try other.save(step: 3, content(3))
    latest = try #require(try own.loadLatest(mirror: other))
    #expect(latest.copies == [own.path(step: 3), other.path(step: 3)] && latest.damage.isEmpty)
    try damage("run/checkpoints/step-00000003.safetensors")
    latest = try #require(try own.loadLatest(mirror: other))
    #expect(latest.copies == [other.path(step: 3)] && latest.file == content(3))
    #expect(latest.damage.map(\.path) == [own.path(step: 3)])
    try damage("copies/step-00000003.safetensors")
    try damage("run/checkpoints/step-00000002.safetensors")
    let error = #expect(throws: StorageError.self) { try own.loadLatest(mirror: other) }
    #expect(error?.exitCode == 65 && error?.path == own.path(step: 3))
    #expect(error?.remedy.contains("--resume \(other.path(step: 2)) ") == true)
    latest = try #require(try own.loadLatest(fallsBack: true, mirror: other))
    #expect(latest.checkpoint.step == 2 && latest.damage.count == 3)
  }

  @Test func `A mirror that cannot be looked at counts only where it is all there could be`() throws {
    try folder.write("copies", [0])
    let broken = CheckpointFiles(folder: folder.path("copies"))
    let error = #expect(throws: StorageError.self) { try run.checkpoints.loadLatest(mirror: broken) }
    #expect(error?.exitCode == 74)
    try run.checkpoints.save(step: 1, content(1))
    #expect(try run.checkpoints.loadLatest(mirror: broken)?.checkpoint.step == 1)
  }
}
