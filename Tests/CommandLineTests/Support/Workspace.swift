import Datasets
import Foundation
import LinearAlgebra
import Testing

/// The working folder of one test's processes, which is removed with this object.
final class Workspace: Sendable {
  let folder: String

  init() {
    let name = "fgn-dist-e2e-\(UUID().uuidString)"
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
    try! FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func path(_ name: String) -> String { "\(folder)/\(name)" }

  func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let url = URL(fileURLWithPath: path(name))
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path(name)))) }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  func names(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path(folder))) ?? []).sorted()
  }

  /// Changes a file in place.
  func change(_ name: String, _ body: (inout [UInt8]) -> Void) throws {
    var bytes = try bytes(name)
    body(&bytes)
    try write(name, bytes)
  }
}

/// Examples in clusters around one random centre per class, determined by a seed.
struct Examples {
  var features: [[Double]]
  var labels: [Int]

  init(_ count: Int, features d: Int, classes: Int, seed: UInt64 = 1) {
    var generator = SplitMix64(seed: seed)
    let centres = (0..<classes).map { _ in (0..<d).map { _ in generator.nextNormal() } }
    labels = (0..<count).map { $0 < classes ? $0 : Int(generator.next(below: UInt64(classes))) }
    // Float represents these values exactly.
    features = labels.map { label in centres[label].map { Double(Float($0 + 2 * generator.nextNormal())) } }
  }

  /// Writes `NAME-features.npy` (float32) and `NAME-labels.npy`.
  func write(_ name: String = "train", to workspace: Workspace) throws {
    let values = features.flatMap { $0.map { Float($0) } }
    try NPY.write(Matrix(Vector(values), labels.count, features[0].count), to: workspace.path("\(name)-features.npy"))
    try NPY.write(labels.map { Int64($0) }, to: workspace.path("\(name)-labels.npy"))
  }

  /// Writes `NAME-features.idx` (bytes) and `NAME-labels.idx`, with `.gz` after the names if compressed.
  func writeIDX(_ name: String = "train", compressed: Bool = false, to workspace: Workspace) throws {
    let pixels = features.flatMap { $0.map { UInt8(min(255, max(0, 128 + 20 * $0))) } }
    for (part, extents, values) in [
      ("features", [labels.count, features[0].count], pixels), ("labels", [labels.count], labels.map { UInt8($0) }),
    ] {
      let sizes: [UInt8] = extents.flatMap { [0, 0, UInt8($0 >> 8), UInt8($0 & 0xff)] }
      let file: [UInt8] = [0, 0, 8, UInt8(extents.count)] + sizes + values
      try workspace.write("\(name)-\(part).idx" + (compressed ? ".gz" : ""), compressed ? gzip(file) : file)
    }
  }
}

/// A gzip file that stores its contents uncompressed (at most 65535 bytes).
private func gzip(_ bytes: [UInt8]) -> [UInt8] {
  var crc = UInt32.max
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1) * 0xedb8_8320 }
  }
  func littleEndian(_ number: UInt32, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }
  let length = UInt32(bytes.count)
  return [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1] + littleEndian(length, 2) + littleEndian(~length, 2) + bytes
    + littleEndian(~crc, 4) + littleEndian(length, 4)
}
